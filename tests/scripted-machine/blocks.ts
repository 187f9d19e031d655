/**
 * Registers that are only bytes: what is written to them is what they read, unless the test says otherwise. They lie at
 * ports, or in memory, where they are reached through windows.
 */

interface Block {
  readonly isIo: boolean;
  readonly address: bigint;
  readonly bytes: DataView;
}

/** Windows begin here, each far from the next. */
const FIRST_WINDOW = 0x4000_0000;
const WINDOW_BYTES = 0x0100_0000;

export class ScriptedBlocks {
  private blocks: Block[] = [];
  /** Physical addresses of what is mapped, by window, and how many bytes; a window is used once. */
  private windows: { readonly address: bigint; readonly bytes: number; isOpen: boolean }[] = [];
  /** What reads answer before the bytes count again, by place. */
  private readonly answers = new Map<string, number[]>();

  clear(): void {
    this.blocks = [];
    this.windows = [];
    this.answers.clear();
  }

  add(isIo: boolean, address: bigint, bytes: number): void {
    this.blocks.push({ isIo, address, bytes: new DataView(new ArrayBuffer(bytes)) });
  }

  hasPort(port: number): boolean {
    return this.find(true, BigInt(port), 1) !== undefined;
  }

  /** Grants what lies in one block. */
  map(address: bigint, bytes: number): number {
    if (this.find(false, address, bytes) === undefined) return 0;
    this.windows.push({ address, bytes, isOpen: true });
    return FIRST_WINDOW + (this.windows.length - 1) * WINDOW_BYTES;
  }

  /** Throws unless exactly this is mapped. */
  unmap(window: number, bytes: number): void {
    const found = this.windows[(window - FIRST_WINDOW) / WINDOW_BYTES];
    if (found?.isOpen !== true || found.bytes !== bytes)
      throw new RangeError(`no such window: 0x${window.toString(16)}`);
    found.isOpen = false;
  }

  get openWindows(): number {
    return this.windows.filter(({ isOpen }) => isOpen).length;
  }

  /** Where a pointer leads. Throws outside of what is mapped, and where an access is not aligned. */
  addressOf(pointer: number, width: number): bigint {
    const offset = (pointer - FIRST_WINDOW) % WINDOW_BYTES;
    const found = this.windows[Math.floor((pointer - FIRST_WINDOW) / WINDOW_BYTES)];
    if (found?.isOpen !== true || offset + width > found.bytes || pointer % width !== 0) {
      throw new RangeError(`access of ${String(width)} bytes at 0x${pointer.toString(16)}`);
    }
    return found.address + BigInt(offset);
  }

  answer(isIo: boolean, address: bigint, value: number): void {
    const place = `${String(isIo)} ${String(address)}`;
    this.answers.set(place, [...(this.answers.get(place) ?? []), value]);
  }

  read(isIo: boolean, address: bigint, width: number): number {
    const scripted = this.answers.get(`${String(isIo)} ${String(address)}`)?.shift();
    if (scripted !== undefined) return scripted;
    const { bytes, offset } = this.at(isIo, address, width);
    if (width === 1) return bytes.getUint8(offset);
    return width === 2 ? bytes.getUint16(offset, true) : bytes.getUint32(offset, true);
  }

  write(isIo: boolean, address: bigint, width: number, value: number): void {
    const { bytes, offset } = this.at(isIo, address, width);
    if (width === 1) bytes.setUint8(offset, value);
    else if (width === 2) bytes.setUint16(offset, value, true);
    else bytes.setUint32(offset, value, true);
  }

  private at(isIo: boolean, address: bigint, width: number): { bytes: DataView; offset: number } {
    const found = this.find(isIo, address, width);
    if (found === undefined) throw new RangeError(`no registers at 0x${address.toString(16)}`);
    return { bytes: found.bytes, offset: Number(address - found.address) };
  }

  private find(isIo: boolean, address: bigint, bytes: number): Block | undefined {
    return this.blocks.find(
      (block) =>
        block.isIo === isIo &&
        address >= block.address &&
        address + BigInt(bytes) <= block.address + BigInt(block.bytes.byteLength),
    );
  }
}
