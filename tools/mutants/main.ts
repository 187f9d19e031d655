/**
 * `npm run mutants`: takes the stack's checks of what devices tell it away, one at a time, and sees whether the tests
 * on hostile devices notice.
 *
 * Exit status 0 when every check is missed, 1 when one is not, 2 when a check is not in the source any more or the tests
 * fail anyway.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Command } from "commander";
import { compileUnoptimised } from "../build/compile.js";
import { moduleTargets, projectFolder } from "../build/project.js";
import { testFilesIn } from "../reliability/test-names.js";
import { type DeviceCheck, deviceChecks } from "./device-checks.js";

const EXIT_SURVIVOR = 1;
const EXIT_OUTDATED = 2;
const fixedCases = testFilesIn(["tests/hostile/fixed"]);
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
function isNoticed(files: readonly string[], folder: string): boolean {
  const script = files.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};`).join("\n");
  const parameters = ["--import", "tsx", "--input-type=module", "--eval", script];
  const { status } = spawnSync(process.execPath, parameters, {
    cwd: projectFolder,
    env: { ...process.env, VIRTIO_MODULES: folder },
    stdio: "ignore",
    timeout: TEST_TIMEOUT,
    killSignal: "SIGKILL",
  });
  return status !== 0;
}

/** What notices that these sources are others; null when nothing does. */
async function whatNotices(sources: ReadonlyMap<string, string>, folder: string): Promise<string | null> {
  await compileWith(sources, folder);
  if (isNoticed(fixedCases, folder)) return "a fixed case";
  return isNoticed([campaign], folder) ? "the campaign" : null;
}

const program = new Command("npm run mutants --")
  .description("Removes the checks of what devices say, one by one, and reports those that no test misses.")
  .argument("[text]", "only the checks whose name or file contains this", "")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : EXIT_OUTDATED))
  .parse();
const text = program.args[0] ?? "";
const chosen = deviceChecks.filter(({ name, file }) => name.includes(text) || file.includes(text));
const outdated = chosen.filter((check) => mutate(check) === null);
for (const { name, file } of outdated) console.error(`${file} does not contain the text of "${name}" exactly once.`);
if (outdated.length > 0) process.exit(EXIT_OUTDATED);

/** Takes one check after the other away. Returns those that nobody misses. */
async function survivorsIn(folder: string): Promise<DeviceCheck[]> {
  const survivors: DeviceCheck[] = [];
  for (const check of chosen) {
    const noticed = await whatNotices(new Map([[check.file, mutate(check) ?? ""]]), folder);
    if (noticed === null) survivors.push(check);
    console.log(
      `${noticed === null ? "NOT MISSED" : "missed"}: ${check.name}${noticed === null ? "" : `, by ${noticed}`}`,
    );
  }
  return survivors;
}

const folder = mkdtempSync(join(tmpdir(), "virtio-mutants-"));
try {
  const failing = await whatNotices(new Map(), folder);
  if (failing === null) {
    const { length } = await survivorsIn(folder);
    console.log(`${chosen.length - length} checks are missed when they are gone, ${length} are not.`);
    process.exitCode = length > 0 ? EXIT_SURVIVOR : 0;
  } else {
    console.error(`With all checks in place, ${failing} fails: nothing can be told from that.`);
    process.exitCode = EXIT_OUTDATED;
  }
} finally {
  rmSync(folder, { recursive: true });
}
