/**
 * The device's side of a split virtqueue, played by a test: finds the ring where the driver told the device that it
 * lies, reads what the driver wrote there, and writes what a device may write, or must not. [virtio-1.2 §2.7]
 */
import {
  device_queue_page,
  memory_pointer,
  memory_read16,
  memory_read32,
  memory_write16,
  memory_write32,
} from "./script";

export const NEXT: u32 = 1;
export const WRITE: u32 = 2;
export const INDIRECT: u32 = 4;

/** Where the parts of a ring of `size` lie, by a formula of its own. [virtio-1.2 §2.7.2] */
export function availableAt(size: u32): u32 {
  return size * 16;
}

export function usedAt(size: u32): u32 {
  const end = size * 16 + 2 * (3 + size);
  return end % 4096 == 0 ? end : end - (end % 4096) + 4096;
}

/** Descriptors of a chain, as the device sees it. */
export class Chain {
  addresses: u64[] = [];
  lengths: u32[] = [];
  flags: u32[] = [];
  /** Indices of the descriptors in the ring; of an indirect one just the one that refers to the table. */
  indices: u32[] = [];
  isIndirect: bool = false;
  /** Pointer to the indirect table. */
  table: u32 = 0;

  get count(): u32 {
    return this.addresses.length;
  }

  /** Bytes that the device may write. */
  get writable(): u32 {
    let bytes: u32 = 0;
    for (let at: u32 = 0; at < this.count; at++) bytes += this.flags[at] & WRITE ? this.lengths[at] : 0;
    return bytes;
  }

  /** Pointer to a descriptor's bytes. */
  pointer(at: u32): u32 {
    return memory_pointer(this.addresses[at]);
  }
}

export class Ring {
  descriptors: u32;
  available: u32;
  used: u32;
  /** The device's own used index. */
  usedIndex: u32 = 0;
  /** The device's own idea of how far it has taken the available ring. */
  taken: u32 = 0;

  constructor(
    public device: u32,
    public index: u32,
    public size: u32,
  ) {
    this.descriptors = memory_pointer((<u64>device_queue_page(device, index)) << 12);
    this.available = this.descriptors + availableAt(size);
    this.used = this.descriptors + usedAt(size);
  }

  get availableFlags(): u32 {
    return memory_read16(this.available);
  }

  get availableIndex(): u32 {
    return memory_read16(this.available + 2);
  }

  /** The head in place `position` of the available ring, counted without wrapping. */
  head(position: u32): u32 {
    return memory_read16(this.available + 4 + 2 * (position % this.size));
  }

  get usedEvent(): u32 {
    return memory_read16(this.available + 4 + 2 * this.size);
  }

  setUsedFlags(flags: u32): void {
    memory_write16(this.used, flags);
  }

  setAvailEvent(index: u32): void {
    memory_write16(this.used + 4 + 8 * this.size, index);
  }

  setUsedIndex(index: u32): void {
    this.usedIndex = index & 0xffff;
    memory_write16(this.used + 2, this.usedIndex);
  }

  /** Writes a used element without publishing it. */
  put(position: u32, id: u32, length: u32): void {
    const element = this.used + 4 + 8 * (position % this.size);
    memory_write32(element, id);
    memory_write32(element + 4, length);
  }

  /** Completes a chain, or what the test claims to be one. */
  complete(id: u32, length: u32): void {
    this.put(this.usedIndex, id, length);
    this.setUsedIndex(this.usedIndex + 1);
  }

  /** How many chains the driver has published that the device has not taken. */
  get waiting(): u32 {
    return (this.availableIndex - this.taken) & 0xffff;
  }

  /** Head of the next published chain. */
  take(): u32 {
    const head = this.head(this.taken);
    this.taken = (this.taken + 1) & 0xffff;
    return head;
  }

  /** Takes and completes all that was published, in order, with used length `length`; returns how many. */
  completeAll(length: u32 = 0): u32 {
    let count: u32 = 0;
    while (this.waiting != 0) {
      this.complete(this.take(), length);
      count++;
    }
    return count;
  }

  /** Follows the chain that begins at `head`, and stops after 40,000 descriptors. */
  chain(head: u32): Chain {
    const chain = new Chain();
    let table = this.descriptors;
    let at = head;
    for (let steps = 0; steps < 40_000; steps++) {
      const descriptor = table + 16 * at;
      const flags = memory_read16(descriptor + 12);
      const address = (<u64>memory_read32(descriptor)) | ((<u64>memory_read32(descriptor + 4)) << 32);
      if (!chain.isIndirect) chain.indices.push(at);
      if (flags & INDIRECT) {
        chain.isIndirect = true;
        table = memory_pointer(address);
        chain.table = table;
        at = 0;
        continue;
      }
      chain.addresses.push(address);
      chain.lengths.push(memory_read32(descriptor + 8));
      chain.flags.push(flags);
      if (!(flags & NEXT)) break;
      at = memory_read16(descriptor + 14);
    }
    return chain;
  }
}
