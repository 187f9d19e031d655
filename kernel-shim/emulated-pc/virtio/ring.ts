/**
 * The memory of a split virtqueue as the device sees it: the only place of the device side that reads or writes ring
 * fields. [virtio-1.2 §2.7]
 */
import type { DmaView } from "../memory/dma-view.js";
import type { DeviceFaults } from "./faults.js";
import type { RingLayout } from "./ring-layout.js";

export class RingMemory {
  /** What the device wrote last, to see whether somebody else wrote there as well. */
  private readonly usedWords: Uint32Array;
  private usedIndexWritten = 0;
  private usedFlagsWritten = 0;
  private availEventWritten = 0;
  /** Physical addresses of descriptor table, available ring and used ring. */
  readonly address: number;
  readonly availAddress: number;
  readonly usedAddress: number;
  private readonly mask: number;

  /**
   * @param queue number of the queue, for `faults`
   * @param size entries, a power of two
   */
  constructor(
    private readonly dma: DmaView,
    private readonly faults: DeviceFaults,
    private readonly queue: number,
    readonly size: number,
    private readonly layout: RingLayout,
  ) {
    this.address = layout.descriptorArea;
    this.availAddress = layout.driverArea;
    this.usedAddress = layout.deviceArea;
    this.usedWords = new Uint32Array(2 * size);
    this.mask = size - 1;
  }

  /** Whether every byte of the ring is lent to the device. */
  isReachable(): boolean {
    return this.layout.stretches.every(({ address, bytes }) => this.dma.check(address, bytes));
  }

  isZero(): boolean {
    return this.layout.stretches.every(({ address, bytes }) => {
      const contents = new Uint8Array(bytes);
      this.dma.read(address, contents, 0, bytes);
      // `every` takes ten times as long, for each ring that is set up.
      for (const byte of contents) if (byte !== 0) return false;
      return true;
    });
  }

  get availFlags(): number {
    return this.dma.read16(this.availAddress);
  }

  get availIndex(): number {
    return this.dma.read16(this.availAddress + 2);
  }

  /** The head at position `index` (modulo the size) of the available ring. */
  availHead(index: number): number {
    return this.dma.read16(this.availAddress + 4 + 2 * (index & this.mask));
  }

  get usedEvent(): number {
    return this.dma.read16(this.availAddress + 4 + 2 * this.size);
  }

  writeUsedElement(index: number, id: number, length: number): void {
    const slot = index & this.mask;
    const writtenId = this.faults.usedId?.(this.queue, id) ?? id;
    const writtenLength = this.faults.usedLength?.(this.queue, length) ?? length;
    this.usedWords[2 * slot] = writtenId;
    this.usedWords[2 * slot + 1] = writtenLength;
    this.dma.write32(this.usedAddress + 4 + 8 * slot, writtenId);
    this.dma.write32(this.usedAddress + 8 + 8 * slot, writtenLength);
  }

  writeUsedIndex(index: number): void {
    this.usedIndexWritten = (this.faults.usedIndex?.(this.queue, index) ?? index) & 0xffff;
    this.dma.write16(this.usedAddress + 2, this.usedIndexWritten);
  }

  writeUsedFlags(flags: number): void {
    this.usedFlagsWritten = this.faults.usedFlags?.(this.queue, flags) ?? flags;
    this.dma.write16(this.usedAddress, this.usedFlagsWritten);
  }

  writeAvailEvent(index: number): void {
    this.availEventWritten = this.faults.availEvent?.(this.queue, index) ?? index;
    this.dma.write16(this.usedAddress + 4 + 8 * this.size, this.availEventWritten);
  }

  /** Whether flags, index and event of the used ring are still what the device wrote. */
  usedHeaderIsIntact(): boolean {
    return (
      this.dma.read16(this.usedAddress) === this.usedFlagsWritten &&
      this.dma.read16(this.usedAddress + 2) === this.usedIndexWritten &&
      this.dma.read16(this.usedAddress + 4 + 8 * this.size) === this.availEventWritten
    );
  }

  /** Whether the used element at position `index` is still what the device wrote. */
  usedElementIsIntact(index: number): boolean {
    const slot = index & this.mask;
    return (
      this.dma.read32(this.usedAddress + 4 + 8 * slot) === this.usedWords[2 * slot] &&
      this.dma.read32(this.usedAddress + 8 + 8 * slot) === this.usedWords[2 * slot + 1]
    );
  }

  /** Takes what is in memory for what the device wrote, so that one change is not reported twice. */
  adoptUsedRing(): void {
    this.usedFlagsWritten = this.dma.read16(this.usedAddress);
    this.usedIndexWritten = this.dma.read16(this.usedAddress + 2);
    this.availEventWritten = this.dma.read16(this.usedAddress + 4 + 8 * this.size);
    for (let word = 0; word < this.usedWords.length; word++) {
      this.usedWords[word] = this.dma.read32(this.usedAddress + 4 + 4 * word);
    }
  }
}
