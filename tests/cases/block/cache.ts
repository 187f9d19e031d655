/** The mode of a disk's write cache, read and set. [virtio-1.2 §5.2.5, §5.2.6] */

import assert from "node:assert/strict";
import { Result, type BlockDevice } from "../../../kernel-shim/javascript/index.js";
import type { Case } from "../context.js";
import { ALL_FEATURES, VIRTIO_BLK_F_CONFIG_WCE } from "../features.js";
import { initialSectors, pattern } from "../pattern.js";
import { assertResult, assertThrowsResult } from "../results.js";
import { overSleep } from "../sleeps.js";
import { SECTOR_BYTES, submitReads, takeCompletions } from "./requests.js";

/** Whether the mode is the driver's to set; where it is not, that is what the call says. */
function canSet(disk: BlockDevice): boolean {
  const { features_accepted: accepted, writeback } = disk.information();
  if ((accepted & VIRTIO_BLK_F_CONFIG_WCE) !== 0n) return true;
  for (const wanted of [true, false]) assertThrowsResult(() => disk.setWriteback(wanted), Result.E_UNSUPPORTED);
  assert.equal(disk.information().writeback, writeback);
  return false;
}

export const cache: readonly Case[] = [
  {
    name: "it can be set both ways, and is told",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      if (!canSet(disk)) return;
      for (const wanted of [false, true, true, false]) {
        disk.setWriteback(wanted);
        assert.equal(disk.information().writeback, wanted ? 1 : 0);
        disk.writeSectors(1, pattern(2, SECTOR_BYTES));
        disk.flush();
        assert.deepEqual(context.disk().contents(1, 1), pattern(2, SECTOR_BYTES));
      }
    },
  },
  {
    name: "what was set holds after a reset",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      if (!canSet(disk)) return;
      for (const wanted of [false, true, false]) {
        disk.setWriteback(wanted);
        disk.reset();
        assert.equal(disk.information().writeback, wanted ? 1 : 0);
        disk.reset();
        assert.equal(disk.information().writeback, wanted ? 1 : 0);
      }
      assert.deepEqual(disk.readSectors(3, 1), initialSectors(3, 1));
    },
  },
  ...overSleep("what was set holds after a resume", { disks: [{}] }, (context, wait) => {
    const disk = context.openDisk();
    if (!canSet(disk)) return;
    for (const wanted of [false, true]) {
      disk.setWriteback(wanted);
      assert.equal(disk.suspend(), 0);
      assertThrowsResult(() => disk.setWriteback(!wanted), Result.E_SUSPENDED);
      wait();
      disk.resume();
      assert.equal(disk.information().writeback, wanted ? 1 : 0);
    }
  }),
  {
    name: "requests in flight go on",
    disks: [{ queueSize: 64 }],
    run(context) {
      const disk = context.openDisk();
      if (!canSet(disk)) return;
      submitReads(context, disk, 8);
      disk.setWriteback(false);
      disk.setWriteback(true);
      for (const { result } of takeCompletions(context, disk, 8)) assertResult(result, Result.OK);
    },
  },
  {
    name: "anything but 0 and 1: E_ARGUMENT; without CONFIG_WCE: E_UNSUPPORTED",
    disks: [{}],
    run(context) {
      let disk = context.openDisk();
      const { exports } = context.stack;
      for (const wrong of [2, 0xff, 0x100, 0xffff_ffff]) {
        assertResult(exports.block_set_writeback(disk.handle, wrong), Result.E_ARGUMENT);
      }
      disk.close();
      disk = context.openDisk(0, { features: ALL_FEATURES & ~VIRTIO_BLK_F_CONFIG_WCE });
      assert.equal(canSet(disk), false);
    },
  },
];
