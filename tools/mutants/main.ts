/**
 * `npm run mutants`: takes the stack's checks of what devices tell it away, one at a time, and sees whether the tests
 * on hostile devices notice.
 *
 * Exit status 0 when every check is missed, 1 when one is not, 2 when a check is not in the source any more or the tests
 * fail anyway.
 */

import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { compileUnoptimised } from "../build/compile.js";
import { moduleTargets, projectFolder } from "../build/project.js";
import { onSignal, TemporaryFolder } from "../command/cleanup.js";
import { CommandError } from "../command/command-error.js";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { count } from "../command/count.js";
import { fold } from "../command/layout.js";
import { beginStep, type Step } from "../command/progress.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { testFilesIn } from "../reliability/test-names.js";
import { type DeviceCheck, deviceChecks } from "./device-checks.js";

const LIST = "tools/mutants/device-checks.ts";
const fixedCases = testFilesIn(["tests/hostile/fixed"]);
const moduleCases = testFilesIn(["tests/emulator/module"]);
const campaign = join(projectFolder, "tests/hostile/campaign.test.ts");
/** Without a check, the stack may loop for ever. */
const TEST_TIMEOUT = 120_000;

/** The source of a check's file without the check; null when its text is not there exactly once. */
function mutate({ file, find, replacement }: DeviceCheck): string | null {
  const parts = readFileSync(join(projectFolder, file), "utf8").split(find);
  return parts.length === 2 ? parts.join(replacement) : null;
}

/** Compiles both builds with these sources replaced. Not optimised: that takes longer than it helps. */
async function compileWith(sources: ReadonlyMap<string, string>, folder: string): Promise<void> {
  for (const { build, output, isRelease } of moduleTargets) {
    if (!isRelease) continue;
    const { binary } = await compileUnoptimised(build, sources);
    writeFileSync(join(folder, `${output}.wasm`), binary);
  }
}

/** Whether a test fails with the modules in `folder`. All files run in one process: most of the time goes into starting. */
async function isNoticed(files: readonly string[], folder: string): Promise<boolean> {
  const script = files.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};`).join("\n");
  const parameters = ["--import", "tsx", "--input-type=module", "--eval", script];
  const child = spawn(process.execPath, parameters, {
    cwd: projectFolder,
    env: { ...process.env, VIRTIO_MODULES: folder },
    stdio: "ignore",
    timeout: TEST_TIMEOUT,
    killSignal: "SIGKILL",
  });
  const forget = onSignal(() => child.kill("SIGKILL"));
  try {
    return await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (status) => resolve(status !== 0));
    });
  } finally {
    forget();
  }
}

/** What notices that these sources are others; null when nothing does. */
async function whatNotices(sources: ReadonlyMap<string, string>, folder: string): Promise<string | null> {
  await compileWith(sources, folder);
  if (await isNoticed(fixedCases, folder)) return "a fixed case";
  if (await isNoticed(moduleCases, folder)) return "a case of the module";
  return (await isNoticed([campaign], folder)) ? "the campaign" : null;
}

/** Takes one check after the other away. Returns those that nobody misses. */
async function survivorsOf(chosen: readonly DeviceCheck[], folder: string, step: Step): Promise<DeviceCheck[]> {
  const survivors: DeviceCheck[] = [];
  for (const check of chosen) {
    const noticed = await whatNotices(new Map([[check.file, mutate(check) ?? ""]]), folder);
    if (noticed === null) survivors.push(check);
    const verdict = noticed === null ? `NOT MISSED: ${check.name}` : `missed: ${check.name}, by ${noticed}`;
    step.aside(() => {
      console.log(fold(verdict));
    });
    step.advance();
  }
  return survivors;
}

async function removeChecks(chosen: readonly DeviceCheck[]): Promise<number> {
  const outdated = chosen.filter((check) => mutate(check) === null);
  if (outdated.length > 0) {
    const [{ name, file } = { name: "", file: "" }, ...others] = outdated;
    const more = others.length === 0 ? "" : `, and ${others.length} more of the list`;
    throw new CommandError(`${file} does not contain the text of "${name}" exactly once${more}; mend ${LIST}`);
  }
  const folder = new TemporaryFolder("virtio-mutants-");
  const step = beginStep({ what: "Removing checks", total: chosen.length, unit: "checks", isLong: true });
  try {
    const failing = await whatNotices(new Map(), folder.path);
    if (failing !== null) {
      throw new CommandError(`with all checks in place, ${failing} fails, so nothing can be told; run npm test`);
    }
    const { length } = await survivorsOf(chosen, folder.path, step);
    step.end();
    console.log(`${count(chosen.length - length, "check is", "checks are")} missed when gone, ${length} not.`);
    return length > 0 ? EXIT_PROBLEM : 0;
  } finally {
    step.end();
    folder.remove();
  }
}

await runCommand("npm run mutants", () => {
  const program = commandLine(
    "mutants",
    "Removes the checks of what devices say, one by one, and reports those that no test misses.",
  ).argument("[text]", "only the checks whose name or file contains this", "");
  if (!readCommandLine(program, "mutants", process.argv.slice(2))) return 0;
  const text = program.args[0] ?? "";
  const chosen = deviceChecks.filter(({ name, file }) => name.includes(text) || file.includes(text));
  if (chosen.length === 0) throw new CommandError(`no check has "${text}" in its name or file; see ${LIST}`);
  return removeChecks(chosen);
});
