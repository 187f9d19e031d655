/** What the JavaScript binding adds to the module: errors, grants, tokens, waiting, interrupts, memory for records. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { createLink } from "../../../kernel-shim/emulated-pc/net/link.js";
import { PciFunction } from "../../../kernel-shim/emulated-pc/pci/function.js";
import { NetDevice as EmulatedCard } from "../../../kernel-shim/emulated-pc/net/device.js";
import {
  DeviceTimeout,
  Event,
  Interrupt,
  NetInformationLayout,
  RecordArray,
  Result,
  VirtioError,
  featureName,
  featureNames,
  formatPciAddress,
  readRecord,
  resultName,
  writeRecord,
  type BlockDevice,
  type NetDevice,
  type VirtioStack,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { DISK_BYTES, PAGE_BYTES, SECTOR_BYTES, bytesOf, diskMachine, reads } from "./disk-machine.js";

/** Two machines in one: cards at both ends of a cable, both open. */
function linkedCards(): { machine: EmulatedPc; stack: VirtioStack; near: NetDevice; far: NetDevice } {
  const { ends } = createLink();
  const cards = ends.map((backend, index) => new EmulatedCard({ backend, mac: `52:54:00:00:00:0${index + 1}` }));
  const machine = new EmulatedPc({ completion: "deferred", devices: cards });
  const stack = loadStack(machine);
  const [near, far] = cards.map((card) => stack.openNet(machine.addressOf(card)));
  assert.ok(near !== undefined && far !== undefined);
  return { machine, stack, near, far };
}

/** Takes completions until there are `count`, and returns their tokens in ascending order. */
function takeAll(disk: BlockDevice, count: number): number[] {
  const tokens: number[] = [];
  while (tokens.length < count) {
    const taken = disk.waitForCompletions();
    assert.ok(taken.length > 0, "the disk answers");
    for (const { token, result } of taken) {
      assert.equal(result, Result.OK);
      tokens.push(token);
    }
  }
  return tokens.sort((left, right) => left - right);
}

test("what the module refuses is an error with the code's name and meaning", () => {
  const { stack, address } = diskMachine();
  const isRefusal = (code: number, name: string) => (error: unknown) => {
    assert.ok(error instanceof VirtioError);
    assert.equal(error.code, code);
    assert.equal(error.codeName, name);
    assert.ok(error.message.includes(error.explanation) && error.explanation.length > 0);
    return true;
  };
  assert.throws(() => stack.openBlock(address), isRefusal(Result.E_IN_USE, "E_IN_USE"));
  assert.throws(() => stack.openBlock(0xffff), isRefusal(Result.E_NOT_FOUND, "E_NOT_FOUND"));
  assert.throws(() => stack.openNet(0), isRefusal(Result.E_NOT_VIRTIO, "E_NOT_VIRTIO"));
  assert.equal(resultName(-1), "E_HANDLE");
  assert.equal(resultName(-1000), "-1000");
});

test("a failed attempt to open a device again leaves it open and granted", () => {
  const { machine, stack, address, disk } = diskMachine();
  assert.throws(() => stack.openBlock(address), VirtioError);
  assert.equal(disk.readSectors(0, 1).length, SECTOR_BYTES);
  assert.deepEqual(machine.violations, []);
});

test("closing a device takes its ports back", () => {
  const { machine, stack, address, disk } = diskMachine();
  const { base } = stack.bar(address, 0);
  const before = machine.violationCount;
  machine.kernel.in8(Number(base) + 18);
  assert.equal(machine.violationCount, before);
  assert.equal(disk.close(), 0);
  machine.kernel.in8(Number(base) + 18);
  assert.equal(machine.violationCount, before + 1);
  assert.throws(() => disk.information(), { code: Result.E_HANDLE });
  assert.deepEqual(stack.openDevices(), []);
});

