/** One request from the call to its completion, without interrupts. */

import assert from "node:assert/strict";
import { Result, type BlockRequest, type Completion } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { initialSectors, pattern } from "../pattern.js";
import { assertResult, assertThrowsResult } from "../results.js";
import {
  cut,
  PAGE_BYTES,
  readRequest,
  SECTOR_BYTES,
  segment,
  submitAll,
  takeCompletions,
  takeResets,
  writeRequest,
} from "./requests.js";

/** Enough for any device of a test's. */
const PATIENCE = 20_000;

function read(context: CaseContext, sector: number, token: number): BlockRequest {
  return readRequest(sector, [segment(context.allocate(PAGE_BYTES), SECTOR_BYTES)], token);
}

function dataOf(context: CaseContext, { segments }: BlockRequest): Uint8Array {
  return context.machine.readBuffer(segments[0]?.pointer ?? 0, SECTOR_BYTES);
}

function assertDone(completion: Completion | undefined, token: number, length = SECTOR_BYTES): void {
  assert.deepEqual(completion, { token, result: Result.OK, length });
}

export const execution: readonly Case[] = [
  {
    name: "a request is complete when the call returns, for one access of a register",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const request = read(context, 7, 3);
      const before = context.registerAccesses;
      assertDone(disk.perform(request, PATIENCE), 3);
      context.assertAccesses({ reads: before.reads, writes: before.writes + 1 });
      assert.deepEqual(dataOf(context, request), initialSectors(7, 1));
      const data = pattern(1, SECTOR_BYTES);
      const buffer = context.allocate(PAGE_BYTES);
      context.machine.writeBuffer(buffer, data);
      assertDone(disk.perform(writeRequest(9, [segment(buffer, SECTOR_BYTES)], 4), PATIENCE), 4);
      assert.deepEqual(context.disk().contents(9, 1), data);
      assert.deepEqual(disk.poll(), [], "its completion is nowhere else");
      const { reads, writes, requests, errors } = disk.statistics();
      assert.deepEqual([reads, writes, requests, errors], [1n, 1n, 2n, 0n]);
    },
  },
  {
    name: "any number of them, without any poll",
    disks: [{ queueSize: 8 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      for (let token = 0; token < 40; token++) {
        assertDone(disk.perform(readRequest(token, [segment(buffer, SECTOR_BYTES)], token), PATIENCE), token);
      }
      assert.equal(disk.close(), 0);
    },
  },
  {
    name: "what others have completed meanwhile is kept for them, each once",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      for (let round = 0; round < 10; round++) {
        const others = Array.from({ length: 6 }, (_, token) => read(context, token, token));
        submitAll(disk, others);
        assertDone(disk.perform(read(context, 30, 100), PATIENCE), 100);
        assertDone(disk.perform(read(context, 31, 101), PATIENCE), 101);
        const tokens = takeCompletions(context, disk, 6).map(({ token }) => token);
        assert.deepEqual(tokens.sort(), [0, 1, 2, 3, 4, 5]);
        others.forEach((request, index) => assert.deepEqual(dataOf(context, request), initialSectors(index, 1)));
        assert.deepEqual(disk.poll(), []);
      }
    },
  },
  {
    name: "a request that is split is complete with all its parts",
    needs: ["segment limits"],
    disks: [{ segMax: 1, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      for (let round = 0; round < 5; round++) {
        submitAll(disk, [read(context, 1, 1), read(context, 2, 2)]);
        const request = readRequest(8, cut(buffer, new Array<number>(8).fill(SECTOR_BYTES)), 5);
        assertDone(disk.perform(request, PATIENCE), 5, PAGE_BYTES);
        assert.deepEqual(context.machine.readBuffer(buffer, PAGE_BYTES), initialSectors(8, 8));
        takeCompletions(context, disk, 2);
        assert.deepEqual(disk.poll(), []);
      }
    },
  },
  {
    name: "an error is the completion's result, a refusal the call's",
    disks: [{ failingSectors: [40] }],
    run(context) {
      const disk = context.openDisk();
      assert.deepEqual(disk.perform(read(context, 40, 1), PATIENCE), { token: 1, result: Result.E_IO, length: 0 });
      assertThrowsResult(() => disk.perform(read(context, 2 ** 40, 2), PATIENCE), Result.E_RANGE);
      assert.equal(disk.statistics().refused, 1n);
      assertDone(disk.perform(read(context, 41, 3), PATIENCE), 3);
    },
  },
  {
    name: "after its time, a request comes back as any other",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      for (let round = 0; round < 5; round++) {
        const late: number[] = [];
        for (let token = 0; token < 4; token++) {
          if (disk.perform(read(context, token, token), 0) === undefined) late.push(token);
        }
        const completions = takeCompletions(context, disk, late.length);
        for (const { result } of completions) assertResult(result, Result.OK);
        assert.deepEqual(completions.map(({ token }) => token).sort(), late);
      }
    },
  },
  {
    name: "a reset gives back what others had in flight, and nothing that was complete",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      for (let round = 0; round < 4; round++) {
        submitAll(disk, [read(context, 0, 0), read(context, 1, 1)]);
        assertDone(disk.perform(read(context, 9, 9), PATIENCE), 9);
        disk.reset();
        takeResets(disk, 2);
        assert.deepEqual(disk.poll(), []);
        assertDone(disk.perform(read(context, 9, 9), PATIENCE), 9);
      }
      submitAll(disk, [read(context, 0, 0)]);
      assertDone(disk.perform(read(context, 9, 9), PATIENCE), 9);
      assert.equal(disk.close(), 1);
      takeResets(disk, 1);
      assert.ok(disk.isGone);
    },
  },
];
