/**
 * `npm run check`: runs the checks of the source text side by side, and prints what they find.
 *
 * Exit status: 0 they find nothing, 1 they find something, 2 they could not be run.
 */

import { commandLine, readCommandLine } from "../command/command-line.js";
import { beginStep } from "../command/progress.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { checks, runCheck } from "./checks.js";

async function check(): Promise<number> {
  const running = new Set(checks.map(({ name }) => name));
  const step = beginStep({ what: "Checking", isLong: true });
  const note = (): void => step.note(Array.from(running).join(", "));
  note();
  const results = checks.map(async (each) => {
    const { passed, output, seconds } = await runCheck(each);
    running.delete(each.name);
    note();
    step.aside(() => {
      if (output !== "") console.log(output);
      console.log(`${passed ? "passed" : "failed"}: ${each.name}, ${seconds.toFixed(1)} s`);
    });
    return passed;
  });
  try {
    const passed = await Promise.all(results);
    return passed.every((each) => each) ? 0 : EXIT_PROBLEM;
  } finally {
    step.end();
  }
}

await runCommand("npm run check", () => {
  const program = commandLine(
    "check",
    "Checks formatting, lint and types. Any warning is a failure. `npm run format` repairs formatting.",
  );
  return readCommandLine(program, "check", process.argv.slice(2)) ? check() : 0;
});
