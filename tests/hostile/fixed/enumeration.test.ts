/** PCI functions and bridges whose registers make no sense. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PciBridge, type PciBus } from "../../../kernel-shim/emulated-pc/pci/bus.js";
import { PciFunction } from "../../../kernel-shim/emulated-pc/pci/function.js";
import { Result } from "../../../kernel-shim/javascript/index.js";
import { DiskGround, hasCode, onBothBuilds } from "./ground.js";

// Registers. [PCI 3.0 §6.1, §6.2; PCI-to-PCI Bridge 1.2 §3.2]
const VENDOR_ID = 0;
const BASE_ADDRESS_0 = 0x10;
const BUS_NUMBERS = 0x18;
const IO_WINDOW = 0x1c;
const MEMORY_WINDOW = 0x20;
const CAPABILITIES_POINTER = 0x34;
const FIRST_CAPABILITY = 0x40;

const EMPTY_SLOT = 20 * 8;

/** Reads of the register at `offset` give what `tell` makes of the right value. */
function lie(pciFunction: PciFunction, offset: number, tell: (right: number) => number): void {
  const read = pciFunction.read.bind(pciFunction);
  pciFunction.read = (at, width) => (at === offset ? tell(read(at, width)) : read(at, width));
}

function functionOf(ground: DiskGround): PciFunction {
  return ground.machine.pc.functionOf(ground.device);
}

/** Plugs a bridge in, which firmware has not seen. */
function plugBridge(ground: DiskGround, bus: PciBus, secondary: number): PciBridge {
  const bridge = new PciBridge({ name: "bridge", vendorId: 0x1b36, deviceId: 1, classCode: 0x06_04_00 });
  ground.machine.pc.addFunction(bridge, bus, bus.freeSlot(8));
  bridge.poke(BUS_NUMBERS, [0, secondary, 255]);
  return bridge;
}

/** Plugs in a function with ports and memory. */
function plugFunction(ground: DiskGround, bus: PciBus): PciFunction {
  const pciFunction = new PciFunction({
    name: "function",
    vendorId: 0x10ec,
    deviceId: 0x8139,
    classCode: 0x02_00_00,
    baseAddresses: [
      { index: 0, kind: "io", size: 32 },
      { index: 1, kind: "memory", size: 4096 },
    ],
  });
  ground.machine.pc.addFunction(pciFunction, bus, bus.freeSlot(0));
  return pciFunction;
}

describe("a capability list", () => {
  onBothBuilds("that begins in the header is empty", (build) => {
    const ground = new DiskGround(build);
    assert.ok(ground.stack.capabilities(ground.address).length > 0);
    for (const offset of [1, BASE_ADDRESS_0, FIRST_CAPABILITY - 4]) {
      functionOf(ground).poke(CAPABILITIES_POINTER, [offset]);
      assert.deepEqual(ground.stack.capabilities(ground.address), []);
    }
    ground.recoversFromRefusal();
  });

  onBothBuilds("that leads back into the header ends there", (build) => {
    const ground = new DiskGround(build);
    functionOf(ground).poke(FIRST_CAPABILITY + 1, [BASE_ADDRESS_0]);
    assert.equal(ground.stack.capabilities(ground.address).length, 1);
    ground.recoversFromRefusal();
  });

  onBothBuilds("that goes round in a circle has every entry once", (build) => {
    const ground = new DiskGround(build);
    functionOf(ground).poke(0x80, [9, 0x90, 0, 0]);
    functionOf(ground).poke(0x90, [9, 0x80, 0, 0]);
    functionOf(ground).poke(CAPABILITIES_POINTER, [0x80]);
    const offsets = ground.stack.capabilities(ground.address).map(({ offset }) => offset);
    assert.deepEqual(offsets, [0x80, 0x90]);
    ground.recoversFromRefusal();
  });
});

describe("a base address that is sized", () => {
  for (const [name, mask] of [
    ["to no power of two", 0xffff_ffa1],
    ["to nothing that can be written", 0x0000_0001],
    ["as memory, while it reads as ports", 0xffff_ff80],
    ["with the reserved bit set", 0xffff_ff83],
  ] as const) {
    onBothBuilds(`${name} has size 0 and no base`, (build) => {
      const ground = new DiskGround(build);
      assert.ok(ground.stack.bar(ground.address, 0).size > 0n);
      lie(functionOf(ground), BASE_ADDRESS_0, (right) => (right > 0xffff_0000 ? mask : right));
      const { size, base } = ground.stack.bar(ground.address, 0);
      assert.deepEqual([size, base], [0n, 0n]);
      ground.checkMemory();
    });
  }

  onBothBuilds("with the reserved bit set in its address has size 0", (build) => {
    const ground = new DiskGround(build);
    lie(functionOf(ground), BASE_ADDRESS_0, (right) => (right | 2) >>> 0);
    assert.equal(ground.stack.bar(ground.address, 0).size, 0n);
    ground.checkMemory();
  });

  onBothBuilds("begins at a multiple of its size", (build) => {
    const ground = new DiskGround(build);
    lie(functionOf(ground), BASE_ADDRESS_0, (right) => (right > 0xffff_0000 ? right : right + 8));
    const { size, base } = ground.stack.bar(ground.address, 0);
    assert.ok(size > 8n);
    assert.equal(base % size, 0n);
    ground.checkMemory();
  });
});

