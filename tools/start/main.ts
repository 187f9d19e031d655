/**
 * `npm start`: runs the driver stack on the emulated PC or on QEMU and shows that everything works.
 *
 * Exit status 0 when it does, 1 when something did not, 2 when what was asked for cannot be done.
 */

import { QemuError } from "../../kernel-shim/qemu/qemu-error.js";
import { startEmulatedPc } from "./emulated-host.js";
import type { DiskTasks } from "./disk-step.js";
import type { Host } from "./host.js";
import { JsonReporter } from "./json-reporter.js";
import { parseOptions, type Options } from "./options.js";
import { describeError } from "./problems.js";
import { startQemu } from "./qemu-host.js";
import { run } from "./run.js";
import { TerminalReporter } from "./terminal-reporter.js";
import { UsageError } from "./usage-error.js";

const EXIT_PROBLEM = 1;
const EXIT_USAGE = 2;
/** The disk when no image is named. */
const TEMPORARY_DISK_BYTES = 64 * 1024 * 1024;

function startHost({ host, build, disk, capture }: Options): Host {
  try {
    return host.kind === "qemu"
      ? startQemu(host.program, disk, TEMPORARY_DISK_BYTES, capture)
      : startEmulatedPc(host.profile, build, disk, TEMPORARY_DISK_BYTES, capture);
  } catch (error) {
    if (error instanceof QemuError) {
      throw new UsageError(describeError(error));
    }
    // Only opening a file shows all that can be wrong with it.
    if ((error as NodeJS.ErrnoException).code !== undefined) {
      throw new UsageError(`${describeError(error)}; name another file`);
    }
    throw error;
  }
}

/** An image that may not be changed is hashed; one that may is hashed first, and then overwritten. */
function tasksFor({ disk }: Options): DiskTasks {
  return { hash: disk !== null, verify: disk?.isWritable ?? true };
}

function start(parameters: readonly string[]): number {
  const options = parseOptions(parameters);
  if (options === null) {
    return 0;
  }
  const write = (text: string): void => {
    process.stdout.write(text);
  };
  const reporter = options.json ? new JsonReporter(write) : new TerminalReporter(write, process.stderr);
  const host = startHost(options);
  try {
    return run(host, tasksFor(options), reporter).worked ? 0 : EXIT_PROBLEM;
  } finally {
    host.close();
  }
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever read the output has gone, as `head` does; there is nobody left to tell.
  if (error.code !== "EPIPE") {
    throw error;
  }
  process.exit(EXIT_PROBLEM);
});

try {
  process.exitCode = start(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_PROBLEM;
}
