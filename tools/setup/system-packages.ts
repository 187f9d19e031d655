/**
 * The programs that some tests and commands need beside Node, and the Debian packages they come in. Installs what is
 * missing where that is allowed without asking for a password.
 */

import { spawnSync } from "node:child_process";
import { delimiter } from "node:path";
import which from "which";
import { CommandError } from "../command/command-error.js";

/** Program to package, for Debian and what descends from it. */
const packageOf = {
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-img": "qemu-utils",
  "mkfs.ext4": "e2fsprogs",
  debugfs: "e2fsprogs",
  "mkfs.vfat": "dosfstools",
  mcopy: "mtools",
  gcc: "gcc",
  clang: "clang",
  "wasm-ld": "lld",
  valgrind: "valgrind",
} as const;

export type Program = keyof typeof packageOf;

/** Programs are missing, and cannot be installed from here. The message is one line that says what to do. */
export class MissingPrograms extends CommandError {
  override readonly name = "MissingPrograms";
}

/** Administrators' programs are not on everybody's path. */
const systemFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Where programs are looked for: the user's path, and the administrators' behind it. */
export function searchPath(): string {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return [...folders, ...systemFolders.filter((folder) => !folders.includes(folder))].join(delimiter);
}

/** The full path of a program, undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  return which.sync(name, { path: searchPath(), nothrow: true }) ?? undefined;
}

/** The packages to install so that all of the programs are there. */
export function missingPackages(programs: readonly Program[]): string[] {
  const missing = programs.filter((program) => findProgram(program) === undefined);
  return [...new Set(missing.map((program) => packageOf[program]))];
}

/**
 * Makes sure that the programs are there: installs their packages with apt-get when this process is root's, or sudo
 * asks for no password. Throws `MissingPrograms` when that is not possible or does not work.
 */
export function ensurePrograms(programs: readonly Program[]): void {
  const packages = missingPackages(programs);
  if (packages.length === 0) return;
  const command = `apt-get update && apt-get install --yes --no-install-recommends ${packages.join(" ")}`;
  const advice = `Please run: sudo sh -c '${command}'`;
  if (findProgram("apt-get") === undefined) {
    throw new MissingPrograms(`Please install what Debian has in the packages ${packages.join(", ")}.`);
  }
  const prefix = administratorPrefix();
  if (prefix === undefined) throw new MissingPrograms(advice);

  // What a command prints may be meant for a program.
  console.error(`Installing ${packages.join(", ")} …`);
  const asRoot = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", command];
  const { status } = spawnSync("env", asRoot, { stdio: ["ignore", process.stderr.fd, "inherit"] });
  if (status !== 0 || missingPackages(programs).length > 0) throw new MissingPrograms(`That did not work. ${advice}`);
}

/** What to put in front of a command to run it as root: nothing, sudo, or undefined when neither will do. */
function administratorPrefix(): string[] | undefined {
  if (process.getuid?.() === 0) return [];
  const { status } = spawnSync("sudo", ["-n", "true"], { stdio: "ignore" });
  return status === 0 ? ["sudo", "-n"] : undefined;
}
