/** The ring of a disk: full, going round past 65,535, and used in every way that features allow. [virtio-1.2 §2.7] */

import assert from "node:assert/strict";
import { Result, type BlockDevice, type BlockRequest } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import * as features from "../features.js";
import { initialSectors, pattern } from "../pattern.js";
import { assertResult } from "../results.js";
import {
  PAGE_BYTES,
  performAll,
  readRequest,
  SECTOR_BYTES,
  segment,
  submitAll,
  takeCompletions,
  writeRequest,
} from "./requests.js";

/** Past the largest ring index. */
const WRAPPING_REQUESTS = 70_000;

/** How many requests of one segment a ring takes at most. */
function requestsInFlightMax(disk: BlockDevice): number {
  const { queue_size, features_accepted } = disk.information();
  const isIndirect = (features_accepted & features.VIRTIO_F_INDIRECT_DESC) !== 0n;
  return isIndirect ? queue_size : Math.floor(queue_size / 3);
}

function fillRing(context: CaseContext, disk: BlockDevice): void {
  const most = requestsInFlightMax(disk);
  const buffer = context.allocate(most * SECTOR_BYTES);
  const request = (token: number): BlockRequest =>
    readRequest(token % 2048, [segment(buffer + (token % most) * SECTOR_BYTES, SECTOR_BYTES)], token);
  const { accepted, refusal } = disk.submit(Array.from({ length: most + 5 }, (_, token) => request(token)));
  assert.equal(accepted, most);
  assertResult(refusal, Result.E_FULL);
  assertResult(disk.submit([request(most)]).refusal, Result.E_FULL, "still full");
  assert.equal(disk.statistics().refused, 0n, "a full ring is no error of the caller's");

  const completions = takeCompletions(context, disk, most);
  assert.equal(new Set(completions.map(({ token }) => token)).size, most, "each completed once");
  for (const { result, length } of completions) {
    assertResult(result, Result.OK);
    assert.equal(length, SECTOR_BYTES);
  }
  for (let sector = 0; sector < most; sector++) {
    assert.deepEqual(
      context.machine.readBuffer(buffer + sector * SECTOR_BYTES, SECTOR_BYTES),
      initialSectors(sector % 2048, 1),
    );
  }
  submitAll(
    disk,
    Array.from({ length: most }, (_, token) => request(token)),
  );
  takeCompletions(context, disk, most);
}

/** Reads and writes of several shapes, in flight together, compared with the disk. */
function workload(context: CaseContext, disk: BlockDevice): void {
  const buffer = context.allocate(64 * PAGE_BYTES);
  const writes = Array.from({ length: 60 }, (_, index) => {
    const at = buffer + index * PAGE_BYTES;
    context.machine.writeBuffer(at, pattern(index, 3 * SECTOR_BYTES));
    return writeRequest(index * 4, [segment(at, 1000), segment(at + 1000, 536)], index);
  });
  for (const { result } of performAll(context, disk, writes)) assertResult(result, Result.OK);
  const reads = Array.from({ length: 60 }, (_, index) => {
    return readRequest(index * 4, [segment(buffer + index * PAGE_BYTES, 4 * SECTOR_BYTES)], index);
  });
  for (const { result } of performAll(context, disk, reads)) assertResult(result, Result.OK);
  for (let index = 0; index < 60; index++) {
    const found = context.machine.readBuffer(buffer + index * PAGE_BYTES, 4 * SECTOR_BYTES);
    assert.deepEqual(found.subarray(0, 3 * SECTOR_BYTES), pattern(index, 3 * SECTOR_BYTES));
    assert.deepEqual(found.slice(3 * SECTOR_BYTES), initialSectors(index * 4 + 3, 1));
  }
}

