/** Blocking calls that get no answer: whose the memory is meanwhile, and that it comes back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { DeviceTimeout, Result } from "../../../kernel-shim/javascript/index.js";
import { SECTOR_BYTES, bytesOf, diskMachine, type DiskMachine } from "./disk-machine.js";

const TIMEOUT_MILLISECONDS = 10;
/** Nanoseconds: longer than the binding waits. */
const LATE = 20_000_000;
/** What one call moves at once, at most. */
const SECTORS = 512;

/** Counts the buffers that are lent at the moment. */
function countBuffers(machine: EmulatedPc): () => number {
  let buffers = 0;
  const allocate = machine.allocateBuffer.bind(machine);
  const free = machine.freeBuffer.bind(machine);
  machine.allocateBuffer = (bytes, options) => {
    const pointer = allocate(bytes, options);
    buffers++;
    return pointer;
  };
  machine.freeBuffer = (pointer) => {
    free(pointer);
    buffers--;
  };
  return () => buffers;
}

function impatient(): DiskMachine & { buffers: () => number } {
  const made = diskMachine({ memoryBytes: 16 * 1024 * 1024 });
  made.disk.timeoutMilliseconds = TIMEOUT_MILLISECONDS;
  return { ...made, buffers: countBuffers(made.machine) };
}

test("any number of time-outs with resets in between leaves no memory lent", () => {
  const { machine, emulated, disk, buffers } = impatient();
  emulated.onRequest = () => ({ isLost: true });
  for (let round = 0; round < 100; round++) {
    assert.throws(() => disk.readSectors(0, SECTORS), DeviceTimeout);
    assert.equal(buffers(), 1, "the device may still write there");
    disk.reset();
    assert.equal(buffers(), 0);
  }
  emulated.onRequest = undefined;
  assert.equal(disk.readSectors(0, 1).length, SECTOR_BYTES);
  assert.deepEqual(machine.violations, []);
});

test("a request that completes after its time-out gives its memory back then, and disturbs no other", () => {
  const { machine, emulated, contents, disk, buffers } = impatient();
  contents.bytes.set(bytesOf(2 * SECTOR_BYTES, 5));
  emulated.onRequest = ({ sector }) => (sector === 0 ? { delay: LATE } : undefined);
  assert.throws(() => disk.readSectors(0, 1), DeviceTimeout);
  assert.deepEqual(disk.readSectors(1, 1), contents.bytes.slice(SECTOR_BYTES, 2 * SECTOR_BYTES));
  assert.equal(buffers(), 2);
  machine.waitForInterrupt(LATE / 1e6);
  assert.deepEqual(disk.poll(), [], "it was none of the caller's");
  assert.equal(buffers(), 1);
  assert.deepEqual(machine.violations, []);
});

test("a reset that fails gives the memory of lost requests back, too", () => {
  const { emulated, disk, buffers } = impatient();
  emulated.onRequest = () => ({ isLost: true });
  assert.throws(() => disk.readSectors(0, SECTORS), DeviceTimeout);
  emulated.faults.readRegister = (offset, _width, value) => (offset === 18 ? 1 : value);
  assert.throws(() => disk.reset(), { code: Result.E_RESET_TIMEOUT });
  assert.equal(buffers(), 0);
});

test("a suspend that the device does not confirm gives the memory of lost requests back, too", () => {
  const { emulated, disk, buffers } = impatient();
  emulated.onRequest = () => ({ isLost: true });
  assert.throws(() => disk.readSectors(0, SECTORS), DeviceTimeout);
  assert.equal(buffers(), 1);
  emulated.faults.readRegister = (offset, _width, value) => (offset === 18 ? 1 : value);
  assert.throws(() => disk.suspend(true), { code: Result.E_RESET_TIMEOUT });
  assert.equal(buffers(), 0);
  emulated.faults.readRegister = undefined;
  emulated.onRequest = undefined;
  disk.resume();
  assert.equal(disk.readSectors(0, 1).length, SECTOR_BYTES);
});

test("closing a disk gives the memory of lost requests back", () => {
  const { machine, emulated, disk, buffers } = impatient();
  emulated.onRequest = () => ({ isLost: true });
  for (let round = 0; round < 3; round++) assert.throws(() => disk.readSectors(0, SECTORS), DeviceTimeout);
  assert.equal(buffers(), 3);
  assert.equal(disk.close(), 0, "nothing of the caller's is out");
  assert.equal(buffers(), 0);
  assert.equal(disk.isGone, true);
  assert.deepEqual(machine.violations, []);
});

test("a flush that gets no answer keeps no memory", () => {
  const { emulated, disk, buffers } = impatient();
  disk.writeSectors(0, bytesOf(SECTOR_BYTES, 1));
  emulated.onRequest = () => ({ isLost: true });
  assert.throws(() => disk.flush(), DeviceTimeout);
  emulated.onRequest = undefined;
  assert.deepEqual(disk.readSectors(0, 1), bytesOf(SECTOR_BYTES, 1));
  assert.equal(buffers(), 1);
});

test("an error while waiting leaves the memory with the device, too", () => {
  const { machine, emulated, contents, disk, buffers } = impatient();
  contents.bytes.set(bytesOf(2 * SECTOR_BYTES, 5));
  emulated.onRequest = ({ sector }) => (sector === 0 ? { delay: LATE } : undefined);
  const wait = machine.waitForInterrupt.bind(machine);
  machine.waitForInterrupt = () => {
    throw new Error("interrupted");
  };
  assert.throws(() => disk.readSectors(0, 1), /interrupted/);
  machine.waitForInterrupt = wait;
  assert.deepEqual(disk.readSectors(1, 1), contents.bytes.slice(SECTOR_BYTES, 2 * SECTOR_BYTES));
  assert.equal(buffers(), 2);
  disk.reset();
  assert.equal(buffers(), 1);
});

test("a call that a broken disk refuses leaves nothing behind", () => {
  const { emulated, disk } = impatient();
  emulated.faults.usedId = () => 77;
  assert.throws(() => disk.readSectors(0, 1), { code: Result.E_BROKEN });
  assert.throws(() => disk.readSectors(0, 1), { code: Result.E_BROKEN });
  assert.equal(disk.close(), 0);
  assert.equal(disk.isGone, true);
});
