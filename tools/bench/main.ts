/**
 * `npm run bench`: measures what the driver stack costs, beside the same data path written in C, and says which budgets
 * hold.
 *
 * Exit status: 0 all of them hold, 1 one does not, 2 a program is missing or the arguments make no sense.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SingleBar, Presets } from "cli-progress";
import { Command } from "commander";
import { format, resolveConfig } from "prettier";
import { withSection } from "../build/marked-section.js";
import { projectFolder } from "../build/project.js";
import { ensurePrograms, MissingPrograms, searchPath } from "../setup/system-packages.js";
import { drawChart } from "./chart.js";
import { describeBench, documentFile, sectionName } from "./document.js";
import { formatResult } from "./report.js";
import { runBenchmarks, type Progress } from "./run.js";
import { benchFolder } from "./toolchain.js";

interface Options {
  readonly json: boolean;
  readonly quick: boolean;
  readonly native: boolean;
  readonly qemu: boolean;
  readonly readme: boolean;
  readonly chart: string;
}

/** A bar on a terminal, otherwise nothing: what is printed goes into files as it is. */
function progressBar(): Progress {
  if (!process.stderr.isTTY) return { begin: () => {}, step: () => {}, end: () => {} };
  const bar = new SingleBar({ format: "{what} {bar} {value}/{total}", clearOnComplete: true }, Presets.shades_classic);
  return {
    begin: (what, steps) => bar.start(steps, 0, { what }),
    step: () => bar.increment(),
    end: () => bar.stop(),
  };
}

process.chdir(projectFolder);
const program = new Command("npm run bench --")
  .description("Measures the stack beside the same data path in C. Installs compilers where that takes no password.")
  .option("--quick", "only see that everything works, in less than a minute; times are not judged", false)
  .option("--no-native", "leave native code out")
  .option("--no-qemu", "leave QEMU's devices out")
  .option("--readme", "put what a full run measured into README.md", false)
  .option("--json", "print one JSON document instead of tables", false)
  .option("--chart <file>", "where the chart goes", join(benchFolder, "data-path.svg"))
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();
const options = program.opts<Options>();

if (options.readme && (options.quick || !options.native || !options.qemu)) {
  console.error("--readme is for full runs: leave out --quick, --no-native and --no-qemu.");
  process.exit(2);
}

process.env["PATH"] = searchPath();
try {
  ensurePrograms([
    ...(["clang", "wasm-ld"] as const),
    ...(options.native ? (["gcc", "valgrind"] as const) : []),
    ...(options.qemu ? (["gcc", "qemu-system-x86_64"] as const) : []),
  ]);
} catch (error) {
  if (!(error instanceof MissingPrograms)) throw error;
  console.error(error.message);
  process.exit(2);
}

const result = await runBenchmarks(options, progressBar());
mkdirSync(benchFolder, { recursive: true });
writeFileSync(options.chart, drawChart(result));
if (options.readme) {
  const text = withSection(readFileSync(documentFile, "utf8"), documentFile, sectionName, describeBench(result));
  writeFileSync(documentFile, await format(text, { ...(await resolveConfig(documentFile)), parser: "markdown" }));
}
if (options.json) console.log(JSON.stringify(result, null, 2));
else console.log(`${formatResult(result)}\nChart: ${options.chart}`);
// Not process.exit: what goes into a pipe may still be on its way.
process.exitCode = result.budgets.some(({ holds }) => holds === false) ? 1 : 0;
