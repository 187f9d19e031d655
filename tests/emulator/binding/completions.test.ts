/** As many completions as the binding takes at a time, and nothing after them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { BlockOperation, Result } from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { assertThrowsResult } from "../../cases/results.js";

/** The binding asks for so many in one call. */
const CAPACITY = 256;

test("none is lost when a suspended disk has exactly as many as are taken at a time", () => {
  const emulated = new EmulatedDisk({
    backEnd: new MemoryDisk(4096),
    queueSizes: [CAPACITY],
    onRequest: () => ({ status: 0, isLost: true }),
  });
  const machine = new EmulatedPc({ devices: [emulated] });
  const disk = loadStack(machine).openBlock(machine.addressOf(emulated));
  const pointer = machine.allocateBuffer(512);
  const requests = Array.from({ length: CAPACITY }, (_, token) => ({
    ...{ token, operation: BlockOperation.READ, sector: 0 },
    segments: [{ pointer, length: 512 }],
  }));
  assert.equal(disk.submit(requests).accepted, CAPACITY);
  disk.suspend(true);
  const completions = disk.poll();
  assert.deepEqual(
    completions.map(({ token }) => token).sort((one, other) => one - other),
    requests.map(({ token }) => token),
  );
  assertThrowsResult(() => disk.poll(), Result.E_SUSPENDED);
  machine.close();
});
