/**
 * `npm start`: runs the driver stack on the emulated PC or on QEMU and shows that everything works.
 *
 * Exit status 0 when it does, 1 when something did not, 2 when what was asked for cannot be done.
 */

import { closeSync } from "node:fs";
import { CommandError } from "../command/command-error.js";
import { describeError } from "../command/errors.js";
import { STANDARD_OUTPUT, writeJson } from "../command/json-file.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { startEmulatedPc } from "./emulated-host.js";
import type { DiskTasks } from "./disk-step.js";
import { openFifo } from "./fifo.js";
import type { Host } from "./host.js";
import { parseOptions, type Options } from "./options.js";
import { describeProfiles } from "./profile-list.js";
import { startQemu } from "./qemu-host.js";
import { run } from "./run.js";
import { SilentReporter } from "./silent-reporter.js";
import { TerminalReporter } from "./terminal-reporter.js";

/** The disk when no image is named. */
const TEMPORARY_DISK_BYTES = 64 * 1024 * 1024;

function startHost({ host, build, disk, capture }: Options): Host {
  const frames = capture?.path ?? null;
  // Opened first, so that the machine does not stop in the middle of its start.
  const fifo = capture?.isFifo === true ? openFifo(capture.path, tell) : null;
  try {
    return host.kind === "qemu"
      ? startQemu(host, disk, TEMPORARY_DISK_BYTES, frames)
      : startEmulatedPc(host.profile, build, disk, TEMPORARY_DISK_BYTES, frames);
  } catch (error) {
    // Only opening a file shows all that can be wrong with it.
    if ((error as NodeJS.ErrnoException).code !== undefined) {
      throw new CommandError(`${describeError(error)}; or name another file`);
    }
    throw error;
  } finally {
    if (fifo !== null) closeSync(fifo);
  }
}

/** An image that may not be changed is hashed; one that may is hashed first, and then overwritten. */
function tasksFor({ disk }: Options): DiskTasks {
  return { hash: disk !== null, verify: disk?.isWritable ?? true };
}

function write(text: string): void {
  process.stdout.write(text);
}

function tell(line: string): void {
  process.stderr.write(`${line}\n`);
}

function start(options: Options): number {
  const reporter = options.json === STANDARD_OUTPUT ? new SilentReporter() : new TerminalReporter(write);
  const host = startHost(options);
  try {
    const result = run(host, tasksFor(options), reporter);
    if (options.json !== null) writeJson(options.json, result);
    return result.worked ? 0 : EXIT_PROBLEM;
  } finally {
    host.close();
  }
}

await runCommand("npm start", () => {
  const request = parseOptions(process.argv.slice(2));
  switch (request.kind) {
    case "help":
      return 0;
    case "profiles":
      write(`${describeProfiles()}\n`);
      return 0;
    case "run":
      return start(request.options);
  }
});
