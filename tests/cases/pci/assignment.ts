/** Machines whose firmware gave out no bus numbers and addresses. [PCI 3.0 §6.2.5; PCI-to-PCI Bridge 1.2 §3.2.5] */

import assert from "node:assert/strict";
import { PciRangesLayout, Result, writeRecord, type PciRanges } from "../../../kernel-shim/javascript/index.js";
import type { Case, CaseContext } from "../context.js";
import { initialSectors } from "../pattern.js";
import { assertResult } from "../results.js";

/** Calls `pci_assign` with these ranges. */
function assign(context: CaseContext, ranges: PciRanges): number {
  const { exports, privateMemory, view } = context.stack;
  const record = privateMemory.take(PciRangesLayout.size);
  writeRecord(view, PciRangesLayout, record, ranges);
  const result = exports.pci_assign(record);
  privateMemory.give(record, PciRangesLayout.size);
  return result;
}

export const assignment: readonly Case[] = [
  {
    name: "what nobody assigned is assigned from the grant, bridges are numbered, and everything works",
    disks: [{}, { bridges: 1 }, { bridges: 2 }],
    cards: [{}],
    isUnassigned: true,
    run(context) {
      const { pciGrant } = context.machine;
      const left = context.stack.assignResources();
      assert.ok(left.io_next > pciGrant.ioBase && left.io_next <= pciGrant.ioEnd);
      assert.equal(left.io_end, pciGrant.ioEnd);
      assert.equal(left.memory_last, pciGrant.memoryLast);
      context.stack.scan();
      for (const { pciAddress } of context.devices) {
        const { base, size, is_io } = context.stack.bar(pciAddress, 0);
        assert.equal(is_io, 1);
        assert.ok(base >= BigInt(pciGrant.ioBase) && base + size <= BigInt(left.io_next), base.toString(16));
      }
      for (let index = 0; index < 3; index++) {
        const disk = context.openDisk(index);
        disk.enableInterrupts();
        assert.deepEqual(disk.readSectors(3, 2), initialSectors(3, 2));
        context.stack.service(1);
        assert.ok(disk.statistics().interrupts > 0n);
      }
      assert.equal(context.openCard().information().link_up, 1);
    },
  },
  {
    name: "a second call finds nothing to do",
    disks: [{}, { bridges: 1 }],
    isUnassigned: true,
    run(context) {
      const left = context.stack.assignResources();
      const before = context.stack.scan();
      const again = { ...left };
      assertResult(assign(context, again), Result.OK);
      assert.deepEqual(context.stack.scan(), before);
    },
  },
  {
    name: "what is assigned stays where it is",
    disks: [{}],
    cards: [{}],
    run(context) {
      const before = context.stack.scan();
      context.stack.assignResources();
      for (const { pciAddress } of context.devices) {
        const wanted = before.find(({ address }) => address === pciAddress);
        const found = context.stack.scan().find(({ address }) => address === pciAddress);
        assert.deepEqual(found, wanted);
      }
    },
  },
  {
    name: "a device without an address cannot be opened: E_BAR",
    disks: [{}],
    isUnassigned: true,
    run(context) {
      assertResult(context.stack.exports.block_open(context.disk().pciAddress, 0), Result.E_BAR);
      context.stack.assignResources();
      assert.deepEqual(context.openDisk().readSectors(0, 1), initialSectors(0, 1));
    },
  },
  {
    name: "a grant that is too small: E_NO_SPACE, and what it was enough for is assigned",
    disks: [{}, {}],
    isUnassigned: true,
    run(context) {
      const { memoryBase, memoryLast, ioBase } = context.machine.pciGrant;
      const memory = { memory_next: memoryBase, memory_last: memoryLast };
      assertResult(assign(context, { io_next: ioBase, io_end: ioBase + 32, ...memory }), Result.E_NO_SPACE);
      assertResult(assign(context, { io_next: ioBase, io_end: 0x1_0001, ...memory }), Result.E_ARGUMENT);
    },
  },
];
