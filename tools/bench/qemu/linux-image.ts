/**
 * Gets the Linux to compare with: the kernel of Debian's cloud images and the modules of its virtio drivers, downloaded
 * with apt and taken out of their package without installing it, and a first file system with `linux/init.c` in it.
 */

import { execFile } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { outputFolder } from "../../build/project.js";
import { findProgram } from "../../setup/system-packages.js";
import { writeInitramfs } from "./initramfs.js";

export interface LinuxImage {
  /** Paths of what QEMU boots. */
  readonly kernel: string;
  readonly initramfs: string;
  /** The package and its version. */
  readonly origin: string;
}

/** There is no Linux to be had here. The message says why, in a few words. */
export class NoLinux extends Error {}

/** Always depends on the newest one. */
const metapackage = "linux-image-cloud-amd64";
const modulesFolder = "kernel/drivers";
/** In the order in which they can be loaded. */
const modules = [
  "virtio/virtio_ring.ko",
  "virtio/virtio.ko",
  "virtio/virtio_pci_legacy_dev.ko",
  "virtio/virtio_pci_modern_dev.ko",
  "virtio/virtio_pci.ko",
  "block/virtio_blk.ko",
];

const folder = join(outputFolder, "bench", "linux");
const kernelFile = join(folder, "vmlinuz");
const originFile = join(folder, "origin.json");

const compilerFlags = ["-std=c11", "-O2", "-ffreestanding", "-fno-stack-protector", "-Wall", "-Wextra", "-Werror"];

/** What is remembered of the package. */
interface Origin {
  readonly origin: string;
}

async function run(program: string, parameters: readonly string[], cwd: string): Promise<string> {
  try {
    return (await promisify(execFile)(program, parameters, { cwd, encoding: "utf8" })).stdout;
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1);
    throw new NoLinux(`${program} ${parameters.join(" ")}: ${said ?? (error as Error).message}`);
  }
}

/** The package with the newest kernel, as apt knows it. */
async function packageName(): Promise<string> {
  const dependencies = await run("apt-cache", ["depends", metapackage], outputFolder);
  const name = /Depends: (linux-image-\S+)/.exec(dependencies)?.[1];
  if (name === undefined) throw new NoLinux(`apt knows no package ${metapackage}`);
  return name;
}

/** Downloads the package to a folder; where apt's lists are missing or out of date, and this is root, they are fetched. */
async function download(into: string): Promise<void> {
  try {
    await run("apt-get", ["download", await packageName()], into);
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
    await run("apt-get", ["update"], into);
    await run("apt-get", ["download", await packageName()], into);
  }
}

/** Downloads kernel and modules to `folder`, all or nothing. */
async function fetchKernel(): Promise<void> {
  for (const program of ["apt-get", "apt-cache", "dpkg-deb"]) {
    if (findProgram(program) === undefined) throw new NoLinux(`there is no ${program}: this is not Debian`);
  }
  mkdirSync(dirname(folder), { recursive: true });
  const temporary = mkdtempSync(`${folder}-`);
  try {
    await download(temporary);
    const file = readdirSync(temporary).find((name) => name.endsWith(".deb"));
    if (file === undefined) throw new NoLinux("apt-get has downloaded nothing");
    await run("dpkg-deb", ["-x", file, "unpacked"], temporary);
    const unpacked = join(temporary, "unpacked");
    const release = readdirSync(join(unpacked, "lib/modules"))[0];
    if (release === undefined) throw new NoLinux(`${file} has no modules`);
    const whole = join(temporary, "whole");
    mkdirSync(whole);
    copyFileSync(join(unpacked, "boot", `vmlinuz-${release}`), join(whole, basename(kernelFile)));
    for (const module of modules) {
      const path = join(unpacked, "lib/modules", release, modulesFolder, module);
      if (!existsSync(path)) throw new NoLinux(`${file} has no module ${basename(module)}`);
      copyFileSync(path, join(whole, basename(module)));
    }
    const fields = await run("dpkg-deb", ["-W", file], temporary);
    const origin: Origin = { origin: fields.trim().replaceAll("\t", " ") };
    writeFileSync(join(whole, basename(originFile)), JSON.stringify(origin));
    rmSync(folder, { recursive: true, force: true });
    renameSync(whole, folder);
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/** Gets everything ready to be booted. What was downloaded once is used again. Throws `NoLinux`. */
export async function prepareLinux(): Promise<LinuxImage> {
  if (!existsSync(originFile)) await fetchKernel();
  const { origin } = JSON.parse(readFileSync(originFile, "utf8")) as Origin;
  const program = join(folder, "init");
  const source = join(dirname(fileURLToPath(import.meta.url)), "linux", "init.c");
  await run("gcc", [...compilerFlags, "-nostdlib", "-static", source, "-o", program], folder);
  const initramfs = join(folder, "initramfs");
  writeFileSync(
    initramfs,
    writeInitramfs([
      { name: "dev" },
      { name: "init", contents: readFileSync(program), isExecutable: true },
      ...modules.map((module) => ({ name: basename(module), contents: readFileSync(join(folder, basename(module))) })),
    ]),
  );
  return { kernel: kernelFile, initramfs, origin };
}