test("a device that was closed opens again, and the memory for its records is used again", () => {
  const { machine, stack, address, disk } = diskMachine();
  disk.close();
  stack.openBlock(address).close();
  const next = machine.reservePrivate(16);
  for (let round = 0; round < 50; round++) {
    const again = stack.openBlock(address);
    again.readSectors(0, 1);
    again.close();
  }
  assert.equal(machine.reservePrivate(16), next + 16);
  assert.deepEqual(machine.violations, []);
});

test("options name features to be refused", () => {
  const { stack, address, disk } = diskMachine();
  const { features_accepted } = disk.information();
  disk.close();
  const plain = stack.openBlock(address, { features: 0n });
  const accepted = plain.information().features_accepted;
  assert.notEqual(features_accepted, 0n);
  assert.equal(accepted & ~(1n << 27n), 0n, "nothing but ANY_LAYOUT, which must be accepted");
});

test("a batch of a thousand requests goes out in one call, with one notification", () => {
  const { machine, disk } = diskMachine({ profile: "large" });
  const pointer = machine.allocateBuffer(PAGE_BYTES);
  assert.deepEqual(disk.submit(reads(1000, pointer)), { accepted: 1000, refusal: 0 });
  assert.equal(disk.statistics().notifications, 1n);
  assert.deepEqual(
    takeAll(disk, 1000),
    Array.from({ length: 1000 }, (_, index) => index),
  );
});

test("a batch stops at the first request that is refused, and says why", () => {
  const { machine, disk } = diskMachine();
  const pointer = machine.allocateBuffer(PAGE_BYTES);
  const [first, second, third] = reads(3, pointer);
  assert.ok(first && second && third);
  const beyond = { ...second, sector: 2n ** 64n - 1n };
  assert.deepEqual(disk.submit([first, beyond, third]), { accepted: 1, refusal: Result.E_RANGE });
  assert.deepEqual(takeAll(disk, 1), [0]);
});

test("tokens come back whole, up to the largest", () => {
  const { machine, disk } = diskMachine();
  const pointer = machine.allocateBuffer(PAGE_BYTES);
  const tokens = [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 5, Number.MAX_SAFE_INTEGER];
  const requests = reads(tokens.length, pointer).map((request, index) => ({ ...request, token: tokens[index] ?? 0 }));
  disk.submit(requests);
  assert.deepEqual(takeAll(disk, tokens.length), tokens);
});

test("sectors that were written are read back, however large the piece and small the segments", () => {
  for (const profile of ["qemu", "minimal"] as const) {
    const { disk, contents, machine } = diskMachine({ profile }, { sizeMax: 4096, segMax: 2 });
    const bytes = bytesOf(600 * SECTOR_BYTES, 3);
    disk.writeSectors(5, bytes);
    assert.deepEqual(disk.readSectors(5, 600), bytes);
    assert.deepEqual(contents.bytes.slice(5 * SECTOR_BYTES, 605 * SECTOR_BYTES), bytes);
    assert.deepEqual(machine.violations, []);
  }
});

test("flush, serial number and refusals of the blocking calls", () => {
  const { disk, contents } = diskMachine({}, { serial: "ABC-123" });
  assert.equal(disk.id(), "ABC-123");
  disk.flush();
  assert.equal(contents.flushes, 1);
  assert.throws(() => disk.readSectors(DISK_BYTES / SECTOR_BYTES, 1), { code: Result.E_RANGE });
  assert.throws(() => {
    disk.writeSectors(0, new Uint8Array(100));
  }, RangeError);
});

test("blocking calls leave the caller's completions to the caller", () => {
  const { machine, disk } = diskMachine();
  const pointer = machine.allocateBuffer(PAGE_BYTES);
  disk.submit(reads(20, pointer, 100));
  disk.writeSectors(50, bytesOf(SECTOR_BYTES, 1));
  disk.flush();
  assert.deepEqual(
    takeAll(disk, 20),
    Array.from({ length: 20 }, (_, index) => 100 + index),
  );
  assert.deepEqual(disk.poll(), []);
});

