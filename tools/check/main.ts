/** `npm run check`: runs the checks of the source text side by side, and prints what they find. */

import { Command } from "commander";
import { checks, runCheck } from "./checks.js";

new Command("npm run check")
  .description("Checks formatting, lint and types. Any warning is a failure. `npm run format` repairs formatting.")
  .parse();

const results = await Promise.all(checks.map(async (check) => ({ check, ...(await runCheck(check)) })));
for (const { check, passed, output, seconds } of results) {
  if (output !== "") console.log(output);
  console.log(`${passed ? "passed" : "failed"}: ${check.name}, ${seconds.toFixed(1)} s`);
}
if (!results.every(({ passed }) => passed)) process.exitCode = 1;
