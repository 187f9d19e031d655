/**
 * `npm run unikernel`: builds the unikernel, boots it in QEMU, lets it fetch a file onto its disk, and compares.
 *
 * Exit status: 0 the disk holds the file, 1 it holds something else, 2 the image could not be built or booted; otherwise
 * what the unikernel ended with.
 */

import { runCommand } from "../command/run-command.js";
import { parseOptions } from "./options.js";

await runCommand("npm run unikernel", async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) return 0;
  // It brings the compilers with it.
  const { run } = await import("./run.js");
  return run(options);
});