describe("a function", () => {
  onBothBuilds("that does not answer has no base addresses and no capabilities", (build) => {
    const { stack } = new DiskGround(build);
    assert.throws(() => stack.bar(EMPTY_SLOT, 0), hasCode(Result.E_NOT_FOUND));
    assert.throws(() => stack.capabilities(EMPTY_SLOT), hasCode(Result.E_NOT_FOUND));
  });

  onBothBuilds("of vendor 0 is none", (build) => {
    const ground = new DiskGround(build);
    const { length } = ground.stack.scan();
    functionOf(ground).poke(VENDOR_ID, [0, 0]);
    assert.equal(ground.stack.scan().length, length - 1);
    assert.equal(ground.stack.exports.block_open(ground.address, 0), Result.E_NOT_FOUND);
    ground.checkMemory();
  });
});

describe("a bridge", () => {
  onBothBuilds("that leads where another one does is not followed", (build) => {
    const ground = new DiskGround(build);
    const { rootBus } = ground.machine.pc;
    const { length } = ground.stack.scan();
    plugFunction(ground, plugBridge(ground, rootBus, 5).bus);
    plugBridge(ground, rootBus, 5);
    assert.equal(ground.stack.scan().length, length + 3);
    ground.recoversFromRefusal();
  });

  onBothBuilds("that leads back to its own bus, or to the first, is not followed", (build) => {
    const ground = new DiskGround(build);
    const { length } = ground.stack.scan();
    const { bus } = plugBridge(ground, ground.machine.pc.rootBus, 5);
    plugBridge(ground, bus, 5);
    plugBridge(ground, bus, 0);
    assert.equal(ground.stack.scan().length, length + 3);
    ground.recoversFromRefusal();
  });

  onBothBuilds("in every slot of every bus ends the scan all the same", (build) => {
    const ground = new DiskGround(build);
    const bridge = plugBridge(ground, ground.machine.pc.rootBus, 1);
    // Whoever is asked is a bridge to the next bus, and has seven more functions.
    let bus = 1;
    const { kernel } = ground.machine.pc;
    const right = { ...kernel };
    let selected = 0;
    kernel.out32 = (port, value) => {
      if (port === 0xcf8) selected = value >>> 0;
      right.out32(port, value);
    };
    kernel.in32 = (port) => {
      if (port !== 0xcfc || (selected & 0x00ff_0000) === 0) return right.in32(port);
      const offset = selected & 0xfc;
      if (offset === VENDOR_ID) return 0x0001_1b36;
      if (offset === 0x0c) return 0x0081_0000;
      return offset === BUS_NUMBERS ? (++bus & 0xff) * 256 : 0;
    };
    const found = ground.stack.exports.pci_scan(0, 0);
    assert.ok(found > 256 * 32 && found <= 65_536, String(found));
    Object.assign(kernel, right);
    bridge.poke(BUS_NUMBERS, [0, 0, 0]);
    ground.recoversFromRefusal();
  });

  onBothBuilds("whose windows do not open leaves what is behind it without addresses", (build) => {
    const ground = new DiskGround(build);
    ground.stack.scan();
    const bridge = plugBridge(ground, ground.machine.pc.rootBus, 0);
    const behind = plugFunction(ground, bridge.bus);
    const write = bridge.write.bind(bridge);
    bridge.write = (offset, width, value) => {
      if (offset < IO_WINDOW || offset >= MEMORY_WINDOW + 4) write(offset, width, value);
    };
    assert.throws(() => ground.stack.assignResources(), hasCode(Result.E_NO_SPACE));
    assert.deepEqual(
      behind.baseAddresses.map((each) => behind.baseAddress(each)),
      [0, 0],
    );
    bridge.write = write;
    ground.stack.assignResources();
    assert.ok(behind.baseAddresses.every((each) => behind.baseAddress(each) > 0));
    ground.recoversFromRefusal();
  });
});
