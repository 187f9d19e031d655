/**
 * Memory that devices reach: the only place in the stack that loads or stores it.
 *
 * Little-endian, which is what legacy virtio calls guest-native on every machine this stack runs on.
 * [virtio-1.2 §2.7.3] The mapped build compiles each function to one load or store, the ported build to one import.
 *
 * None of these is volatile. A value that the device may have changed is read again only after a call of
 * `kernel.rmb`, `mb` or `relax`; a value that the device must see is written before a call of `kernel.wmb` or `mb`.
 */
import { phys_read8, phys_read16, phys_read32, phys_write8, phys_write16, phys_write32 } from "../kernel";

/** Bytes of a page: what `dma_alloc` counts in, and the unit of a legacy queue's address. */
export const PAGE_BYTES: u32 = 4096;
export const PAGE_SHIFT: u32 = 12;


@inline
export function read8(pointer: u32): u32 {
  if (isDefined(PORTED)) return phys_read8(pointer);
  else return load<u8>(pointer);
}


@inline
export function read16(pointer: u32): u32 {
  if (isDefined(PORTED)) return phys_read16(pointer);
  else return load<u16>(pointer);
}


@inline
export function read32(pointer: u32): u32 {
  if (isDefined(PORTED)) return phys_read32(pointer);
  else return load<u32>(pointer);
}

/** The 64 bits at `pointer`, a multiple of 4, lower half first. */
@inline
export function read64(pointer: u32): u64 {
  if (isDefined(PORTED)) return (<u64>phys_read32(pointer)) | ((<u64>phys_read32(pointer + 4)) << 32);
  else return load<u64>(pointer);
}


@inline
export function write8(pointer: u32, value: u32): void {
  if (isDefined(PORTED)) phys_write8(pointer, value);
  else store<u8>(pointer, value);
}


@inline
export function write16(pointer: u32, value: u32): void {
  if (isDefined(PORTED)) phys_write16(pointer, value);
  else store<u16>(pointer, value);
}


@inline
export function write32(pointer: u32, value: u32): void {
  if (isDefined(PORTED)) phys_write32(pointer, value);
  else store<u32>(pointer, value);
}


@inline
export function write64(pointer: u32, value: u64): void {
  if (isDefined(PORTED)) {
    write32Pair(pointer, <u32>value, <u32>(value >> 32));
  } else {
    store<u64>(pointer, value);
  }
}

/** Two numbers side by side, the first at `pointer`, a multiple of 4. */
@inline
export function write32Pair(pointer: u32, first: u32, second: u32): void {
  if (isDefined(PORTED)) {
    phys_write32(pointer, first);
    phys_write32(pointer + 4, second);
  } else {
    store<u64>(pointer, (<u64>first) | ((<u64>second) << 32));
  }
}

/** Copies bytes from linear memory to memory that devices reach. */
export function copyIn(pointer: u32, source: u32, bytes: u32): void {
  if (isDefined(PORTED)) {
    for (let offset: u32 = 0; offset < bytes; offset++) phys_write8(pointer + offset, load<u8>(source + offset));
  } else {
    memory.copy(pointer, source, bytes);
  }
}

/** Copies bytes from memory that devices reach to linear memory. */
export function copyOut(target: u32, pointer: u32, bytes: u32): void {
  if (isDefined(PORTED)) {
    for (let offset: u32 = 0; offset < bytes; offset++) store<u8>(target + offset, <u8>phys_read8(pointer + offset));
  } else {
    memory.copy(target, pointer, bytes);
  }
}

/** Zeroes `bytes`, a multiple of 4, from `pointer` on. */
export function zero(pointer: u32, bytes: u32): void {
  if (isDefined(PORTED)) {
    for (let offset: u32 = 0; offset < bytes; offset += 4) phys_write32(pointer + offset, 0);
  } else {
    memory.fill(pointer, 0, bytes);
  }
}
