/**
 * A device's way to memory: physical addresses, and only pages that are lent at the moment of the access.
 *
 * Everything else is refused (reads give all ones, writes are dropped) and recorded: it is the driver that put the
 * address where the device found it.
 */
import type { Rule, Violations } from "../violations.js";
import type { DmaPages } from "./dma-pages.js";
import { PAGE_BYTES } from "./dma-pages.js";

export const DMA_OUTSIDE_LENT_PAGES: Rule = {
  id: "dma-outside-lent-pages",
  section: "kernel interface",
  text: "a device is given only addresses of memory that the kernel lends at that time",
};

export class DmaView {
  /** Called after every write of the device: the pointer that names its first byte, and how many there are. */
  onWrite: ((pointer: number, length: number) => void) | undefined;

  /**
   * @param source names the device in violations
   */
  constructor(
    private readonly pages: DmaPages,
    private readonly violations: Violations,
    private readonly source: string,
  ) {}

  read8(address: number): number {
    const offset = this.offsetOf(address, 1);
    return offset < 0 ? 0xff : this.pages.data.getUint8(offset);
  }

  /** The fields of rings are naturally aligned, so they never straddle pages; neither may what is read here. */
  read16(address: number): number {
    const offset = this.offsetOf(address, 2);
    return offset < 0 ? 0xffff : this.pages.data.getUint16(offset, true);
  }

  read32(address: number): number {
    const offset = this.offsetOf(address, 4);
    return offset < 0 ? 0xffff_ffff : this.pages.data.getUint32(offset, true);
  }

  write8(address: number, value: number): void {
    const offset = this.offsetOf(address, 1);
    if (offset < 0) return;
    this.pages.data.setUint8(offset, value);
    this.onWrite?.(this.pages.pointerTo(offset), 1);
  }

  write16(address: number, value: number): void {
    const offset = this.offsetOf(address, 2);
    if (offset < 0) return;
    this.pages.data.setUint16(offset, value, true);
    this.onWrite?.(this.pages.pointerTo(offset), 2);
  }

  write32(address: number, value: number): void {
    const offset = this.offsetOf(address, 4);
    if (offset < 0) return;
    this.pages.data.setUint32(offset, value, true);
    this.onWrite?.(this.pages.pointerTo(offset), 4);
  }

  /**
   * Copies `length` bytes from memory to `target` at `start`. Returns false, with the rest of the target filled with
   * ones, when a page is refused.
   */
  read(address: number, target: Uint8Array, start: number, length: number): boolean {
    let done = 0;
    while (done < length) {
      const bytes = bytesInPage(address + done, length - done);
      const offset = this.offsetOf(address + done, bytes);
      if (offset < 0) {
        target.fill(0xff, start + done, start + length);
        return false;
      }
      const memory = this.pages.bytes;
      target.set(memory.subarray(offset, offset + bytes), start + done);
      done += bytes;
    }
    return true;
  }

  /** Copies `length` bytes of `source` from `start` on to memory. Stops and returns false where a page is refused. */
  write(address: number, source: Uint8Array, start: number, length: number): boolean {
    let done = 0;
    while (done < length) {
      const bytes = bytesInPage(address + done, length - done);
      const offset = this.offsetOf(address + done, bytes);
      if (offset < 0) return false;
      this.pages.bytes.set(source.subarray(start + done, start + done + bytes), offset);
      this.onWrite?.(this.pages.pointerTo(offset), bytes);
      done += bytes;
    }
    return true;
  }

  /** Whether every byte of the range is lent. Records a violation when not. */
  check(address: number, length: number): boolean {
    for (let done = 0; done < length;) {
      const bytes = bytesInPage(address + done, length - done);
      if (this.offsetOf(address + done, bytes) < 0) return false;
      done += bytes;
    }
    return true;
  }

  private offsetOf(address: number, length: number): number {
    const offset = this.pages.offsetOf(address);
    if (offset >= 0 && (address % PAGE_BYTES) + length <= PAGE_BYTES) return offset;
    this.violations.record(DMA_OUTSIDE_LENT_PAGES, this.source, `${length} bytes at 0x${address.toString(16)}`);
    return -1;
  }
}

function bytesInPage(address: number, length: number): number {
  return Math.min(length, PAGE_BYTES - (address % PAGE_BYTES));
}
