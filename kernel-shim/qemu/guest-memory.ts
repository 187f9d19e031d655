/**
 * Guest RAM through the file it lies in. Node cannot map files, so every access is a system call (about 1 µs, some
 * eighth of a qtest request), on the page cache that QEMU has mapped: coherent, and in program order.
 *
 * What has to be right beyond that is size. Devices and drivers share 16-bit indices, which must be read and written
 * in one piece [virtio-1.2 §2.7.6, §2.7.8]. System calls copy aligned groups of eight bytes with one load and store,
 * yet kernels exist that copy shorter pieces bytewise. Therefore reads fetch the aligned eight bytes around; and a
 * 16-bit write that changes both of its bytes, the only one of which half could be seen, is QEMU's to do.
 */

import { readSync, writeSync } from "node:fs";

const WORD = 8;
const ZEROS = new Uint8Array(65536);

export class GuestMemory {
  private readonly word = new DataView(new ArrayBuffer(WORD));

  /**
   * @param descriptor the file; offsets are physical addresses
   * @param bytes its size; callers check addresses
   * @param storeWhole stores 16 bits in one piece
   */
  constructor(
    private readonly descriptor: number,
    readonly bytes: number,
    private readonly storeWhole: (address: number, value: number) => void,
  ) {}

  read8(address: number): number {
    this.fetch(address);
    return this.word.getUint8(address % WORD);
  }

  /** `address` is even. */
  read16(address: number): number {
    this.fetch(address);
    return this.word.getUint16(address % WORD, true);
  }

  /** `address` is a multiple of 4. */
  read32(address: number): number {
    this.fetch(address);
    return this.word.getUint32(address % WORD, true);
  }

  write8(address: number, value: number): void {
    this.word.setUint8(0, value);
    writeSync(this.descriptor, this.word, 0, 1, address);
  }

  /** `address` is even. */
  write16(address: number, value: number): void {
    const changes = this.read16(address) ^ value;
    if ((changes & 0xff) !== 0 && (changes & 0xff00) !== 0) {
      this.storeWhole(address, value & 0xffff);
      return;
    }
    this.word.setUint16(0, value, true);
    writeSync(this.descriptor, this.word, 0, 2, address);
  }

  /** `address` is a multiple of 4. */
  write32(address: number, value: number): void {
    this.word.setUint32(0, value, true);
    writeSync(this.descriptor, this.word, 0, 4, address);
  }

  read(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      done += readSync(this.descriptor, bytes, done, length - done, address + done);
    }
    return bytes;
  }

  write(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(this.descriptor, bytes, done, bytes.length - done, address + done);
    }
  }

  clear(address: number, length: number): void {
    for (let done = 0; done < length; done += ZEROS.length) {
      this.write(address + done, ZEROS.subarray(0, Math.min(ZEROS.length, length - done)));
    }
  }

  private fetch(address: number): void {
    readSync(this.descriptor, this.word, 0, WORD, address - (address % WORD));
  }
}
