/**
 * Real images, made by the ordinary tools: what the driver reads on QEMU's disk is what is in the file, and what it
 * writes, the file system's own checker finds in order.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { SECTOR_BYTES, type BlockDevice } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type { QemuOptions } from "../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";

const IMAGE_BYTES = 16 * 1024 * 1024;
const SECTORS_AT_ONCE = 1024;
const VIRTIO_BLOCK = 2;

const folder = mkdtempSync(path.join(tmpdir(), "virtio-images-"));
const contents = path.join(folder, "contents");

/** Runs a tool of Debian's, some of which live where an ordinary user's PATH does not lead. */
function run(program: string, parameters: readonly string[]): string {
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  return execFileSync(program, parameters, { env, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

function emptyImage(name: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, "");
  truncateSync(file, IMAGE_BYTES);
  return file;
}

function makeExt4(name: string): string {
  const file = emptyImage(name);
  run("mkfs.ext4", ["-q", "-F", "-d", contents, file]);
  return file;
}

function makeFat(name: string): string {
  const file = emptyImage(name);
  run("mkfs.vfat", ["-F", "16", file]);
  run("mcopy", ["-i", file, "-s", path.join(contents, "large"), path.join(contents, "notes"), "::"]);
  return file;
}

/** Runs `use` on the only disk of a machine. */
function withDisk<Result>(
  machine: "pc" | "q35",
  disk: { file: string; readOnly?: boolean; format?: "raw" | "qcow2" },
  use: (disk: BlockDevice) => Result,
): Result {
  const options: QemuOptions = { machine, devices: [{ kind: "block", ...disk }] };
  const qemu = new QemuMachine(options);
  try {
    const stack = loadStack(qemu);
    stack.assignResources();
    const found = stack.scan().find(({ virtio_type }) => virtio_type === VIRTIO_BLOCK);
    assert.ok(found);
    const opened = stack.openBlock(found.address);
    const result = use(opened);
    assert.equal(opened.close(), 0);
    assert.deepEqual(qemu.refusals, []);
    return result;
  } finally {
    qemu.close();
    assert.equal(qemu.stderr, "");
  }
}

function hashThroughDriver(disk: BlockDevice): string {
  const hash = createHash("sha256");
  const capacity = Number(disk.information().capacity);
  for (let sector = 0; sector < capacity; sector += SECTORS_AT_ONCE) {
    hash.update(disk.readSectors(sector, Math.min(SECTORS_AT_ONCE, capacity - sector)));
  }
  return hash.digest("hex");
}

const hashOfFile = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

suite("images made by the ordinary tools", () => {
  before(() => {
    mkdirSync(path.join(contents, "folder"), { recursive: true });
    writeFileSync(path.join(contents, "large"), randomBytes(5_000_001));
    writeFileSync(path.join(contents, "notes"), "a line of text\n");
    writeFileSync(path.join(contents, "folder", "deep"), randomBytes(70_000));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });

  for (const machine of ["pc", "q35"] as const) {
    for (const [kind, make] of [
      ["ext4", makeExt4],
      ["FAT", makeFat],
    ] as const) {
      test(`${machine}: an ${kind} image has the SHA-256 through the driver that the file has`, () => {
        const file = make(`${machine}-${kind}.img`);
        const expected = hashOfFile(file);
        assert.equal(withDisk(machine, { file, readOnly: true }, hashThroughDriver), expected);
        assert.equal(hashOfFile(file), expected);
      });
    }
  }

  test("an ext4 image copied through the driver, sector by sector, holds the same files and passes fsck", () => {
    const source = readFileSync(makeExt4("source.img"));
    const copy = emptyImage("copy.img");
    withDisk("pc", { file: copy }, (disk) => {
      for (let offset = 0; offset < source.length; offset += SECTORS_AT_ONCE * SECTOR_BYTES) {
        disk.writeSectors(offset / SECTOR_BYTES, source.subarray(offset, offset + SECTORS_AT_ONCE * SECTOR_BYTES));
      }
      disk.flush();
    });
    run("e2fsck", ["-f", "-n", copy]);
    const extracted = path.join(folder, "extracted");
    run("debugfs", ["-R", `dump /large ${extracted}`, copy]);
    assert.deepEqual(readFileSync(extracted), readFileSync(path.join(contents, "large")));
  });

  test("a qcow2 image reads as the raw image that it was made from", () => {
    const raw = makeFat("plain.img");
    const compressed = path.join(folder, "compressed.qcow2");
    run("qemu-img", ["convert", "-c", "-O", "qcow2", raw, compressed]);
    assert.equal(withDisk("pc", { file: compressed, format: "qcow2" }, hashThroughDriver), hashOfFile(raw));
  });

  test("what was flushed is in the file while QEMU still runs", () => {
    const file = emptyImage("flushed.img");
    const bytes = randomBytes(8 * SECTOR_BYTES);
    withDisk("pc", { file }, (disk) => {
      disk.writeSectors(99, bytes);
      disk.flush();
      const snapshot = path.join(folder, "snapshot.img");
      cpSync(file, snapshot);
      assert.deepEqual(readFileSync(snapshot).subarray(99 * SECTOR_BYTES, 107 * SECTOR_BYTES), bytes);
    });
  });
});
