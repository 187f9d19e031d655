/** Features, queue sizes and device configuration that make no sense, or that change while they are read. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockOperation, Event, Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { CardGround, DiskGround, hasCode, onBothBuilds } from "./ground.js";

// Registers. [virtio-1.2 §4.1.4.8]
const FEATURES = 0;
const QUEUE_PFN = 8;
const QUEUE_NUM = 12;
const STATUS = 18;
const CONFIG = 20;

// Fields of the device configuration, as offsets of the registers.
const CAPACITY = CONFIG;
const SIZE_MAX = CONFIG + 8;
const SEG_MAX = CONFIG + 12;
const BLK_SIZE = CONFIG + 20;
const MAC = CONFIG;
const MTU = CONFIG + 10;

const BLOCK_SIZE_MAX = 2 ** 1;
const BLOCK_SEG_MAX = 2 ** 2;
const BLOCK_BLK_SIZE = 2 ** 6;
const BLOCK_FLUSH = 2 ** 9;
const NET_MTU = 2 ** 3;
const NET_MAC = 2 ** 5;

/** Gives the register at `offset` this value, or what a function makes of the number of the reading, from 0 on. */
function tell(ground: DiskGround | CardGround, offset: number, value: number | ((reading: number) => number)): void {
  const before = ground.device.faults.readRegister;
  let readings = 0;
  ground.device.faults.readRegister = (register, width, right, region) => {
    if (register !== offset) return before?.(register, width, right, region) ?? right;
    return typeof value === "number" ? value : value(readings++);
  };
}

describe("a queue's size", () => {
  for (const size of [0, 1, 2, 3, 5, 100, 255, 0x8001, 0xffff]) {
    onBothBuilds(`of ${size} is refused`, (build) => {
      const ground = new DiskGround(build);
      tell(ground, QUEUE_NUM, size);
      ground.refuses(Result.E_QUEUE_SIZE);
      ground.recoversFromRefusal();
    });
  }

  onBothBuilds("of 32768 is no more than the kernel has memory for", (build) => {
    const ground = new DiskGround(build);
    tell(ground, QUEUE_NUM, 32768);
    ground.refuses(Result.E_MEMORY);
    const card = new CardGround(build);
    tell(card, QUEUE_NUM, 4096);
    card.refuses(Result.E_DMA_MEMORY);
    ground.recoversFromRefusal();
    card.recoversFromRefusal();
  });

  onBothBuilds("that is another one at the second reading is refused", (build) => {
    const ground = new DiskGround(build);
    tell(ground, QUEUE_NUM, (reading) => (reading === 0 ? 64 : 256));
    ground.refuses(Result.E_QUEUE_SIZE);
    ground.recoversFromRefusal();
  });

  onBothBuilds("that is another one after a reset is refused, and what was in flight comes back", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(3);
    tell(ground, QUEUE_NUM, 512);
    assert.throws(() => ground.disk.reset(), hasCode(Result.E_QUEUE_SIZE));
    ground.comeBackWithout(Result.E_BROKEN, [0, 1, 2]);
    ground.recovers();
  });

  onBothBuilds("matters not while the queue is in use already", (build) => {
    const ground = new DiskGround(build);
    tell(ground, QUEUE_PFN, 0x1234);
    ground.refuses(Result.E_QUEUE_LIVE);
    ground.recoversFromRefusal();
  });
});

