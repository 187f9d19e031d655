/** `npm start -- --disk` with images that are containers: refused on the emulated PC, opened as what they are by QEMU. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { imageFormat } from "../../tools/start/image-format.js";
import { parseResult, sha256, start, withFolder } from "./start-command.js";

const IMAGE_BYTES = 1024 * 1024;
/** What `qemu-img` can make, each with QEMU's name and the options that make its marks appear. */
const MADE: readonly (readonly [string, string[]])[] = [
  ["qcow2", []],
  ["qcow", []],
  ["qed", []],
  ["vmdk", []],
  ["vmdk", ["-o", "subformat=monolithicFlat"]],
  ["vdi", []],
  ["vhdx", []],
  ["vpc", []],
  ["vpc", ["-o", "subformat=fixed"]],
  ["parallels", []],
];

function qemuImg(...parameters: string[]): void {
  const { status, stderr } = spawnSync("qemu-img", parameters, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
}

/** An image of random contents. */
function writeRaw(folder: string): string {
  const raw = path.join(folder, "raw.img");
  writeFileSync(raw, randomBytes(IMAGE_BYTES));
  return raw;
}

for (const [format, options] of MADE) {
  const name = [format, ...options.slice(1)].join(", ");
  test(`an image of the format ${name} is known by its marks`, () => {
    withFolder((folder) => {
      const image = path.join(folder, "image");
      qemuImg("convert", "-f", "raw", "-O", format, ...options, writeRaw(folder), image);
      assert.equal(imageFormat(image), format);
    });
  });
}

test("contents without marks are raw, however short", () => {
  withFolder((folder) => {
    const file = path.join(folder, "raw.img");
    for (const contents of [Buffer.alloc(0), Buffer.from("QFI"), Buffer.alloc(512), Buffer.alloc(4096, 0xff)]) {
      writeFileSync(file, contents);
      assert.equal(imageFormat(file), "raw");
    }
  });
});

test("the emulated PC neither hashes nor overwrites a container, and says how to get a raw image", () => {
  withFolder((folder) => {
    const image = path.join(folder, "disk.qcow2");
    qemuImg("convert", "-f", "raw", "-O", "qcow2", writeRaw(folder), image);
    const before = sha256(image);
    for (const parameters of [[], ["--write"]]) {
      const { status, stdout, stderr } = start(["--disk", image, ...parameters]);
      assert.equal(status, 2);
      assert.equal(stdout, "");
      assert.match(stderr, /^[^\n]*disk\.qcow2 is a qcow2 image[^\n]*qemu-img convert -O raw[^\n]*--qemu[^\n]*\n$/);
      assert.equal(sha256(image), before);
    }
  });
});

test("--raw takes a disk for raw whose contents begin like a container", () => {
  withFolder((folder) => {
    const image = writeRaw(folder);
    const contents = readFileSync(image);
    contents.write("vhdxfile", "latin1");
    writeFileSync(image, contents);
    assert.equal(start(["--disk", image]).status, 2);
    const result = parseResult(start(["--json", "-", "--disk", image, "--raw"]));
    assert.deepEqual(result.problems, []);
    assert.equal(result.disks[0]?.sha256.asFound, sha256(image));
  });
});

for (const format of ["qcow2", "vdi"]) {
  test(`QEMU opens a ${format} image as what it is: the disk's contents are hashed, and written into it`, () => {
    withFolder((folder) => {
      const raw = writeRaw(folder);
      const image = path.join(folder, "image");
      qemuImg("convert", "-f", "raw", "-O", format, raw, image);
      const before = sha256(image);
      const read = parseResult(start(["--qemu", "--json", "-", "--disk", image]));
      assert.deepEqual(read.problems, []);
      assert.equal(read.disks[0]?.bytes, IMAGE_BYTES);
      assert.equal(read.disks[0].sha256.asFound, sha256(raw));
      assert.equal(sha256(image), before, "it is not changed");

      const written = parseResult(start(["--qemu", "--json", "-", "--disk", image, "--write"]));
      assert.deepEqual(written.problems, []);
      assert.equal(imageFormat(image), format, "it is a container still");
      qemuImg("check", "-f", format, image);
      qemuImg("convert", "-f", format, "-O", "raw", image, raw);
      assert.equal(written.disks[0]?.sha256.asWritten, sha256(raw));
    });
  });
}
