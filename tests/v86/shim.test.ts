/** The shim: what it grants, what it finds, and how one emulator is several machines. */

import assert from "node:assert/strict";
import { after, afterEach, beforeEach, suite, test } from "node:test";
import { PciBarLayout, Result } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { loadEmulator } from "../../kernel-shim/v86/load-emulator.js";
import { V86Machine } from "../../kernel-shim/v86/machine.js";
import { assertResult, assertThrowsResult } from "../cases/results.js";

const NO_ADDRESS = 0xffff_ffff_ffff_ffffn;
const PAGE = 4096;
const VIRTIO_TYPES = [9, 1, 5, 3];
const CARD_ADDRESS = 0x0a << 3;
const COMMON_PORTS = 0xc800;

const emulator = await loadEmulator();
after(() => emulator.destroy());

let machine: V86Machine;
beforeEach(() => {
  machine = new V86Machine(emulator);
});
afterEach(() => machine.close());

function refused(action: () => void): number[] {
  const before = machine.refusals.length;
  action();
  return machine.refusals.slice(before).map(({ address }) => address);
}

suite("what is found", () => {
  test("v86's four virtio functions, all registers in ports", () => {
    const stack = loadStack(machine);
    const found = stack.scan().filter(({ virtio_type }) => virtio_type !== 0);
    assert.deepEqual(
      found.map(({ virtio_type }) => virtio_type),
      VIRTIO_TYPES,
    );
    for (const { address, virtio_legacy, interrupt_line } of found) {
      assert.equal(virtio_legacy, 0);
      assert.deepEqual(
        [...stack.bars(address).values()].map(({ is_io }) => is_io),
        [1, 1, 1, 1],
      );
      assert.equal(interrupt_line, machine.interruptLine(address, 1));
    }
  });

  test("nothing is left to assign", () => {
    const stack = loadStack(machine);
    const before = stack.scan();
    assert.equal(stack.assignResources().io_next, machine.pciGrant.ioBase);
    assert.deepEqual(stack.scan(), before);
  });

  test("an open card is driven by its ports, not through configuration space", () => {
    const card = loadStack(machine).openNet(CARD_ADDRESS);
    const before = { ...machine.counters };
    card.sendFrame(new Uint8Array(60));
    assert.equal(card.interrupt(), 0);
    assert.deepEqual(
      { ...machine.counters, memoryAccesses: 0, barriers: 0, translations: 0 },
      {
        ...before,
        portReads: before.portReads + 1,
        portWrites: before.portWrites + 1,
        memoryAccesses: 0,
        barriers: 0,
        translations: 0,
      },
    );
  });
});

suite("what cannot be opened", () => {
  /** Slots with nothing in them: v86 throws at narrow writes to their configuration space. */
  const ABSENT = [0x1f << 3, (CARD_ADDRESS & ~7) + 1, 0x100, 0xff00];

  test("functions that are not there: E_NOT_FOUND, and no narrow write", () => {
    const { exports, privateMemory } = loadStack(machine);
    const record = privateMemory.take(PciBarLayout.size);
    for (const address of ABSENT) {
      assertResult(exports.net_open(address, 0), Result.E_NOT_FOUND);
      assertResult(exports.block_open(address, 0), Result.E_NOT_FOUND);
      assertResult(exports.pci_bar(address, 0, record), Result.E_NOT_FOUND);
      assertResult(exports.pci_capabilities(address, 0, 0), Result.E_NOT_FOUND);
    }
  });

  test("devices of another kind: E_NOT_VIRTIO, and they stay as they are", () => {
    const stack = loadStack(machine);
    const before = stack.scan();
    for (const { address, virtio_type } of before.filter((each) => each.virtio_type !== 0)) {
      if (virtio_type !== 1) assertThrowsResult(() => stack.openNet(address), Result.E_NOT_VIRTIO);
      assertThrowsResult(() => stack.openBlock(address), Result.E_NOT_VIRTIO);
      assertThrowsResult(() => stack.openEntropy(address), Result.E_NOT_VIRTIO);
    }
    assert.deepEqual(stack.scan(), before);
  });
});

