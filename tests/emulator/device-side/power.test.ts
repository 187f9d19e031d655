/** A machine whose devices are without power for a moment: what they forget, and what they are. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { assertViolations, blockGuest, submit } from "./guest.js";

const ANY_LAYOUT = 2 ** 27;
const COMMAND = 0x04;
const HEADER_TYPE = 0x0e;
const BASE_ADDRESS_0 = 0x10;
const SECONDARY_BUS = 0x19;
const MSIX = 0x11;
const MASKED = 1;

describe("a power cycle", () => {
  it("makes a function forget its base address and its command register, and nothing of what it is", () => {
    const { pc, guest } = blockGuest();
    guest.start(ANY_LAYOUT);
    const identity = [0x00, 0x08, 0x2c, 0x34].map((offset) => guest.readPci(offset, 4));
    assert.notEqual(guest.readPci(BASE_ADDRESS_0, 4), 1);
    pc.powerCycle();
    assert.equal(guest.readPci(BASE_ADDRESS_0, 4), 1);
    assert.equal(guest.readPci(COMMAND, 2), 0);
    assert.deepEqual(
      [0x00, 0x08, 0x2c, 0x34].map((offset) => guest.readPci(offset, 4)),
      identity,
    );
    assert.equal(guest.read(0, 4), 0xffff_ffff, "nobody answers at its ports");
  });

  it("makes a device forget its driver: what was in flight is never written, and the line is quiet", () => {
    const { pc, guest } = blockGuest({ completion: "deferred" });
    const queue = guest.start(ANY_LAYOUT);
    submit(guest, queue, {});
    assert.equal(pc.waitForInterrupt(1).length, 1);
    const late = submit(guest, queue, { first: 3 });
    const base = guest.readPci(BASE_ADDRESS_0, 4);
    pc.powerCycle();
    assert.deepEqual(pc.waitForInterrupt(1), []);
    assert.equal(late.result, 0xff);
    guest.writePci(BASE_ADDRESS_0, 4, base);
    guest.writePci(COMMAND, 2, 5);
    assert.equal(guest.status, 0);
    assertViolations(pc, []);
  });

  it("takes the way from bridges: nothing behind them is found", () => {
    const pc = new EmulatedPc();
    const { bridge } = pc;
    assert.ok(bridge !== null);
    pc.addDevice(new BlockDevice({ backEnd: new MemoryDisk(65536) }), { bus: bridge.bus });
    pc.powerOn();
    assert.notEqual(bridge.read(SECONDARY_BUS, 1), 0);
    assert.notEqual(bridge.command, 0);
    pc.powerCycle();
    assert.equal(bridge.read(SECONDARY_BUS, 1), 0);
    assert.equal(bridge.command, 0);
    assert.deepEqual(bridge.memoryWindows, []);
    assert.equal(bridge.bus.forwardsDma, false);
  });

  it("leaves the functions of a slot where they are", () => {
    const pc = new EmulatedPc();
    const before = pc.rootBus.functionAt(1, 0)?.read(HEADER_TYPE, 1);
    pc.powerCycle();
    assert.equal(before, 0x80);
    assert.equal(pc.rootBus.functionAt(1, 0)?.read(HEADER_TYPE, 1), before);
  });

  it("switches MSI-X off, and masks every entry of the table", () => {
    const { pc, device, guest } = blockGuest({ profile: "gcp" });
    const pciFunction = pc.functionOf(device);
    const capability = pciFunction.capabilityOffset(MSIX);
    const table = guest.readPci(capability + 4, 4);
    const bar = pciFunction.baseAddresses.find(({ index }) => index === (table & 7));
    assert.ok(bar?.handler);
    pc.connectMessages(BigInt(pciFunction.baseAddress(bar) + (table & ~7)), 1);
    guest.writePci(capability + 2, 2, 0x8000);
    assert.equal(bar.handler.read((table & ~7) + 12, 4), 0);
    pc.powerCycle();
    assert.equal(guest.readPci(capability + 2, 2) & 0x8000, 0);
    assert.equal(bar.handler.read((table & ~7) + 12, 4), MASKED);
    assert.equal(bar.handler.read(table & ~7, 4), 0);
    assertViolations(pc, []);
  });
});
