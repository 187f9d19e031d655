/** Errors that the device reports, for one request each. [virtio-1.2 §5.2.6] */

import assert from "node:assert/strict";
import { Result } from "../../../kernel-shim/javascript/index.js";
import type { Case } from "../context.js";
import { initialSectors, pattern } from "../pattern.js";
import { assertResult, assertThrowsResult } from "../results.js";
import {
  cut,
  PAGE_BYTES,
  perform,
  performAll,
  performWell,
  readRequest,
  SECTOR_BYTES,
  segment,
  writeRequest,
} from "./requests.js";

const BAD = 40;

export const errors: readonly Case[] = [
  {
    name: "a sector that cannot be read or written: E_IO, no bytes, and the disk goes on",
    disks: [{ failingSectors: [BAD] }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      for (const request of [readRequest, writeRequest]) {
        const { result, length } = perform(context, disk, request(BAD, [segment(buffer, SECTOR_BYTES)], 3));
        assertResult(result, Result.E_IO);
        assert.equal(length, 0);
      }
      performWell(context, disk, readRequest(BAD - 1, [segment(buffer, SECTOR_BYTES)]));
      assert.deepEqual(context.machine.readBuffer(buffer, SECTOR_BYTES), initialSectors(BAD - 1, 1));
      const { errors, reads, writes, requests, bytes_read } = disk.statistics();
      assert.deepEqual([errors, reads, writes, requests, bytes_read], [2n, 1n, 0n, 3n, 512n]);
    },
  },
  {
    name: "an error in the middle of a batch is that request's alone",
    disks: [{ failingSectors: [BAD] }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(PAGE_BYTES);
      const requests = [BAD - 1, BAD, BAD + 1, BAD + 2].map((sector, token) =>
        readRequest(sector, [segment(buffer + token * SECTOR_BYTES, SECTOR_BYTES)], token),
      );
      const results = performAll(context, disk, requests).map(({ result }) => result);
      results.forEach((result, token) => assertResult(result, token === 1 ? Result.E_IO : Result.OK));
    },
  },
  {
    name: "an error in one part of a split request fails all of it, once",
    needs: ["segment limits"],
    disks: [{ failingSectors: [BAD], segMax: 1, queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      const buffer = context.allocate(2 * PAGE_BYTES);
      const segments = cut(buffer, new Array<number>(8).fill(SECTOR_BYTES));
      const { result, length } = perform(context, disk, readRequest(BAD - 3, segments, 1));
      assertResult(result, Result.E_IO);
      assert.equal(length, 0);
      performWell(context, disk, readRequest(0, segments, 2));
    },
  },
  {
    name: "the blocking calls throw the error",
    disks: [{ failingSectors: [BAD] }],
    run(context) {
      const disk = context.openDisk();
      assertThrowsResult(() => disk.readSectors(BAD - 4, 8), Result.E_IO);
      assertThrowsResult(() => disk.writeSectors(BAD, pattern(1, SECTOR_BYTES)), Result.E_IO);
      assert.deepEqual(disk.readSectors(0, 8), initialSectors(0, 8));
    },
  },
];
