/** Bridges take 4 KiB of ports each, however few are behind them: the shim's ports have to be enough for many. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { BlockOperation, Interrupt, Result } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type { QemuDevice } from "../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";

const ROOT_PORTS = 9;
const SECTOR_BYTES = 512;
/** Ports that a bridge takes at least. [PCI-to-PCI Bridge 1.2 §3.2.5.6] */
const BRIDGE_WINDOW = 0x1000n;
const VIRTIO_BLOCK = 2;

/** A root port, and behind it a disk that has the legacy interface although it sits on PCI Express. */
function rootPortWithDisk(number: number, file: string): QemuDevice[] {
  const port = `port${number}`;
  return [
    { kind: "raw", device: `pcie-root-port,id=${port},bus=pcie.0,chassis=${number},addr=${number.toString(16)}` },
    {
      kind: "block",
      id: `disk${number}`,
      file,
      bus: port,
      properties: { "disable-legacy": false, "disable-modern": true },
    },
  ];
}

test(`q35: legacy disks behind ${ROOT_PORTS} root ports all get ports, read, and interrupt`, () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "virtio-root-ports-"));
  const numbers = Array.from({ length: ROOT_PORTS }, (_, index) => index + 1);
  const devices = numbers.flatMap((number) => {
    const file = path.join(folder, `${number}.img`);
    writeFileSync(file, Buffer.alloc(SECTOR_BYTES, number));
    return rootPortWithDisk(number, file);
  });
  const machine = new QemuMachine({ machine: "q35", devices });
  try {
    const stack = loadStack(machine);
    stack.assignResources();
    const found = stack.scan().filter((each) => each.virtio_legacy === 1 && each.virtio_type === VIRTIO_BLOCK);
    assert.equal(found.length, ROOT_PORTS);
    const windows = new Set<bigint>();
    const buffer = machine.allocateBuffer(SECTOR_BYTES);
    for (const [index, { address }] of found.entries()) {
      assert.equal(address, machine.pciAddress(`disk${index + 1}`));
      windows.add(stack.bar(address, 0).base / BRIDGE_WINDOW);
      const disk = stack.openBlock(address);
      disk.enableInterrupts();
      const segments = [{ pointer: buffer, length: SECTOR_BYTES }];
      disk.submit([{ token: index, operation: BlockOperation.READ, sector: 0, segments }]);
      assert.deepEqual(machine.waitForInterrupt(5000), [disk.interruptLine]);
      assert.equal(disk.interrupt(), Interrupt.QUEUE);
      assert.deepEqual(disk.poll(), [{ token: index, result: Result.OK, length: SECTOR_BYTES }]);
      assert.deepEqual([...machine.readBuffer(buffer, SECTOR_BYTES)], new Array(SECTOR_BYTES).fill(index + 1));
    }
    assert.equal(windows.size, ROOT_PORTS);
    assert.deepEqual(machine.refusals, []);
    assert.equal(machine.stderr, "");
  } finally {
    machine.close();
    rmSync(folder, { recursive: true });
  }
});
