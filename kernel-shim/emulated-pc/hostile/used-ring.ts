/** A live used ring under the hands of a hostile device: its fields as they lie in memory. [virtio-1.2 §2.7.8] */
import type { DmaView } from "../memory/dma-view.js";
import type { DeviceQueue } from "../virtio/queue.js";
import { DESCRIPTOR_BYTES } from "../virtio/constants.js";
import type { VirtioDevice } from "../virtio/device.js";

export class UsedRing {
  readonly size: number;
  /** Physical address of the descriptor table. */
  readonly descriptors: number;
  private readonly dma: DmaView;
  private readonly available: number;
  private readonly used: number;

  /** `queue` must be live. */
  constructor(
    device: VirtioDevice,
    readonly queue: DeviceQueue,
  ) {
    const { memory } = queue;
    if (memory === null) throw new Error(`queue ${queue.index} is not live`);
    const { address, size, availAddress, usedAddress } = memory;
    this.dma = device.dma;
    this.size = size;
    this.descriptors = address;
    this.available = availAddress;
    this.used = usedAddress;
  }

  get flags(): number {
    return this.dma.read16(this.used);
  }

  set flags(value: number) {
    this.dma.write16(this.used, value);
  }

  get index(): number {
    return this.dma.read16(this.used + 2);
  }

  set index(value: number) {
    this.dma.write16(this.used + 2, value & 0xffff);
  }

  set availEvent(value: number) {
    this.dma.write16(this.used + 4 + 8 * this.size, value);
  }

  idAt(position: number): number {
    return this.dma.read32(this.elementAt(position));
  }

  lengthAt(position: number): number {
    return this.dma.read32(this.elementAt(position) + 4);
  }

  put(position: number, id: number, length: number): void {
    this.dma.write32(this.elementAt(position), id);
    this.dma.write32(this.elementAt(position) + 4, length);
  }

  /** Says that `id` is done. */
  complete(id: number, length: number): void {
    this.put(this.index, id, length);
    this.index += 1;
  }

  /** The head that the driver made available `back` entries before the last. */
  offered(back: number): number {
    const position = (this.dma.read16(this.available + 2) - 1 - back) & (this.size - 1);
    return this.dma.read16(this.available + 4 + 2 * position);
  }

  /** Overwrites descriptor table and available ring, every byte. */
  overwriteDriverParts(value: number): void {
    const table = new Uint8Array(DESCRIPTOR_BYTES * this.size).fill(value);
    this.dma.write(this.descriptors, table, 0, table.length);
    const ring = new Uint8Array(6 + 2 * this.size).fill(value);
    this.dma.write(this.available, ring, 0, ring.length);
  }

  private elementAt(position: number): number {
    return this.used + 4 + 8 * (position & (this.size - 1));
  }
}