test("a blocking call finds room in a full queue", () => {
  const { machine, disk } = diskMachine({ profile: "minimal" });
  const pointer = machine.allocateBuffer(PAGE_BYTES);
  const { accepted, refusal } = disk.submit(reads(100, pointer));
  assert.equal(refusal, Result.E_FULL);
  assert.equal(disk.readSectors(0, 1).length, SECTOR_BYTES);
  assert.equal(takeAll(disk, accepted).length, accepted);
});

test("a disk that does not answer is a time-out, and works again after a reset", () => {
  const { machine, disk, emulated } = diskMachine();
  disk.timeoutMilliseconds = 50;
  emulated.onRequest = () => ({ isLost: true });
  assert.throws(() => disk.readSectors(0, 1), DeviceTimeout);
  emulated.onRequest = undefined;
  disk.reset();
  assert.deepEqual(disk.poll(), [], "the lost request was none of the caller's");
  assert.equal(disk.readSectors(0, 1).length, SECTOR_BYTES);
  assert.deepEqual(machine.violations, []);
});

test("a lost interrupt is an error, although the request was performed", () => {
  const { disk } = diskMachine({}, { faults: { interrupt: () => 0 } });
  assert.throws(() => disk.readSectors(0, 1), /without an interrupt/);
});

test("a closed disk gives back what was in flight, once, and is gone then", () => {
  const { machine, disk, stack, address } = diskMachine();
  const pointer = machine.allocateBuffer(PAGE_BYTES);
  disk.submit(reads(3, pointer));
  assert.equal(disk.close(), 3);
  assert.equal(disk.isOpen, false);
  assert.deepEqual(
    disk.poll().map(({ token, result }) => [token, result]),
    [
      [0, Result.E_RESET],
      [1, Result.E_RESET],
      [2, Result.E_RESET],
    ],
  );
  assert.equal(disk.isGone, true);
  assert.throws(() => disk.poll(), { code: Result.E_HANDLE });
  assert.equal(stack.openBlock(address).readSectors(0, 1).length, SECTOR_BYTES);
});

test("service says which device had what pending, on a line that two share", () => {
  const disks = [1, 2].map(() => new EmulatedDisk({ backEnd: new MemoryDisk(DISK_BYTES) }));
  const machine = new EmulatedPc({ completion: "deferred", layout: "bare" });
  // Every fourth slot has its pins on the same lines.
  disks.forEach((disk, index) => machine.addDevice(disk, { slot: 4 + 4 * index }));
  const stack = loadStack(machine);
  const [first, second] = disks.map((disk) => stack.openBlock(machine.addressOf(disk)));
  assert.ok(first && second);
  assert.equal(first.interruptLine, second.interruptLine);
  const pointer = machine.allocateBuffer(PAGE_BYTES);
  first.enableInterrupts();
  second.enableInterrupts();
  second.submit(reads(1, pointer));
  assert.deepEqual(stack.service(1000), [{ device: second, pending: Interrupt.QUEUE }]);
  assert.deepEqual(stack.service(1), []);
  disks[0]?.resize(4096);
  assert.deepEqual(stack.service(1000), [{ device: first, pending: Interrupt.CONFIGURATION }]);
  assert.equal(first.events(), Event.CAPACITY);
  assert.equal(first.information().capacity, 4096n);
});

test("a line that nobody claims is an error", () => {
  const { machine, stack, disk } = diskMachine();
  const stranger = new PciFunction({
    name: "stranger",
    vendorId: 0x1234,
    deviceId: 1,
    classCode: 0xff_00_00,
    interruptPin: 1,
    configurationBytes: 64,
  });
  machine.addFunction(stranger, machine.rootBus, 8);
  stranger.setInterruptPin(true);
  disk.enableInterrupts();
  assert.throws(() => stack.service(1), /stays asserted/);
  stranger.setInterruptPin(false);
  assert.deepEqual(stack.service(1), []);
});