describe("the capacity", () => {
  onBothBuilds("of 0 leaves no sector to read", (build) => {
    const ground = new DiskGround(build);
    tell(ground, CAPACITY, 0);
    tell(ground, CAPACITY + 4, 0);
    assert.deepEqual(ground.disk.submit(ground.reads(1)), { accepted: 0, refusal: Result.E_RANGE });
    ground.recovers();
  });

  onBothBuilds("is where requests end, also when a reset has made it less", (build) => {
    const ground = new DiskGround(build);
    const [request] = ground.reads(1);
    assert.ok(request !== undefined);
    const refusalAt = (sector: bigint): number => ground.disk.submit([{ ...request, sector }]).refusal;
    const { capacity } = ground.disk.information();
    assert.equal(refusalAt(capacity), Result.E_RANGE);
    assert.equal(refusalAt(2n ** 64n - 1n), Result.E_RANGE);
    tell(ground, CAPACITY, 8);
    ground.disk.reset();
    assert.equal(refusalAt(8n), Result.E_RANGE);
    assert.equal(refusalAt(7n), Result.OK);
    ground.recovers();
  });

  for (const [low, high] of [
    [0xffff_ffff, 0xffff_ffff],
    [0, 0xffff_ffff],
    [0, 0x0080_0000],
  ] as const) {
    onBothBuilds(`of 0x${high.toString(16)} times 2^32 and more is refused`, (build) => {
      const ground = new DiskGround(build);
      tell(ground, CAPACITY, low);
      tell(ground, CAPACITY + 4, high);
      ground.refuses(Result.E_CONFIGURATION);
      ground.recoversFromRefusal();
    });
  }

  onBothBuilds("that changes at every reading is refused", (build) => {
    const ground = new DiskGround(build);
    tell(ground, CAPACITY, (reading) => reading);
    ground.refuses(Result.E_CONFIGURATION);
    ground.recoversFromRefusal();
  });

  onBothBuilds("is what two readings in a row agree on", (build) => {
    const ground = new DiskGround(build);
    // Torn between 0x0_ffff_ffff and 0x1_0000_0000 at first.
    tell(ground, CAPACITY, (reading) => (reading === 0 ? 0xffff_ffff : 0));
    tell(ground, CAPACITY + 4, 1);
    assert.equal(ground.disk.information().capacity, 0x1_0000_0000n);
    ground.recovers();
  });

  onBothBuilds("stays as it was when a change of it makes no sense", (build) => {
    const ground = new DiskGround(build);
    const { capacity } = ground.disk.information();
    tell(ground, CAPACITY + 4, 0xffff_ffff);
    ground.device.configurationChanged();
    ground.disk.interrupt();
    assert.equal(ground.disk.events() & Event.CAPACITY, 0);
    assert.equal(ground.disk.information().capacity, capacity);
    ground.recovers();
  });
});

describe("the block size", () => {
  for (const size of [0, 1, 511, 513, 768, 0x8000_0000, 0xffff_ffff]) {
    onBothBuilds(`of ${size} is refused`, (build) => {
      const ground = new DiskGround(build, { features: BLOCK_BLK_SIZE });
      tell(ground, BLK_SIZE, size);
      ground.refuses(Result.E_CONFIGURATION);
      ground.recoversFromRefusal();
    });
  }
});

describe("the segment limits", () => {
  onBothBuilds("of 0 segments mean one", (build) => {
    const ground = new DiskGround(build, { features: BLOCK_SEG_MAX });
    tell(ground, SEG_MAX, 0);
    assert.equal(ground.disk.information().seg_max, 1);
    ground.works();
    ground.recovers();
  });

  onBothBuilds("of 0 bytes are no limit at all", (build) => {
    const ground = new DiskGround(build, { features: BLOCK_SIZE_MAX });
    tell(ground, SIZE_MAX, 0);
    assert.equal(ground.disk.information().size_max, 0xffff_ffff);
    ground.recovers();
  });

  onBothBuilds("too small for a block refuse the request, however full the ring is", (build) => {
    const ground = new DiskGround(build, { features: BLOCK_SIZE_MAX + BLOCK_SEG_MAX + BLOCK_FLUSH, segMax: 1 });
    tell(ground, SIZE_MAX, 7);
    const { disk } = ground;
    assert.equal(disk.submit([{ token: 1, operation: BlockOperation.FLUSH, segments: [] }]).accepted, 1);
    assert.deepEqual(disk.submit(ground.reads(1)), { accepted: 0, refusal: Result.E_SEGMENTS });
    ground.recovers();
  });

  for (const size of [1, 7, 511, 512, 513, 4095]) {
    onBothBuilds(`of ${size} bytes cost no more translations than there are pages`, (build) => {
      const ground = new DiskGround(build, { features: BLOCK_SIZE_MAX, queueSizes: [1024] });
      tell(ground, SIZE_MAX, size);
      const { disk, machine } = ground;
      const pointer = machine.allocateBuffer(200 * 1024);
      // More pages than the stack remembers, or this would show nothing.
      const before = machine.counters.translations;
      ground.stack.exports.forget_translations();
      disk.submit([{ token: 1, operation: 0, sector: 0, segments: [{ pointer, length: 200 * 1024 }] }]);
      assert.ok(machine.counters.translations - before <= 51 + 2);
      ground.recovers();
    });
  }
});

