/**
 * The suites of `npm test`. Their files run side by side, those of the first suites first where nobody knows yet which
 * of them take long.
 */

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
  /** How many of its files may run at the same time, where that matters. */
  readonly concurrency?: number;
  /** What it needs beside Node. */
  readonly programs: readonly Program[];
}

export const suites: readonly Suite[] = [
  {
    name: "unikernel",
    description: "the stack on bare metal, booted in QEMU",
    folder: "tests/unikernel",
    // They build the same images.
    concurrency: 1,
    programs: ["qemu-system-x86_64", "gcc", "clang"],
  },
  {
    name: "check",
    description: "formatting, lint and types of everything",
    folder: "tests/check",
    programs: [],
  },
  {
    name: "unit",
    description: "every file of the stack, both builds, with as-pect",
    folder: "tests/unit",
    programs: [],
  },
  {
    name: "tools",
    description: "the commands",
    folder: "tests/tools",
    programs: ["qemu-system-x86_64", "qemu-img", "gcc", "clang", "wasm-ld", "valgrind"],
  },
  {
    name: "emulator",
    description: "the release modules on the emulated PC",
    folder: "tests/emulator",
    programs: [],
  },
  {
    name: "qemu",
    description: "the release module on QEMU's devices",
    folder: "tests/qemu",
    programs: ["qemu-system-x86_64", "qemu-img", "mkfs.ext4", "debugfs", "mkfs.vfat", "mcopy"],
  },
  {
    name: "v86",
    description: "the release module on v86's devices",
    folder: "tests/v86",
    programs: [],
  },
  {
    name: "build",
    description: "the rules for release modules, and the generated bindings",
    folder: "tests/build",
    programs: ["gcc"],
  },
  {
    name: "hostile",
    description: "the release modules on devices that break every rule",
    folder: "tests/hostile",
    programs: [],
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
