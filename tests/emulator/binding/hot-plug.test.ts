/** Devices that come and go while others are open, by the sequence that the binding's README describes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { NetDevice as EmulatedCard } from "../../../kernel-shim/emulated-pc/net/device.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { Result, type VirtioStack } from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { DISK_BYTES, PAGE_BYTES, SECTOR_BYTES, bytesOf, diskMachine, reads } from "./disk-machine.js";

function filledDisk(fill: number): EmulatedDisk {
  return new EmulatedDisk({ backEnd: new MemoryDisk(new Uint8Array(DISK_BYTES).fill(fill)) });
}

/** What a kernel does when it hears that something was plugged in. Returns the address. */
function plug(machine: EmulatedPc, stack: VirtioStack, device: VirtioDevice): number {
  machine.addDevice(device);
  stack.assignResources();
  stack.scan();
  return machine.addressOf(device);
}

function portsOf(stack: VirtioStack, address: number): number {
  return (stack.scan().find((found) => found.address === address)?.bar0 ?? 0) & ~3;
}

for (const firmware of [true, false]) {
  const name = firmware ? "firmware" : "the stack";
  test(`a disk that is plugged in works beside an open one that ${name} gave its ports`, () => {
    const emulated = filledDisk(1);
    const machine = new EmulatedPc({ completion: "deferred", layout: "bare", devices: [emulated], firmware });
    const stack = loadStack(machine);
    stack.assignResources();
    const address = machine.addressOf(emulated);
    const first = stack.openBlock(address);
    const buffer = machine.allocateBuffer(PAGE_BYTES);
    first.submit(reads(4, buffer));
    const configuration = machine.functionOf(emulated).configuration.slice();

    const second = stack.openBlock(plug(machine, stack, filledDisk(2)));
    assert.deepEqual(machine.functionOf(emulated).configuration, configuration, "the open one is as it was");
    assert.deepEqual(second.readSectors(0, 1), new Uint8Array(SECTOR_BYTES).fill(2));
    const taken = first.waitForCompletions();
    assert.deepEqual(
      taken.map(({ token, result }) => [token, result]),
      [0, 1, 2, 3].map((token) => [token, Result.OK]),
    );
    assert.deepEqual(first.readSectors(0, 1), new Uint8Array(SECTOR_BYTES).fill(1));
    second.writeSectors(3, bytesOf(SECTOR_BYTES, 9));
    assert.deepEqual(first.readSectors(3, 1), new Uint8Array(SECTOR_BYTES).fill(1));
    assert.deepEqual(machine.violations, []);
  });
}

test("everything that is plugged in gets ports of its own, cards and disks, one after the other", () => {
  const { machine, stack, disk, address } = diskMachine({ firmware: true });
  const addresses = [address];
  for (let round = 0; round < 4; round++) {
    const plugged = plug(machine, stack, round % 2 === 0 ? filledDisk(round) : new EmulatedCard());
    if (round % 2 === 0) assert.equal(stack.openBlock(plugged).readSectors(0, 1)[0], round);
    else assert.equal(stack.openNet(plugged).information().link_up, 1);
    addresses.push(plugged);
  }
  const ports = addresses.map((each) => portsOf(stack, each));
  assert.equal(new Set(ports).size, ports.length, ports.join(", "));
  assert.equal(disk.readSectors(0, 1).length, SECTOR_BYTES);
  assert.deepEqual(machine.violations, []);
});

test("what is left of the grant is carried on from call to call, and nothing of it is used without need", () => {
  const { machine, stack } = diskMachine();
  const before = stack.assignResources();
  assert.deepEqual(stack.assignResources(), before);
  plug(machine, stack, filledDisk(1));
  const after = stack.assignResources();
  assert.ok(after.io_next > before.io_next);
  assert.deepEqual(stack.assignResources(), after);
});

test("a grant that is used up is an error, and open devices go on", () => {
  const emulated = filledDisk(0);
  const machine = new EmulatedPc({ completion: "deferred", devices: [emulated] });
  const grant = machine.pciGrant;
  grant.ioEnd = grant.ioBase + 128;
  const stack = loadStack(machine);
  const disk = stack.openBlock(machine.addressOf(emulated));
  machine.addDevice(filledDisk(1));
  stack.assignResources();
  machine.addDevice(filledDisk(2));
  assert.throws(() => stack.assignResources(), { code: Result.E_NO_SPACE });
  assert.equal(disk.readSectors(0, 1).length, SECTOR_BYTES);
  assert.deepEqual(stack.openDevices(), [disk]);
});

test("a disk that is pulled out while it is open gives back what was in flight, and its place can be filled again", () => {
  const { machine, stack, disk, emulated } = diskMachine();
  const address = plug(machine, stack, filledDisk(2));
  const other = stack.openBlock(address);
  const buffer = machine.allocateBuffer(PAGE_BYTES);
  disk.submit(reads(3, buffer));
  const ports = portsOf(stack, disk.pciFunction.address);

  machine.removeDevice(emulated);
  assert.equal(other.readSectors(0, 1)[0], 2);
  assert.equal(disk.close(), 3);
  assert.deepEqual(
    disk.poll().map(({ result }) => result),
    [Result.E_RESET, Result.E_RESET, Result.E_RESET],
  );
  assert.equal(machine.isGranted(ports, 1), false);

  const next = plug(machine, stack, filledDisk(3));
  assert.equal(next, disk.pciFunction.address);
  assert.equal(stack.openBlock(next).readSectors(0, 1)[0], 3);
  assert.equal(other.readSectors(0, 1)[0], 2);
  assert.deepEqual(machine.violations, []);
});
