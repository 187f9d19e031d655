/**
 * Port space as the stack sees it: configuration mechanism 1 and what was granted, nothing else. An access outside
 * reads all ones, or is dropped, and is recorded.
 */
import { CONFIGURATION_ADDRESS_PORT, CONFIGURATION_PORTS } from "./pci/host-bridge.js";
import type { Rule, Violations } from "./violations.js";

export const PORT_NOT_GRANTED: Rule = {
  id: "port-not-granted",
  section: "kernel interface",
  text: "only ports that the kernel granted are accessed",
};

const PORTS = 0x1_0000;
/**
 * Below lie the system board and ISA devices: DMA and interrupt controllers, keyboard, reset, and configuration
 * mechanism 1. No PC gives a PCI device ports there.
 */
const FIRST_DEVICE_PORT = 0x1000;

export class PortGrants {
  /** How many grants each port is in. */
  private readonly grants = new Uint16Array(PORTS);

  constructor(private readonly violations: Violations) {
    this.count(CONFIGURATION_ADDRESS_PORT, CONFIGURATION_PORTS, 1);
  }

  /** Counted: a port is granted until everyone who granted it has revoked it. Throws RangeError when that may not be. */
  grant(base: number, length: number): void {
    check(base, length);
    this.count(base, length, 1);
  }

  /** Takes one grant back. Throws RangeError when a port of these is not granted. */
  revoke(base: number, length: number): void {
    check(base, length);
    if (!this.covers(base, length)) throw new RangeError(`not all of ${describe(base, length)} are granted`);
    this.count(base, length, -1);
  }

  /** Whether all of `length` ports from `base` on are granted. */
  covers(base: number, length: number): boolean {
    for (let port = base; port < base + length; port++) if ((this.grants[port] ?? 0) === 0) return false;
    return true;
  }

  /** Whether `width` ports from `port` on may be accessed. Records it when not. */
  allows(port: number, width: number): boolean {
    const isGranted = this.covers(port, width);
    if (!isGranted) this.violations.record(PORT_NOT_GRANTED, "port space", `${width} bytes at 0x${port.toString(16)}`);
    return isGranted;
  }

  private count(base: number, length: number, step: number): void {
    for (let port = base; port < base + length; port++) this.grants[port] = (this.grants[port] ?? 0) + step;
  }
}

function check(base: number, length: number): void {
  const isRange = Number.isInteger(base) && Number.isInteger(length) && base >= 0 && length >= 0;
  if (!isRange || base + length > PORTS) throw new RangeError(`there are no ${describe(base, length)}`);
  if (base < FIRST_DEVICE_PORT) {
    const what = describe(base, length);
    throw new RangeError(`${what} are no device's to have: below 0x1000 are the system board and configuration space`);
  }
}

function describe(base: number, length: number): string {
  return `ports 0x${base.toString(16)} to 0x${(base + length - 1).toString(16)}`;
}
