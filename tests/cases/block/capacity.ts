/** A disk that changes its size while it is open. [virtio-1.2 §3.2.1, §5.2.6.1] */

import assert from "node:assert/strict";
import { Event, Interrupt, Result, type BlockDevice } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { pattern } from "../pattern.js";
import { assertRefused, PAGE_BYTES, performWell, readRequest, SECTOR_BYTES, segment } from "./requests.js";

/** Serves interrupts until the disk has heard of its new capacity. */
function hear(context: CaseContext, disk: BlockDevice): void {
  let pending = 0;
  context.waitUntil(() => {
    for (const served of context.stack.service(100)) if (served.device === disk) pending |= served.pending;
    return (pending & Interrupt.CONFIGURATION) !== 0;
  }, "an interrupt of the configuration");
}

export const capacity: readonly Case[] = [
  {
    name: "a disk that grows raises an event, and its new sectors can be used",
    disks: [{ sectors: 2048 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      assertRefused(disk, readRequest(2048, [segment(buffer, SECTOR_BYTES)]), Result.E_RANGE);
      context.disk().resize(4096);
      hear(context, disk);
      assert.equal(disk.events(), Event.CAPACITY);
      assert.equal(disk.events(), 0, "reading them clears them");
      assert.equal(disk.information().capacity, 4096n);
      disk.writeSectors(4095, pattern(1, SECTOR_BYTES));
      assert.deepEqual(context.disk().contents(4095, 1), pattern(1, SECTOR_BYTES));
      assertRefused(disk, readRequest(4096, [segment(buffer, SECTOR_BYTES)]), Result.E_RANGE);
    },
  },
  {
    name: "a disk that shrinks raises an event, and what lies behind is E_RANGE",
    disks: [{ sectors: 2048 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      context.disk().resize(1024);
      hear(context, disk);
      assert.equal(disk.events(), Event.CAPACITY);
      assert.equal(disk.information().capacity, 1024n);
      assertRefused(disk, readRequest(1024, [segment(buffer, SECTOR_BYTES)]), Result.E_RANGE);
      performWell(context, disk, readRequest(1023, [segment(buffer, SECTOR_BYTES)]));
    },
  },
  {
    name: "a kernel that only polls hears of it by asking now and then",
    disks: [{ sectors: 2048 }],
    run(context) {
      const disk = context.openDisk();
      assert.equal(context.pendingInterrupt(disk), 0);
      context.disk().resize(3072);
      context.waitUntil(
        () => (context.pendingInterrupt(disk) & Interrupt.CONFIGURATION) !== 0,
        "the configuration's bit",
      );
      assert.equal(disk.events(), Event.CAPACITY);
      assert.equal(disk.information().capacity, 3072n);
    },
  },
  {
    name: "a reset reads the capacity anew",
    disks: [{ sectors: 2048 }],
    run(context) {
      const disk = context.openDisk();
      context.disk().resize(4096);
      disk.reset();
      assert.equal(disk.information().capacity, 4096n);
      context.letTimePass();
      context.pendingInterrupt(disk);
      assert.equal(disk.events() & ~Event.CAPACITY, 0);
    },
  },
  {
    name: "several changes before anyone asks are one event with the last capacity",
    disks: [{ sectors: 2048 }],
    run(context) {
      const disk = context.openDisk();
      for (const sectors of [4096, 1024, 8192]) context.disk().resize(sectors);
      hear(context, disk);
      assert.equal(disk.events(), Event.CAPACITY);
      assert.equal(disk.information().capacity, 8192n);
    },
  },
];
