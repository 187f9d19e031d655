/** Where things are, relative to the project's folder, and what the build makes of them. */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Addition, ModuleReport } from "./report.js";
import { sizeLimit } from "./size.js";

/** The project's folder. */
export const projectFolder = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** Everything that the build makes lies here. */
export const outputFolder = join(projectFolder, "build");

/** How a module reaches the memory that it shares with devices. */
export type Build = "mapped" | "ported";

/** What a module is made of, by the names that `parts.ts` finds in the sources. */
export interface Parts {
  readonly drivers: readonly string[];
  readonly transports: readonly string[];
  /** Neither of these: assignment of PCI resources, MSI-X, suspending, what some drivers can do beyond their usual work. */
  readonly extras: readonly string[];
}

/** One module that the build makes. */
export interface ModuleTarget {
  /** The target's name in `asconfig.json`. */
  readonly name: string;
  readonly build: Build;
  /** Release modules are optimised, and held to the rules of `check-module.ts`. */
  readonly isRelease: boolean;
  /** Its files, without `.wasm` and `.wat`, relative to the output folder. */
  readonly output: string;
  /** What it is made of; everything when left out. */
  readonly parts?: Parts;
  /** The most bytes that it may have; any number when left out. */
  readonly sizeLimit?: number;
}

/** What the small modules have: all that a kernel with ports, a card and a disk needs, where firmware assigns resources. */
export const smallParts: Parts = { drivers: ["block", "net"], transports: ["legacy-pci"], extras: [] };

const small: Pick<ModuleTarget, "parts" | "sizeLimit"> = { parts: smallParts, sizeLimit };

export const moduleTargets: readonly ModuleTarget[] = [
  { name: "release", build: "mapped", isRelease: true, output: "virtio" },
  { name: "release-ported", build: "ported", isRelease: true, output: "virtio-ported" },
  { name: "release", build: "mapped", isRelease: true, output: "virtio-small", ...small },
  { name: "release-ported", build: "ported", isRelease: true, output: "virtio-small-ported", ...small },
  { name: "debug", build: "mapped", isRelease: false, output: "debug/virtio" },
  { name: "debug-ported", build: "ported", isRelease: false, output: "debug/virtio-ported" },
];

/** Where the module's exports are named. */
export const entryFile = "assembly/index.ts";
/** Where its imports are declared. */
export const kernelFile = "assembly/kernel.ts";
/** Where the numbers and records are that cross its boundary. */
export const abiFiles = [
  "assembly/abi/results.ts",
  "assembly/abi/records.ts",
  "assembly/drivers/block/abi.ts",
  "assembly/drivers/net/abi.ts",
  "assembly/drivers/entropy/abi.ts",
  "assembly/drivers/generic/abi.ts",
] as const;

/** What is remembered of a build, in `recordFile`. */
export interface BuildRecord {
  /** Of everything that went in. */
  readonly fingerprint: string;
  readonly hasDebug: boolean;
  /** All that came out, relative to the output folder, each with the number that `hashOf` makes of its contents. */
  readonly outputs: Readonly<Record<string, string>>;
  readonly reports: readonly ModuleReport[];
  /** What each driver and transport adds to `virtio.wasm`, if that was measured. */
  readonly additions?: readonly Addition[];
}

export const recordFile = join(outputFolder, "build.json");