describe("the limits of ranges", () => {
  const fields = [
    { operation: BlockOperation.DISCARD, sectors: 36, ranges: 40, alignment: 44 },
    { operation: BlockOperation.WRITE_ZEROES, sectors: 48, ranges: 52, alignment: undefined },
    { operation: BlockOperation.SECURE_ERASE, sectors: 60, ranges: 64, alignment: 68 },
  ] as const;

  /** A disk with all operations on ranges that tells these numbers of each. */
  function newDiskWith(build: Build, sectors: number, ranges: number, alignment: number): DiskGround {
    const limits = { sectors: 0, ranges: 0 };
    const ground = new DiskGround(build, { discard: limits, writeZeroes: limits, secureErase: limits });
    for (const { sectors: first, ranges: second, alignment: third } of fields) {
      tell(ground, CONFIG + first, sectors);
      tell(ground, CONFIG + second, ranges);
      if (third !== undefined) tell(ground, CONFIG + third, alignment);
    }
    return ground;
  }

  const numbers = [0, 1, 3, 511, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
  for (const sectors of numbers) {
    onBothBuilds(`of ${sectors} sectors end in a request that is whole, or refused, whatever else is told`, (build) => {
      for (const ranges of numbers) {
        for (const alignment of numbers) {
          const ground = newDiskWith(build, sectors, ranges, alignment);
          const { disk } = ground;
          for (const { operation } of fields) {
            const list = [
              { sector: 5, sectors: 300 },
              { sector: 0, sectors: 512 },
              { sector: 511, sectors: 1 },
            ];
            const { accepted, refusal } = disk.submit([{ token: operation, operation, segments: [], ranges: list }]);
            assert.equal(accepted, sectors === 1 || sectors === 3 ? 0 : 1);
            assert.equal(refusal, accepted === 1 ? 0 : Result.E_SEGMENTS, "more parts than there is room for");
            ground.wait();
            assert.equal(disk.poll().length, accepted);
          }
          disk.close();
          ground.checkMemory();
        }
      }
      newDiskWith(build, sectors, 1, 1).recovers();
    });
  }

  onBothBuilds("that change at every reading are those of one", (build) => {
    const ground = newDiskWith(build, 8, 1, 1);
    for (const { sectors } of fields) tell(ground, CONFIG + sectors, (reading) => (reading === 0 ? 100 : 0));
    const found = ground.disk.information();
    assert.equal(found.max_discard_sectors, 100);
    assert.equal(found.max_write_zeroes_sectors, 100);
    assert.equal(found.max_secure_erase_sectors, 100);
    ground.recovers();
  });

  onBothBuilds("smaller than a block refuse what has to be cut", (build) => {
    const limits = { sectors: 7, ranges: 1 };
    const ground = new DiskGround(build, { discard: limits, blockSize: 4096, segMax: 1 });
    const ranges = [{ sector: 0, sectors: 8 }];
    const { disk } = ground;
    const refused = disk.submit([{ token: 1, operation: BlockOperation.DISCARD, segments: [], ranges }]);
    assert.deepEqual(refused, { accepted: 0, refusal: Result.E_SEGMENTS });
    ground.checkMemory();
  });
});

describe("the MAC address", () => {
  for (const first of [0x01, 0xff, 0x33]) {
    onBothBuilds(`beginning with 0x${first.toString(16)} is a group's, and replaced`, (build) => {
      const ground = new CardGround(build, { features: NET_MAC });
      tell(ground, MAC, first);
      const { mac_is_generated: isGenerated, mac } = ground.card.information();
      assert.equal(isGenerated, 1);
      assert.equal(mac & 3n, 2n);
      ground.recovers();
    });
  }

  onBothBuilds("of zeroes, of ones and one that changes at every reading are replaced", (build) => {
    for (const value of [() => 0, () => 0xff, (reading: number) => 2 * reading]) {
      const ground = new CardGround(build, { features: NET_MAC });
      for (let octet = 0; octet < 6; octet++) tell(ground, MAC + octet, value);
      assert.equal(ground.card.information().mac_is_generated, 1);
      ground.recovers();
    }
  });
});

describe("the MTU", () => {
  for (const mtu of [0, 1, 67]) {
    onBothBuilds(`of ${mtu} is no reason to accept the feature`, (build) => {
      const ground = new CardGround(build, { features: NET_MTU });
      tell(ground, MTU, mtu);
      const { mtu: taken, features_accepted: accepted } = ground.card.information();
      assert.equal(taken, 1500);
      assert.equal(accepted & BigInt(NET_MTU), 0n);
      ground.recovers();
    });
  }

  onBothBuilds("that grows beyond the receive buffers over a reset leaves the device broken", (build) => {
    const ground = new CardGround(build, { features: NET_MTU });
    assert.ok(ground.card.isOpen);
    tell(ground, MTU, 9000);
    assert.throws(() => ground.card.reset(), hasCode(Result.E_CONFIGURATION));
    assert.throws(() => ground.card.receive(), hasCode(Result.E_BROKEN));
    ground.recovers();
  });

  onBothBuilds("is that of one reading", (build) => {
    const ground = new CardGround(build, { features: NET_MTU });
    tell(ground, MTU, (reading) => (reading === 0 ? 1400 : 0));
    assert.equal(ground.card.information().mtu, 1400);
    ground.recovers();
  });
});

describe("device configuration", () => {
  onBothBuilds("is not read beyond the base address's ports", (build) => {
    const ground = new DiskGround(build);
    const pciFunction = ground.machine.pc.functionOf(ground.device);
    const right = pciFunction.read.bind(pciFunction);
    // As it is sized, base address 0 has 32 ports instead of 128: capacity is within, the block size is not.
    pciFunction.read = (offset, width) => {
      const value = right(offset, width);
      return offset === 0x10 && value > 0xffff_0000 ? 0xffff_ffe1 : value;
    };
    const { capacity, block_size: blockSize, heads, opt_io_size: size } = ground.disk.information();
    assert.deepEqual([capacity, blockSize, heads, size], [512n, 512, 0, 0]);
    ground.works();
    ground.recovers();
  });
});

describe("features", () => {
  for (const bits of [0x40, 0x80, 0xff]) {
    onBothBuilds(`are refused by a status of 0x${bits.toString(16)} after FEATURES_OK`, (build) => {
      for (const ground of [new DiskGround(build), new CardGround(build)]) {
        ground.device.faults.readRegister = (offset, _, right) =>
          offset === STATUS && right & 8 ? right | bits : right;
        ground.refuses(bits === 0xff ? Result.E_GONE : Result.E_FEATURES);
        ground.recoversFromRefusal();
      }
    });
  }

  onBothBuilds("that are all offered are not all accepted", (build) => {
    for (const make of [newDisk, newCard]) {
      const ground = make(build);
      tell(ground, FEATURES, 0xffff_ffff);
      const { features_accepted: accepted } = openAndDescribe(ground);
      assert.equal(accepted & (1n << 30n), 0n);
      assert.equal(accepted & (1n << 24n), 0n);
      ground.behave();
      ground.reopens();
    }
  });

  onBothBuilds("that are none are enough", (build) => {
    for (const ground of [new DiskGround(build, { features: 0 }), new CardGround(build, { features: 0 })]) {
      ground.works();
      ground.recovers();
    }
  });

  onBothBuilds("that are others after a reset are no reason to go on without", (build) => {
    const ground = new DiskGround(build);
    ground.submitReads(1);
    tell(ground, FEATURES, 0);
    assert.throws(() => ground.disk.reset(), hasCode(Result.E_FEATURES));
    ground.comeBackWithout(Result.E_BROKEN, [0]);
    ground.recovers();
  });
});

function newDisk(build: Build): DiskGround {
  return new DiskGround(build);
}

function newCard(build: Build): CardGround {
  return new CardGround(build);
}

function openAndDescribe(ground: DiskGround | CardGround): { features_accepted: bigint } {
  return ground instanceof DiskGround ? ground.disk.information() : ground.card.information();
}
