/**
 * Physical addresses of the memory that callers and the stack lend to devices.
 *
 * The kernel is asked for the first byte of a page and answers for all of it: memory is lent in whole pages. Asking costs
 * an import call. The answers are kept in a small direct-mapped table, which is right for as long as the kernel does not
 * take a page back or move it; when it does, it calls `forget_translations`.
 */
import { dma_address, NO_ADDRESS } from "../kernel";
import { PAGE_BYTES, PAGE_SHIFT } from "./shared";

/** Pages whose addresses are remembered: 512 of them cover 2 MiB of buffers. A power of two. */
export const PAGES_REMEMBERED: u32 = 512;

/** One remembered page. */
@unmanaged
class Translation {
  /** Page number + 1; 0 in an unused entry. */
  key: u32;
  /** Physical address of the page. */
  address: u64;
}

const translations = memory.data(512 * 16, 8);


@inline
function entryOf(page: u32): Translation {
  return changetype<Translation>(translations + (page & (PAGES_REMEMBERED - 1)) * offsetof<Translation>());
}

/** Physical address of the byte at `pointer`, or NO_ADDRESS where devices may not reach it. */
export function physicalAddress(pointer: u32): u64 {
  return isRemembered(pointer) ? rememberedAddress(pointer) : translate(pointer);
}

// For loops that call nothing:

/** Whether the page of the byte at `pointer` is remembered. */
@inline
export function isRemembered(pointer: u32): bool {
  const page = pointer >> PAGE_SHIFT;
  return entryOf(page).key == page + 1;
}

/** Physical address of a byte whose page is remembered. */
@inline
export function rememberedAddress(pointer: u32): u64 {
  return entryOf(pointer >> PAGE_SHIFT).address + (pointer & (PAGE_BYTES - 1));
}

/**
 * How many of the `length` bytes at `pointer` are known to be physically contiguous; `address` is the physical address of
 * the first.
 */
@inline
export function rememberedRun(pointer: u32, length: u32, address: u64): u32 {
  let bytes = PAGE_BYTES - (pointer & (PAGE_BYTES - 1));
  if (length <= bytes) return length;
  while (isRemembered(pointer + bytes)) {
    if (rememberedAddress(pointer + bytes) != address + bytes) break;
    // The last page of a range that ends at 2^32 would make the count wrap.
    if (length - bytes <= PAGE_BYTES) return length;
    bytes += PAGE_BYTES;
  }
  return bytes;
}

/** The same for a page that is not remembered, which it is from here on. */
@inline
export function translate(pointer: u32): u64 {
  const page = pointer >> PAGE_SHIFT;
  const address = dma_address(page << PAGE_SHIFT);
  // NO_ADDRESS, or a page that cannot be described to a device: not page-aligned, or its end does not fit 64 bits.
  if ((address & (PAGE_BYTES - 1)) != 0 || address + PAGE_BYTES == 0) return NO_ADDRESS;
  const entry = entryOf(page);
  entry.key = page + 1;
  entry.address = address;
  return address + (pointer & (PAGE_BYTES - 1));
}

/**
 * How many of the `length` bytes at `pointer`, at least one, are physically contiguous. `address` is the physical address of
 * the first. The range must not wrap around 2^32.
 */
export function contiguousBytes(pointer: u32, length: u32, address: u64): u32 {
  let bytes = PAGE_BYTES - (pointer & (PAGE_BYTES - 1));
  while (bytes < length && physicalAddress(pointer + bytes) == address + bytes) {
    // The last page of a range that ends at 2^32 would make the count wrap.
    if (length - bytes <= PAGE_BYTES) return length;
    bytes += PAGE_BYTES;
  }
  return min(bytes, length);
}

/** Whether `length` bytes at `pointer` stay within the 32-bit pointer space. */
@inline
export function pointerRangeFits(pointer: u32, length: u32): bool {
  return <u64>pointer + length <= 0x1_0000_0000;
}

/** Forgets the addresses of `pages` pages that go back to the kernel. */
export function forgetPages(pointer: u32, pages: u32): void {
  const first = pointer >> PAGE_SHIFT;
  for (let page = first; page < first + pages; page++) {
    if (entryOf(page).key == page + 1) entryOf(page).key = 0;
  }
}

/**
 * Forgets every cached physical address.
 *
 * A kernel calls this after it has taken back or moved memory that devices could reach, before that memory is lent
 * again. `dma_free` called by the stack itself needs no such call.
 */
export function forget_translations(): void {
  memory.fill(translations, 0, PAGES_REMEMBERED * offsetof<Translation>());
}
