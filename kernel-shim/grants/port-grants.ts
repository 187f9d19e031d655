/** Which ports the stack may reach: configuration mechanism 1 from the start, the rest as the kernel grants it. */

/** Consecutive ports. */
export interface PortRange {
  readonly base: number;
  readonly length: number;
}

/**
 * Below lie the system board and ISA devices: DMA and interrupt controllers, keyboard, configuration mechanism 1. No PC
 * gives a PCI device ports there, and the I/O windows of bridges begin at multiples of this.
 */
export const FIRST_DEVICE_PORT = 0x1000;

/** Ports of configuration mechanism 1. [PCI 3.0 §3.2.2.3.2] */
export const CONFIG_ADDRESS = 0xcf8;
export const CONFIG_DATA = 0xcfc;
export const CONFIG_DATA_END = 0xd00;

/** Number of ports there are. */
export const PORT_COUNT = 0x10000;

export class PortGrants {
  /** How many grants each port is in. */
  private readonly grants = new Uint16Array(PORT_COUNT);

  /** @param fixed the board's own ports from `FIRST_DEVICE_PORT` on, which are never granted */
  constructor(private readonly fixed: readonly PortRange[]) {}

  /**
   * Counted: a port is granted until every grant that it is in was revoked. Throws a RangeError when there are no such
   * ports, or some of them are the board's.
   */
  grant(base: number, length: number): void {
    this.check(base, length);
    this.count(base, length, 1);
  }

  /** Takes one grant back. Throws a RangeError, and does nothing, when not all of the ports are granted. */
  revoke(base: number, length: number): void {
    this.check(base, length);
    if (!this.covers(base, length)) {
      throw new RangeError(`Not all of the ${describe(base, length)} are granted`);
    }
    this.count(base, length, -1);
  }

  /**
   * Whether `bytes` ports from `port` on may be reached in one access. The address register exists for 32-bit accesses
   * only; narrower ones at its ports are for whatever else the machine has there, such as its reset button at 0xcf9.
   */
  allows(port: number, bytes: number): boolean {
    if (port === CONFIG_ADDRESS && bytes === 4) {
      return true;
    }
    if (port >= CONFIG_DATA && port + bytes <= CONFIG_DATA_END) {
      return true;
    }
    return this.covers(port, bytes);
  }

  private covers(base: number, length: number): boolean {
    for (let port = base; port < base + length; port++) {
      if ((this.grants[port] ?? 0) === 0) {
        return false;
      }
    }
    return true;
  }

  private count(base: number, length: number, step: 1 | -1): void {
    for (let port = base; port < base + length; port++) {
      this.grants[port] = (this.grants[port] ?? 0) + step;
    }
  }

  private check(base: number, length: number): void {
    const end = base + length;
    if (!Number.isInteger(base) || !Number.isInteger(length) || base < 0 || length < 0 || end > PORT_COUNT) {
      throw new RangeError(`There are no ${describe(base, length)}`);
    }
    const isFixed = this.fixed.some((range) => base < range.base + range.length && range.base < end);
    if (base < FIRST_DEVICE_PORT || isFixed) {
      throw new RangeError(`Some of the ${describe(base, length)} are the board's, and no device may have them`);
    }
  }
}

function describe(base: number, length: number): string {
  return `ports 0x${base.toString(16)} to 0x${(base + length - 1).toString(16)}`;
}
