/**
 * The frame of every command: what it ends with, whatever happens in it.
 *
 * A command that cannot do what it was asked for says so in one line and ends with status 2. That goes for its own bugs,
 * too: Node would print the line of source that they are in, and a compiler that is one line of eight million
 * characters is among the packages.
 */

import { describeFailure } from "./errors.js";

/** The exit status when something that was looked at is not as it should be. */
export const EXIT_PROBLEM = 1;
/** The exit status when what was asked for cannot be done. */
export const EXIT_IMPOSSIBLE = 2;

/** Says what went wrong and ends the process. */
function fail(command: string, error: unknown): never {
  process.stderr.write(`${describeFailure(command, error)}\n`);
  process.exit(EXIT_IMPOSSIBLE);
}

/**
 * Runs a command. Returns when it has ended, and leaves its exit status to the process.
 *
 * @param command what people type: "npm start"
 * @param main does the work, and returns the exit status
 */
export async function runCommand(command: string, main: () => number | Promise<number>): Promise<void> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // Whoever read the output has gone, as `head` does; there is nobody left to tell.
    if (error.code === "EPIPE") process.exit(EXIT_PROBLEM);
    fail(command, error);
  });
  // In front of what packages have put there.
  process.prependListener("uncaughtException", (error) => fail(command, error));
  process.prependListener("unhandledRejection", (error) => fail(command, error));
  try {
    // Not process.exit: what goes into a pipe may still be on its way.
    process.exitCode = await main();
  } catch (error) {
    fail(command, error);
  }
}
