/** A device that is pulled out while it is open, as the binding's callers meet it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { NetDevice as EmulatedCard } from "../../../kernel-shim/emulated-pc/net/device.js";
import { Event, Interrupt, Result, VirtioError } from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { DISK_BYTES, PAGE_BYTES, SECTOR_BYTES, bytesOf, diskMachine, reads } from "./disk-machine.js";

const BASE_ADDRESS = 0x10;
const COMMAND = 4;
/** Nanoseconds: far less than the second that a device may take to reset. */
const NO_WAIT = 10_000_000;

function filledDisk(fill: number): EmulatedDisk {
  return new EmulatedDisk({ backEnd: new MemoryDisk(new Uint8Array(DISK_BYTES).fill(fill)) });
}

function isGone(error: unknown): boolean {
  assert.ok(error instanceof VirtioError, String(error));
  assert.equal(error.codeName, "E_GONE");
  return true;
}

test("an interrupt finds out that a disk was removed: an error, an event, and no more work", () => {
  const { machine, emulated, disk } = diskMachine();
  machine.removeDevice(emulated);
  assert.throws(() => disk.interrupt(), isGone);
  assert.equal(disk.events(), Event.GONE);
  assert.equal(disk.events(), 0);
  assert.throws(() => disk.readSectors(0, 1), isGone);
  assert.throws(() => disk.enableInterrupts(), isGone);
  assert.equal(disk.information().capacity, BigInt(DISK_BYTES / SECTOR_BYTES));
  assert.deepEqual(machine.violations, []);
});

test("a blocking call says that the disk is gone, and not that it was slow", () => {
  const { machine, emulated, disk } = diskMachine();
  machine.removeDevice(emulated);
  assert.throws(() => disk.readSectors(0, 1), isGone);
  assert.equal(disk.close(), 0);
});

test("waiting for frames says that the card is gone", () => {
  const emulated = new EmulatedCard();
  const machine = new EmulatedPc({ devices: [emulated] });
  const card = loadStack(machine).openNet(machine.addressOf(emulated));
  assert.deepEqual(card.waitForFrames(1), []);
  machine.removeDevice(emulated);
  assert.throws(() => card.waitForFrames(1), isGone);
  assert.throws(() => card.sendFrame(bytesOf(60, 1)), isGone);
});

test("closing a disk that is gone waits for nothing, and gives back what was in flight", () => {
  const { machine, emulated, disk } = diskMachine();
  disk.submit(reads(3, machine.allocateBuffer(PAGE_BYTES)));
  machine.removeDevice(emulated);
  const before = machine.time.now;
  assert.equal(disk.close(), 3);
  assert.ok(machine.time.now - before < NO_WAIT);
  assert.deepEqual(
    disk.poll().map(({ result }) => result),
    [Result.E_RESET, Result.E_RESET, Result.E_RESET],
  );
  assert.equal(disk.isGone, true);
});

test("service goes on for the other devices on a line whose device was removed", () => {
  const disks = [filledDisk(1), filledDisk(2)] as const;
  const machine = new EmulatedPc({ completion: "deferred", layout: "bare" });
  // Every fourth slot has its pins on the same lines.
  disks.forEach((disk, index) => machine.addDevice(disk, { slot: 4 + 4 * index }));
  const stack = loadStack(machine);
  const first = stack.openBlock(machine.addressOf(disks[0]));
  const second = stack.openBlock(machine.addressOf(disks[1]));
  assert.equal(first.interruptLine, second.interruptLine);
  machine.removeDevice(disks[0]);
  second.enableInterrupts();
  second.submit(reads(1, machine.allocateBuffer(PAGE_BYTES)));
  assert.deepEqual(stack.service(1000), [{ device: second, pending: Interrupt.QUEUE }]);
  assert.equal(first.events(), Event.GONE);
  assert.equal(second.events(), 0);
});

test("a reset brings a disk back that was plugged in again with the same ports", () => {
  const { machine, emulated, contents, disk } = diskMachine();
  contents.bytes.set(bytesOf(SECTOR_BYTES, 4));
  const ports = machine.functionOf(emulated).read(BASE_ADDRESS, 4);
  machine.removeDevice(emulated);
  assert.throws(() => disk.interrupt(), isGone);
  const before = machine.time.now;
  assert.throws(() => disk.reset(), isGone);
  assert.ok(machine.time.now - before < NO_WAIT);
  machine.addDevice(emulated);
  machine.functionOf(emulated).write(BASE_ADDRESS, 4, ports);
  disk.reset();
  assert.deepEqual(disk.readSectors(0, 1), bytesOf(SECTOR_BYTES, 4));
  assert.deepEqual(machine.violations, []);
});

test("a reset does not take a card for the disk that was in its place", () => {
  const { machine, stack, emulated, address, disk } = diskMachine();
  const card = machine.swapDevice(emulated, new EmulatedCard());
  assert.throws(() => disk.reset(), { code: Result.E_NOT_VIRTIO });
  assert.equal(card.status, 0, "the card was not touched");
  assert.throws(() => disk.readSectors(0, 1), isGone);
  disk.close();
  assert.equal(machine.functionOf(card).read(COMMAND, 2) & 1, 1, "nor does closing the disk");
  stack.scan();
  assert.equal(stack.openNet(address).information().link_up, 1);
  assert.deepEqual(machine.violations, []);
});

test("another disk behind the same ports is driven after a reset only", () => {
  const { machine, emulated, disk } = diskMachine();
  machine.swapDevice(emulated, filledDisk(6));
  disk.timeoutMilliseconds = 10;
  assert.throws(() => disk.readSectors(0, 1));
  disk.reset();
  assert.equal(disk.readSectors(0, 1)[0], 6);
});
