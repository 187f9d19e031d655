/** The command line of `npm start`: what it may say, and what is checked before anything is started or written. */

import { Command, CommanderError } from "commander";
import type { Build } from "../../kernel-shim/machine.js";
import { profileNames, type ProfileName } from "../../kernel-shim/emulated-pc/profiles.js";
import { HOW_TO_INSTALL_QEMU, findQemu, type FoundQemu } from "../../kernel-shim/qemu/find-qemu.js";
import { checkCaptureFile, checkDiskFile, type DiskFile } from "./files.js";
import { UsageError } from "./usage-error.js";

export interface Options {
  /** What the devices are. */
  host: { kind: "emulated"; profile: ProfileName } | { kind: "qemu"; program: FoundQemu };
  /** Which module drives them. */
  build: Build;
  /** The image behind the disk; an empty one of 64 MiB for the time of the run when there is none. */
  disk: DiskFile | null;
  /** File that every frame is captured in. */
  capture: string | null;
  json: boolean;
}

interface Given {
  qemu?: boolean;
  disk?: string;
  write?: boolean;
  pcap?: string;
  profile?: string;
  ported?: boolean;
  json?: boolean;
}

const DEFAULT_PROFILE: ProfileName = "qemu";

const AFTER_HELP = `
The exit status is 0 when all of it worked, 1 when something did not, 2 when what was asked for cannot be done.`;

/**
 * Reads the arguments behind the program's name. Returns null when help was asked for, and printed. Throws
 * `UsageError`; then nothing was started and no file was changed.
 */
export function parseOptions(parameters: readonly string[]): Options | null {
  const given = readArguments(parameters);
  if (given === null) {
    return null;
  }
  checkCombination(given);
  const profile = checkProfile(given.profile);
  const disk = given.disk === undefined ? null : checkDiskFile(given.disk, given.write === true);
  const capture = given.pcap === undefined ? null : checkCaptureFile(given.pcap, disk);
  const host: Options["host"] = given.qemu ? { kind: "qemu", program: checkQemu() } : { kind: "emulated", profile };
  const build = given.qemu || given.ported ? "ported" : "mapped";
  return { host, build, disk, capture, json: given.json === true };
}

function readArguments(parameters: readonly string[]): Given | null {
  const program = new Command("npm start --")
    .description(
      "Runs the virtio driver stack on a machine: lists the PCI devices, brings up network card and disk, gets an " +
        "address by DHCP and pings the router, then writes, reads and verifies the whole disk.",
    )
    .option("--qemu", "drive QEMU's own devices, instead of the emulated PC's")
    .option("--disk <file>", "use this raw image: it is read and hashed through the driver, and not changed")
    .option("--write", "with --disk: overwrite the whole image with the write-read-verify pass")
    .option("--pcap <file>", "capture every frame into this file, for Wireshark")
    .option("--profile <name>", `host that the emulated PC resembles: ${profileNames.join(", ")} (default: qemu)`)
    .option("--ported", "use the build whose device memory is outside linear memory (always so with --qemu)")
    .option("--json", "print one JSON document instead of text")
    .helpOption("--help", "print this and do nothing")
    .addHelpText("after", AFTER_HELP)
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  try {
    return program.parse(parameters, { from: "user" }).opts<Given>();
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      throw error;
    }
    if (error.exitCode === 0) {
      return null;
    }
    const message = error.message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
    throw new UsageError(`${message}; "npm start -- --help" lists the options`);
  }
}

function checkCombination(given: Given): void {
  if (given.qemu && given.profile !== undefined) {
    throw new UsageError("--profile is for the emulated PC and --qemu for QEMU's devices; leave one of them out");
  }
  if (given.write && given.disk === undefined) {
    throw new UsageError("--write says that the image may be overwritten; say which one with --disk FILE");
  }
}

function checkProfile(name: string | undefined): ProfileName {
  const profile = name === undefined ? DEFAULT_PROFILE : profileNames.find((candidate) => candidate === name);
  if (profile === undefined) {
    throw new UsageError(`there is no profile "${name ?? ""}"; choose one of ${profileNames.join(", ")}`);
  }
  return profile;
}

function checkQemu(): FoundQemu {
  const program = findQemu();
  if (program === null) {
    throw new UsageError(`QEMU is not on this computer; ${HOW_TO_INSTALL_QEMU}`);
  }
  return program;
}
