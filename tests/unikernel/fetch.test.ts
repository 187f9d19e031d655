/** A file travels through TFTP onto the disk, and back to be hashed: both ways of linking, machines, compilers, checks. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ensurePrograms } from "../../tools/setup/system-packages.js";
import type { MachineType } from "../../tools/unikernel/boot.js";
import { fetchFile } from "../../tools/unikernel/fetch.js";
import { buildImage, type ImageOptions } from "../../tools/unikernel/image.js";

const library: ImageOptions = { name: "library-gcc-guard-pages" };
const merged: ImageOptions = {
  name: "merged-clang-comparisons",
  linking: "merged",
  compiler: "clang",
  memoryCheck: "comparisons",
};

const variants: { options: ImageOptions; machine: MachineType; isModern?: boolean }[] = [
  { options: library, machine: "pc" },
  { options: library, machine: "q35" },
  { options: library, machine: "q35", isModern: true },
  { options: library, machine: "microvm" },
  { options: library, machine: "microvm", isModern: true },
  { options: merged, machine: "pc" },
  { options: merged, machine: "q35" },
  { options: merged, machine: "microvm" },
];

ensurePrograms(["qemu-system-x86_64", "gcc", "clang"]);

describe("8 MiB of random bytes", () => {
  for (const { options, machine, isModern = false } of variants) {
    test(`arrive with ${options.name} on ${machine}${isModern ? " with modern devices" : ""}`, async () => {
      const image = await buildImage(options);
      const { status, output, sha256, isSame } = await fetchFile(image.path, { machine, isModern }, undefined);
      assert.equal(status, 0, output);
      assert.ok(isSame, "the disk holds the file");
      assert.match(output, new RegExp(`^netboot: sha256 ${sha256}\r?$`, "m"));
      assert.match(output, /^netboot: 8388608 bytes on the disk after \d+ ms/m);
    });
  }
});
