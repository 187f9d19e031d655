/** The command line of `npm run unikernel`: what it may say, and what is checked before anything is built. */

import { accessSync, constants, statSync } from "node:fs";
import { Option } from "commander";
import { CommandError } from "../command/command-error.js";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { userPath } from "../user-path.js";
import type { Interrupts, MachineType } from "./boot.js";
import type { Compiler, MemoryCheck } from "./image.js";
import type { Linking } from "./link.js";

export interface Options {
  /** The file to fetch, absolute; undefined: 8 MiB of random bytes. */
  readonly file: string | undefined;
  readonly machine: MachineType;
  /** Whether the devices are without the legacy interface. */
  readonly modern: boolean;
  readonly interrupts: Interrupts;
  readonly linking: Linking;
  readonly compiler: Compiler;
  readonly memoryCheck: MemoryCheck;
  readonly buildOnly: boolean;
  /** Whether to measure instead of fetching a file. */
  readonly firstPacket: boolean;
}

const script = "unikernel";

const afterHelp = `
The exit status is 0 when the disk holds the file, 1 when it holds something
else, 2 when what was asked for cannot be done, and otherwise what the unikernel
ended with.`;

/** Reads the arguments; undefined when help was asked for, and printed. Throws `CommandError`. */
export function parseOptions(parameters: readonly string[]): Options | undefined {
  const choice = (flags: string, description: string, choices: string[]): Option =>
    new Option(flags, description).choices(choices).default(choices[0]);
  const program = commandLine(
    script,
    "Builds a kernel with the driver stack in it, boots it in QEMU, and lets it fetch a file onto its disk.",
  )
    .option("--file <file>", "the file to fetch (default: 8 MiB of random bytes)")
    .addOption(choice("--machine <type>", "QEMU's machine", ["pc", "q35", "microvm"]))
    .option("--modern", "devices without the legacy interface", false)
    .addOption(choice("--interrupts <way>", "how PCI devices interrupt: by messages, or by lines", ["msix", "intx"]))
    .addOption(choice("--linking <way>", "how application and stack become one module", ["library", "merged"]))
    .addOption(choice("--compiler <program>", "the C compiler", ["gcc", "clang"]))
    .addOption(
      choice("--memory-check <way>", "how accesses outside linear memory are noticed", ["guard-pages", "comparisons"]),
    )
    .option("--first-packet", "instead of that, boot twenty times and say how long the first packet takes", false)
    .option("--build-only", "do not boot", false)
    .addHelpText("after", afterHelp);
  if (!readCommandLine(program, script, parameters)) return undefined;
  const given = program.opts<Options>();
  return { ...given, file: given.file === undefined ? undefined : checkFile(given.file) };
}

function checkFile(name: string): string {
  const file = userPath(script, name);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new CommandError(`there is no file ${file}; give --file the name of one`);
  if (!found.isFile()) throw new CommandError(`${file} is no ordinary file; give --file the name of one`);
  try {
    accessSync(file, constants.R_OK);
  } catch {
    throw new CommandError(`${file} cannot be read; give --file the name of another file`);
  }
  return file;
}
