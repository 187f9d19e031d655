/** What QEMU makes of ranges that are discarded or zeroed, seen in the image, and of the mode of the cache, as it tells. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";

const MEBIBYTE = 1 << 20;
const SECTORS = MEBIBYTE / 512;

/** Bytes of the image that have storage, by QEMU's own account. */
function allocatedBytes(file: string, format: string): number {
  const text = execFileSync("qemu-img", ["map", "--output=json", "-U", "-f", format, file], { encoding: "utf8" });
  const map = JSON.parse(text) as { length: number; data: boolean }[];
  return map.filter(({ data }) => data).reduce((sum, { length }) => sum + length, 0);
}

for (const format of ["raw", "qcow2"] as const) {
  test(`DISCARD, and WRITE_ZEROES with UNMAP, give up storage of an image: ${format}`, () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "virtio-ranges-"));
    const file = path.join(folder, `disk.${format}`);
    try {
      if (format === "raw") writeFileSync(file, new Uint8Array(4 * MEBIBYTE));
      else execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", file, "4M"]);
      const machine = new QemuMachine({
        devices: [{ kind: "block", file, format, driveProperties: { discard: "unmap" } }],
      });
      try {
        const stack = loadStack(machine);
        stack.assignResources();
        stack.scan();
        const disk = stack.openBlock(machine.pciAddress("disk0"));
        disk.writeSectors(0, new Uint8Array(4 * MEBIBYTE).fill(0x5a));
        disk.flush();
        assert.equal(allocatedBytes(file, format), 4 * MEBIBYTE);
        disk.discard([{ sector: SECTORS, sectors: SECTORS }]);
        disk.writeZeroes([{ sector: 2 * SECTORS, sectors: SECTORS, unmap: true }]);
        disk.flush();
        assert.equal(allocatedBytes(file, format), 2 * MEBIBYTE);
        assert.deepEqual(disk.readSectors(2 * SECTORS, 8), new Uint8Array(4096));
        assert.deepEqual(disk.readSectors(3 * SECTORS, 8), new Uint8Array(4096).fill(0x5a));
      } finally {
        machine.close();
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test("the mode of the cache is QEMU's own, before and after a reset", () => {
  const machine = new QemuMachine({ devices: [{ kind: "block", source: "null-co://" }] });
  try {
    const stack = loadStack(machine);
    stack.assignResources();
    stack.scan();
    const disk = stack.openBlock(machine.pciAddress("disk0"));
    const isWriteback = (): boolean => {
      const [drive] = machine.qmp("query-block") as { inserted: { cache: { writeback: boolean } } }[];
      return drive?.inserted.cache.writeback === true;
    };
    for (const wanted of [false, true, false]) {
      disk.setWriteback(wanted);
      assert.equal(isWriteback(), wanted);
      disk.reset();
      assert.equal(isWriteback(), wanted);
    }
  } finally {
    machine.close();
  }
});
