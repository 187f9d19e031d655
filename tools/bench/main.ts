/**
 * `npm run bench`: measures what the driver stack costs, beside the same data path written in C, and says which budgets
 * hold.
 *
 * Exit status: 0 all of them hold, 1 one does not, 2 a program is missing or the arguments make no sense.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { withSection } from "../build/marked-section.js";
import { projectFolder } from "../build/project.js";
import { CommandError } from "../command/command-error.js";
import { commandLine, readCommandLine } from "../command/command-line.js";
import { STANDARD_OUTPUT, writeJson } from "../command/json-file.js";
import { EXIT_PROBLEM, runCommand } from "../command/run-command.js";
import { ensurePrograms, searchPath } from "../setup/system-packages.js";
import { ProgramError } from "../unikernel/programs.js";
import { userPath } from "../user-path.js";
import { describeBench, documentFile, sectionName } from "./document.js";
import { formatResult } from "./report.js";
import type { BenchResult } from "./result.js";
import { benchFolder } from "./toolchain.js";

interface Options {
  readonly json?: string;
  readonly quick: boolean;
  readonly native: boolean;
  readonly qemu: boolean;
  readonly readme: boolean;
  readonly chart?: string;
}

async function writeReadme(result: BenchResult): Promise<void> {
  const { format, resolveConfig } = await import("prettier");
  const text = withSection(readFileSync(documentFile, "utf8"), documentFile, sectionName, describeBench(result));
  writeFileSync(documentFile, await format(text, { ...(await resolveConfig(documentFile)), parser: "markdown" }));
}

async function bench(options: Options): Promise<number> {
  if (options.readme && (options.quick || !options.native || !options.qemu)) {
    throw new CommandError("--readme is for full runs: leave out --quick, --no-native and --no-qemu");
  }
  const isForProgram = options.json === STANDARD_OUTPUT;
  const json = options.json === undefined || isForProgram ? options.json : userPath("bench", options.json);
  const chart = options.chart === undefined ? join(benchFolder, "data-path.svg") : userPath("bench", options.chart);
  process.chdir(projectFolder);
  process.env["PATH"] = searchPath();
  ensurePrograms([
    ...(["clang", "wasm-ld"] as const),
    ...(options.native ? (["gcc", "valgrind"] as const) : []),
    ...(options.qemu ? (["gcc", "qemu-system-x86_64"] as const) : []),
  ]);

  // They bring the compilers with them.
  const { runBenchmarks } = await import("./run.js");
  const { drawChart } = await import("./chart.js");
  const result = await runBenchmarks(options).catch((error: unknown) => {
    throw error instanceof ProgramError ? new CommandError(error.message) : error;
  });
  mkdirSync(benchFolder, { recursive: true });
  writeFileSync(chart, drawChart(result));
  if (options.readme) await writeReadme(result);
  if (!isForProgram)
    console.log(`${formatResult(result)}\n\nChart: ${options.chart ?? relative(projectFolder, chart)}`);
  if (json !== undefined) writeJson(json, result);
  return result.budgets.some(({ holds }) => holds === false) ? EXIT_PROBLEM : 0;
}

await runCommand("npm run bench", () => {
  const program = commandLine(
    "bench",
    "Measures the stack beside the same data path in C. Installs compilers where that takes no password.",
  )
    .option("--quick", "only see that everything works, in less than a minute; times are not judged", false)
    .option("--no-native", "leave native code out")
    .option("--no-qemu", "leave QEMU's devices out")
    .option("--readme", `put what a full run measured into ${documentFile}`, false)
    .option("--json <file>", "write the result to this file as JSON, or - for standard output")
    .option("--chart <file>", "where the chart goes (default: build/bench/data-path.svg)");
  return readCommandLine(program, "bench", process.argv.slice(2)) ? bench(program.opts<Options>()) : 0;
});
