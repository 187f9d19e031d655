/** What a batch costs, and when the device is told and when it tells. [virtio-1.2 §2.7.7, §2.7.10] */

import assert from "node:assert/strict";
import { Interrupt, Result, type BlockDevice, type BlockRequest } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { ALL_FEATURES, VIRTIO_F_EVENT_IDX } from "../features.js";
import { assertResult } from "../results.js";
import { PAGE_BYTES, readRequest, SECTOR_BYTES, segment, submitAll, takeCompletions } from "./requests.js";

const WAIT_MILLISECONDS = 5_000;

function reads(buffer: number, count: number): BlockRequest[] {
  return Array.from({ length: count }, (_, token) =>
    readRequest(token, [segment(buffer + token * SECTOR_BYTES, SECTOR_BYTES)], token),
  );
}

/** Waits for an interrupt, and checks that it is this device's and ends when it is taken. */
function expectInterrupt(context: CaseContext, disk: BlockDevice): void {
  const { reads } = context.registerAccesses;
  assert.equal(context.takeInterrupt(disk, WAIT_MILLISECONDS) & Interrupt.QUEUE, Interrupt.QUEUE);
  // What has to be acknowledged is written, too. A message says it all by itself, if it can have one meaning only.
  const { length: vectors } = disk.messages;
  context.assertAccesses({ reads: reads + (vectors === 0 ? 1 : vectors === 1 ? 2 : 0) });
}

const eventIndexChoices = [
  ["EVENT_IDX", ALL_FEATURES],
  ["flags", ALL_FEATURES & ~VIRTIO_F_EVENT_IDX],
] as const;

