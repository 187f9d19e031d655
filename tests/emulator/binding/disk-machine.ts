/** A machine with one open disk, for tests of the binding. */

import { BlockDevice as EmulatedDisk, type BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc, type EmulatedPcOptions } from "../../../kernel-shim/emulated-pc/machine.js";
import {
  BlockOperation,
  type BlockDevice,
  type BlockRequest,
  type VirtioStack,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";

export const DISK_BYTES = 1024 * 1024;
export const SECTOR_BYTES = 512;
export const PAGE_BYTES = 4096;

export interface DiskMachine {
  machine: EmulatedPc;
  emulated: EmulatedDisk;
  contents: MemoryDisk;
  stack: VirtioStack;
  address: number;
  disk: BlockDevice;
}

/** A machine with one disk, which is open. */
export function diskMachine(
  options: EmulatedPcOptions = {},
  diskOptions: Partial<BlockDeviceOptions> = {},
): DiskMachine {
  const contents = new MemoryDisk(DISK_BYTES);
  const emulated = new EmulatedDisk({ backEnd: contents, ...diskOptions });
  const machine = new EmulatedPc({ completion: "deferred", devices: [emulated], ...options });
  const stack = loadStack(machine);
  const address = machine.addressOf(emulated);
  return { machine, emulated, contents, stack, address, disk: stack.openBlock(address) };
}

/** Reads of one sector each, into eight sectors of memory from `pointer` on in turn. */
export function reads(count: number, pointer: number, firstToken = 0): BlockRequest[] {
  return Array.from({ length: count }, (_, index) => ({
    token: firstToken + index,
    sector: index,
    operation: BlockOperation.READ,
    segments: [{ pointer: pointer + (index % 8) * SECTOR_BYTES, length: SECTOR_BYTES }],
  }));
}

/** Bytes that differ from their neighbours, and by `seed`. */
export function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index * 7 + seed + (index >> 8));
}
