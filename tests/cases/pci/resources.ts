/** Base address registers, capabilities, and what they are like before and after a device is opened. */

import assert from "node:assert/strict";
import { PciBarLayout, PciCapabilityLayout, Result } from "../../../kernel-shim/javascript/index.js";
import type { Case } from "../context.js";
import { assertResult } from "../results.js";

const BRIDGE = 1;
const IO_SPACE = 1;
const BUS_MASTER = 4;
const CAPABILITIES_LIST = 0x10;
const FIRST_CAPABILITY = 0x40;
/** Registers of the legacy interface without device configuration. [virtio-1.2 §4.1.4.10] */
const LEGACY_REGISTER_BYTES = 20n;

export const resources: readonly Case[] = [
  {
    name: "base address registers are sized, and are as before afterwards [PCI 3.0 §6.2.5.1]",
    disks: [{}],
    cards: [{}],
    run(context) {
      const before = context.stack.scan();
      for (const { address, bar0, virtio_type } of before) {
        for (const [index, { base, size }] of context.stack.bars(address)) {
          assert.equal(size & (size - 1n), 0n, "a power of two");
          assert.equal(base % size, 0n, `register ${index} of function ${address} is aligned`);
        }
        if (virtio_type === 0) continue;
        const bar = context.stack.bar(address, 0);
        assert.equal(bar.is_io, 1);
        assert.equal(bar.is_64bit, 0);
        assert.equal(bar.base, BigInt(bar0 & ~3));
        assert.ok(bar.size > LEGACY_REGISTER_BYTES);
      }
      assert.deepEqual(context.stack.scan(), before);
    },
  },
  {
    name: "no two registers of the machine overlap",
    disks: [{}, { bridges: 1 }, { bridges: 2 }],
    cards: [{}, {}],
    run(context) {
      const ranges = context.stack.scan().flatMap(({ address }) => [...context.stack.bars(address).values()]);
      const assigned = ranges.filter(({ base }) => base !== 0n);
      for (const [index, one] of assigned.entries()) {
        for (const other of assigned.slice(index + 1)) {
          if (one.is_io !== other.is_io) continue;
          const isApart = one.base + one.size <= other.base || other.base + other.size <= one.base;
          assert.ok(isApart, `${one.base.toString(16)} and ${other.base.toString(16)}`);
        }
      }
      for (const { pciAddress } of context.devices) assert.ok(context.stack.bar(pciAddress, 0).base > 0n);
    },
  },
  {
    name: "registers and functions that do not exist",
    disks: [{ bridges: 1 }],
    run(context) {
      const { exports, privateMemory } = context.stack;
      const record = privateMemory.take(PciBarLayout.size);
      const bridge = context.stack.scan().find(({ header_type }) => header_type === BRIDGE)?.address ?? -1;
      assert.ok(bridge >= 0);
      assertResult(exports.pci_bar(context.disk().pciAddress, 6, record), Result.E_ARGUMENT);
      assertResult(exports.pci_bar(context.disk().pciAddress, 0xffff_ffff, record), Result.E_ARGUMENT);
      assertResult(exports.pci_bar(bridge, 1, record), Result.OK);
      assertResult(exports.pci_bar(bridge, 2, record), Result.E_ARGUMENT);
      for (const missing of [0xff00, 0x1_0000, 0xffff_ffff]) {
        assertResult(exports.pci_bar(missing, 0, record), Result.E_NOT_FOUND);
        assertResult(exports.pci_capabilities(missing, 0, 0), Result.E_NOT_FOUND);
      }
      privateMemory.give(record, PciBarLayout.size);
    },
  },
  {
    name: "the capability list: each entry once, behind the header [PCI 3.0 §6.7]",
    disks: [{}],
    cards: [{}],
    run(context) {
      const { exports, privateMemory } = context.stack;
      for (const { address, status } of context.stack.scan()) {
        const found = context.stack.capabilities(address);
        if ((status & CAPABILITIES_LIST) === 0) assert.deepEqual(found, []);
        assert.equal(new Set(found.map(({ offset }) => offset)).size, found.length);
        for (const { offset, id } of found) {
          assert.ok(offset >= FIRST_CAPABILITY && offset % 4 === 0);
          assert.notEqual(id, 0xff);
        }
        assert.equal(exports.pci_capabilities(address, 0, 0), found.length, "just counting");
        if (found.length > 1) {
          const record = privateMemory.take(PciCapabilityLayout.size);
          assert.equal(exports.pci_capabilities(address, record, 1), found.length, "room for fewer");
          privateMemory.give(record, PciCapabilityLayout.size);
        }
      }
    },
  },
  {
    name: "ports and bus mastering are enabled for devices that are opened, for no other, and mastering ends with them",
    disks: [{}, {}],
    run(context) {
      const commandOf = (index: number): number => {
        const { pciAddress } = context.disk(index);
        return context.stack.scan().find(({ address }) => address === pciAddress)?.command ?? 0;
      };
      assert.equal(commandOf(0) & BUS_MASTER, 0);
      const disk = context.openDisk(0);
      assert.equal(commandOf(0) & (IO_SPACE | BUS_MASTER), IO_SPACE | BUS_MASTER);
      assert.equal(commandOf(1) & BUS_MASTER, 0);
      disk.close();
      assert.equal(commandOf(0) & BUS_MASTER, 0);
    },
  },
  {
    name: "ports that were not granted are not reached: the device cannot be opened, and is untouched",
    disks: [{}],
    run(context) {
      const { exports } = context.stack;
      const { pciAddress } = context.disk();
      assertResult(exports.block_open(pciAddress, 0), Result.E_GONE, "all ones, as from a device that is not there");
      assert.ok(context.takeComplaints().length > 0, "the machine has refused and recorded it");
      context.expectedLog.push(...context.machine.log.slice(-2));
      assert.equal(context.lentPages, 0);
      assert.equal(context.openDisk().information().capacity, 2048n, "with the grant it opens");
    },
  },
];
