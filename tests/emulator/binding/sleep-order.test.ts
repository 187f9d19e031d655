/** Devices behind one bridge that were suspended before and after its windows grew, resumed in either order. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { createRootPort } from "../../../kernel-shim/emulated-pc/pci/standard-devices.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { Build } from "../../../kernel-shim/machine.js";

const DISK_BYTES = 1 << 20;
const SLOT = 9;

for (const build of ["mapped", "ported"] as const satisfies readonly Build[]) {
  describe(`devices behind one bridge (${build})`, () => {
    for (const order of ["the one that was suspended first", "the one that was plugged in later"] as const) {
      test(`work again after a loss of power, ${order} first`, () => {
        const machine = new EmulatedPc({ build, profile: "minimal", firmware: false, layout: "bare" });
        const [early, late] = [0, 1].map(() => new BlockDevice({ backEnd: new MemoryDisk(DISK_BYTES) }));
        assert.ok(early && late);
        const port = createRootPort();
        machine.addFunction(port, machine.rootBus, SLOT);
        machine.addDevice(early, { bus: port.bus, slot: 3, transport: "legacy" });
        const stack = loadStack(machine);
        stack.assignResources();
        stack.scan();
        const first = stack.openBlock(machine.addressOf(early));
        // What is kept of the bridge then lets ports pass, and no memory.
        first.suspend();
        machine.addDevice(late, { bus: port.bus, slot: 4, transport: "modern-memory" });
        stack.assignResources();
        stack.scan();
        const second = stack.openBlock(machine.addressOf(late));
        second.suspend();
        machine.powerCycle();
        const devices = order === "the one that was suspended first" ? [first, second] : [second, first];
        for (const device of devices) device.resume();
        for (const device of devices) assert.equal(device.readSectors(0, 1).length, 512);
        assert.deepEqual(machine.violations, []);
        machine.close();
      });
    }
  });
}
