/** Which ports the stack may reach: configuration mechanism 1 from the start, the rest as the kernel grants it. */

/** Ports of configuration mechanism 1. [PCI 3.0 §3.2.2.3.2] */
export const CONFIG_ADDRESS = 0xcf8;
export const CONFIG_DATA = 0xcfc;
export const CONFIG_DATA_END = 0xd00;

/** Number of ports there are. */
export const PORT_COUNT = 0x10000;

export class PortGrants {
  private readonly granted = new Uint8Array(PORT_COUNT);

  grant(base: number, length: number): void {
    this.mark(base, length, 1);
  }

  /** Configuration mechanism 1 stays granted. */
  revoke(base: number, length: number): void {
    this.mark(base, length, 0);
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
    for (let each = port; each < port + bytes; each++) {
      if (this.granted[each] !== 1) {
        return false;
      }
    }
    return true;
  }

  private mark(base: number, length: number, value: 0 | 1): void {
    const end = base + length;
    if (!Number.isInteger(base) || !Number.isInteger(length) || base < 0 || length < 0 || end > PORT_COUNT) {
      throw new RangeError(`There are no ports ${base} to ${end - 1}`);
    }
    this.granted.fill(value, base, end);
  }
}
