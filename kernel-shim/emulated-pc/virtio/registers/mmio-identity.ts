/**
 * The first registers of an MMIO slot, which say what it is; an empty slot has no others. [virtio-1.2 §4.2.2, §4.2.3.1]
 */
import type { PortHandler } from "../../pci/function.js";
import type { Rule } from "../../violations.js";
import { allOnes } from "./region.js";
import * as rules from "./rules.js";

const MAGIC_VALUE = 0x000;
const VERSION = 0x004;
const DEVICE_ID = 0x008;
const VENDOR_ID = 0x00c;
const MAGIC = 0x7472_6976;
/** In the order in which they have to be read. */
const IN_ORDER = [MAGIC_VALUE, VERSION, DEVICE_ID];

export class MmioIdentity {
  /** How many of those that come first were read, each after the one before. */
  private progress = 0;

  constructor(
    private readonly version: 1 | 2,
    /** 0: nothing is here. */
    private readonly deviceId: number,
    private readonly vendorId: number,
    private readonly record: (rule: Rule, detail: string) => void,
  ) {}

  has(offset: number): boolean {
    return offset <= VENDOR_ID;
  }

  read(offset: number): number {
    const position = IN_ORDER.indexOf(offset);
    if (position < 0) this.checkOrder(offset);
    else if (position > this.progress) this.recordOrder(offset);
    else if (position === this.progress) this.progress++;
    switch (offset) {
      case MAGIC_VALUE:
        return MAGIC;
      case VERSION:
        return this.version;
      case DEVICE_ID:
        return this.deviceId;
      default:
        return this.vendorId;
    }
  }

  /** Any other register is accessed. */
  checkOrder(offset: number): void {
    if (this.progress < IN_ORDER.length) this.recordOrder(offset);
  }

  /** All registers before the device configuration have 32 bits. */
  checkWidth(offset: number, width: number): boolean {
    if (width === 4 && offset % 4 === 0) return true;
    this.record(rules.MMIO_REGISTER_WIDTH, `${width} bytes at offset ${offset}`);
    return false;
  }

  private recordOrder(offset: number): void {
    this.record(rules.MMIO_ORDER, `offset 0x${offset.toString(16)}`);
    this.progress = IN_ORDER.length;
  }
}

/** The registers of a slot with nothing in it. */
export function emptySlot(version: 1 | 2, record: (rule: Rule, detail: string) => void): PortHandler {
  const identity = new MmioIdentity(version, 0, 0, record);
  return {
    read: (offset, width) => {
      if (!identity.checkWidth(offset, width)) return allOnes(width);
      if (IN_ORDER.includes(offset)) return identity.read(offset);
      record(rules.MMIO_EMPTY, `read at offset 0x${offset.toString(16)}`);
      return 0;
    },
    write: (offset) => record(rules.MMIO_EMPTY, `write at offset 0x${offset.toString(16)}`),
  };
}
