/** Private memory for the stack, new and full of junk for each test. */
import { setArena } from "../../../assembly/memory/arena";

const ARENA_BYTES: i32 = 2 * 1024 * 1024;

const room = new StaticArray<u8>(ARENA_BYTES);

/** Address of the memory that `freshArena` hands out. */
export const arenaAddress: u32 = <u32>changetype<usize>(room);

/** Gives the stack `bytes` of private memory, and takes away what it had. */
export function freshArena(bytes: u32 = ARENA_BYTES): void {
  memory.fill(arenaAddress, 0xa5, bytes);
  setArena(arenaAddress, arenaAddress + bytes);
}
