/**
 * Devices that are silent, or gone, because of what the host does with them: a reset brings them back, but for one that
 * was unplugged.
 */

import assert from "node:assert/strict";
import { Event, Message, Result, TransportWanted, type BlockDevice } from "../../../kernel-shim/javascript/index.js";
import { driveId } from "../../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import { readRequest, SECTOR_BYTES, segment, submitAll, writeRequest } from "../../cases/block/requests.js";
import type { Case, CaseContext } from "../../cases/context.js";
import { frame, putFrame, receiveCopies, takeSent, transmitAll, transmitFrame } from "../../cases/net/frames.js";
import { initialSectors, pattern } from "../../cases/pattern.js";
import { assertResets, assertResult, assertThrowsResult } from "../../cases/results.js";
import { runCases } from "../../cases/run.js";
import { QemuGround } from "../ground.js";
import { COMMAND, configRead, configWrite } from "../shim/scratch-guest.js";
import { MovableClock } from "./movable-clock.js";
import { removed, takeResets, TIMEOUT_NANOSECONDS, waitOutTime } from "./silent-device.js";

/** Bits of the Command register. [PCI 3.0 §6.2.2] */
const DECODING = 0x3;
const BUS_MASTER = 4;
const TRANSMIT_QUEUE = 1;

const clock = new MovableClock();
const options = { timeout_ns: TIMEOUT_NANOSECONDS };

function qemuOf({ machine }: CaseContext): QemuMachine {
  assert.ok(machine instanceof QemuMachine);
  return machine;
}

/** Submits reads of one sector each. Returns their tokens. */
function submitReads(context: CaseContext, disk: BlockDevice, count: number): number[] {
  const buffer = context.allocate(count * SECTOR_BYTES);
  const tokens = Array.from({ length: count }, (_, token) => token);
  submitAll(
    disk,
    tokens.map((token) => readRequest(token, [segment(buffer + token * SECTOR_BYTES, SECTOR_BYTES)], token)),
  );
  return tokens;
}

function assertDiskWorks(context: CaseContext, disk: BlockDevice, seed: number): void {
  const bytes = pattern(seed, SECTOR_BYTES);
  disk.writeSectors(1000, bytes);
  assert.deepEqual(context.disk().contents(1000, 1), bytes);
  assert.deepEqual(disk.readSectors(5, 1), initialSectors(5, 1));
}

/** Takes bits of the Command register away behind the driver's back. */
function clearCommand(context: CaseContext, bits: number): void {
  const { pciAddress } = context.disk();
  // The upper half is the status, whose bits are cleared by writing ones.
  const command = configRead(context.machine, pciAddress, COMMAND) & 0xffff;
  configWrite(context.machine, pciAddress, COMMAND, command & ~bits);
}

/** Requests per second that the host grants the disk; 0: any number. */
function limitRate(context: CaseContext, iops: number): void {
  const limits = { bps: 0, bps_rd: 0, bps_wr: 0, iops_rd: 0, iops_wr: 0, iops };
  qemuOf(context).qmp("block_set_io_throttle", { device: driveId("disk0"), ...limits });
}

/** Resets a disk that is not there: the call and the log say so at once. */
function resetInVain({ expectedLog }: CaseContext, disk: BlockDevice, pciAddress: number): void {
  expectedLog.push({ message: Message.DEVICE_FAILED, first: pciAddress, second: Result.E_GONE >>> 0 });
  assertThrowsResult(() => disk.reset(), Result.E_GONE);
  assertThrowsResult(() => disk.submit([]), Result.E_GONE);
}

function timeOut(context: CaseContext, disk: BlockDevice): void {
  waitOutTime(context, clock, disk, 0, () => disk.poll());
}

