/**
 * Where requests go on the disk: one behind the other, or anywhere. `../linux/init.c` has the same sequence.
 */
import { SECTOR_BYTES } from "../../../../kernel-shim/unikernel/application/disk";

const RANDOM_SEED: u32 = 2463534242;

let isRandom: bool = false;
let requestSectors: u32 = 1;
let requestsOnDisk: u32 = 1;
let following: u32 = 0;
let state: u32 = RANDOM_SEED;

/** Begins a sequence of requests of `bytes` on a disk of `capacity` sectors. */
export function startPlaces(random: bool, bytes: u32, capacity: u64): void {
  isRandom = random;
  requestSectors = bytes / SECTOR_BYTES;
  requestsOnDisk = <u32>(capacity / requestSectors);
  following = 0;
  state = RANDOM_SEED;
}

/** The first sector of the next request. The random numbers are Marsaglia's xorshift. */
export function nextPlace(): u64 {
  if (!isRandom) return <u64>(following++ % requestsOnDisk) * requestSectors;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return <u64>(state % requestsOnDisk) * requestSectors;
}
