/** Several disks at the same time. */

import assert from "node:assert/strict";
import { Result, type Completion } from "../../../kernel-shim/javascript/index.js";
import type { Case } from "../context.js";
import { initialSectors, pattern } from "../pattern.js";
import { assertResult } from "../results.js";
import {
  PAGE_BYTES,
  readRequest,
  SECTOR_BYTES,
  segment,
  submitAll,
  takeCompletions,
  writeRequest,
} from "./requests.js";

export const several: readonly Case[] = [
  {
    name: "four disks work side by side, each on its own sectors",
    disks: [{ queueSize: 16 }, {}, { readOnly: true }, { sectors: 64 }],
    run(context) {
      const disks = [0, 1, 2, 3].map((index) => context.openDisk(index));
      const buffer = context.allocate(4 * PAGE_BYTES);
      for (let round = 0; round < 30; round++) {
        disks.forEach((disk, index) => {
          const at = buffer + index * PAGE_BYTES;
          const sector = (round * 4) % 60;
          if (index === 2 || round % 2 === 1) {
            submitAll(disk, [readRequest(sector, [segment(at, SECTOR_BYTES)], round)]);
          } else {
            context.machine.writeBuffer(at, pattern(round * 4 + index, SECTOR_BYTES));
            submitAll(disk, [writeRequest(sector, [segment(at, SECTOR_BYTES)], round)]);
          }
        });
        const done: Completion[][] = disks.map(() => []);
        context.waitUntil(() => {
          disks.forEach((disk, index) => done[index]?.push(...disk.poll()));
          return done.every((completions) => completions.length === 1);
        }, "a completion of every disk");
        for (const { token, result } of done.flat()) {
          assert.equal(token, round);
          assertResult(result, Result.OK);
        }
      }
      for (let index = 0; index < 4; index++) {
        const expected = index === 2 ? initialSectors(32, 1) : pattern(8 * 4 + index, SECTOR_BYTES);
        assert.deepEqual(context.disk(index).contents(32, 1), expected);
      }
    },
  },
  {
    name: "a reset of one disk leaves the requests of another alone",
    disks: [{}, {}],
    run(context) {
      const first = context.openDisk(0);
      const second = context.openDisk(1);
      const buffer = context.allocate(PAGE_BYTES);
      submitAll(first, [readRequest(1, [segment(buffer, SECTOR_BYTES)], 1)]);
      submitAll(second, [readRequest(2, [segment(buffer + SECTOR_BYTES, SECTOR_BYTES)], 2)]);
      first.reset();
      assertResult(first.poll()[0]?.result ?? Result.OK, Result.E_RESET);
      assertResult(takeCompletions(context, second, 1)[0]?.result ?? Result.E_IO, Result.OK);
      assert.deepEqual(context.machine.readBuffer(buffer + SECTOR_BYTES, SECTOR_BYTES), initialSectors(2, 1));
    },
  },
  {
    name: "closing one disk leaves the other open",
    disks: [{}, {}],
    run(context) {
      const first = context.openDisk(0);
      const second = context.openDisk(1);
      first.close();
      assert.deepEqual(second.readSectors(5, 1), initialSectors(5, 1));
      const again = context.openDisk(0);
      assert.deepEqual(again.readSectors(6, 1), initialSectors(6, 1));
      assert.deepEqual(second.readSectors(7, 1), initialSectors(7, 1));
    },
  },
];