suite("grants", () => {
  test("ports that no virtio function has are not granted", () => {
    for (const [base, length] of [
      [0x60, 1],
      [0xcf8, 8],
      [0x5658, 4],
      [0xb400, 16],
      [COMMON_PORTS - 1, 2],
      [COMMON_PORTS, 65],
      [0, 0x10000],
    ] as const) {
      assert.throws(() => machine.grantPorts(base, length), RangeError, base.toString(16));
    }
  });

  test("ports are reached while they are granted, by 8, 16 and 32 bits", () => {
    const { kernel } = machine;
    const read = (): number[] => [kernel.in8(0xc815), kernel.in16(0xc812), kernel.in32(0xc804) >>> 0];
    const none = [0xff, 0xffff, 0xffff_ffff];
    assert.deepEqual(
      refused(() => assert.deepEqual(read(), none)),
      [0xc815, 0xc812, 0xc804],
    );
    machine.grantPorts(COMMON_PORTS, 64);
    assert.deepEqual(
      refused(() => assert.deepEqual(read(), [0, 3, 0x00c3_0028])),
      [],
    );
    machine.revokePorts(COMMON_PORTS, 64);
    assert.equal(refused(() => kernel.out8(0xc814, 1)).length, 1);
    assert.equal(emulator.ports.port_read8(0xc814), 0, "what is refused is not written");
  });

  test("an open card has its own ports, and a closed one none", () => {
    const { kernel } = machine;
    const card = loadStack(machine).openNet(CARD_ADDRESS);
    assert.equal(kernel.in8(0xc814), 15);
    assert.deepEqual(
      refused(() => kernel.in8(0xa814)),
      [0xa814],
      "those of the file system",
    );
    card.close();
    assert.deepEqual(
      refused(() => kernel.in8(0xc814)),
      [0xc814],
    );
  });

  test("a card whose ports were not granted cannot be opened, and is untouched", () => {
    const stack = loadStack(machine);
    assertResult(stack.exports.net_open(CARD_ADDRESS, 0), Result.E_GONE);
    assert.ok(machine.refusals.length > 0);
    assert.equal(emulator.ports.port_read8(0xc814), 0);
  });

  test("memory is reached in lent pages alone, in aligned words", () => {
    const { kernel } = machine;
    const page = kernel.dma_alloc(1);
    kernel.phys_write32(page, 0x1234_5678);
    assert.equal(kernel.phys_read32(page), 0x1234_5678);
    assert.equal(kernel.phys_read16(page + 2), 0x1234);
    assert.equal(kernel.phys_read8(page + 3), 0x12);
    assert.equal(kernel.dma_address(page + 5), BigInt(page + 5));
    assert.equal(kernel.dma_address(page + PAGE), NO_ADDRESS);
    const outside = [page - 4, page + PAGE, page + 2, 0, -4];
    assert.deepEqual(
      refused(() => outside.forEach((pointer) => assert.equal(kernel.phys_read32(pointer) >>> 0, 0xffff_ffff))),
      outside.map((pointer) => pointer >>> 0),
    );
    emulator.memory.setUint32(page + PAGE, 7, true);
    assert.equal(refused(() => kernel.phys_write32(page + PAGE, 1)).length, 1);
    assert.equal(emulator.memory.getUint32(page + PAGE, true), 7);
    kernel.dma_free(page, 1);
    assert.equal(refused(() => kernel.phys_read8(page)).length, 1);
  });

  test("only what one dma_alloc lent is taken back by dma_free", () => {
    const { kernel } = machine;
    const pages = kernel.dma_alloc(2);
    const buffer = machine.allocateBuffer(PAGE);
    for (const [pointer, count] of [
      [pages, 1],
      [pages + PAGE, 1],
      [buffer, 1],
    ] as const) {
      assert.equal(refused(() => kernel.dma_free(pointer, count)).length, 1);
    }
    assert.throws(() => machine.freeBuffer(pages), RangeError);
    assert.throws(() => machine.readBuffer(buffer + PAGE - 1, 2), RangeError);
    machine.freeBuffer(buffer);
  });
});

test("a closed machine reaches nothing, and closing it again leaves the next one alone", () => {
  const card = loadStack(machine).openNet(CARD_ADDRESS);
  const buffer = machine.allocateBuffer(PAGE);
  const closed = machine;
  closed.close();
  machine = new V86Machine(emulator);
  const next = loadStack(machine).openNet(CARD_ADDRESS);
  const mac = emulator.card.mac.slice();
  for (const [name, use] of Object.entries({
    reset: () => card.reset(),
    sendFrame: () => card.sendFrame(new Uint8Array(60)),
    close: () => card.close(),
    in32: () => closed.kernel.in32(0xcfc),
    out32: () => closed.kernel.out32(0xcf8, 0),
    phys_read8: () => closed.kernel.phys_read8(buffer),
    phys_write8: () => closed.kernel.phys_write8(buffer, 1),
    dma_alloc: () => closed.kernel.dma_alloc(1),
    dma_free: () => closed.kernel.dma_free(buffer, 1),
    dma_address: () => closed.kernel.dma_address(buffer),
    allocateBuffer: () => closed.allocateBuffer(PAGE),
    readBuffer: () => closed.readBuffer(buffer, 1),
    writeBuffer: () => closed.writeBuffer(buffer, new Uint8Array(1)),
    waitForInterrupt: () => closed.waitForInterrupt(0),
    receive: () => closed.receive(new Uint8Array(60)),
    setMac: () => closed.setMac(new Uint8Array(6)),
    setLink: () => closed.setLink(false),
  })) {
    assert.throws(use, { message: "The machine is closed" }, name);
  }
  closed.close();
  assert.equal(emulator.ports.port_read8(COMMON_PORTS + 0x14), 15, "the next machine's card is still driven");
  assert.deepEqual(emulator.card.mac, mac);
  next.sendFrame(new Uint8Array(60));
  assert.deepEqual(machine.refusals, []);
});

test("the next machine on an emulator finds its devices reset, and memory zeroed", () => {
  const card = loadStack(machine).openNet(CARD_ADDRESS);
  assert.ok(card.isOpen);
  const buffer = machine.allocateBuffer(PAGE);
  machine.writeBuffer(buffer, new Uint8Array(PAGE).fill(0xff));
  const next = new V86Machine(emulator);
  assert.equal(emulator.ports.port_read8(0xc814), 0);
  const again = next.allocateBuffer(2 * (buffer + PAGE));
  assert.ok(next.readBuffer(again, 2 * (buffer + PAGE)).every((byte) => byte === 0));
  assert.ok(loadStack(next).openNet(CARD_ADDRESS).isOpen);
});
