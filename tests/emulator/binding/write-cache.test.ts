/** What opening a disk makes of its write cache: a disk that writes through never stops doing so in silence. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CachingDisk } from "../../../kernel-shim/emulated-pc/block/caching-disk.js";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { legacyProfileNames } from "../../../kernel-shim/emulated-pc/profiles.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { DISK_BYTES, SECTOR_BYTES, bytesOf } from "./disk-machine.js";

const CONFIG_WCE = 1n << 11n;
const FLUSH = 1n << 9n;
const ANY_LAYOUT = 1n << 27n;
const ALL = 0xffff_ffff_ffff_ffffn;

for (const profile of legacyProfileNames) {
  for (const [name, features] of [
    ["with all features", ALL],
    ["without CONFIG_WCE", ALL & ~CONFIG_WCE],
    ["without FLUSH", ALL & ~FLUSH],
    ["with none but ANY_LAYOUT", ANY_LAYOUT],
  ] as const) {
    test(`a disk that writes through keeps what it acknowledged when the power goes: ${profile}, ${name}`, () => {
      const cache = new CachingDisk(new MemoryDisk(DISK_BYTES));
      const emulated = new EmulatedDisk({ backEnd: cache, writeCache: false });
      const machine = new EmulatedPc({ profile, completion: "deferred", devices: [emulated] });
      const stack = loadStack(machine);
      const disk = stack.openBlock(machine.addressOf(emulated), { features });
      assert.equal(disk.information().writeback, 0);
      assert.equal(emulated.isWriteBack, false);
      disk.writeSectors(1, bytesOf(SECTOR_BYTES, 1));
      cache.losePower();
      assert.deepEqual(disk.readSectors(1, 1), bytesOf(SECTOR_BYTES, 1));
      disk.reset();
      assert.equal(emulated.isWriteBack, false);
      assert.deepEqual(machine.violations, []);
    });
  }
}

test("a disk with a write cache says so, and keeps what was flushed", () => {
  const cache = new CachingDisk(new MemoryDisk(DISK_BYTES));
  const emulated = new EmulatedDisk({ backEnd: cache });
  const machine = new EmulatedPc({ completion: "deferred", devices: [emulated] });
  const disk = loadStack(machine).openBlock(machine.addressOf(emulated));
  assert.equal(disk.information().writeback, 1);
  disk.writeSectors(1, bytesOf(SECTOR_BYTES, 1));
  disk.flush();
  disk.writeSectors(2, bytesOf(SECTOR_BYTES, 2));
  cache.losePower();
  assert.deepEqual(disk.readSectors(1, 1), bytesOf(SECTOR_BYTES, 1));
  assert.deepEqual(disk.readSectors(2, 1), new Uint8Array(SECTOR_BYTES));
  assert.deepEqual(machine.violations, []);
});
