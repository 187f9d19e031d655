/** Memory-mapped devices, found slot by slot. [virtio-1.2 §4.2.2] */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { TransportWanted } from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { assertThrowsResult } from "../../cases/results.js";
import { Result } from "../../../kernel-shim/javascript/index.js";

const VIRTIO_BLOCK = 2;

for (const [profile, version] of [
  ["microvm-1", 1],
  ["microvm-2", 2],
] as const) {
  test(`a slot says what is in it, version ${version}, also while that is open`, () => {
    const emulated = new EmulatedDisk({ backEnd: new MemoryDisk(4096) });
    const machine = new EmulatedPc({ profile, devices: [emulated] });
    const stack = loadStack(machine);
    const identify = (): (number | undefined)[][] =>
      machine.mmioSlots.map((slot) => {
        const identity = stack.identify(slot);
        return [identity?.type, identity?.version];
      });
    const taken = machine.slotOf(emulated);
    const expected = machine.mmioSlots.map((slot) =>
      slot === taken ? [VIRTIO_BLOCK, version] : [undefined, undefined],
    );
    assert.deepEqual(identify(), expected);
    const { base: mmio_base, bytes: mmio_bytes } = taken;
    const disk = stack.openBlock(0, { transport: TransportWanted.MMIO, mmio_base, mmio_bytes });
    assert.deepEqual(identify(), expected);
    assert.equal(disk.close(), 0);
    assert.equal(machine.mappingCount, 0);
  });
}

test("what is no slot of the machine's is refused", () => {
  const stack = loadStack(new EmulatedPc({ profile: "microvm-2" }));
  assertThrowsResult(() => stack.identify({ base: 0x10_0000n, bytes: 512, interrupt: 1 }), Result.E_BAR);
});
