/** Linear memory after the module's own data, handed out from the bottom and never taken back. */

const ALIGNMENT = 16;
const LINEAR_MEMORY_PAGE = 65536;

export class PrivateRegion {
  private next: number | null = null;

  constructor(private readonly memory: WebAssembly.Memory) {}

  /** As `Machine` says. */
  setHeapBase(address: number): void {
    this.next = address;
  }

  /** As `Machine.reservePrivate` says. Throws a RangeError when there is no room. */
  reserve(bytes: number): number {
    if (this.next === null) throw new Error("setHeapBase has to be called before reservePrivate");
    const start = Math.ceil(this.next / ALIGNMENT) * ALIGNMENT;
    const { byteLength } = this.memory.buffer;
    if (start + bytes > byteLength) {
      const size = byteLength / LINEAR_MEMORY_PAGE;
      throw new RangeError(`${bytes} more bytes do not fit the linear memory of ${size} pages (linearMemoryPages)`);
    }
    this.next = start + bytes;
    return start;
  }
}
