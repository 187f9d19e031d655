/** Takes all measurements, one after the other. */

import { cpus } from "node:os";
import v8 from "node:v8";
import { beginStep, type Step, type StepOptions } from "../command/progress.js";
import { judge } from "./budgets.js";
import { builds, fullEffort, loadSubjects, measurePoint, pointsOf, quickEffort } from "./data-path.js";
import { measureFootprint, measureGrowth, measureScan } from "./growth.js";
import { compilePrograms, compilers, measureNative, nativePoints } from "./native.js";
import { measureQemu } from "./qemu/measure.js";
import type { QemuResult } from "./qemu/result.js";
import type { BenchResult, DataPathRow, NativeRow } from "./result.js";
import { compileBenchModules } from "./toolchain.js";
import { measureTransports } from "./transports.js";

export interface RunOptions {
  readonly quick: boolean;
  readonly native: boolean;
  readonly qemu: boolean;
}

/** Begins a step, and ends it when the work is done, in whatever way. */
async function during<Result>(options: StepOptions, work: (step: Step) => Result | Promise<Result>): Promise<Result> {
  const step = beginStep(options);
  try {
    return await work(step);
  } finally {
    step.end();
  }
}

function measureDevices(quick: boolean): Promise<QemuResult> {
  let step: Step | undefined;
  return measureQemu(quick ? "quick" : "full", (what, done, total) => {
    if (step === undefined) step = beginStep({ what: "QEMU's devices", total, unit: "steps" });
    else if (done > 0) step.advance();
    step.begin(what);
  }).finally(() => step?.end());
}

export async function runBenchmarks({ quick, native, qemu }: RunOptions): Promise<BenchResult> {
  // The optimising compiler from the start, or the first rows would be measured in code that nobody runs for long.
  v8.setFlagsFromString("--no-liftoff");
  const effort = quick ? quickEffort : fullEffort;
  const modules = await during({ what: "Compiling the reference", isLong: true }, () => compileBenchModules());
  const subjects = loadSubjects(modules);

  const points = pointsOf(effort);
  const dataPath: DataPathRow[] = [];
  await during({ what: "Data path", total: points.length * builds.length, unit: "points", isLong: true }, (step) => {
    for (const build of builds) {
      for (const point of points) {
        dataPath.push(measurePoint(subjects, build, point, effort));
        step.advance();
      }
    }
  });

  const { growth, footprint, scan } = await during({ what: "Growth", total: 3, unit: "parts" }, (step) => {
    step.begin("rings, devices and instances");
    const growth = measureGrowth(subjects, effort, quick);
    step.advance();
    step.begin("memory");
    const footprint = measureFootprint(subjects);
    step.advance();
    step.begin("PCI scan");
    return { growth, footprint, scan: measureScan(subjects, effort, quick) };
  });

  const transports = await during({ what: "Transports", isLong: false }, () => measureTransports());

  const nativeRows: NativeRow[] = [];
  if (native) {
    const chosen = quick ? nativePoints.slice(0, 1) : nativePoints;
    await during({ what: "Native code", total: compilers.length * chosen.length, unit: "points" }, async (step) => {
      for (const compiler of compilers) {
        step.begin(`compiling with ${compiler}`);
        const programs = await compilePrograms(compiler);
        step.begin("measuring");
        for (const point of chosen) {
          nativeRows.push(...(await measureNative(programs, point, effort)));
          step.advance();
        }
      }
    });
  }

  const host = { processor: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
  const measured = {
    version: 1 as const,
    ...{ quick, host, dataPath, native: nativeRows, growth, footprint, scan, transports },
    qemu: qemu ? await measureDevices(quick) : undefined,
  };
  return { ...measured, budgets: judge(measured) };
}
