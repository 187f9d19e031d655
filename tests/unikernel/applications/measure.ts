/**
 * Counts what the translated code costs. QEMU's `-icount shift=0` makes a nanosecond of every instruction, so the clock
 * counts instructions, and gives the same numbers every time.
 */
import { Segment } from "../../../assembly/abi/records";
import { BlockOperation } from "../../../assembly/drivers/block/abi";
import { now_ns, relax } from "../../../assembly/kernel";
import { disks, openDevices } from "../../../kernel-shim/unikernel/application/devices";
import { Disk } from "../../../kernel-shim/unikernel/application/disk";
import { addWords } from "../../../kernel-shim/unikernel/application/network/bytes";
import { allocateRecords, allocateShared, recordAt } from "../../../kernel-shim/unikernel/application/records";
import { print, printRatio } from "../../../kernel-shim/unikernel/application/text";
import { sha256_finish, sha256_start, sha256_update } from "../../../kernel-shim/unikernel/application/unikernel";

const ROUNDS: u32 = 1000;
const BYTES: u32 = 4096;
const DIGEST_BYTES: u32 = 32;

/** Instructions that asking the clock takes. */
function clockCost(): u64 {
  const start = now_ns();
  return now_ns() - start;
}

/** Prints instructions per unit of work. */
function report(what: string, instructions: u64, count: u64): void {
  print(what);
  print(" ");
  printRatio(instructions, count);
  print("\n");
}

/** Submitting and polling one read at a time; the time that the device takes is left out. */
function measureRequests(disk: Disk, buffer: u32): u64 {
  const segment = recordAt<Segment>(allocateRecords<Segment>(1), 0);
  segment.pointer = buffer;
  segment.length = BYTES;
  const clock = clockCost();
  let instructions: u64 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    const start = now_ns();
    disk.submit(BlockOperation.READ, round % 64, changetype<u32>(segment), 1, round);
    instructions += now_ns() - start - clock;
    let taken: u64;
    do {
      relax();
      const begin = now_ns();
      const count = disk.poll();
      taken = count > 0 ? now_ns() - begin - clock : 0;
    } while (taken == 0);
    instructions += taken;
  }
  return instructions;
}

/** What the kernel calls. */
export function main(): u32 {
  if (!openDevices()) return 1;
  const buffer = allocateShared(BYTES);
  report("request", measureRequests(changetype<Disk>(disks[0]), buffer), ROUNDS);

  const digest = <u32>heap.alloc(DIGEST_BYTES);
  let start = now_ns();
  let sum: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) sum = addWords(sum, buffer, BYTES) & 0xffff;
  // Somebody has to use the sum, or the compiler leaves it out.
  store<u32>(digest, sum);
  report("checksum", now_ns() - start, ROUNDS * BYTES);

  start = now_ns();
  sha256_start();
  for (let round: u32 = 0; round < 16; round++) sha256_update(buffer, BYTES);
  sha256_finish(digest);
  report("sha256", now_ns() - start, 16 * BYTES);
  return 0;
}