export const notifications: readonly Case[] = [
  {
    name: "a batch is one publish and at most one notification",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(4 * PAGE_BYTES);
      const { counters } = context.machine;
      for (let round = 0; round < 10; round++) {
        const before = { ...counters };
        const { reads: readsBefore, writes } = context.registerAccesses;
        const notificationsBefore = disk.statistics().notifications;
        submitAll(disk, reads(buffer, 16));
        const notifications = Number(disk.statistics().notifications - notificationsBefore);
        assert.ok(notifications <= 1);
        if (round === 0) assert.equal(notifications, 1, "an idle device is told");
        context.assertAccesses({ reads: readsBefore, writes: writes + notifications });
        assert.equal(counters.barriers - before.barriers, 2, "one publish: a barrier before and one behind it");
        takeCompletions(context, disk, 16);
      }
    },
  },
  {
    name: "polling touches no register, and costs one barrier a call",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const { counters } = context.machine;
      submitAll(disk, reads(context.allocate(PAGE_BYTES), 2));
      context.letTimePass();
      const before = { ...counters };
      const accesses = context.registerAccesses;
      const found = disk.poll();
      const empty = disk.poll();
      assert.deepEqual(context.registerAccesses, accesses);
      assert.equal(counters.barriers - before.barriers, 2);
      takeCompletions(context, disk, 2 - found.length - empty.length);
    },
  },
  {
    name: "an address is asked for once a page, not once a request",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      submitAll(disk, reads(buffer, 2));
      takeCompletions(context, disk, 2);
      const { translations } = context.machine.counters;
      submitAll(disk, reads(buffer, 2));
      takeCompletions(context, disk, 2);
      assert.equal(context.machine.counters.translations, translations);
    },
  },
  ...eventIndexChoices.map(([name, allowed]): Case => ({
    name: `polling alone, without an interrupt (${name})`,
    disks: [{}],
    run(context) {
      const disk = context.openDisk(0, { features: allowed });
      const buffer = context.allocate(PAGE_BYTES);
      const hasEventIndex = (disk.information().features_accepted & VIRTIO_F_EVENT_IDX) !== 0n;
      for (let round = 0; round < 20; round++) {
        submitAll(disk, reads(buffer, 2));
        takeCompletions(context, disk, 2);
      }
      context.letTimePass();
      // With EVENT_IDX a device may interrupt once before it has looked at the index for the first time.
      const interrupts = context.stack.service(0).length;
      assert.ok(interrupts <= (hasEventIndex ? 1 : 0));
      assert.equal(disk.interrupt(), 0, "nothing is pending");
    },
  })),
  ...eventIndexChoices.map(([name, allowed]): Case => ({
    name: `every batch that was waited for interrupts once (${name})`,
    disks: [{}],
    run(context) {
      const disk = context.openDisk(0, { features: allowed });
      const buffer = context.allocate(PAGE_BYTES);
      for (let round = 0; round < 20; round++) {
        assert.equal(disk.enableInterrupts(), false);
        submitAll(disk, reads(buffer, 1));
        expectInterrupt(context, disk);
        assert.deepEqual(context.machine.waitForInterrupt(0), [], "the interrupt was taken");
        assert.equal(disk.interrupt(), 0, "and is not pending any more");
        takeCompletions(context, disk, 1);
      }
      assert.equal(disk.statistics().interrupts, 20n);
    },
  })),
  ...eventIndexChoices.map(([name, allowed]): Case => ({
    name: `a batch that is waited for as a whole interrupts when all of it is done, where the device can (${name})`,
    disks: [{}],
    run(context) {
      const disk = context.openDisk(0, { features: allowed });
      const buffer = context.allocate(2 * PAGE_BYTES);
      const { features_accepted, queue_size } = disk.information();
      const hasEventIndex = (features_accepted & VIRTIO_F_EVENT_IDX) !== 0n;
      const rounds = 20;
      // Header, data and status, where a request has no table of its own.
      const batch = Math.min(16, Math.floor(queue_size / 3));
      let interrupts = 0;
      // Interrupts that may come although nothing is there for them any more.
      let late = 0;
      assert.equal(disk.awaitAll(), false, "an idle disk");
      for (let round = 0; round < rounds; round++) {
        submitAll(disk, reads(buffer, batch));
        let taken = 0;
        while (taken < batch) {
          const isComplete = disk.awaitAll();
          if (!isComplete) {
            expectInterrupt(context, disk);
            interrupts++;
          }
          const count = disk.poll().length;
          taken += count;
          // The device publishes the last completion before it interrupts: what is polled in between leaves that
          // interrupt to come later.
          if (isComplete) late++;
          else if (count === 0 && late > 0) late--;
          // A device may interrupt once before it has looked at the index for the first time.
          else if (hasEventIndex && round > 0) assert.equal(count, batch, "nothing was said before all was done");
        }
      }
      assert.ok(interrupts <= (hasEventIndex ? rounds + 1 : rounds * batch));
      assert.equal(disk.awaitAll(), false, "nothing is left");
    },
  })),
  ...eventIndexChoices.map(([name, allowed]): Case => ({
    name: `enabling interrupts says when something is there already (${name})`,
    disks: [{}],
    run(context) {
      const disk = context.openDisk(0, { features: allowed });
      assert.equal(disk.enableInterrupts(), false, "an idle disk");
      disk.disableInterrupts();
      submitAll(disk, reads(context.allocate(PAGE_BYTES), 2));
      context.waitUntil(() => disk.enableInterrupts(), "a completion that enabling interrupts reports");
      takeCompletions(context, disk, 2);
      assert.equal(disk.enableInterrupts(), false);
    },
  })),
  ...eventIndexChoices.map(([name, allowed]): Case => ({
    name: `disabled interrupts stay away, and come again when enabled (${name})`,
    disks: [{}],
    run(context) {
      const disk = context.openDisk(0, { features: allowed });
      const buffer = context.allocate(PAGE_BYTES);
      disk.enableInterrupts();
      disk.disableInterrupts();
      submitAll(disk, reads(buffer, 2));
      takeCompletions(context, disk, 2);
      context.letTimePass();
      context.machine.waitForInterrupt(0);
      disk.interrupt();
      assert.equal(disk.enableInterrupts(), false);
      submitAll(disk, reads(buffer, 1));
      expectInterrupt(context, disk);
      takeCompletions(context, disk, 1);
    },
  })),
  {
    name: "interrupts go on after the ring's indices have gone round many times",
    disks: [{ queueSize: 4 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      for (let round = 0; round < 300; round++) {
        while (disk.enableInterrupts()) disk.poll();
        submitAll(disk, reads(buffer, 1));
        expectInterrupt(context, disk);
        assertResult(takeCompletions(context, disk, 1)[0]?.result ?? Result.E_IO, Result.OK);
      }
    },
  },
  {
    name: "an interrupt of one disk is not another's",
    disks: [{}, {}],
    run(context) {
      const first = context.openDisk(0);
      const second = context.openDisk(1);
      const buffer = context.allocate(PAGE_BYTES);
      first.enableInterrupts();
      second.enableInterrupts();
      submitAll(first, reads(buffer, 1));
      const [number = -1, ...others] = context.machine.waitForInterrupt(WAIT_MILLISECONDS);
      assert.deepEqual(others, []);
      assert.equal(second.claim(number) ?? 0, 0);
      assert.equal(first.claim(number), Interrupt.QUEUE);
      takeCompletions(context, first, 1);
      assert.equal(second.statistics().interrupts, 0n);
    },
  },
  {
    name: "one service call finds every disk with something to take",
    disks: [{}, {}, {}],
    run(context) {
      const disks = [0, 1, 2].map((index) => context.openDisk(index));
      const buffer = context.allocate(PAGE_BYTES);
      for (const disk of disks) {
        disk.enableInterrupts();
        submitAll(disk, reads(buffer, 1));
      }
      const served = new Set<unknown>();
      context.waitUntil(() => {
        for (const { device } of context.stack.service(WAIT_MILLISECONDS)) served.add(device);
        return served.size === disks.length;
      }, "interrupts of all disks");
      for (const disk of disks) takeCompletions(context, disk, 1);
    },
  },
];
