/**
 * Modern devices of QEMU's that find an error in a ring: they say that they need a reset, the driver hears of it by an
 * interrupt, and `reset` brings them back. [virtio-1.2 §2.1.1, §2.1.2]
 */

import assert from "node:assert/strict";
import { Event, Interrupt, Message, Result, type BlockDevice } from "../../../kernel-shim/javascript/index.js";
import { readRequest, SECTOR_BYTES, segment, submitAll } from "../../cases/block/requests.js";
import type { Case, CaseContext } from "../../cases/context.js";
import { initialSectors } from "../../cases/pattern.js";
import { assertThrowsResult } from "../../cases/results.js";
import { runCases } from "../../cases/run.js";
import { QemuGround, type QemuHost } from "../ground.js";
import { SharedRing } from "./shared-ring.js";
import { expectWords, takeResets } from "./silent-device.js";
import { diskWays } from "./ways.js";

const INTERRUPT_MILLISECONDS = 5000;
const REQUEST_QUEUE = 0;
/** ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK and DEVICE_NEEDS_RESET. */
const STATUS = 0x4f;

function assertWorks(disk: BlockDevice): void {
  assert.deepEqual(disk.readSectors(3, 4), initialSectors(3, 4));
}

function submitRead(context: CaseContext, disk: BlockDevice, token: number): void {
  submitAll(disk, [readRequest(7, [segment(context.allocate(4096), SECTOR_BYTES)], token)]);
}

const cases = diskWays.map((way): Case => ({
  name: `${way.name}: an interrupt says that the disk needs a reset, and after that it works`,
  disks: [{}],
  run(context) {
    const disk = context.openDisk();
    assertWorks(disk);
    context.machine.waitForInterrupt(0);
    way.spoil(new SharedRing(context.machine, disk, REQUEST_QUEUE), context.allocate(4096));
    expectWords(context, way.words);
    submitRead(context, disk, 5);
    context.expectedLog.push({ message: Message.NEEDS_RESET, first: disk.handle, second: STATUS });
    const told = context.takeInterrupt(disk, INTERRUPT_MILLISECONDS);
    assert.equal(told & Interrupt.CONFIGURATION, Interrupt.CONFIGURATION);
    assert.equal(disk.events(), Event.BROKEN);
    assertThrowsResult(() => disk.poll(), Result.E_BROKEN);

    disk.reset();
    takeResets(() => disk.poll(), [5]);
    assertWorks(disk);
    assert.equal(disk.events(), 0);
  },
}));

const hosts: readonly (readonly [name: string, host: QemuHost])[] = [
  ["QEMU pc, a modern disk on an interrupt line", { machine: "pc", virtio: "modern" }],
  ["QEMU q35, a modern disk with message vectors", { machine: "q35", virtio: "modern", vectors: 2 }],
];
for (const [name, host] of hosts) {
  runCases(new QemuGround(name, host, 1), { "that needs a reset": cases });
}
