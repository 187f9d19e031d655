/**
 * Port space as the stack sees it: what was granted, nothing else. An access outside reads all ones, or is dropped,
 * and is recorded.
 */
import type { Rule, Violations } from "./violations.js";

export const PORT_NOT_GRANTED: Rule = {
  id: "port-not-granted",
  section: "kernel interface",
  text: "only ports that the kernel granted are accessed",
};

const PORTS = 0x1_0000;

export class PortGrants {
  private readonly granted = new Uint8Array(PORTS);

  constructor(private readonly violations: Violations) {}

  grant(base: number, length: number): void {
    this.set(base, length, 1);
  }

  revoke(base: number, length: number): void {
    this.set(base, length, 0);
  }

  /** Whether `width` ports from `port` on may be accessed. Records it when not. */
  allows(port: number, width: number): boolean {
    let isGranted = true;
    for (let index = 0; index < width; index++) isGranted &&= this.granted[port + index] === 1;
    if (!isGranted) this.violations.record(PORT_NOT_GRANTED, "port space", `${width} bytes at 0x${port.toString(16)}`);
    return isGranted;
  }

  private set(base: number, length: number, value: number): void {
    if (!Number.isInteger(base) || base < 0 || length < 0 || base + length > PORTS) {
      throw new Error(`there are no ports 0x${base.toString(16)} to 0x${(base + length - 1).toString(16)}`);
    }
    this.granted.fill(value, base, base + length);
  }
}
