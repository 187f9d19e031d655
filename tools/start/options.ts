/** The command line of `npm start`: what it may say, and what is checked before anything is started or written. */

import type { Build } from "../../kernel-shim/machine.js";
import { profileNames, type ProfileName } from "../../kernel-shim/emulated-pc/profiles.js";
import { HOW_TO_INSTALL_QEMU, findQemu, type FoundQemu } from "../../kernel-shim/qemu/find-qemu.js";
import { BOARDS, type Board } from "../../kernel-shim/qemu/options.js";
import { CommandError } from "../command/command-error.js";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { STANDARD_OUTPUT } from "../command/json-file.js";
import type { QemuChoice } from "./qemu-host.js";
import { checkDiskFile, checkOutputFile, type CaptureFile, type DiskFile } from "./files.js";

/** What to run. */
export interface Options {
  /** What the devices are. */
  host: { kind: "emulated"; profile: ProfileName } | ({ kind: "qemu" } & QemuChoice);
  /** Which module drives them. */
  build: Build;
  /** The image behind the disk; an empty one of 64 MiB for the time of the run when there is none. */
  disk: DiskFile | null;
  /** File that every frame is captured in. */
  capture: CaptureFile | null;
  /** File that the result goes to as JSON; `STANDARD_OUTPUT` is one of them. */
  json: string | null;
}

/** What the arguments ask for. */
export type Request = { kind: "run"; options: Options } | { kind: "profiles" } | { kind: "help" };

interface Given {
  qemu?: boolean;
  machine?: string;
  modern?: boolean;
  disk?: string;
  raw?: boolean;
  write?: boolean;
  pcap?: string;
  profile?: string;
  ported?: boolean;
  json?: string;
}

const DEFAULT_PROFILE: ProfileName = "qemu";
const DEFAULT_BOARD: Board = "pc";
/** In the place of a profile's name. */
const LIST = "list";

const AFTER_HELP = `
The emulated PC's devices are as the profile's host shows them: PCI functions
with legacy or modern registers, or memory-mapped. They interrupt by messages
on hosts where they have no interrupt line.
QEMU's devices are transitional on pc and q35, which the driver uses as modern
ones, and legacy on microvm, where they are memory-mapped. With --modern they
interrupt by messages on pc and on q35, where they are behind root ports.
A FIFO as FILE of --pcap is for Wireshark to read live: wireshark -k -i FIFO
For a pipe with nothing but the document: npm --silent start -- --json -
The exit status is 0 when all of it worked, 1 when something did not, 2 when
what was asked for cannot be done.`;

/** Reads the arguments behind the program's name. Throws `CommandError`; then no file was changed. */
export function parseOptions(parameters: readonly string[]): Request {
  const given = readArguments(parameters);
  if (given === null) {
    return { kind: "help" };
  }
  checkCombination(given);
  if (given.profile === LIST) {
    return { kind: "profiles" };
  }
  const profile = checkProfile(given.profile);
  const machine = checkBoard(given.machine);
  const rules = { isWritable: given.write === true, takesContainers: given.qemu === true, isRaw: given.raw === true };
  const disk = given.disk === undefined ? null : checkDiskFile(given.disk, rules);
  const capture = given.pcap === undefined ? null : checkOutputFile(given.pcap, "--pcap", disk);
  const json = checkJson(given.json, disk, capture);
  const host: Options["host"] = given.qemu
    ? { kind: "qemu", program: checkQemu(), machine, isModern: given.modern === true }
    : { kind: "emulated", profile };
  const build = given.qemu || given.ported ? "ported" : "mapped";
  return { kind: "run", options: { host, build, disk, capture, json } };
}

function readArguments(parameters: readonly string[]): Given | null {
  const program = commandLine(
    "start",
    "Runs the virtio driver stack on a machine: lists the PCI devices, brings up network card and disk, gets an " +
      "address by DHCP and pings the router, then writes, reads and verifies the whole disk.",
  )
    .option("--qemu", "drive QEMU's own devices, instead of the emulated PC's")
    .option("--machine <name>", `with --qemu: the machine, ${BOARDS.join(", ")} (default: ${DEFAULT_BOARD})`)
    .option("--modern", "with --qemu: devices without the legacy interface")
    .option("--disk <file>", "use this image: it is read and hashed through the driver, and not changed")
    .option("--raw", "with --disk: the image is raw, even if it begins like another format")
    .option("--write", "with --disk: overwrite the whole image with the write-read-verify pass")
    .option("--pcap <file>", "capture every frame into this file, for Wireshark")
    .option("--profile <name>", `the emulated PC's host, "${LIST}" explains them (default: ${DEFAULT_PROFILE})`)
    .option("--ported", "use the build whose device memory is outside linear memory (always so with --qemu)")
    .option("--json <file>", "write the result to this file as JSON, or - for standard output")
    .addHelpText("after", AFTER_HELP);
  return readCommandLine(program, "start", parameters) ? program.opts<Given>() : null;
}

function checkCombination(given: Given): void {
  if (given.qemu && given.profile !== undefined) {
    throw new CommandError("--profile is for the emulated PC and --qemu for QEMU's devices; leave one of them out");
  }
  for (const option of ["machine", "modern"] as const) {
    if (given[option] !== undefined && !given.qemu) {
      throw new CommandError(`--${option} is about QEMU; say --qemu as well`);
    }
  }
  for (const option of ["write", "raw"] as const) {
    if (given[option] && given.disk === undefined) {
      throw new CommandError(`--${option} is about an image; say which one with --disk FILE`);
    }
  }
}

function checkProfile(name: string | undefined): ProfileName {
  const profile = name === undefined ? DEFAULT_PROFILE : profileNames.find((candidate) => candidate === name);
  if (profile === undefined) {
    throw new CommandError(`there is no profile "${name ?? ""}"; choose one of ${profileNames.join(", ")}`);
  }
  return profile;
}

function checkBoard(name: string | undefined): Board {
  const board = name === undefined ? DEFAULT_BOARD : BOARDS.find((candidate) => candidate === name);
  if (board === undefined) {
    throw new CommandError(`QEMU has no machine "${name ?? ""}" here; choose one of ${BOARDS.join(", ")}`);
  }
  return board;
}

function checkJson(name: string | undefined, disk: DiskFile | null, capture: CaptureFile | null): string | null {
  if (name === undefined || name === STANDARD_OUTPUT) {
    return name ?? null;
  }
  const { path } = checkOutputFile(name, "--json", disk);
  if (path === capture?.path) {
    throw new CommandError(`--json and --pcap both name ${path}; give one of them another name`);
  }
  return path;
}

function checkQemu(): FoundQemu {
  const program = findQemu();
  if (program === null) {
    throw new CommandError(`QEMU is not on this computer; ${HOW_TO_INSTALL_QEMU}`);
  }
  return program;
}
