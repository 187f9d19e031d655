/** A device that lies in configuration space while it is closed loses its access to memory all the same. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import type { PciFunction } from "../../../kernel-shim/emulated-pc/pci/function.js";
import { HostedCard } from "./card.js";
import { HostedDisk } from "./disk.js";
import { onBothBuilds } from "./moments.js";

const COMMAND = 4;
const BUS_MASTER = 4;
/** Readings of configuration space for which closing a device has no use. */
const READINGS = 24;

const lies: Readonly<Record<string, (right: number, offset: number, width: number) => number>> = {
  "reads as all ones, as if nothing were there": (_right, _offset, width) => 2 ** (8 * width) - 1,
  "reads as all zeroes": () => 0,
  "is another device's": (right, offset) => (offset === 0 ? 0x100e_8086 : right),
  "has another base address": (right, offset) => (offset === 0x10 ? 0xd001 : right),
};

/** Answers wrongly at the readings that are named. */
function lieAt(pciFunction: PciFunction, change: (typeof lies)[string], isLying: (reading: number) => boolean): void {
  const right = pciFunction.read.bind(pciFunction);
  let readings = 0;
  pciFunction.read = (offset, width) => {
    const value = right(offset, width);
    return isLying(readings++) ? change(value, offset, width) >>> 0 : value;
  };
}

describe("a device whose configuration space, from any reading on,", () => {
  for (const [name, change] of Object.entries(lies)) {
    onBothBuilds(`${name} reaches no memory once it was closed`, (build) => {
      for (let from = 0; from < READINGS; from++) {
        for (const isLasting of [true, false]) {
          const isLying = (reading: number): boolean => (isLasting ? reading >= from : reading === from);
          for (const device of [new HostedDisk(build), new HostedCard(build)]) {
            const pciFunction = device.module.pc.functionOf(device.device);
            lieAt(pciFunction, change, isLying);
            assert.equal(device.module.exports.close(device.handle), 0);
            const command = pciFunction.configuration[COMMAND] ?? 0;
            assert.equal(command & BUS_MASTER, 0, `bus mastering, with lies from reading ${from} on`);
          }
        }
      }
    });

    onBothBuilds(`${name} reaches no memory after a reset that failed`, (build) => {
      for (let from = 0; from < READINGS; from++) {
        const disk = new HostedDisk(build);
        const pciFunction = disk.module.pc.functionOf(disk.device);
        lieAt(pciFunction, change, (reading) => reading >= from);
        if (disk.module.exports.reset(disk.handle) === 0) continue;
        const command = pciFunction.configuration[COMMAND] ?? 0;
        assert.equal(command & BUS_MASTER, 0, `bus mastering, with lies from reading ${from} on`);
      }
    });
  }
});
