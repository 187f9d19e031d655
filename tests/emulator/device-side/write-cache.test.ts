/** Whether the emulated disk's completed writes survive a loss of power, and who decides. [virtio-1.2 §5.2.5] */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CachingDisk } from "../../../kernel-shim/emulated-pc/block/caching-disk.js";
import { BlockDevice, type BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { legacyProfileNames, type ProfileName } from "../../../kernel-shim/emulated-pc/profiles.js";
import { assertViolations, BlockRequest, Guest, type GuestQueue } from "./guest.js";

const ANY_LAYOUT = 2 ** 27;
const FLUSH = 2 ** 9;
const CONFIG_WCE = 2 ** 11;
const WRITEBACK = 20 + 32;
const OUT = 1;
const FLUSH_REQUEST = 4;

interface Cached {
  pc: EmulatedPc;
  device: BlockDevice;
  disk: CachingDisk;
  guest: Guest;
}

function cached(options: Partial<BlockDeviceOptions> = {}, profile: ProfileName = "qemu"): Cached {
  const disk = new CachingDisk(new MemoryDisk(65536));
  const device = new BlockDevice({ backEnd: disk, ...options });
  const pc = new EmulatedPc({ memoryBytes: 4 * 1024 * 1024, profile, devices: [device] });
  return { pc, device, disk, guest: new Guest(pc, device) };
}

/** Performs a request on sector 1 of bytes that are all `fill`. */
function perform(guest: Guest, queue: GuestQueue, type: number, fill = 0): void {
  const request = new BlockRequest(guest, type === OUT ? 512 : 0);
  request.setHeader(type, type === OUT ? 1 : 0);
  if (type === OUT) guest.pc.writeBuffer(request.data, new Uint8Array(512).fill(fill));
  queue.chain(0, request.descriptors(type));
  queue.publish(0);
  queue.notify();
  assert.equal(request.result, 0);
}

/** What is left of sector 1 when the power goes. */
function afterPowerLoss(disk: CachingDisk): number | undefined {
  disk.losePower();
  const bytes = new Uint8Array(512);
  disk.read(1, bytes);
  return bytes[0];
}

describe("a disk's write cache", () => {
  it("loses what a driver that can flush did not flush", () => {
    const { pc, device, disk, guest } = cached();
    const queue = guest.start(ANY_LAYOUT | FLUSH);
    assert.equal(device.isWriteBack, true);
    perform(guest, queue, OUT, 1);
    perform(guest, queue, FLUSH_REQUEST);
    perform(guest, queue, OUT, 2);
    assert.equal(disk.unflushed, 1);
    assert.equal(afterPowerLoss(disk), 1);
    assertViolations(pc, []);
  });

  it("is off for a driver that can neither flush nor switch it", () => {
    const { pc, device, disk, guest } = cached();
    const queue = guest.start(ANY_LAYOUT);
    assert.equal(device.isWriteBack, false);
    perform(guest, queue, OUT, 1);
    assert.equal(afterPowerLoss(disk), 1);
    assertViolations(pc, []);
  });

  it("stays off with CONFIG_WCE where it was configured off", () => {
    const { pc, device, disk, guest } = cached({ writeCache: false });
    const queue = guest.start(ANY_LAYOUT | FLUSH | CONFIG_WCE);
    assert.equal(guest.read(WRITEBACK, 1), 0);
    assert.equal(device.isWriteBack, false);
    perform(guest, queue, OUT, 1);
    assert.equal(afterPowerLoss(disk), 1);
    assertViolations(pc, []);
  });

  it("is switched on in silence by FLUSH without CONFIG_WCE, until the reset restores what was configured", () => {
    const { pc, device, disk, guest } = cached({ writeCache: false });
    guest.negotiate(ANY_LAYOUT | FLUSH);
    assert.equal(device.isWriteBack, false, "only DRIVER_OK settles it");
    const queue = guest.start(ANY_LAYOUT | FLUSH);
    assert.equal(device.isWriteBack, true);
    perform(guest, queue, OUT, 1);
    assert.equal(afterPowerLoss(disk), 0);
    guest.status = 0;
    assert.equal(device.isWriteBack, false);
    assertViolations(pc, []);
  });

  it("is switched by writing the configuration, at once, and restored by the reset", () => {
    const { pc, device, disk, guest } = cached();
    const queue = guest.start(ANY_LAYOUT | FLUSH | CONFIG_WCE);
    assert.equal(guest.read(WRITEBACK, 1), 1);
    guest.write(WRITEBACK, 1, 0);
    assert.equal(device.isWriteBack, false);
    perform(guest, queue, OUT, 1);
    assert.equal(afterPowerLoss(disk), 1);
    guest.write(WRITEBACK, 1, 1);
    perform(guest, queue, OUT, 2);
    assert.equal(afterPowerLoss(disk), 1);
    guest.write(WRITEBACK, 1, 0);
    guest.status = 0;
    assert.equal(device.isWriteBack, true);
    assertViolations(pc, []);
  });

  it("may be switched before features are negotiated, and after DRIVER_OK with CONFIG_WCE only", () => {
    const { pc, device, guest } = cached();
    guest.status = 0;
    guest.write(WRITEBACK, 1, 0);
    assert.equal(device.isWriteBack, false);
    guest.negotiate(ANY_LAYOUT | FLUSH);
    guest.write(WRITEBACK, 1, 0);
    guest.status = 15;
    assert.equal(device.isWriteBack, true);
    guest.write(WRITEBACK, 1, 0);
    assert.equal(device.isWriteBack, true);
    assertViolations(pc, ["configuration-read-only"]);
  });

  it("cannot be written where CONFIG_WCE is not offered", () => {
    const { pc, guest } = cached({}, "bhyve");
    guest.status = 0;
    guest.write(WRITEBACK, 1, 0);
    assertViolations(pc, ["configuration-read-only"]);
  });

  it("that is configured off is no cache to flush on hosts that cannot switch it", () => {
    const offers = legacyProfileNames.map((profile) => {
      const { device } = cached({ writeCache: false }, profile);
      return [profile, (device.offeredFeatures & FLUSH) !== 0, (device.offeredFeatures & CONFIG_WCE) !== 0];
    });
    assert.deepEqual(offers, [
      ["qemu", true, true],
      ["virtualbox", false, false],
      ["bhyve", false, false],
      ["large", false, false],
      ["minimal", false, false],
      ["gcp", false, false],
    ]);
  });
});
