/** The command line of `npm run unikernel`. */

import { Command, Option } from "commander";
import type { MachineType } from "./boot.js";
import type { Compiler, MemoryCheck } from "./image.js";
import type { Linking } from "./link.js";

export interface Options {
  /** The file to fetch; undefined: 8 MiB of random bytes. */
  readonly file?: string;
  readonly machine: MachineType;
  readonly linking: Linking;
  readonly compiler: Compiler;
  readonly memoryCheck: MemoryCheck;
  readonly buildOnly: boolean;
}

const afterHelp = `
The exit status is 0 when the disk holds the file, what the unikernel ended with when it failed, 2 when it could not be
built or booted.`;

/** Reads the arguments; ends the process after --help, or with status 2 when they make no sense. */
export function parseOptions(): Options {
  const choice = (flags: string, description: string, choices: string[]): Option =>
    new Option(flags, description).choices(choices).default(choices[0]);
  return new Command("npm run unikernel --")
    .description(
      "Builds a kernel with the driver stack in it, boots it in QEMU, and lets it fetch a file onto its disk.",
    )
    .option("--file <path>", "the file to fetch (default: 8 MiB of random bytes)")
    .addOption(choice("--machine <type>", "QEMU's machine", ["pc", "q35"]))
    .addOption(choice("--linking <way>", "how application and stack become one module", ["library", "merged"]))
    .addOption(choice("--compiler <program>", "the C compiler", ["gcc", "clang"]))
    .addOption(
      choice("--memory-check <way>", "how accesses outside linear memory are noticed", ["guard-pages", "comparisons"]),
    )
    .option("--build-only", "do not boot", false)
    .addHelpText("after", afterHelp)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .parse()
    .opts<Options>();
}
