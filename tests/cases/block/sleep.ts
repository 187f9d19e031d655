/** Disks that are suspended and resumed, also when the machine has lost its PCI configuration meanwhile. */

import assert from "node:assert/strict";
import {
  CompletionLayout,
  Event,
  RecordArray,
  Result,
  type BlockDevice,
} from "../../../kernel-shim/javascript/index.js";
import { closeCompletely, type Case, type CaseContext } from "../context.js";
import { initialSectors, pattern } from "../pattern.js";
import { assertResult, assertThrowsResult } from "../results.js";
import { overSleep } from "../sleeps.js";
import {
  assertRefused,
  PAGE_BYTES,
  performWell,
  readRequest,
  SECTOR_BYTES,
  segment,
  submitAll,
  submitReads,
  takeCompletions,
  takeResets,
} from "./requests.js";

const ROUNDS = 40;

/** Data goes to the disk and comes back. */
function assertWorks(context: CaseContext, disk: BlockDevice, seed: number, index = 0): void {
  const data = pattern(seed, 2 * SECTOR_BYTES);
  disk.writeSectors(9, data);
  assert.deepEqual(context.disk(index).contents(9, 2), data);
  assert.deepEqual(disk.readSectors(9, 2), data);
  assert.deepEqual(disk.readSectors(20, 1), initialSectors(20, 1));
}

