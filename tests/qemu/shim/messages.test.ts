/** MSI-X messages: those of QEMU's devices arrive, once each, under the numbers that were given out. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import {
  BlockOperation,
  Interrupt,
  type BlockDevice,
  type VirtioStack,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { BlockDevice as BlockDescription, VirtioInterface } from "../../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";

const SECTOR_BYTES = 512;
const PAGE_BYTES = 4096;
const WAIT = 5000;
const DISK_BYTES = 1024 * 1024;

let folder: string;
before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "virtio-messages-"));
});
after(() => rmSync(folder, { recursive: true }));

/** A disk that can be resized. */
function disk(name: string): BlockDescription {
  const file = path.join(folder, name);
  writeFileSync(file, Buffer.alloc(DISK_BYTES));
  return { kind: "block", file };
}

interface Messaged {
  machine: QemuMachine;
  stack: VirtioStack;
  disks: BlockDevice[];
}

function withDisks(virtio: VirtioInterface, vectors: number, use: (messaged: Messaged) => void): void {
  const machine = new QemuMachine({ machine: "q35", virtio, devices: [disk("0.img"), disk("1.img")] });
  try {
    const stack = loadStack(machine);
    stack.assignResources();
    const disks = ["disk0", "disk1"].map((id) => stack.openBlock(machine.pciAddress(id), { vectors }));
    use({ machine, stack, disks });
    assert.deepEqual(machine.refusals, []);
    assert.equal(machine.stderr, "");
  } finally {
    machine.close();
  }
}

function read(machine: QemuMachine, disk: BlockDevice): void {
  assert.equal(disk.enableInterrupts(), false);
  const segments = [{ pointer: machine.allocateBuffer(PAGE_BYTES), length: SECTOR_BYTES }];
  assert.equal(disk.submit([{ token: 1, operation: BlockOperation.READ, sector: 0, segments }]).accepted, 1);
}

for (const virtio of ["legacy", "modern"] as const) {
  test(`${virtio}: each device has messages of its own, and each comes once`, () => {
    withDisks(virtio, 2, ({ machine, disks }) => {
      const numbers = disks.flatMap(({ messages }) => messages);
      assert.equal(new Set(numbers).size, 4);
      for (const number of numbers) assert.ok(number >= 256);
      for (const disk of disks) {
        read(machine, disk);
        assert.deepEqual(machine.waitForInterrupt(WAIT), [disk.messages[1]]);
        assert.deepEqual(machine.waitForInterrupt(2), [], "taken, and no line is asserted");
        assert.equal(disk.claim(disk.messages[1] ?? 0), Interrupt.QUEUE);
        assert.equal(disk.poll().length, 1);
      }
    });
  });

  test(`${virtio}: a change of the configuration has a message of its own`, () => {
    withDisks(virtio, 2, ({ machine, disks: [, disk] }) => {
      assert.ok(disk);
      machine.blockResize("disk1", DISK_BYTES / 2);
      assert.deepEqual(machine.waitForInterrupt(WAIT), [disk.messages[0]]);
      assert.equal(disk.claim(disk.messages[0] ?? 0), Interrupt.CONFIGURATION);
      assert.equal(disk.information().capacity, BigInt(DISK_BYTES / 2 / SECTOR_BYTES));
    });
  });
}

test("one message for everything tells requests from changes by the generation", () => {
  withDisks("modern", 1, ({ machine, disks: [disk] }) => {
    assert.ok(disk);
    read(machine, disk);
    assert.deepEqual(machine.waitForInterrupt(WAIT), disk.messages);
    assert.equal(disk.claim(disk.messages[0] ?? 0), Interrupt.QUEUE);
    machine.blockResize("disk0", DISK_BYTES / 2);
    assert.deepEqual(machine.waitForInterrupt(WAIT), disk.messages);
    assert.equal(disk.claim(disk.messages[0] ?? 0), Interrupt.QUEUE | Interrupt.CONFIGURATION);
  });
});

test("a device that is opened again has the same numbers, and nothing of before is pending", () => {
  withDisks("modern", 2, ({ machine, stack, disks: [disk, other] }) => {
    assert.ok(disk && other);
    const { messages } = disk;
    read(machine, disk);
    while (disk.poll().length === 0) machine.kernel.relax();
    disk.close();
    const again = stack.openBlock(machine.pciAddress("disk0"), { vectors: 2 });
    assert.deepEqual(again.messages, messages);
    assert.deepEqual(machine.waitForInterrupt(2), []);
    read(machine, again);
    assert.deepEqual(machine.waitForInterrupt(WAIT), [messages[1]]);
  });
});

test("a table is only programmed where the function has registers", () => {
  withDisks("modern", 0, ({ machine, stack, disks: [disk] }) => {
    assert.ok(disk);
    const address = machine.pciAddress("disk0");
    const noTable = { name: "RangeError", message: /no MSI-X table/ };
    assert.throws(() => machine.connectMessages(0x10_0000n, 1, address), noTable);
    const { base } = stack.bar(machine.pciAddress("disk1"), 1);
    assert.throws(() => machine.connectMessages(base, 1, address), noTable, "another function's");
  });
});
