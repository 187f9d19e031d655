/** The scripted machine as tests call it. Each function is described in tests/scripted-machine/machine.ts. */

@external("mock", "script_clear") export declare function script_clear(): void;


@external("mock", "clock_set") export declare function clock_set(now: u64, step: u64): void;


@external("mock", "device_add") export declare function device_add(base: u32, bytes: u32, features: u32): u32;


@external("mock", "device_offer") export declare function device_offer(name: u32, features: u32): void;


@external("mock", "device_queue") export declare function device_queue(name: u32, index: u32, size: u32): void;


@external("mock", "device_set_queue_page") export declare function device_set_queue_page(
  name: u32,
  index: u32,
  page: u32,
): void;


@external("mock", "device_queue_page") export declare function device_queue_page(name: u32, index: u32): u32;


@external("mock", "device_configuration") export declare function device_configuration(
  name: u32,
  offset: u32,
  value: u32,
): void;


@external("mock", "device_answer") export declare function device_answer(name: u32, offset: u32, value: u32): void;


@external("mock", "device_status") export declare function device_status(name: u32): u32;


@external("mock", "device_accepted") export declare function device_accepted(name: u32): u32;


@external("mock", "device_interrupt") export declare function device_interrupt(name: u32, bits: u32): void;


@external("mock", "device_status_bits") export declare function device_status_bits(
  name: u32,
  remembered: u32,
  added: u32,
): void;


@external("mock", "device_reset_polls") export declare function device_reset_polls(name: u32, polls: u32): void;


@external("mock", "device_gone") export declare function device_gone(name: u32, gone: u32): void;


@external("mock", "block_add") export declare function block_add(isIo: u32, address: u64, bytes: u32): void;


@external("mock", "block_set") export declare function block_set(isIo: u32, address: u64, width: u32, value: u32): void;


@external("mock", "block_get") export declare function block_get(isIo: u32, address: u64, width: u32): u32;


@external("mock", "block_answer") export declare function block_answer(isIo: u32, address: u64, value: u32): void;


@external("mock", "block_windows") export declare function block_windows(): u32;


@external("mock", "memory_lend") export declare function memory_lend(pages: u32): u32;


@external("mock", "memory_take_back") export declare function memory_take_back(pointer: u32): void;


@external("mock", "memory_scatter") export declare function memory_scatter(pointer: u32, pages: u32): void;


@external("mock", "memory_translate") export declare function memory_translate(pointer: u32, physical: u64): void;


@external("mock", "memory_physical") export declare function memory_physical(pointer: u32): u64;


@external("mock", "memory_pointer") export declare function memory_pointer(physical: u64): u32;


@external("mock", "memory_borrowed") export declare function memory_borrowed(): u32;


@external("mock", "memory_fail_after") export declare function memory_fail_after(count: u32): void;


@external("mock", "memory_answer") export declare function memory_answer(pointer: u32): void;


@external("mock", "memory_read8") export declare function memory_read8(pointer: u32): u32;


@external("mock", "memory_read16") export declare function memory_read16(pointer: u32): u32;


@external("mock", "memory_read32") export declare function memory_read32(pointer: u32): u32;


@external("mock", "memory_write8") export declare function memory_write8(pointer: u32, value: u32): void;


@external("mock", "memory_write16") export declare function memory_write16(pointer: u32, value: u32): void;


@external("mock", "memory_write32") export declare function memory_write32(pointer: u32, value: u32): void;


@external("mock", "memory_ambush") export declare function memory_ambush(kind: u32, pointer: u32, value: u32): void;


@external("mock", "trace_clear") export declare function trace_clear(): void;


@external("mock", "trace_count") export declare function trace_count(kind: u32): u32;


@external("mock", "trace_find") export declare function trace_find(kind: u32, first: u32, from: u32): i32;


@external("mock", "trace_next") export declare function trace_next(kind: u32, from: u32): i32;


@external("mock", "trace_number") export declare function trace_number(place: u32, which: u32): u32;


@external("mock", "trace_watch") export declare function trace_watch(pointer: u32): void;


@external("mock", "trace_watched") export declare function trace_watched(place: u32): u32;

/** What an entry of the trace is about, and what its numbers are. */
export const enum Trace {
  /** Port, or low half of a physical address; value, width in bytes. */
  IN = 1,
  /** The same. */
  OUT = 2,
  /** PCI address × 256 + offset, value, width in bytes. */
  CONFIGURATION_WRITE = 3,
  WMB = 4,
  RMB = 5,
  MB = 6,
  RELAX = 7,
  /** Pages, pointer. */
  ALLOCATE = 8,
  /** Pages, pointer. */
  FREE = 9,
  /** Pointer. */
  TRANSLATE = 10,
  /** Message, and its two numbers. */
  LOG = 11,
  /** Window, bytes. */
  MAP = 12,
  /** Window, bytes. */
  UNMAP = 13,
}
