/** Status bytes, interrupts, resets, devices that go silent or go away. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockOperation, Event, Message, Result } from "../../../kernel-shim/javascript/index.js";
import { CardGround, DiskGround, hasCode, onBothBuilds } from "./ground.js";

const STATUS = 18;
const ISR = 19;
const STATUS_OK = 0;

describe("the status of a block request", () => {
  for (const status of [3, 4, 0x7f, 0xfe, 0xff]) {
    onBothBuilds(`${status} does not exist: the request failed, the device goes on`, (build) => {
      const ground = new DiskGround(build, { onRequest: () => ({ status }) });
      ground.submitReads(2);
      ground.wait();
      ground.comeBackAs(Result.E_DEVICE_STATUS, [0, 1]);
      assert.equal(ground.disk.events() & Event.BROKEN, 0);
      ground.device.onRequest = undefined;
      ground.works();
      ground.recovers();
    });
  }

  onBothBuilds("that is written after used.idx comes too late", (build) => {
    const ground = new DiskGround(build);
    assert.ok(ground.disk.isOpen);
    ground.device.faults.silent = true;
    ground.submitReads(1);
    const ring = ground.ring(0);
    ring.complete(ring.offered(0), 513);
    ground.comeBackAs(Result.E_DEVICE_STATUS, [0]);
    ground.recovers();
  });

  onBothBuilds("of one part of a request fails the whole", (build) => {
    let seen = 0;
    const ground = new DiskGround(build, {
      segMax: 1,
      onRequest: () => (seen++ === 1 ? { status: 1 } : undefined),
    });
    const pointer = ground.machine.allocateBuffer(3 * 512);
    const segments = [0, 512, 1024].map((offset) => ({ pointer: pointer + offset, length: 512 }));
    const request = { token: 5, sector: 0, operation: BlockOperation.READ, segments };
    assert.equal(ground.disk.submit([request]).accepted, 1);
    ground.wait();
    assert.deepEqual(ground.disk.poll(), [{ token: 5, result: Result.E_IO, length: 0 }]);
    assert.notEqual(seen, STATUS_OK);
    ground.recovers();
  });
});

describe("the ISR register", () => {
  onBothBuilds("of 0 means another device's interrupt", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(1);
    ground.wait();
    ground.device.faults.readRegister = (offset, _, right) => (offset === ISR ? 0 : right);
    assert.equal(ground.disk.interrupt(), 0);
    assert.equal(ground.disk.statistics().interrupts, 0n);
    ground.comeBackAs(Result.OK, [0]);
    ground.recovers();
  });

  onBothBuilds("of 0xff is a device that is gone, until a reset finds it again", (build) => {
    for (const ground of [new DiskGround(build), new CardGround(build)]) {
      const device = ground instanceof DiskGround ? ground.disk : ground.card;
      ground.device.faults.readRegister = (offset, _, right) => (offset === ISR ? 0xff : right);
      const { exports } = ground.stack;
      assert.equal(exports.interrupt(device.handle), Result.E_GONE);
      assert.equal(exports.events(device.handle), Event.GONE);
      const before = ground.machine.counters.portReads;
      assert.equal(exports.interrupt(device.handle), Result.E_GONE);
      assert.equal(ground.machine.counters.portReads, before, "it is known");
      ground.recovers();
    }
  });

  for (const bits of [0xfd, 0xfc, 0x80]) {
    onBothBuilds(`of 0x${bits.toString(16)} shows the two reasons that there are, and no others`, (build) => {
      for (const ground of [new DiskGround(build), new CardGround(build)]) {
        const device = ground instanceof DiskGround ? ground.disk : ground.card;
        ground.device.faults.readRegister = (offset, _, right) => (offset === ISR ? bits : right);
        assert.equal(device.interrupt(), bits & 3);
        assert.equal(device.events(), 0);
        ground.recovers();
      }
    });
  }

  onBothBuilds("that asks a thousand times costs a thousand reads and changes nothing", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(2);
    ground.device.faults.readRegister = (offset, _, right) => (offset === ISR ? 1 : right);
    const before = ground.machine.counters.portReads;
    for (let storm = 0; storm < 1000; storm++) assert.equal(ground.disk.interrupt(), 1);
    assert.equal(ground.machine.counters.portReads - before, 1000);
    ground.wait();
    ground.comeBackAs(Result.OK, [0, 1]);
    ground.recovers();
  });

  onBothBuilds("that tells of a change where there is none is news of a link, and not of a capacity", (build) => {
    for (const ground of [new DiskGround(build), new CardGround(build)]) {
      const device = ground instanceof DiskGround ? ground.disk : ground.card;
      ground.device.configurationChanged();
      assert.equal(device.interrupt(), 2);
      assert.equal(device.events(), ground instanceof DiskGround ? 0 : Event.LINK);
      ground.recovers();
    }
  });

  onBothBuilds("may be set before DRIVER_OK and after a reset", (build) => {
    const ground = new DiskGround(build);
    ground.device.faults.writeRegister = (offset) => {
      if (offset === STATUS) ground.device.raiseQueueInterrupt();
      return true;
    };
    ground.works();
    ground.disk.reset();
    ground.disk.interrupt();
    ground.works();
    ground.recovers();
  });
});

describe("a reset", () => {
  onBothBuilds("that never ends fails the opening, within its time", (build) => {
    for (const ground of [new DiskGround(build), new CardGround(build)]) {
      ground.device.faults.readRegister = (offset, _, right) => (offset === STATUS ? right | 4 : right);
      ground.machine.importLimit = ground.machine.imports + 2000;
      ground.refuses(Result.E_RESET_TIMEOUT);
      ground.machine.importLimit = Infinity;
      assert.ok(ground.machine.log.some(({ message }) => message === Message.DEVICE_STUCK));
      ground.recoversFromRefusal();
    }
  });

  onBothBuilds("that never ends leaves the device broken and without memory, and requests come back", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(3);
    ground.device.faults.readRegister = (offset, _, right) => (offset === STATUS ? right | 4 : right);
    assert.throws(() => ground.disk.reset(), hasCode(Result.E_RESET_TIMEOUT));
    assert.equal(ground.device.canReachMemory, false);
    ground.comeBackWithout(Result.E_BROKEN, [0, 1, 2]);
    ground.recovers();
  });

  onBothBuilds("that takes a while is waited for", (build) => {
    for (const ground of [new DiskGround(build), new CardGround(build)]) {
      let readings = 0;
      ground.device.faults.readRegister = (offset, _, right) =>
        offset === STATUS && right === 0 && readings++ < 20 ? 4 : right;
      ground.works();
      assert.ok(readings > 20);
      ground.recovers();
    }
  });

  onBothBuilds("of a device that goes meanwhile ends at once: the device is gone", (build) => {
    for (const ground of [new DiskGround(build), new CardGround(build)]) {
      const device = ground instanceof DiskGround ? ground.disk : ground.card;
      ground.device.faults.readRegister = (offset, _, right) => (offset === STATUS ? 0xff : right);
      const before = ground.machine.counters.portReads;
      assert.equal(ground.stack.exports.reset(device.handle), Result.E_GONE);
      assert.ok(ground.machine.counters.portReads - before < 50, "nobody waits for it");
      assert.equal(device.events() & Event.GONE, Event.GONE);
      assert.equal(ground.device.canReachMemory, false);
      ground.recovers();
    }
  });

  onBothBuilds("makes completions of the time before it invalid", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(3);
    const heads = [2, 1, 0].map((back) => ground.ring(0).offered(back));
    ground.device.faults.silent = true;
    ground.disk.reset();
    ground.comeBackAs(Result.E_RESET, [0, 1, 2]);
    for (const head of heads) ground.ring(0).complete(head, 0);
    ground.isBrokenWith(Message.BAD_USED_INDEX, []);
  });

  onBothBuilds("lets nothing be submitted until all that was in flight was taken", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(3);
    ground.disk.reset();
    assert.deepEqual(ground.disk.submit(ground.reads(1)), { accepted: 0, refusal: Result.E_FULL });
    ground.comeBackAs(Result.E_RESET, [0, 1, 2]);
    assert.equal(ground.disk.submit(ground.reads(1)).accepted, 1);
    ground.recovers();
  });
});

describe("a silent device", () => {
  onBothBuilds("completes nothing; after a reset a disk works again", (build) => {
    const ground = new DiskGround(build);
    ground.works();
    ground.device.faults.silent = true;
    ground.submitReads(5);
    ground.wait();
    assert.deepEqual(ground.disk.poll(), []);
    ground.behave();
    ground.disk.reset();
    ground.comeBackAs(Result.E_RESET, [0, 1, 2, 3, 4]);
    ground.submitReads(5);
    ground.wait();
    ground.comeBackAs(Result.OK, [0, 1, 2, 3, 4]);
    ground.recovers();
  });

  onBothBuilds("completes nothing; after a reset a card works again", (build) => {
    const ground = new CardGround(build);
    const pointer = ground.machine.allocateBuffer(4096);
    ground.works();
    ground.device.faults.silent = true;
    const frames = [0, 1, 2].map((token) => ({ token, segments: [{ pointer, length: 60 }] }));
    assert.equal(ground.card.transmit(frames).accepted, 3);
    ground.wait();
    assert.deepEqual(ground.card.reclaim(), []);
    ground.behave();
    ground.card.reset();
    assert.deepEqual(
      ground.card.reclaim(),
      [0, 1, 2].map((token) => ({ token, result: Result.E_RESET, length: 0 })),
    );
    ground.recovers();
  });

  onBothBuilds("that ignores notifications and resets alike is closed all the same", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(2);
    ground.device.faults.writeRegister = () => false;
    assert.equal(ground.disk.close(), 2);
    assert.deepEqual(
      ground.disk.poll(),
      [0, 1].map((token) => ({ token, result: Result.E_RESET, length: 0 })),
    );
    assert.equal(ground.machine.lent.stackBytes, 0);
    ground.checkMemory();
  });
});

describe("a device of another kind", () => {
  onBothBuilds("is not opened", (build) => {
    const disk = new DiskGround(build);
    assert.equal(disk.stack.exports.net_open(disk.address, 0), Result.E_NOT_VIRTIO);
    const card = new CardGround(build);
    assert.equal(card.stack.exports.block_open(card.address, 0), Result.E_NOT_VIRTIO);
    disk.recoversFromRefusal();
    card.recoversFromRefusal();
  });
});

describe("a device that is gone", () => {
  onBothBuilds("is not found", (build) => {
    const ground = new DiskGround(build);
    assert.ok(ground.stack.scan().length > 0);
    ground.machine.pc.removeDevice(ground.device);
    assert.equal(ground.stack.exports.block_open(ground.address, 0), Result.E_NOT_FOUND);
    ground.checkMemory();
  });

  onBothBuilds("while it is open is noticed: nothing waits, and closing gives all back", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(4);
    ground.machine.pc.removeDevice(ground.device);
    const { disk } = ground;
    const { exports } = ground.stack;
    assert.deepEqual(disk.poll(), []);
    assert.equal(exports.interrupt(disk.handle), Result.E_GONE);
    assert.equal(disk.events(), Event.GONE);
    assert.throws(() => disk.submit(ground.reads(1)), hasCode(Result.E_GONE));
    const reads = ground.machine.counters.portReads;
    assert.throws(() => disk.reset(), hasCode(Result.E_GONE));
    ground.comeBackWithout(Result.E_GONE, [0, 1, 2, 3]);
    assert.equal(disk.close(), 0);
    assert.ok(ground.machine.counters.portReads - reads < 10);
    assert.equal(ground.machine.lent.stackBytes, 0);
    ground.checkMemory();
  });

  onBothBuilds("while it is open, as a card", (build) => {
    const ground = new CardGround(build);
    ground.works();
    ground.machine.pc.removeDevice(ground.device);
    assert.deepEqual(ground.card.receive(), []);
    assert.throws(() => ground.card.reset(), hasCode(Result.E_GONE));
    assert.equal(ground.card.events(), Event.GONE);
    assert.equal(ground.card.information().link_up, 0);
    ground.card.close();
    assert.equal(ground.machine.lent.stackBytes, 0);
    ground.checkMemory();
  });
});

describe("base address 0", () => {
  for (const [name, bytes] of [
    ["is memory", [0, 0, 0, 0xe0]],
    ["has no address", [1, 0, 0, 0]],
    ["is all ones", [0xff, 0xff, 0xff, 0xff]],
    ["is zero", [0, 0, 0, 0]],
  ] as const) {
    onBothBuilds(`that ${name} is refused`, (build) => {
      const ground = new DiskGround(build);
      ground.stack.scan();
      ground.machine.pc.functionOf(ground.device).poke(0x10, [...bytes]);
      const { exports } = ground.stack;
      const result = exports.block_open(ground.address, 0);
      assert.ok(result === Result.E_BAR || result === Result.E_NOT_VIRTIO, String(result));
      ground.checkMemory();
    });
  }

  for (const [name, address, size] of [
    ["has 16 ports", 0xc001, 0xffff_fff1],
    ["lies beyond the last port", 0x1_c001, 0xffff_ff81],
    ["lies over the registers of PCI configuration", 0xce1, 0xffff_ffe1],
    ["is memory at its second reading", 0x4000, 0xffff_f000],
  ] as const) {
    onBothBuilds(`that ${name} is refused`, (build) => {
      const ground = new DiskGround(build);
      ground.stack.scan();
      const pciFunction = ground.machine.pc.functionOf(ground.device);
      const right = pciFunction.read.bind(pciFunction);
      let readings = 0;
      pciFunction.read = (offset, width) => {
        const value = right(offset, width);
        // The first reading is for the kind of the function.
        if (offset !== 0x10 || readings++ === 0) return value;
        return value > 0xffff_0000 ? size : address;
      };
      assert.equal(ground.stack.exports.block_open(ground.address, 0), Result.E_BAR);
      ground.checkMemory();
    });
  }
});
