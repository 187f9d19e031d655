/** Checks of the caller's records, so that a wrong pointer ends in a result code and not in a trap. */

/**
 * Whether `count` records of `size` bytes at `pointer` lie within linear memory.
 *
 * @param pointer address in linear memory; 0 is never valid
 * @param count number of records, 0 allowed
 * @param size bytes of one record
 */
export function checkRecords(pointer: u32, count: u32, size: u32): bool {
  return recordsFit(pointer, count, size);
}

/** The same, compiled into the caller: for the data path. */
@inline
export function recordsFit(pointer: u32, count: u32, size: u32): bool {
  // One comparison: 0 becomes the largest number, beyond which no record lies.
  return <u64>(pointer - 1) + <u64>count * size < (<u64>memory.size()) << 16;
}
