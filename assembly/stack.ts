/** The stack as a whole: its version, and the memory that the kernel gives it. */
import { Result } from "./abi/results";
import { arenaIsSet, setArena } from "./memory/arena";
import { isLinearMemory, overlapsStaticData } from "./memory/linear";

export { forget_translations } from "./memory/addresses";

/** Grows by one whenever a record, a number or the meaning of a call changes. */
const ABI_VERSION: u32 = 2;

/** The version of the interface that this module speaks; a kernel compares it with the one it was written for. */
export function abi_version(): u32 {
  return ABI_VERSION;
}

/** Where the module's own data ends in linear memory, from `memoryBase` on. The kernel uses what lies beyond. */
export function heap_base(): u32 {
  return <u32>__heap_base;
}

/**
 * Gives the stack its private memory, once, before any other call but `abi_version` and `heap_base`.
 *
 * A device needs about 40 bytes for each entry of its rings, plus 1 KiB. Devices must not reach this memory.
 *
 * @param arena address in linear memory, the stack's for good
 * @param bytes its size
 * @returns OK; E_ARGUMENT when it is outside linear memory, over the module's own data, or too small; E_INITIALIZE on a
 *   second call
 */
export function initialize(arena: u32, bytes: u32): i32 {
  if (arenaIsSet()) return Result.E_INITIALIZE;
  const start = (<u64>arena + 15) & ~15;
  const end = <u64>arena + bytes;
  if (start == 0 || start >= end || !isLinearMemory(arena, bytes)) return Result.E_ARGUMENT;
  if (overlapsStaticData(arena, bytes)) return Result.E_ARGUMENT;
  // A block that ends exactly at 4 GiB would end at 0 in 32 bits.
  return setArena(<u32>start, <u32>min<u64>(end, 0xffff_fff0)) ? Result.OK : Result.E_ARGUMENT;
}
