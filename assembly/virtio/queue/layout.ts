/**
 * The split virtqueue as it lies in shared memory: layout arithmetic and field accessors. [virtio-1.2 §2.7]
 *
 * A legacy device finds all three parts from one page number, so the distances are fixed. [virtio-1.2 §2.7.2]
 * For n descriptors:
 *
 *     0                16·n                              next page boundary
 *     ┌────────────────┬──────────────────────────────┬─────┬───────────────────────────────┐
 *     │ descriptors    │ available ring               │  …  │ used ring                     │
 *     │ n × 16         │ flags idx ring[n] used_event │     │ flags idx {id len}[n] avail_e │
 *     └────────────────┴──────────────────────────────┴─────┴───────────────────────────────┘
 *       driver writes    driver writes                        device writes, none of it trusted
 */
import { PAGE_BYTES, read16, write16, write32Pair, write64 } from "../../memory/shared";

// Descriptor: address u64, length u32, flags u16, next u16. [virtio-1.2 §2.7.5]
export const DESCRIPTOR_BYTES: u32 = 16;

/** The chain goes on at `next`. */
export const VIRTQ_DESC_F_NEXT: u32 = 1;
/** The device writes here; otherwise it reads. */
export const VIRTQ_DESC_F_WRITE: u32 = 2;
/** The descriptor refers to a table of descriptors. */
export const VIRTQ_DESC_F_INDIRECT: u32 = 4;

/** In the available ring: the driver wants no interrupts. [virtio-1.2 §2.7.7] */
export const VIRTQ_AVAIL_F_NO_INTERRUPT: u32 = 1;
/** In the used ring: the device wants no notifications. [virtio-1.2 §2.7.10] */
export const VIRTQ_USED_F_NO_NOTIFY: u32 = 1;

// Both rings: flags u16, idx u16, then the elements, then the other side's event index.
const RING_FLAGS: u32 = 0;
const RING_INDEX: u32 = 2;
const RING_ELEMENTS: u32 = 4;

/** Bytes of an element of the used ring: id u32, len u32. */
const USED_ELEMENT_BYTES: u32 = 8;

function alignToPage(bytes: u32): u32 {
  return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/** Distance from the descriptors to the available ring. */
export function availableOffset(size: u32): u32 {
  return DESCRIPTOR_BYTES * size;
}

/** Distance from the descriptors to the used ring. */
export function usedOffset(size: u32): u32 {
  return alignToPage(availableOffset(size) + RING_ELEMENTS + 2 * size + 2);
}

/** Bytes of the whole, both event indices included, whole pages. */
export function ringBytes(size: u32): u32 {
  return usedOffset(size) + alignToPage(RING_ELEMENTS + USED_ELEMENT_BYTES * size + 2);
}


@inline
export function writeDescriptor(descriptor: u32, address: u64, length: u32, flags: u32, next: u32): void {
  const link = flags | (next << 16);
  if (isDefined(PORTED)) writeByCall(descriptor, address, length, link);
  else writeDescriptorWords(descriptor, address, length, link);
}

/** In the ported build four imports: too large to be everywhere. */
function writeByCall(descriptor: u32, address: u64, length: u32, link: u32): void {
  writeDescriptorWords(descriptor, address, length, link);
}

/** The same with flags and next in one word, where it is worth its size. */
@inline
export function writeDescriptorWords(descriptor: u32, address: u64, length: u32, link: u32): void {
  write64(descriptor, address);
  write32Pair(descriptor + 8, length, link);
}


@inline
export function readFlags(ring: u32): u32 {
  return read16(ring + RING_FLAGS);
}


@inline
export function writeFlags(ring: u32, flags: u32): void {
  write16(ring + RING_FLAGS, flags);
}


@inline
export function readIndex(ring: u32): u32 {
  return read16(ring + RING_INDEX);
}


@inline
export function writeIndex(ring: u32, index: u32): void {
  write16(ring + RING_INDEX, index);
}


@inline
export function writeAvailable(available: u32, position: u32, head: u32): void {
  write16(available + RING_ELEMENTS + 2 * position, head);
}

/** Pointer to an element of the used ring; its id is at +0, its len at +4. */
@inline
export function usedElement(used: u32, position: u32): u32 {
  return used + RING_ELEMENTS + USED_ELEMENT_BYTES * position;
}

/** used_event: the driver wants an interrupt once the used index passes it. */
export function writeUsedEvent(available: u32, size: u32, index: u32): void {
  write16(available + RING_ELEMENTS + 2 * size, index);
}

/** avail_event: the device wants a notification once the available index passes it. */
@inline
export function readAvailEvent(used: u32, size: u32): u32 {
  return read16(used + RING_ELEMENTS + USED_ELEMENT_BYTES * size);
}

/** Whether an index that moved from `before` to `now` has passed `event`, modulo 2^16. [virtio-1.2 §2.7.10.1] */
@inline
export function needEvent(event: u32, now: u32, before: u32): bool {
  return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff);
}