const comesBack: readonly Case[] = [
  {
    name: "a disk whose access to memory was taken away: silent, and the reset gives it back",
    disks: [{}],
    run(context) {
      const disk = context.openDisk(0, options);
      assertDiskWorks(context, disk, 1);
      clearCommand(context, BUS_MASTER);
      const tokens = submitReads(context, disk, 3);
      timeOut(context, disk);
      disk.reset();
      takeResets(() => disk.poll(), tokens);
      assertDiskWorks(context, disk, 2);
    },
  },
  {
    name: "a disk that its host slows down to a standstill: the reset does not wait, each request comes back once",
    disks: [{}],
    run(context) {
      const disk = context.openDisk(0, options);
      assertDiskWorks(context, disk, 1);
      limitRate(context, 1);
      const buffer = context.allocate(64 * SECTOR_BYTES);
      const bytes = pattern(3, 64 * SECTOR_BYTES);
      context.machine.writeBuffer(buffer, bytes);
      const tokens = Array.from({ length: 64 }, (_, token) => token);
      // Every other sector: neighbours could be merged.
      submitAll(
        disk,
        tokens.map((token) => writeRequest(2 * token, [segment(buffer + token * SECTOR_BYTES, SECTOR_BYTES)], token)),
      );
      const taken: { token: number; result: number }[] = [];
      context.letTimePass(5);
      taken.push(...disk.poll());
      assert.ok(taken.length < 10, "the host does not slow the disk down");
      timeOut(context, disk);
      disk.reset();
      taken.push(...disk.poll());
      assert.deepEqual(
        taken.map(({ token }) => token).sort((left, right) => left - right),
        tokens,
      );
      limitRate(context, 0);
      assertDiskWorks(context, disk, 2);
      for (const { token, result } of taken) {
        const isOld = Buffer.compare(context.disk().contents(2 * token, 1), initialSectors(2 * token, 1)) === 0;
        const written = bytes.subarray(token * SECTOR_BYTES, (token + 1) * SECTOR_BYTES);
        const isNew = Buffer.compare(context.disk().contents(2 * token, 1), written) === 0;
        if (result !== 0) assertResult(result, Result.E_RESET);
        assert.ok(isNew || (result !== 0 && isOld), `sector ${2 * token} holds neither old nor new data`);
      }
    },
  },
  {
    name: "a card on a machine that is paused for longer than its time-out: it works after a reset",
    cards: [{}],
    run(context) {
      const card = context.openCard(0, options);
      const pointer = context.allocate(4096) + 64;
      putFrame(context, pointer, 100, 1);
      const tokens = [0, 1, 2];
      qemuOf(context).pause();
      transmitAll(
        card,
        tokens.map((token) => transmitFrame(pointer, 100, token, 64)),
      );
      waitOutTime(context, clock, card, TRANSMIT_QUEUE, () => card.reclaim());
      qemuOf(context).resume();
      card.reset();
      takeResets(() => card.reclaim(), tokens);
      context.letTimePass();
      context.card().takeSent();
      transmitAll(card, [transmitFrame(pointer, 100, 9, 64)]);
      assert.deepEqual(takeSent(context, 1), [frame(100, 1)]);
      context.card().deliver([frame(200, 2)]);
      assert.deepEqual(receiveCopies(context, card, 1), [frame(200, 2)]);
    },
  },
  {
    name: "a disk whose registers were switched off: gone at the first look, and a reset brings it back",
    disks: [{}],
    run(context) {
      const disk = context.openDisk(0, options);
      assertDiskWorks(context, disk, 1);
      const tokens = submitReads(context, disk, 2);
      context.letTimePass();
      clearCommand(context, DECODING);
      // They may have been answered before.
      const answered = disk.poll().map(({ token }) => token);
      const { pciAddress } = context.disk();
      context.expectedLog.push({ message: Message.DEVICE_GONE, first: disk.handle, second: pciAddress });
      assertResult(context.stack.exports.interrupt(disk.handle), Result.E_GONE);
      assert.equal(disk.events(), Event.GONE);
      disk.reset();
      takeResets(
        () => disk.poll(),
        tokens.filter((token) => !answered.includes(token)),
      );
      assertDiskWorks(context, disk, 2);
    },
  },
];

const staysAway: readonly Case[] = [
  {
    name: "a disk that was unplugged: its requests come back once, reset says E_GONE at once, and so does all else until closed",
    // No other case has such a disk: this machine has none any more.
    disks: [{ serial: "unplugged" }],
    run(context) {
      const disk = context.openDisk(0, options);
      assertDiskWorks(context, disk, 1);
      const statistics = disk.statistics();
      const { pciAddress } = context.disk();
      qemuOf(context).deviceDel("disk0");
      const tokens = submitReads(context, disk, 3);
      waitOutTime(context, clock, disk, 0, () => disk.poll(), removed(pciAddress));
      resetInVain(context, disk, pciAddress);
      assertResets(disk.poll(), tokens);
      assertThrowsResult(() => disk.poll(), Result.E_GONE);
      assert.deepEqual(disk.statistics(), {
        ...statistics,
        requests: statistics.requests + 3n,
        errors: 3n,
        resets: 1n,
        notifications: statistics.notifications + 1n,
      });
      resetInVain(context, disk, pciAddress);
      assert.equal(disk.close(), 0);
      assertThrowsResult(() => context.stack.openBlock(pciAddress), Result.E_NOT_FOUND);
    },
  },
];

for (const [machine, virtio] of [
  ["pc", "legacy"],
  ["q35", "transitional"],
  ["pc", "modern"],
] as const) {
  const name = `QEMU ${machine}, ${virtio} device that its host keeps from working`;
  // Where there are registers of the legacy interface, the tests find rings by them.
  const host = { machine, virtio, ...(virtio === "modern" ? {} : { transport: TransportWanted.LEGACY_PCI }) };
  const ground = new QemuGround(name, host, 1, { started: (started) => clock.attach(started) });
  runCases(ground, {
    "comes back with a reset": comesBack,
    // Unplugging is the ACPI of this machine's root bus.
    ...(machine === "pc" ? { "is gone": staysAway } : {}),
  });
}
