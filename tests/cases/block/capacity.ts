/** A disk that changes its size while it is open. [virtio-1.2 §3.2.1, §5.2.6.1] */

import assert from "node:assert/strict";
import { Event, Interrupt, Result, type BlockDevice } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { pattern } from "../pattern.js";
import { assertResult } from "../results.js";
import {
  assertRefused,
  PAGE_BYTES,
  performWell,
  readRequest,
  SECTOR_BYTES,
  segment,
  submitAll,
  takeCompletions,
} from "./requests.js";

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
    name: "a disk that grows while requests are in flight completes them, and takes new ones behind its old end",
    disks: [{ sectors: 2048, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(16 * PAGE_BYTES);
      const requests = (first: number, token: number) =>
        Array.from({ length: 8 }, (_, index) =>
          readRequest(first + index, [segment(buffer + (token + index) * SECTOR_BYTES, SECTOR_BYTES)], token + index),
        );
      submitAll(disk, requests(2040, 0));
      context.disk().resize(4096);
      const before = takeCompletions(context, disk, 8);
      for (const { result } of before) assertResult(result, Result.OK);
      hear(context, disk);
      assert.equal(disk.events(), Event.CAPACITY);
      submitAll(disk, requests(4088, 8));
      for (const { result, length } of takeCompletions(context, disk, 8)) {
        assertResult(result, Result.OK);
        assert.equal(length, SECTOR_BYTES);
      }
    },
  },
  {
    name: "a disk that shrinks while requests are in flight completes each once, done or as an error",
    disks: [{ sectors: 2048, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(16 * PAGE_BYTES);
      const read = (sector: number, token: number) =>
        readRequest(sector, [segment(buffer + token * SECTOR_BYTES, SECTOR_BYTES)], token);
      submitAll(
        disk,
        Array.from({ length: 16 }, (_, token) => read(token % 2 === 0 ? token : 2032 + token, token)),
      );
      context.disk().resize(1024);
      const completions = takeCompletions(context, disk, 16).sort((left, right) => left.token - right.token);
      completions.forEach(({ token, result }, index) => {
        assert.equal(token, index);
        if (token % 2 === 0 || result !== Result.E_IO) assertResult(result, Result.OK, `request ${token}`);
      });
      hear(context, disk);
      assert.equal(disk.events(), Event.CAPACITY);
      assertRefused(disk, read(1024, 0), Result.E_RANGE);
      performWell(context, disk, read(1023, 0));
      // The device may have met requests behind its end, which were within when they were made.
      const isOfTheEnd = (complaint: string): boolean => complaint.includes("stay within the capacity");
      assert.deepEqual(
        context.takeComplaints().filter((complaint) => !isOfTheEnd(complaint)),
        [],
      );
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