export const sleep: readonly Case[] = [
  ...overSleep("a disk without work works as before", { disks: [{}] }, (context, wait) => {
    const disk = context.openDisk();
    assertWorks(context, disk, 1);
    const before = disk.information();
    assert.equal(disk.suspend(), 0);
    wait();
    disk.resume();
    assert.deepEqual(disk.information(), before);
    assertWorks(context, disk, 2);
    assert.equal(disk.statistics().resets, 1n);
    assert.equal(disk.events(), 0);
  }),
  ...overSleep(
    "requests in flight that are given up complete once with E_RESET, before the resume and after it",
    { disks: [{ queueSize: 64 }] },
    (context, wait) => {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      for (let round = 0; round < 3; round++) {
        submitReads(context, disk, 20);
        assert.equal(disk.suspend(true), 0);
        assert.equal(disk.poll(5).length, 5);
        wait();
        disk.resume();
        assertRefused(disk, readRequest(0, [segment(buffer, SECTOR_BYTES)], 99), Result.E_FULL);
        assert.equal(disk.poll().length, 15);
        assert.deepEqual(disk.poll(), []);
        performWell(context, disk, readRequest(round, [segment(buffer, SECTOR_BYTES)], 5));
        assert.deepEqual(context.machine.readBuffer(buffer, SECTOR_BYTES), initialSectors(round, 1));
      }
      assert.equal(disk.statistics().errors, 60n);
    },
  ),
  {
    name: "a disk with requests out goes on running unless they are given up",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      submitReads(context, disk, 8);
      assert.equal(disk.suspend(), 8);
      for (const { result } of takeCompletions(context, disk, 8)) assertResult(result, Result.OK);
      assert.equal(disk.suspend(), 0);
      disk.resume();
      assertWorks(context, disk, 1);
    },
  },
  {
    name: "no call touches a register of a disk that is suspended, nor the disk any memory",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const { handle } = disk;
      const { exports } = context.stack;
      const buffer = context.allocate(PAGE_BYTES);
      submitAll(
        disk,
        [0, 1, 2, 3].map((token) => readRequest(token, [segment(buffer + token * SECTOR_BYTES, SECTOR_BYTES)], token)),
      );
      assert.equal(disk.suspend(true), 0);
      const blank = new Uint8Array(PAGE_BYTES).fill(0x11);
      context.machine.writeBuffer(buffer, blank);
      context.letTimePass(5);
      assert.deepEqual(context.machine.readBuffer(buffer, blank.length), blank);
      context.assertTouchesNothing(() => {
        assertResult(exports.interrupt(handle), Result.OK);
        assertResult(exports.interrupt_vector(handle, 0), Result.OK);
        assertResult(exports.enable_interrupts(handle), Result.E_SUSPENDED);
        assertResult(exports.disable_interrupts(handle), Result.E_SUSPENDED);
        assertResult(exports.block_await_all(handle), Result.E_SUSPENDED);
        assertResult(exports.reset(handle), Result.E_SUSPENDED);
        assertThrowsResult(() => disk.submit([readRequest(0, [segment(buffer, SECTOR_BYTES)])]), Result.E_SUSPENDED);
        takeResets(disk, 4);
        assertThrowsResult(() => disk.poll(), Result.E_SUSPENDED);
        assert.equal(disk.information().capacity, 2048n);
        assert.equal(disk.events(), 0);
        assert.equal(disk.suspend(), 0, "again");
        assert.equal(disk.suspend(true), 0, "and again");
      });
      assertThrowsResult(() => context.openDisk(), Result.E_IN_USE, "it is suspended, not closed");
      disk.resume();
      context.assertTouchesNothing(() => assertResult(exports.resume(handle), Result.OK, "again"));
      assertWorks(context, disk, 1);
      assert.equal(disk.statistics().resets, 1n);
    },
  },
  ...overSleep("interrupts that were enabled before are enabled after it", { disks: [{}] }, (context, wait) => {
    const disk = context.openDisk();
    disk.enableInterrupts();
    disk.suspend();
    wait();
    disk.resume();
    submitReads(context, disk, 1);
    context.takeInterrupt(disk, 5_000);
    takeCompletions(context, disk, 1);
  }),
  ...overSleep("a disk that has another size afterwards says so", { disks: [{ sectors: 2048 }] }, (context, wait) => {
    const disk = context.openDisk();
    disk.suspend();
    wait();
    context.disk().resize(4096);
    disk.resume();
    assert.equal(disk.events(), Event.CAPACITY);
    assert.equal(disk.information().capacity, 4096n);
    disk.writeSectors(4095, pattern(1, SECTOR_BYTES));
  }),
  ...overSleep(
    "a disk that is suspended can be closed, and opened",
    { disks: [{ queueSize: 64 }] },
    (context, wait) => {
      const disk = context.openDisk();
      const { handle } = disk;
      submitReads(context, disk, 4);
      disk.suspend(true);
      wait();
      context.assertTouchesNothing(() => assert.equal(context.stack.exports.close(handle), 4));
      assert.equal(context.lentPages, 0, "memory that the device could reach is back at once");
      const records = new RecordArray(context.stack.privateMemory, CompletionLayout.size, 4);
      assert.equal(context.stack.exports.block_poll(handle, records.pointer, 4), 4);
      records.dispose();
      assertResult(context.stack.exports.resume(handle), Result.E_HANDLE);
      assertResult(context.stack.exports.suspend(handle, 1), Result.E_HANDLE);
      context.stack.deviceClosed(disk);
    },
  ),
  ...overSleep(
    "disks behind bridges, and on the root bus, come back in any order",
    { needs: ["PCI", "bridges"], disks: [{ bridges: 2 }, {}, { bridges: 1 }, { bridges: 2 }] },
    (context, wait) => {
      const disks = [0, 1, 2, 3].map((index) => context.openDisk(index));
      for (const order of [
        [0, 1, 2, 3],
        [3, 2, 1, 0],
      ]) {
        for (const disk of disks) assert.equal(disk.suspend(), 0);
        wait();
        for (const index of order) {
          disks[index]?.resume();
          for (const [other, disk] of disks.entries()) {
            if (order.indexOf(other) <= order.indexOf(index)) assertWorks(context, disk, order.length + other, other);
          }
        }
      }
    },
  ),
  {
    name: "a disk that is not suspended goes on working while another one is",
    disks: [{}, {}],
    run(context) {
      const disks = [context.openDisk(0), context.openDisk(1)] as const;
      for (const [sleeper, other] of [
        [0, 1],
        [1, 0],
      ] as const) {
        disks[sleeper].suspend();
        assertWorks(context, disks[other], 3, other);
        disks[sleeper].resume();
        assertWorks(context, disks[sleeper], 4, sleeper);
      }
    },
  },
  {
    name: `suspended and resumed ${ROUNDS} times in private memory for one disk: nothing leaks`,
    disks: [{ queueSize: 16 }],
    arenaBytes: 4096,
    run(context) {
      for (let round = 0; round < ROUNDS; round++) {
        const disk = context.openDisk();
        for (let sleeps = 0; sleeps < 3; sleeps++) {
          submitReads(context, disk, 1);
          disk.suspend(true);
          if (sleeps === 1) takeResets(disk, 1);
          if (sleeps === 2 && round % 2 === 1) break;
          disk.resume();
          if (sleeps !== 1) takeResets(disk, 1);
        }
        closeCompletely(disk);
        assert.equal(context.lentPages, 0);
      }
    },
  },
];
