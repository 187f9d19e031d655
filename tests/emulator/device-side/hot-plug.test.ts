/** Functions that are plugged in, out and swapped while the machine runs, as their driver meets it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { NetDevice } from "../../../kernel-shim/emulated-pc/net/device.js";
import { PciBridge } from "../../../kernel-shim/emulated-pc/pci/bus.js";
import { PciFunction } from "../../../kernel-shim/emulated-pc/pci/function.js";
import { assertViolations, Guest, submit } from "./guest.js";

const ANY_LAYOUT = 2 ** 27;
const ALL_ONES = 0xffff_ffff;
const HEADER_TYPE = 0x0e;

function disk(fill = 0): BlockDevice {
  return new BlockDevice({ backEnd: new MemoryDisk(new Uint8Array(65536).fill(fill)) });
}

function headerType(pc: EmulatedPc, slot: number): number {
  return pc.rootBus.functionAt(slot, 0)?.read(HEADER_TYPE, 1) ?? 0xff;
}

describe("a device that is pulled out", () => {
  it("reads as all ones in every register and in configuration space, and takes no write", () => {
    const device = disk();
    const pc = new EmulatedPc({ devices: [device] });
    const guest = new Guest(pc, device);
    guest.start(ANY_LAYOUT);
    pc.removeDevice(device);
    for (let offset = 0; offset < 64; offset++) assert.equal(guest.read(offset, 1), 0xff);
    for (let offset = 0; offset < 64; offset += 2) assert.equal(guest.read(offset, 2), 0xffff);
    for (let offset = 0; offset < 64; offset += 4) assert.equal(guest.read(offset, 4), ALL_ONES);
    for (let offset = 0; offset < 256; offset += 4) assert.equal(guest.readPci(offset, 4), ALL_ONES);
    guest.status = 0;
    guest.writePci(4, 2, 7);
    assert.equal(guest.status, 0xff);
    assertViolations(pc, []);
  });

  it("neither interrupts nor finishes what was in flight", () => {
    const device = disk(7);
    const pc = new EmulatedPc({ devices: [device], completion: "deferred" });
    const guest = new Guest(pc, device);
    const queue = guest.start(ANY_LAYOUT);
    submit(guest, queue, {});
    assert.equal(pc.waitForInterrupt(1).length, 1);
    const late = submit(guest, queue, { first: 3 });
    pc.removeDevice(device);
    assert.deepEqual(pc.waitForInterrupt(1), []);
    assert.equal(late.result, 0xff);
    assert.ok(late.contents.every((byte) => byte === 0));
    assertViolations(pc, []);
  });

  it("can be plugged in again, and knows nothing of before", () => {
    const device = disk(7);
    const pc = new EmulatedPc({ devices: [device] });
    const guest = new Guest(pc, device);
    guest.start(ANY_LAYOUT);
    const { base } = guest;
    pc.removeDevice(device);
    assert.throws(() => pc.removeDevice(device), /not plugged/);
    pc.addDevice(device);
    assert.throws(() => pc.addDevice(device), /already/);
    assert.equal(guest.readPci(0x10, 4), 1, "nobody has assigned its ports");
    guest.writePci(0x10, 4, base);
    guest.writePci(4, 2, 5);
    assert.equal(guest.status, 0);
    assert.equal(submit(guest, guest.start(ANY_LAYOUT), {}).contents[0], 7);
    assertViolations(pc, []);
  });
});

describe("a device that is swapped for another one", () => {
  it("leaves its ports and its interrupt line to the other, which knows nothing of the driver", () => {
    const old = disk(1);
    const pc = new EmulatedPc({ devices: [old] });
    const guest = new Guest(pc, old);
    guest.start(ANY_LAYOUT);
    const line = guest.readPci(0x3c, 1);
    const next = pc.swapDevice(old, disk(2));
    assert.equal(pc.addressOf(next), guest.pciAddress);
    assert.equal(guest.readPci(0x10, 4), guest.base + 1);
    assert.equal(guest.readPci(0x3c, 1), line);
    assert.equal(guest.status, 0);
    assert.equal(submit(guest, guest.start(ANY_LAYOUT), {}).contents[0], 2);
    assertViolations(pc, []);
  });

  it("may be of another kind, behind a bridge too", () => {
    const pc = new EmulatedPc();
    assert.ok(pc.bridge);
    const old = pc.addDevice(disk(), { bus: pc.bridge.bus, slot: 5 });
    const guest = new Guest(pc, old);
    pc.swapDevice(old, new NetDevice());
    assert.equal(guest.readPci(0, 4), 0x1000_1af4);
    assert.equal(guest.readPci(0x2e, 2), 1);
    assert.equal(guest.read(0, 4) & (2 ** 5), 2 ** 5, "it offers MAC");
    assertViolations(pc, []);
  });
});

describe("other functions", () => {
  it("that are pulled out let go of their interrupt line", () => {
    const pc = new EmulatedPc({ layout: "bare" });
    const stranger = new PciFunction({ name: "stranger", vendorId: 1, deviceId: 2, classCode: 0, interruptPin: 1 });
    pc.addFunction(stranger, pc.rootBus, 9);
    stranger.setInterruptPin(true);
    assert.equal(pc.waitForInterrupt(1).length, 1);
    pc.removeFunction(stranger);
    assert.deepEqual(pc.waitForInterrupt(1), []);
    stranger.setInterruptPin(true);
    assert.deepEqual(pc.waitForInterrupt(1), []);
    assert.throws(() => pc.removeFunction(stranger), /not plugged/);
  });

  it("in one slot make the first tell so, for as long as there are several", () => {
    const pc = new EmulatedPc({ layout: "bare", devices: [disk()] });
    assert.equal(headerType(pc, 4), 0);
    const second = pc.addDevice(disk(), { slot: 4, index: 3 });
    assert.equal(headerType(pc, 4), 0x80);
    pc.removeDevice(second);
    assert.equal(headerType(pc, 4), 0);
  });

  it("behind a bridge go with the bridge", () => {
    const pc = new EmulatedPc();
    assert.ok(pc.bridge);
    const inner = new PciBridge({ name: "inner", vendorId: 1, deviceId: 1, classCode: 0x06_04_00 });
    pc.addFunction(inner, pc.bridge.bus, 7);
    const device = pc.addDevice(disk(), { bus: inner.bus });
    const guest = new Guest(pc, device);
    guest.start(ANY_LAYOUT);
    pc.removeFunction(pc.bridge);
    assert.equal(guest.status, 0xff);
    assert.equal(guest.readPci(0, 4), ALL_ONES);
    assert.equal(guest.readPci(0, 4, 3 << 3), ALL_ONES);
    assert.throws(() => pc.addressOf(device), /not plugged/);
    assertViolations(pc, []);
  });
});
