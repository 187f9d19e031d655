/** Memory-mapped devices, found slot by slot. [virtio-1.2 §4.2.2] */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { Result, TransportWanted, type BlockDevice, type VirtioStack } from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { assertThrowsResult } from "../../cases/results.js";
import { bytesOf, SECTOR_BYTES } from "./disk-machine.js";

const VIRTIO_BLOCK = 2;
const FOUR_GIGABYTES = 2 ** 32;

function newDisk(): EmulatedDisk {
  return new EmulatedDisk({ backEnd: new MemoryDisk(4096) });
}

function openSlot(stack: VirtioStack, mmio_base: bigint): BlockDevice {
  return stack.openBlock(0, { transport: TransportWanted.MMIO, mmio_base, mmio_bytes: 512 });
}

/** Sees that each of the disks keeps what is written to it. */
function assertApart(...disks: BlockDevice[]): void {
  disks.forEach((disk, index) => disk.writeSectors(0, bytesOf(SECTOR_BYTES, index)));
  disks.forEach((disk, index) => assert.deepEqual(disk.readSectors(0, 1), bytesOf(SECTOR_BYTES, index)));
}

for (const [profile, version] of [
  ["microvm-1", 1],
  ["microvm-2", 2],
] as const) {
  test(`a slot says what is in it, version ${version}, also while that is open`, () => {
    const emulated = newDisk();
    const machine = new EmulatedPc({ profile, devices: [emulated] });
    const stack = loadStack(machine);
    const identify = (): (number | undefined)[][] =>
      machine.mmioSlots.map((slot) => {
        const identity = stack.identify(slot);
        return [identity?.type, identity?.version];
      });
    const taken = machine.slotOf(emulated);
    const expected = machine.mmioSlots.map((slot) =>
      slot === taken ? [VIRTIO_BLOCK, version] : [undefined, undefined],
    );
    assert.deepEqual(identify(), expected);
    const { base: mmio_base, bytes: mmio_bytes } = taken;
    const disk = stack.openBlock(0, { transport: TransportWanted.MMIO, mmio_base, mmio_bytes });
    assert.deepEqual(identify(), expected);
    assert.equal(disk.close(), 0);
    assert.equal(machine.mappingCount, 0);
  });
}

test("what is no slot of the machine's is refused", () => {
  const stack = loadStack(new EmulatedPc({ profile: "microvm-2" }));
  assertThrowsResult(() => stack.identify({ base: 0x10_0000n, bytes: 512, interrupt: 1 }), Result.E_BAR);
});

test("slots whose addresses differ in the upper half alone are open at the same time", () => {
  const emulated = [newDisk(), newDisk()];
  const mmio = { base: FOUR_GIGABYTES, stride: FOUR_GIGABYTES, slots: 2 };
  const machine = new EmulatedPc({ profile: "microvm-2", mmio, devices: emulated });
  const stack = loadStack(machine);
  const disks = emulated.map((each) => openSlot(stack, machine.slotOf(each).base));
  assert.deepEqual(
    disks.map(({ interruptLine }) => interruptLine),
    emulated.map((each) => machine.slotOf(each).interrupt),
  );
  assertApart(...disks);
  assert.deepEqual(machine.violations, []);
});

for (const first of ["slot", "function"]) {
  test(`a slot and a PCI function may have the same number as their address: the ${first} is opened first`, () => {
    const ofFunction = newDisk();
    const inSlot = newDisk();
    const address = 0x20;
    const machine = new EmulatedPc({ mmio: { base: FOUR_GIGABYTES + address }, devices: [ofFunction] });
    assert.equal(machine.addressOf(ofFunction), address);
    machine.addDevice(inSlot, { transport: "mmio-2", slot: 0 });
    const { base } = machine.slotOf(inSlot);
    const stack = loadStack(machine);
    stack.scan();
    const openings = [() => openSlot(stack, base), () => stack.openBlock(address)];
    if (first === "function") openings.reverse();
    assertApart(...openings.map((open) => open()));
    assert.deepEqual(machine.violations, []);
  });
}

test("a slot is opened once, whatever PCI address goes with it", () => {
  const emulated = newDisk();
  const machine = new EmulatedPc({ profile: "microvm-2", devices: [emulated] });
  const stack = loadStack(machine);
  const { base: mmio_base, bytes: mmio_bytes } = machine.slotOf(emulated);
  const disk = openSlot(stack, mmio_base);
  for (const address of [0, 0x18, Number(BigInt.asUintN(32, mmio_base))]) {
    const open = (): BlockDevice =>
      stack.openBlock(address, { transport: TransportWanted.MMIO, mmio_base, mmio_bytes });
    assertThrowsResult(open, Result.E_IN_USE);
  }
  assertApart(disk);
  assert.deepEqual(machine.violations, []);
});
