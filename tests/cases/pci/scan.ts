/** The scan of all buses, and what it costs. [PCI 3.0 §6.1] */

import assert from "node:assert/strict";
import { PciFunctionLayout, readRecord, Result, type PciFunction } from "../../../kernel-shim/javascript/index.js";
import type { Case } from "../context.js";
import { initialSectors } from "../pattern.js";
import { assertResult } from "../results.js";

const BRIDGE = 1;
const SLOTS = 32;
const FURTHER_FUNCTIONS = 7;
const VIRTIO_VENDOR = 0x1af4;
const VIRTIO_NET = 1;
const VIRTIO_BLOCK = 2;
const FILL = 0xee;

/** Reads that a scan may cost: of an empty slot the vendor, of a function each register of its record once. */
function readBudget(functions: readonly PciFunction[]): number {
  const buses = new Set([0, ...functions.map(({ secondary_bus }) => secondary_bus)]);
  const multiFunction = new Set(functions.filter(({ address }) => address % 8 > 0).map(({ address }) => address >> 3));
  // Header type, command and status, class and revision, interrupt line and pin.
  const registers = functions.map(({ header_type }) => {
    if (header_type === BRIDGE) return 4 + 1 + 2;
    return header_type === 0 ? 4 + 1 + 6 : 4;
  });
  const sum = registers.reduce<number>((total, count) => total + count, 0);
  return buses.size * SLOTS + multiFunction.size * FURTHER_FUNCTIONS + sum;
}

export const scan: readonly Case[] = [
  {
    name: "every device that the machine has is found once, and described",
    disks: [{}, {}],
    cards: [{}],
    run(context) {
      const functions = context.stack.scan();
      assert.equal(new Set(functions.map(({ address }) => address)).size, functions.length);
      for (const { pciAddress } of context.devices) {
        const found = functions.find(({ address }) => address === pciAddress);
        assert.ok(found);
        const isDisk = context.devices.findIndex((device) => device.pciAddress === pciAddress) < 2;
        assert.equal(found.vendor_id, VIRTIO_VENDOR);
        assert.equal(found.virtio_type, isDisk ? VIRTIO_BLOCK : VIRTIO_NET);
        assert.equal(found.subsystem_id, isDisk ? VIRTIO_BLOCK : VIRTIO_NET);
        assert.equal(found.virtio_legacy, 1);
        assert.equal(found.header_type, 0);
        assert.equal(found.revision_id, 0);
        assert.ok(found.interrupt_pin >= 1 && found.interrupt_pin <= 4);
        assert.equal(found.bar0 & 1, 1, "registers are ports");
      }
      const others = functions.filter(({ virtio_type }) => virtio_type === 0);
      assert.ok(others.length > 0, "the host bridge at least");
      assert.ok(others.every(({ virtio_legacy }) => virtio_legacy === 0));
    },
  },
  {
    name: "a scan costs what it must and changes nothing",
    disks: [{}, { bridges: 1 }],
    cards: [{}],
    run(context) {
      const { counters } = context.machine;
      const first = context.stack.scan();
      const before = { ...counters };
      const second = context.stack.scan();
      assert.deepEqual(second, first);
      const reads = counters.configurationReads - before.configurationReads;
      assert.equal(counters.configurationWrites, before.configurationWrites);
      assert.equal(counters.portReads - before.portReads, reads, "no other port is read");
      assert.ok(reads <= readBudget(first), `${reads} reads, ${readBudget(first)} allowed`);
    },
  },
  {
    name: "room for fewer functions than there are: the number all the same, and not a byte too many",
    disks: [{}],
    run(context) {
      const { exports, privateMemory, view } = context.stack;
      const functions = context.stack.scan();
      const { size } = PciFunctionLayout;
      const bytes = size * (functions.length + 1);
      const records = privateMemory.take(bytes);
      for (let capacity = 0; capacity <= functions.length; capacity++) {
        new Uint8Array(view.buffer, records, bytes).fill(FILL);
        assert.equal(exports.pci_scan(records, capacity), functions.length);
        for (let index = 0; index < capacity; index++) {
          assert.deepEqual(readRecord(view, PciFunctionLayout, records + index * size), functions[index]);
        }
        const rest = new Uint8Array(view.buffer, records + capacity * size, bytes - capacity * size);
        assert.ok(rest.every((byte) => byte === FILL));
      }
      assert.equal(exports.pci_scan(0, 0), functions.length, "just counting needs no memory");
      privateMemory.give(records, bytes);
    },
  },
  {
    name: "records outside linear memory: E_ARGUMENT",
    run(context) {
      const { exports } = context.stack;
      const end = context.machine.memory.buffer.byteLength;
      for (const [pointer, count] of [
        [0, 1],
        [end - 2, 1],
        [64, 0xffff_ffff],
        [0xffff_fff0, 1],
      ] as const) {
        assertResult(exports.pci_scan(pointer, count), Result.E_ARGUMENT);
        assertResult(exports.pci_capabilities(0, pointer, count), Result.E_ARGUMENT);
      }
      assertResult(exports.pci_bar(0, 0, end - 4), Result.E_ARGUMENT);
      assertResult(exports.pci_assign(end - 4), Result.E_ARGUMENT);
      assertResult(exports.pci_assign(0), Result.E_ARGUMENT);
    },
  },
  {
    name: "disks behind one bridge and behind two work as any, with interrupts",
    disks: [{ bridges: 1 }, { bridges: 2 }, {}],
    run(context) {
      const functions = context.stack.scan();
      for (let index = 0; index < 3; index++) {
        const { pciAddress } = context.disk(index);
        assert.ok(functions.some(({ address }) => address === pciAddress));
        assert.equal(pciAddress >> 8 > 0, index < 2);
        const disk = context.openDisk(index);
        disk.enableInterrupts();
        assert.deepEqual(disk.readSectors(index, 4), initialSectors(index, 4));
        context.stack.service(1);
        assert.ok(disk.statistics().interrupts > 0n);
      }
    },
  },
];
