/** The suites of `npm test`, in the order they run: what breaks everything else comes first. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../build/project.js";
import type { Program } from "../setup/system-packages.js";

export interface Suite {
  readonly name: string;
  /** For `--help`. */
  readonly description: string;
  /** Where its test files are, relative to the project's folder. */
  readonly folder: string;
  /** How many of its files may run at the same time. */
  readonly concurrency: number;
  /** What it needs beside Node. */
  readonly programs: readonly Program[];
}

export const suites: readonly Suite[] = [
  {
    name: "check",
    description: "formatting, lint and types of everything",
    folder: "tests/check",
    concurrency: 1,
    programs: [],
  },
  {
    name: "build",
    description: "the rules for release modules, and the generated bindings",
    folder: "tests/build",
    concurrency: 2,
    programs: ["gcc"],
  },
  {
    name: "unit",
    description: "every file of the stack, both builds, with as-pect",
    folder: "tests/unit",
    concurrency: 2,
    programs: [],
  },
  {
    name: "emulator",
    description: "the release modules on the emulated PC",
    folder: "tests/emulator",
    concurrency: 2,
    programs: [],
  },
  {
    name: "hostile",
    description: "the release modules on devices that break every rule",
    folder: "tests/hostile",
    concurrency: 2,
    programs: [],
  },
  {
    name: "qemu",
    description: "the release module on QEMU's devices",
    folder: "tests/qemu",
    concurrency: 2,
    programs: ["qemu-system-x86_64", "qemu-img", "mkfs.ext4", "debugfs", "mkfs.vfat", "mcopy"],
  },
  {
    name: "unikernel",
    description: "the stack on bare metal, booted in QEMU",
    folder: "tests/unikernel",
    concurrency: 1,
    programs: ["qemu-system-x86_64", "gcc", "clang"],
  },
  {
    name: "tools",
    description: "the commands",
    folder: "tests/tools",
    concurrency: 2,
    programs: ["qemu-system-x86_64", "qemu-img", "gcc", "clang", "wasm-ld", "valgrind"],
  },
];

/** The test files of a suite, as paths from the root; with `filter`, those whose path contains it. */
export function testFiles(suite: Suite, filter: string): string[] {
  const folder = join(projectFolder, suite.folder);
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => file.includes(filter))
    .sort();
}
