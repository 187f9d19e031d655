/** Checks of the caller's records, so that a wrong pointer ends in a result code and not in a trap. */

/**
 * Whether `count` records of `size` bytes at `pointer` lie within linear memory.
 *
 * @param pointer address in linear memory; 0 is never valid
 * @param count number of records, 0 allowed
 * @param size bytes of one record
 */
export function checkRecords(pointer: u32, count: u32, size: u32): bool {
  return pointer != 0 && <u64>pointer + <u64>count * size <= (<u64>memory.size()) << 16;
}
