/**
 * Disks that are plugged in and out while another one is open, as the guide tells kernels to do: by the ACPI ports of `pc`,
 * and by the slot registers of a root port of `q35`.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Result, type BlockDevice, type VirtioStack } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";
import { assertThrowsResult } from "../cases/results.js";

const SECTOR_BYTES = 512;
const CONFIGURATION_ADDRESS = 0xcf8;
const CONFIGURATION_DATA = 0xcfc;
const PATIENCE = 5000;

/** Windows of a bridge. [PCI-to-PCI Bridge 1.2 §3.2.5.6, §3.2.5.8] */
const IO_BASE = 0x1c;
const MEMORY_BASE = 0x20;
const CLOSED_PORTS = 0x00f0;
const CLOSED_MEMORY = 0x0000_fff0;

/** PCI Express capability. [PCI Express Base 3.0 §7.8] */
const PCI_EXPRESS = 0x10;
const SLOT_CONTROL = 0x18;
const SLOT_STATUS = 0x1a;
const POWER_INDICATOR_ON = 0x0100;
const POWER_INDICATOR_OFF = 0x0300;
const INDICATOR_AND_POWER = 0x0700;
const POWER_OFF = 0x0400;
const ATTENTION_BUTTON_PRESSED = 0x0001;
const PRESENCE_DETECT_CHANGED = 0x0008;

/** A disk whose sectors are zeroes, for `device_add`. */
function addDrive(machine: QemuMachine, name: string): void {
  machine.qmp("blockdev-add", { driver: "null-co", "node-name": name, "read-zeroes": true, size: 1 << 20 });
}

function assertReads(disk: BlockDevice): void {
  assert.deepEqual(disk.readSectors(5, 1), new Uint8Array(SECTOR_BYTES));
}

/** First port and behind the last of a disk's registers. */
function portsOf(stack: VirtioStack, disk: BlockDevice): { base: bigint; end: bigint } {
  const { base, size } = stack.bar(disk.pciFunction.address, 0);
  return { base, end: base + size };
}

function assertApart(stack: VirtioStack, disks: readonly BlockDevice[]): void {
  for (const [index, disk] of disks.entries()) {
    const own = portsOf(stack, disk);
    assert.notEqual(own.base, 0n);
    for (const other of disks.slice(index + 1).map((each) => portsOf(stack, each))) {
      assert.ok(own.end <= other.base || other.end <= own.base, "ports that belong to two disks");
    }
  }
}

function waitFor(what: string, condition: () => boolean): void {
  const end = performance.now() + PATIENCE;
  while (!condition()) assert.ok(performance.now() < end, `${what} did not happen`);
}

test("pc: a disk comes and goes by the ACPI ports while another one is open", () => {
  const machine = new QemuMachine({
    devices: [{ kind: "block", source: "null-co://", driveProperties: { "file.read-zeroes": true } }],
  });
  try {
    const stack = loadStack(machine);
    stack.assignResources();
    stack.scan();
    const first = stack.openBlock(machine.pciAddress("disk0"));
    assertReads(first);
    const slot = 9;
    for (const round of [1, 2]) {
      addDrive(machine, `spare${round}`);
      machine.deviceAdd("virtio-blk-pci", "spare", { drive: `spare${round}`, addr: slot.toString(16) });
      assert.deepEqual(machine.hotPlugStatus(), { up: 1 << slot, down: 0 });
      stack.assignResources();
      stack.scan();
      const spare = stack.openBlock(slot << 3);
      assertApart(stack, [first, spare]);
      assertReads(spare);
      assertReads(first);
      machine.qmp("device_del", { id: "spare" });
      assert.deepEqual(machine.hotPlugStatus(), { up: 0, down: 1 << slot });
      if (round === 1) {
        assert.equal(spare.close(), 0);
        machine.eject(1 << slot);
      } else {
        // Without asking whoever uses it.
        machine.eject(1 << slot);
        assertThrowsResult(() => spare.interrupt(), Result.E_GONE);
        assertThrowsResult(() => spare.poll(), Result.E_GONE);
        assert.equal(spare.close(), 0);
      }
      waitFor(
        "the end of the disk",
        () => machine.events.filter(({ data }) => data["device"] === "spare").length === round,
      );
      assert.ok(stack.scan().every(({ address }) => address !== slot << 3));
      assertReads(first);
    }
    assert.deepEqual(machine.refusals, []);
  } finally {
    machine.close();
  }
});

