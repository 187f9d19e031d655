/** Which ports the binding grants, and that no device gets what is another's or the system board's. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import type { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { NetDevice as EmulatedCard } from "../../../kernel-shim/emulated-pc/net/device.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { Result, VirtioError } from "../../../kernel-shim/javascript/index.js";
import { DISK_BYTES, SECTOR_BYTES, bytesOf, diskMachine, type DiskMachine } from "./disk-machine.js";

const BASE_ADDRESS = 0x10;

function baseOf(machine: EmulatedPc, device: VirtioDevice): number {
  return machine.functionOf(device).read(BASE_ADDRESS, 4) - 1;
}

function setBase(machine: EmulatedPc, device: VirtioDevice, base: number): void {
  machine.functionOf(device).poke(BASE_ADDRESS, [(base & 0xff) | 1, base >> 8, 0, 0]);
}

/** Lets base address 0 be sized as if it had `bytes` ports. */
function setSize(machine: EmulatedPc, device: VirtioDevice, bytes: number): void {
  const pciFunction = machine.functionOf(device);
  const right = pciFunction.read.bind(pciFunction);
  pciFunction.read = (offset, width) => {
    const value = right(offset, width);
    return offset === BASE_ADDRESS && value > 0xffff_0000 ? 0x1_0000_0001 - bytes : value;
  };
}

/** A machine with an open disk, and a second device whose base address is `base`. */
function withSecond(second: VirtioDevice, base: (first: number) => number): DiskMachine & { secondAddress: number } {
  const made = diskMachine();
  const { machine, emulated, stack } = made;
  machine.addDevice(second);
  setBase(machine, second, base(baseOf(machine, emulated)));
  stack.scan();
  return { ...made, secondAddress: machine.addressOf(second) };
}

function emptyDisk(): EmulatedDisk {
  return new EmulatedDisk({ backEnd: new MemoryDisk(DISK_BYTES) });
}

function isRefusal(error: unknown): boolean {
  assert.ok(error instanceof VirtioError);
  assert.equal(error.code, Result.E_BAR);
  return true;
}

for (const [name, bytes] of [
  ["the same ports as", 64],
  ["some of the ports of", 32],
  ["more than the ports of", 256],
] as const) {
  test(`a disk with ${name} an open one is refused, and the open one notices nothing`, () => {
    const second = emptyDisk();
    const { machine, stack, disk, emulated, secondAddress } = withSecond(second, (first) => first - (first % bytes));
    setSize(machine, second, bytes);
    let accesses = 0;
    emulated.faults.readRegister = (_offset, _width, value) => {
      accesses++;
      return value;
    };
    emulated.faults.writeRegister = () => {
      accesses++;
      return true;
    };
    assert.throws(() => stack.openBlock(secondAddress), isRefusal);
    assert.equal(accesses, 0);
    disk.writeSectors(3, bytesOf(SECTOR_BYTES, 1));
    assert.deepEqual(disk.readSectors(3, 1), bytesOf(SECTOR_BYTES, 1));
    assert.deepEqual(machine.violations, []);
    assert.deepEqual(stack.openDevices(), [disk]);
  });
}

test("a card with the ports of an open disk is refused, and opens once the disk is closed", () => {
  const { machine, stack, emulated, disk, secondAddress } = withSecond(new EmulatedCard(), (first) => first);
  assert.throws(() => stack.openNet(secondAddress), isRefusal);
  disk.close();
  machine.functionOf(emulated).poke(4, [0, 0]);
  assert.equal(stack.openNet(secondAddress).information().link_up, 1);
  assert.deepEqual(machine.violations, []);
});

for (const base of [0x60, 0xcc0, 0xf80]) {
  test(`a device whose ports begin at 0x${base.toString(16)} is refused, and none of them is accessed`, () => {
    const { machine, stack, disk, secondAddress } = withSecond(emptyDisk(), () => base);
    const count = stack.scan().length;
    const violations = machine.violationCount;
    assert.throws(
      () => stack.openBlock(secondAddress),
      (error) => isRefusal(error) && String((error as Error).cause).includes("0x1000"),
    );
    assert.equal(stack.scan().length, count, "the configuration ports stay granted");
    assert.equal(disk.readSectors(0, 1).length, SECTOR_BYTES);
    assert.equal(machine.violationCount, violations);
  });
}

test("ports beyond the last are refused", () => {
  const { machine, stack } = diskMachine();
  const other = machine.addDevice(emptyDisk());
  setBase(machine, other, 0xc000);
  setSize(machine, other, 0x8000);
  stack.scan();
  assert.throws(() => stack.openBlock(machine.addressOf(other)), isRefusal);
});

test("a device that cannot be wrapped is closed again, and its ports are taken back", () => {
  const { machine, stack, disk, address } = diskMachine();
  disk.close();
  const interruptLine = machine.interruptLine.bind(machine);
  machine.interruptLine = () => {
    throw new Error("no such line");
  };
  assert.throws(() => stack.openBlock(address), /no such line/);
  machine.interruptLine = interruptLine;
  assert.equal(machine.isGranted(Number(stack.bar(address, 0).base), 1), false);
  assert.equal(stack.openBlock(address).readSectors(0, 1).length, SECTOR_BYTES);
  assert.deepEqual(machine.violations, []);
});
