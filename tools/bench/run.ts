/** Takes all measurements, one after the other. */

import { cpus } from "node:os";
import v8 from "node:v8";
import { judge } from "./budgets.js";
import { builds, fullEffort, loadSubjects, measurePoint, pointsOf, quickEffort } from "./data-path.js";
import { measureFootprint, measureGrowth, measureScan } from "./growth.js";
import { compilePrograms, compilers, measureNative, nativePoints } from "./native.js";
import { measureQemu } from "./qemu/measure.js";
import type { QemuResult } from "./qemu/result.js";
import type { BenchResult, DataPathRow, NativeRow } from "./result.js";
import { compileBenchModules } from "./toolchain.js";

/** Told what is going on. */
export interface Progress {
  begin(what: string, steps: number): void;
  step(): void;
  end(): void;
}

export interface RunOptions {
  readonly quick: boolean;
  readonly native: boolean;
  readonly qemu: boolean;
}

async function measureDevices(quick: boolean, progress: Progress): Promise<QemuResult> {
  let last = 0;
  const result = await measureQemu(quick ? "quick" : "full", (_, done, total) => {
    if (done === 0) progress.begin("QEMU's devices", total);
    for (; last < done; last++) progress.step();
  });
  progress.end();
  return result;
}

export async function runBenchmarks({ quick, native, qemu }: RunOptions, progress: Progress): Promise<BenchResult> {
  // The optimising compiler from the start, or the first rows would be measured in code that nobody runs for long.
  v8.setFlagsFromString("--no-liftoff");
  const effort = quick ? quickEffort : fullEffort;
  const modules = await compileBenchModules();
  const subjects = loadSubjects(modules);

  const points = pointsOf(effort);
  const dataPath: DataPathRow[] = [];
  progress.begin("data path", points.length * builds.length);
  for (const build of builds) {
    for (const point of points) {
      dataPath.push(measurePoint(subjects, build, point, effort));
      progress.step();
    }
  }
  progress.end();

  progress.begin("growth", 3);
  const growth = measureGrowth(subjects, effort, quick);
  progress.step();
  const footprint = measureFootprint(subjects);
  progress.step();
  const scan = measureScan(subjects, effort, quick);
  progress.end();

  const nativeRows: NativeRow[] = [];
  if (native) {
    const chosen = quick ? nativePoints.slice(0, 1) : nativePoints;
    progress.begin("native code", compilers.length * chosen.length);
    for (const compiler of compilers) {
      const programs = await compilePrograms(compiler);
      for (const point of chosen) {
        nativeRows.push(...(await measureNative(programs, point, effort)));
        progress.step();
      }
    }
    progress.end();
  }

  const host = { processor: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
  const measured = {
    ...{ quick, host, dataPath, native: nativeRows, growth, footprint, scan },
    qemu: qemu ? await measureDevices(quick, progress) : undefined,
  };
  return { ...measured, budgets: judge(measured) };
}