test("frames sent by copy arrive, more of them than the pool and the ring hold at once", () => {
  const { machine, near, far } = linkedCards();
  const sent: Uint8Array[] = [];
  const arrived: Uint8Array[] = [];
  for (let index = 0; index < 1000; index++) {
    const frame = bytesOf(60 + index, index);
    sent.push(frame);
    for (let turn = 0; !near.sendFrame(frame); turn++) {
      assert.ok(turn < 5, "there will be room");
      arrived.push(...far.waitForFrames(1));
    }
    arrived.push(...far.receiveFrames());
  }
  while (arrived.length < sent.length) {
    const frames = far.waitForFrames(1000);
    assert.ok(frames.length > 0, "every frame arrives");
    arrived.push(...frames);
  }
  assert.deepEqual(arrived, sent);
  assert.deepEqual(near.reclaim(), [], "the frames' completions are not the caller's");
  assert.deepEqual(machine.violations, []);
});

test("a frame that is too long is an error, and no frame is no frame", () => {
  const { near, far } = linkedCards();
  assert.throws(() => near.sendFrame(new Uint8Array(1600)), { code: Result.E_FRAME_SIZE });
  assert.throws(() => near.sendFrame(new Uint8Array(100_000)), { code: Result.E_FRAME_SIZE });
  assert.throws(() => near.sendFrame(new Uint8Array(3)), { code: Result.E_FRAME_SIZE });
  assert.deepEqual(far.waitForFrames(5), []);
});

test("a closed card gives frames in flight back by itself, and waits for buffers in the caller's hands", () => {
  const { machine, near, far } = linkedCards();
  near.sendFrame(bytesOf(100, 0));
  while (far.statistics().frames_received === 0n && machine.time.now < 1e9) {
    machine.relax();
    far.interrupt();
    const frames = far.receive();
    if (frames.length > 0) {
      const [frame] = frames;
      assert.ok(frame);
      assert.deepEqual([frame.length, frame.buffers.length], [100, 1]);
      assert.equal(far.close(), 1);
      assert.equal(far.isGone, false);
      assert.equal(far.release(frame.buffers.map(({ buffer }) => buffer)), 1);
      assert.equal(far.isGone, true);
      break;
    }
  }
  assert.equal(far.isGone, true);
  near.sendFrame(bytesOf(100, 1));
  assert.equal(near.close(), 0);
  assert.equal(near.isGone, true);
});

test("transmitted frames carry the caller's tokens back", () => {
  const { machine, near, far } = linkedCards();
  const pointer = machine.allocateBuffer(PAGE_BYTES);
  machine.writeBuffer(pointer + 64, bytesOf(200, 9));
  const segments = [
    { pointer: pointer + 64, length: 100 },
    { pointer: pointer + 164, length: 100 },
  ];
  assert.deepEqual(near.transmit([{ token: 77, segments, header_room: 64 }]), { accepted: 1, refusal: 0 });
  assert.deepEqual(far.waitForFrames(1000), [bytesOf(200, 9)]);
  machine.waitForInterrupt(1);
  assert.deepEqual(near.reclaim(), [{ token: 77, result: Result.OK, length: 200 }]);
});

test("records are written and read by their layout", () => {
  const { stack } = diskMachine();
  const record = new RecordArray(stack.privateMemory, NetInformationLayout.size, 1);
  writeRecord(stack.view, NetInformationLayout, record.pointer, { mac: 0x0102_0304_0506n, mtu: 0xffff_ffff });
  const read = readRecord(stack.view, NetInformationLayout, record.pointer);
  assert.equal(read.mac, 0x0102_0304_0506n);
  assert.equal(read.mtu, 0xffff_ffff);
  assert.equal(read.link_up, 0);
  record.dispose();
});

test("addresses and features have the names that people use", () => {
  assert.equal(formatPciAddress(0x1234), "12:06.4");
  assert.deepEqual(featureNames(1, (1n << 5n) | (1n << 29n) | (1n << 62n)), [
    "VIRTIO_NET_F_MAC",
    "VIRTIO_F_EVENT_IDX",
    "bit 62",
  ]);
  assert.equal(featureName(2, 5), "VIRTIO_BLK_F_RO");
  assert.equal(featureName(99, 5), "bit 5");
});
