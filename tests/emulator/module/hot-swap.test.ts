/** Another function in the place of an open device: the handle of the old one does not drive it. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { NetDevice } from "../../../kernel-shim/emulated-pc/net/device.js";
import { PciFunction } from "../../../kernel-shim/emulated-pc/pci/function.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { Event, Result } from "../../../kernel-shim/javascript/index.js";
import { HostedCard } from "./card.js";
import { HostedDisk } from "./disk.js";
import { assertResult, type HostedModule } from "./hosted.js";
import { onBothBuilds } from "./moments.js";

const FIRST_SLOT = 4;
const COMMAND = 4;
/** Ports and bus mastering, as whoever drives the new function may have set them. */
const IN_USE = 5;
const INTERRUPT_DISABLE = 0x400;

/** Pulls a device out, and plugs another into the same slot that answers at the same ports. */
function swap(module: HostedModule, old: VirtioDevice, other: VirtioDevice): void {
  const { base } = module.portsOf(old);
  module.pc.removeDevice(old);
  module.pc.addDevice(other, { slot: FIRST_SLOT });
  module.pokeBaseAddress(other, base + 1);
  module.pc.functionOf(other).poke(COMMAND, [IN_USE, 0]);
}

/**
 * Resets and closes the handle, and fails when any of it reached or drove the function that is there now. It may only
 * be made still: no access to memory, no interrupts. Who says that it is another function might be the same one.
 */
function assertNotDriven(module: HostedModule, handle: number, there: PciFunction, result: number, out: number): void {
  const changed = there.configuration.slice();
  module.watch();
  assertResult(module.exports.reset(handle), result);
  assert.equal(module.exports.close(handle), out);
  assert.deepEqual(module.registerAccesses, [], "registers that were reached");
  changed.set(there.configuration.subarray(COMMAND, COMMAND + 2), COMMAND);
  assert.equal(there.command & ~IN_USE & ~INTERRUPT_DISABLE, 0);
  assert.deepEqual(there.configuration, changed, "its configuration space");
  assert.equal(module.turns, 0);
}

describe("a function in the place of a device that is open", () => {
  onBothBuilds("which is a card, is not driven by the handle of a disk, and can be opened after that", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    disk.submitReads(2);
    const card = new NetDevice();
    swap(module, disk.device, card);
    assertNotDriven(module, handle, module.pc.functionOf(card), Result.E_NOT_VIRTIO, 2);
    disk.comeBackAsReset([0n, 1n]);
    const opened = module.openCard(card);
    assert.ok(opened > 0);
    assert.equal(module.exports.close(opened), 0);
  });

  onBothBuilds("which is a disk, is not driven by the handle of a card, and can be opened after that", (build) => {
    const card = new HostedCard(build);
    const { module, handle } = card;
    const disk = new BlockDevice({ backEnd: new MemoryDisk(4096) });
    swap(module, card.device, disk);
    assertNotDriven(module, handle, module.pc.functionOf(disk), Result.E_NOT_VIRTIO, 0);
    const opened = module.openDisk(disk);
    assert.ok(opened > 0);
    assert.equal(module.exports.close(opened), 0);
  });

  onBothBuilds("which is a card, is not driven when the disk is closed before anybody noticed", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    disk.submitReads(2);
    swap(module, disk.device, new NetDevice());
    module.watch();
    assert.equal(module.exports.close(handle), 2);
    assert.deepEqual(module.registerAccesses, []);
    disk.comeBackAsReset([0n, 1n]);
  });

  onBothBuilds("which is no virtio device, is not driven", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    const { base } = module.portsOf(disk.device);
    const reached: string[] = [];
    const other = new PciFunction({
      name: "serial",
      vendorId: 0x1b36,
      deviceId: 0x0002,
      classCode: 0x07_00_02,
      baseAddresses: [
        {
          index: 0,
          kind: "io",
          size: 128,
          handler: {
            read: (offset) => {
              reached.push(`read ${offset}`);
              return 0;
            },
            write: (offset) => void reached.push(`write ${offset}`),
          },
        },
      ],
    });
    module.pc.removeDevice(disk.device);
    module.pc.addFunction(other, module.pc.rootBus, FIRST_SLOT);
    other.poke(0x10, [(base & 0xff) + 1, base >> 8]);
    other.poke(COMMAND, [IN_USE, 0]);
    assertNotDriven(module, handle, other, Result.E_NOT_VIRTIO, 0);
    assert.deepEqual(reached, []);
  });

  onBothBuilds("which is a disk at other ports, is not driven by the handle of the disk before", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    const other = new BlockDevice({ backEnd: new MemoryDisk(4096) });
    swap(module, disk.device, other);
    module.pokeBaseAddress(other, 0xd001);
    assertNotDriven(module, handle, module.pc.functionOf(other), Result.E_BAR, 0);
  });

  onBothBuilds("which is a disk at the same ports, is what a reset brings back", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    disk.submitReads(3);
    const other = new BlockDevice({ backEnd: new MemoryDisk(64 * 512) });
    swap(module, disk.device, other);
    assertResult(module.exports.reset(handle), Result.OK);
    assert.equal(module.exports.events(handle) & Event.CAPACITY, Event.CAPACITY);
    disk.comeBackAsReset([0n, 1n, 2n]);
    disk.submitReads(1);
    module.letDevicesWork();
    assert.deepEqual(module.poll(handle, 4).completions, [{ token: 0n, result: Result.OK, length: 512 }]);
  });
});
