/** Linear memory: how far it reaches, and where the module's own data lie in it. */

/** Whether `bytes` from `pointer` on lie within linear memory. */
export function isLinearMemory(pointer: u32, bytes: u64): bool {
  return pointer + bytes <= (<u64>memory.size()) << 16;
}

/** Whether any of the `bytes` from `pointer` on hold static data: of the stack, or of a program compiled with it. */
export function overlapsStaticData(pointer: u32, bytes: u64): bool {
  return pointer + bytes > <u64>ASC_MEMORY_BASE && pointer < <u32>__heap_base;
}