test("q35: a disk comes and goes by the registers of its slot while another one is open", () => {
  const machine = new QemuMachine({
    machine: "q35",
    devices: [
      { kind: "raw", device: "pcie-root-port,id=port1,bus=pcie.0,chassis=1,addr=2" },
      { kind: "raw", device: "pcie-root-port,id=port2,bus=pcie.0,chassis=2,addr=3" },
      {
        kind: "block",
        source: "null-co://",
        driveProperties: { "file.read-zeroes": true },
        bus: "port1",
        properties: { "disable-legacy": false, "disable-modern": true },
      },
    ],
    extraArguments: ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"],
  });
  const port = 3 << 3;
  const access = (offset: number): number => {
    machine.kernel.out32(CONFIGURATION_ADDRESS, 0x8000_0000 + port * 256 + (offset & 0xfc));
    return CONFIGURATION_DATA + (offset & 3);
  };
  const read16 = (offset: number): number => machine.kernel.in16(access(offset));
  const write16 = (offset: number, value: number): void => machine.kernel.out16(access(offset), value);
  const write32 = (offset: number, value: number): void => machine.kernel.out32(access(offset), value);
  try {
    const stack = loadStack(machine);
    stack.assignResources();
    stack.scan();
    const first = stack.openBlock(machine.pciAddress("disk0"));
    assertReads(first);
    const express = stack.capabilities(port).find(({ id }) => id === PCI_EXPRESS)?.offset ?? 0;
    assert.notEqual(express, 0);
    const control = express + SLOT_CONTROL;
    const status = express + SLOT_STATUS;
    for (const round of [1, 2]) {
      write16(status, read16(status));
      addDrive(machine, `spare${round}`);
      machine.deviceAdd("virtio-blk-pci", "spare", {
        drive: `spare${round}`,
        bus: "port2",
        "disable-legacy": "off",
        "disable-modern": true,
      });
      waitFor("a change in the slot", () => (read16(status) & PRESENCE_DETECT_CHANGED) !== 0);
      write16(control, (read16(control) & ~INDICATOR_AND_POWER) | POWER_INDICATOR_ON);
      write16(status, read16(status));
      stack.assignResources();
      const found = stack.scan().find(({ address }) => address === machine.pciAddress("spare"));
      assert.ok(found !== undefined);
      const spare = stack.openBlock(found.address);
      assertApart(stack, [first, spare]);
      assertReads(spare);
      assertReads(first);
      machine.qmp("device_del", { id: "spare" });
      waitFor("the attention button", () => (read16(status) & ATTENTION_BUTTON_PRESSED) !== 0);
      write16(status, ATTENTION_BUTTON_PRESSED);
      if (round === 1) assert.equal(spare.close(), 0);
      write16(control, (read16(control) & ~INDICATOR_AND_POWER) | POWER_INDICATOR_OFF | POWER_OFF);
      waitFor(
        "the end of the disk",
        () => machine.events.filter(({ data }) => data["device"] === "spare").length === round,
      );
      if (round === 2) {
        assertThrowsResult(() => spare.interrupt(), Result.E_GONE);
        assert.equal(spare.close(), 0);
      }
      // Nothing is behind the port any more: its windows can be opened anew, for another disk.
      write16(IO_BASE, CLOSED_PORTS);
      write32(MEMORY_BASE, CLOSED_MEMORY);
      assertReads(first);
    }
    assert.deepEqual(machine.refusals, []);
  } finally {
    machine.close();
  }
});
