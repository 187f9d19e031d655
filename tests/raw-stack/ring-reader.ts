/** What a driver has put into a ring, as it lies in memory: chains descriptor by descriptor. [virtio-1.2 §2.7] */
import assert from "node:assert/strict";
import type { DmaView } from "../../kernel-shim/emulated-pc/memory/dma-view.js";
import {
  DESCRIPTOR_BYTES,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
} from "../../kernel-shim/emulated-pc/virtio/constants.js";
import type { VirtioDevice } from "../../kernel-shim/emulated-pc/virtio/device.js";

export interface Descriptor {
  /** Physical, all 64 bits. */
  readonly address: bigint;
  readonly length: number;
  readonly isWritable: boolean;
}

export class RingReader {
  readonly size: number;
  private readonly dma: DmaView;
  private readonly descriptors: number;
  private readonly available: number;

  /** The queue must be live. */
  constructor(device: VirtioDevice, queue: number) {
    const memory = device.queues[queue]?.memory;
    assert.ok(memory, `queue ${queue} is not live`);
    this.dma = device.dma;
    this.size = memory.size;
    this.descriptors = memory.address;
    this.available = memory.address + DESCRIPTOR_BYTES * memory.size;
  }

  /** How many entries the driver has published since the queue is live, modulo 2^16. */
  get published(): number {
    return this.dma.read16(this.available + 2);
  }

  /** The head in the entry with that number, counted as `published` counts. */
  head(entry: number): number {
    return this.dma.read16(this.available + 4 + 2 * (entry & (this.size - 1)));
  }

  /** The buffers of a chain, in its order. Fails when the chain does not end. */
  chain(head: number): Descriptor[] {
    const found: Descriptor[] = [];
    let table = this.descriptors;
    for (let index = head, left = 2 * this.size; ; left--) {
      assert.ok(left > 0, "a chain ends");
      const at = table + DESCRIPTOR_BYTES * index;
      const address = (BigInt(this.dma.read32(at + 4)) << 32n) | BigInt(this.dma.read32(at));
      const length = this.dma.read32(at + 8);
      const flags = this.dma.read16(at + 12);
      if ((flags & VIRTQ_DESC_F_INDIRECT) !== 0) {
        table = Number(address);
        index = 0;
        continue;
      }
      found.push({ address, length, isWritable: (flags & VIRTQ_DESC_F_WRITE) !== 0 });
      if ((flags & VIRTQ_DESC_F_NEXT) === 0) return found;
      index = this.dma.read16(at + 14);
    }
  }
}
