/** Interrupt lines, virtual time, and when devices do their work. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { VirtualTime } from "../../../kernel-shim/emulated-pc/time.js";
import { assertViolations, blockGuest, BlockRequest, Guest, submit } from "./guest.js";

const ANY_LAYOUT = 2 ** 27;

describe("interrupt lines", () => {
  it("are shared, and stay asserted until every device on them was served", () => {
    const devices = Array.from({ length: 4 }, () => new BlockDevice({ backEnd: new MemoryDisk(65536) }));
    const pc = new EmulatedPc({ devices });
    const guests = devices.map((device) => new Guest(pc, device));
    const lines = guests.map(({ pciAddress }) => pc.interruptLine(pciAddress, 1));
    assert.deepEqual(lines, [11, 10, 11, 10]);
    for (const guest of guests) submit(guest, guest.start(ANY_LAYOUT), {});
    assert.deepEqual(pc.waitForInterrupt(1), [10, 11]);
    assert.equal(guests[0]?.read(19, 1), 1);
    assert.deepEqual(pc.waitForInterrupt(1), [10, 11]);
    assert.equal(guests[2]?.read(19, 1), 1);
    assert.deepEqual(pc.waitForInterrupt(1), [10]);
    assertViolations(pc, []);
  });

  it("are swizzled through bridges", () => {
    const pc = new EmulatedPc();
    assert.ok(pc.bridge);
    const device = pc.addDevice(new BlockDevice({ backEnd: new MemoryDisk(512) }), {
      bus: pc.bridge.bus,
      slot: 2,
      interruptPin: 3,
    });
    // Pin C in slot 2 behind slot 3: wires 2 + 2 + 3 = 7, the fourth.
    assert.equal(pc.interruptLine(pc.addressOf(device), 3), 10);
    assert.equal(pc.interruptLine(pc.addressOf(device), 2), 11);
    assert.equal(pc.interruptLine(pc.addressOf(device), 0), 0xff);
    assert.equal(pc.interruptLine(0xffff, 1), 0xff);
  });

  it("stay silent while the command register disables INTx", () => {
    const { pc, guest } = blockGuest();
    const queue = guest.start(ANY_LAYOUT);
    guest.writePci(4, 2, 0x405);
    submit(guest, queue, {});
    assert.deepEqual(pc.waitForInterrupt(1), []);
    assert.equal(guest.readPci(6, 2) & 8, 8);
    guest.writePci(4, 2, 5);
    assert.deepEqual(pc.waitForInterrupt(1), [pc.interruptLine(guest.pciAddress, 1)]);
    guest.read(19, 1);
    assert.equal(guest.readPci(6, 2) & 8, 0);
  });

  it("are let go by a reset", () => {
    const { pc, guest } = blockGuest();
    submit(guest, guest.start(ANY_LAYOUT), {});
    guest.status = 0;
    assert.deepEqual(pc.waitForInterrupt(0), []);
  });
});

describe("virtual time", () => {
  it("passes in order, and only when somebody waits", () => {
    const time = new VirtualTime();
    const seen: string[] = [];
    time.schedule(30, () => seen.push(`c ${time.now}`));
    time.schedule(10, () => {
      seen.push(`a ${time.now}`);
      time.schedule(5, () => seen.push(`b ${time.now}`));
    });
    time.schedule(30, () => seen.push(`d ${time.now}`));
    time.advanceTo(29);
    assert.deepEqual(seen, ["a 10", "b 15"]);
    assert.equal(time.now, 29);
    time.runNext();
    time.advanceTo(100);
    assert.deepEqual(seen, ["a 10", "b 15", "c 30", "d 30"]);
    assert.ok(time.isIdle);
    time.runNext();
    assert.equal(time.now, 100);
  });

  it("runs many events in the order of their times", () => {
    const time = new VirtualTime();
    const seen: number[] = [];
    for (let index = 0; index < 1000; index++) {
      const delay = (index * 7919) % 1009;
      time.schedule(delay, () => seen.push(delay));
    }
    time.advanceTo(2000);
    assert.deepEqual(
      seen,
      [...seen].sort((left, right) => left - right),
    );
    assert.equal(seen.length, 1000);
  });

  it("is the clock of the stack, which a loop can wait for", () => {
    const pc = new EmulatedPc();
    const before = pc.kernel.now_ns();
    pc.kernel.relax();
    assert.ok(pc.kernel.now_ns() > before);
    assert.deepEqual(pc.waitForInterrupt(3), []);
    assert.ok(pc.kernel.now_ns() >= before + 3_000_000n);
  });
});

describe("completion", () => {
  it("is immediate, inside the notification", () => {
    const { guest } = blockGuest({ completion: "immediate" });
    assert.equal(submit(guest, guest.start(ANY_LAYOUT), {}).result, 0);
  });

  it("is deferred until somebody waits or relaxes", () => {
    const { pc, guest } = blockGuest({ completion: "deferred" });
    const queue = guest.start(ANY_LAYOUT);
    const waited = submit(guest, queue, {});
    assert.equal(waited.result, 0xff);
    assert.equal(pc.waitForInterrupt(1).length, 1);
    assert.equal(waited.result, 0);
    const relaxed = submit(guest, queue, {});
    for (let turn = 0; turn < 100; turn++) pc.kernel.relax();
    assert.equal(relaxed.result, 0);
    assertViolations(pc, []);
  });

  function shuffledOrder(seed: number): number[] {
    const { pc, guest } = blockGuest({ completion: "shuffled", seed });
    const queue = guest.start(ANY_LAYOUT);
    for (let index = 0; index < 20; index++) {
      const request = new BlockRequest(guest, 512);
      request.setHeader(0, index);
      queue.chain(3 * index, request.descriptors(0));
      queue.publish(3 * index);
    }
    queue.notify();
    while (queue.usedIndex < 20) {
      pc.waitForInterrupt(10);
      guest.read(19, 1);
    }
    assertViolations(pc, []);
    return Array.from({ length: 20 }, (_, index) => queue.used(index).id / 3);
  }

  it("is shuffled as the seed says", () => {
    const first = shuffledOrder(1);
    assert.deepEqual(shuffledOrder(1), first);
    assert.notDeepEqual(shuffledOrder(2), first);
    assert.notDeepEqual(
      first,
      [...first].sort((left, right) => left - right),
    );
  });

  it("does not outlive a reset", () => {
    const { pc, guest } = blockGuest({ completion: "shuffled" });
    const request = submit(guest, guest.start(ANY_LAYOUT), {});
    guest.status = 0;
    pc.waitForInterrupt(10);
    assert.equal(request.result, 0xff);
    assertViolations(pc, []);
  });
});
