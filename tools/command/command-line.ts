/**
 * Reads command lines, the same way for all commands: `-h` and `--help`, one line for what makes no sense, and a word
 * about options that npm took for its own.
 */

import { Command, CommanderError } from "commander";
import { CommandError } from "./command-error.js";

/** A command line to add options to. `script` is the npm script: "start". */
export function commandLine(script: string, description: string): Command {
  return new Command(`${typedAs(script)} --`)
    .description(description)
    .helpOption("-h, --help", "print this and do nothing")
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
}

/** What people type to run a script. */
export function typedAs(script: string): string {
  return script === "start" || script === "test" ? `npm ${script}` : `npm run ${script}`;
}

/**
 * Reads what is behind the script's name. Returns false when help was asked for, and printed. Throws `CommandError`;
 * then nothing has been done.
 */
export function readCommandLine(program: Command, script: string, parameters: readonly string[]): boolean {
  const swallowed = swallowedOption(program, script);
  if (swallowed !== undefined) {
    throw new CommandError(`npm keeps ${swallowed} for itself; put "--" before it: ${typedAs(script)} -- ${swallowed}`);
  }
  try {
    program.parse(parameters, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return false;
    const message = error.message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
    throw new CommandError(`${message}; "${typedAs(script)} -- --help" lists the options`);
  }
  refuseOptionsAsValues(program);
  return true;
}

/** Whoever forgets a value does not want the next option in its place, nor a file of that name. */
function refuseOptionsAsValues(program: Command): void {
  const values = program.opts<Record<string, unknown>>();
  for (const option of program.options) {
    const value = values[option.attributeName()];
    if (option.required && typeof value === "string" && value.startsWith("--")) {
      throw new CommandError(`${option.flags} is without its value; ${value} is an option (else write ./${value})`);
    }
  }
}

/**
 * An option that stood before npm's `--`, as help shows it. npm takes it for one of its own settings, and passes it on
 * in the environment; a value becomes an argument, or is lost.
 */
function swallowedOption(program: Command, script: string): string | undefined {
  const { env } = process;
  if (env["npm_lifecycle_event"] !== script) return undefined;
  for (const { long, flags } of program.options) {
    const name = long?.replace(/^--(no-)?/, "").replaceAll("-", "_") ?? "";
    if (long !== undefined && env[`npm_config_${name}`] !== undefined) return flags;
  }
  return undefined;
}