/** Keeps a ring busy until its indices have wrapped, and checks that every request completes once. */
function wrapAround(context: CaseContext, disk: BlockDevice): void {
  const total = WRAPPING_REQUESTS;
  const most = requestsInFlightMax(disk);
  const buffer = context.allocate(most * SECTOR_BYTES);
  const slots = Array.from({ length: most }, (_, index) => index);
  const sectorOfSlot = new Array<number>(most).fill(-1);
  let submitted = 0;
  let completed = 0;
  context.waitLongUntil(() => {
    const batch: BlockRequest[] = [];
    while (slots.length > 0 && submitted < total) {
      const slot = slots.pop() ?? 0;
      assert.equal(sectorOfSlot[slot], -1);
      sectorOfSlot[slot] = submitted % 2048;
      batch.push(readRequest(submitted % 2048, [segment(buffer + slot * SECTOR_BYTES, SECTOR_BYTES)], slot));
      submitted++;
    }
    submitAll(disk, batch);
    for (const { token, result } of disk.poll()) {
      assertResult(result, Result.OK);
      const sector = sectorOfSlot[token] ?? -1;
      assert.ok(sector >= 0, "completed twice");
      sectorOfSlot[token] = -1;
      slots.push(token);
      completed++;
      // Comparing every sector would take longer than reading it.
      if (completed % 997 === 0) {
        const found = context.machine.readBuffer(buffer + token * SECTOR_BYTES, SECTOR_BYTES);
        assert.deepEqual(found, initialSectors(sector, 1));
      }
    }
    return completed === total;
  }, `${total} requests`);
  assert.equal(disk.statistics().reads, BigInt(total));
}

const featureSets = [
  ["no optional feature", 0n],
  ["EVENT_IDX alone", features.VIRTIO_F_EVENT_IDX],
  ["INDIRECT_DESC alone", features.VIRTIO_F_INDIRECT_DESC],
  ["EVENT_IDX and INDIRECT_DESC", features.VIRTIO_F_EVENT_IDX | features.VIRTIO_F_INDIRECT_DESC],
  ["ANY_LAYOUT alone", features.VIRTIO_F_ANY_LAYOUT],
  ["all but EVENT_IDX", features.ALL_FEATURES & ~features.VIRTIO_F_EVENT_IDX],
  ["all but INDIRECT_DESC", features.ALL_FEATURES & ~features.VIRTIO_F_INDIRECT_DESC],
] as const;

export const ring: readonly Case[] = [
  {
    name: "a full ring accepts no more, and goes on after completions were taken",
    disks: [{}],
    run(context) {
      fillRing(context, context.openDisk());
    },
  },
  {
    name: "a full ring without optional features",
    disks: [{ offers: { anyLayout: false } }],
    run(context) {
      fillRing(context, context.openDisk(0, { features: 0n }));
    },
  },
  {
    name: "the smallest ring that can work",
    disks: [{ queueSize: 4 }],
    run(context) {
      const disk = context.openDisk();
      assert.equal(disk.information().queue_size, 4);
      fillRing(context, disk);
      workload(context, disk);
    },
  },
  ...featureSets.map(([name, allowed]): Case => ({
    name: `reads and writes with ${name}`,
    // A driver that is offered ANY_LAYOUT has to accept it.
    disks: [
      { queueSize: 32, ...((allowed & features.VIRTIO_F_ANY_LAYOUT) === 0n && { offers: { anyLayout: false } }) },
    ],
    run(context) {
      const disk = context.openDisk(0, { features: allowed });
      assert.equal(features.chosen(disk.information().features_accepted) & ~allowed, 0n);
      workload(context, disk);
      assert.equal(disk.statistics().errors, 0n);
    },
  })),
  {
    name: "completions are taken a few at a time, none is lost",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const most = requestsInFlightMax(disk);
      const buffer = context.allocate(most * SECTOR_BYTES);
      const requests = Array.from({ length: most }, (_, token) =>
        readRequest(token, [segment(buffer + token * SECTOR_BYTES, SECTOR_BYTES)], token),
      );
      submitAll(disk, requests);
      const tokens = new Set<number>();
      context.waitUntil(() => {
        const found = disk.poll(3);
        assert.ok(found.length <= 3);
        for (const { token } of found) {
          assert.ok(!tokens.has(token));
          tokens.add(token);
        }
        return tokens.size === most;
      }, "all completions");
      assert.deepEqual(disk.poll(), []);
    },
  },
];

/** Long: where requests take real time, once is enough. */
export const ringWrap: readonly Case[] = [
  {
    name: `ring indices wrap: ${WRAPPING_REQUESTS} requests on a ring of 16 entries`,
    disks: [{ queueSize: 16 }],
    run(context) {
      wrapAround(context, context.openDisk());
    },
  },
  {
    name: `ring indices wrap without optional features: ${WRAPPING_REQUESTS} requests on a ring of 16 entries`,
    disks: [{ queueSize: 16, offers: { anyLayout: false } }],
    run(context) {
      wrapAround(context, context.openDisk(0, { features: 0n }));
    },
  },
];
