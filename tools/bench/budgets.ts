/** The promises that a run is held to, each with what was measured. */

import { builds } from "./data-path.js";
import { flatFrom } from "./growth.js";
import { isKept } from "./qemu/budgets.js";
import type { QemuResult } from "./qemu/result.js";
import { few } from "./qemu/table.js";
import type { BenchResult, Budget, DataPathRow, GrowthRow, NativeRow, Point } from "./result.js";

/** What two runs of the same thing still differ by, on a machine that is not quite quiet. */
const timingTolerance = 0.05;
const nativeRatio = 1.15;
const flatness = 0.1;
const fixedBytes = 64 * 1024;
/** Pages whose translations the stack remembers, and the bytes of a page. */
const rememberedPages = 512;
const pageBytes = 4096;
/** wmb, mb, notify and rmb for a batch that goes out and comes back; a received batch needs no notification. */
const importsPerBatch = 4;

type Measured = Omit<BenchResult, "budgets">;

/** The row for which `value` is largest. */
function worst<Row>(rows: readonly Row[], value: (row: Row) => number): Row | undefined {
  return rows.reduce<Row | undefined>(
    (found, row) => (found === undefined || value(row) > value(found) ? row : found),
    undefined,
  );
}

export function describePoint({ path, size, segments, batch }: Point): string {
  return `${path} ${size} B${segments > 1 ? ` in ${segments}` : ""}, batch ${batch}`;
}

function countBudget(
  name: string,
  rows: readonly DataPathRow[],
  limit: number,
  value: (row: DataPathRow) => number,
): Budget {
  const row = worst(rows, value);
  const measured = row === undefined ? NaN : value(row);
  return { name, limit: `at most ${limit}`, measured: few(measured), holds: measured <= limit };
}

/** Whether all buffers of a batch are remembered. */
function isRemembered({ size, batch }: Point): boolean {
  return Math.ceil(size / pageBytes) * batch <= rememberedPages;
}

function countBudgets(all: readonly DataPathRow[]): Budget[] {
  const rows = all.filter(isRemembered);
  const mapped = rows.filter(({ build }) => build === "mapped");
  const perBatch = (value: (row: DataPathRow) => number) => (row: DataPathRow) => value(row) * row.batch;
  return [
    countBudget("kernel imports called for a batch, mapped build", mapped, importsPerBatch, (row) =>
      perBatch(({ counts }) => counts.imports)(row),
    ),
    countBudget("port accesses for a batch", rows, 1, (row) => perBatch(({ counts }) => counts.portAccesses)(row)),
    countBudget(
      "translations for a request, once warm, buffers of up to 2 MiB",
      rows,
      0,
      ({ counts }) => counts.translations,
    ),
    countBudget("allocations for a request", rows, 0, ({ counts }) => counts.allocations),
    // Payload lies where touching it traps, so that the run itself has shown this.
    { name: "bytes of payload touched", limit: "none", measured: "none", holds: true },
  ];
}

function nodeBudgets(rows: readonly DataPathRow[], isJudged: boolean): Budget[] {
  return builds.map((build) => {
    const row = worst(
      rows.filter((candidate) => candidate.build === build),
      ({ ratio }) => ratio,
    );
    return {
      name: `${build} build in this engine, to C in WebAssembly, worst point`,
      limit: `at most 1 (± ${timingTolerance})`,
      measured: row === undefined ? "nothing" : `${row.ratio.toFixed(2)} (${describePoint(row)})`,
      holds: isJudged ? row !== undefined && row.ratio <= 1 + timingTolerance : undefined,
    };
  });
}

/** Instructions do not depend on how quiet the machine is: judged whenever they were counted. */
function nativeBudgets(rows: readonly NativeRow[]): Budget[] {
  const kinds = new Set(rows.map(({ compiler, memoryBase }) => `${compiler}, memory by ${memoryBase}`));
  const budgets = [...kinds].map((kind) => {
    const row = worst(
      rows.filter(({ compiler, memoryBase }) => `${compiler}, memory by ${memoryBase}` === kind),
      ({ ratio }) => ratio,
    );
    return { kind, row };
  });
  const best = budgets.reduce<(typeof budgets)[number] | undefined>(
    (found, budget) => ((budget.row?.ratio ?? NaN) < (found?.row?.ratio ?? Infinity) ? budget : found),
    undefined,
  );
  if (best?.row === undefined) return [];
  return [
    {
      name: "native instructions to C, worst point, with the compiler that does best",
      limit: `at most ${nativeRatio}`,
      measured: `${best.row.ratio.toFixed(2)} (${describePoint(best.row)}; ${best.kind})`,
      holds: best.row.ratio <= nativeRatio,
    },
  ];
}

function growthBudgets(rows: readonly GrowthRow[], isJudged: boolean): Budget[] {
  return (["ring size", "devices"] as const).map((what) => {
    const judged = rows.filter((row) => row.what === what && (what !== "ring size" || row.value >= flatFrom));
    const row = worst(judged, ({ ratio }) => ratio);
    return {
      name: `cost of a request over ${what === "devices" ? "1 to 32 devices" : "rings of 16 to 32768"}`,
      limit: `at most ${1 + flatness} of the smallest`,
      measured: row === undefined ? "nothing" : `${row.ratio.toFixed(2)} (${row.path}, ${row.value})`,
      holds: isJudged ? row !== undefined && row.ratio <= 1 + flatness : undefined,
    };
  });
}

/** The budgets of QEMU's devices; counts are judged whenever they were counted. */
function qemuBudgets(qemu: QemuResult | undefined, isJudged: boolean): Budget[] {
  return (qemu?.budgets ?? []).map((budget) => ({
    name: `QEMU's ${budget.name}`,
    limit: `${budget.relation} ${String(budget.limit)}`,
    measured: `${few(budget.value)} (${budget.worst})`,
    holds: budget.isTime && !isJudged ? undefined : isKept(budget),
  }));
}

export function judge(result: Measured): Budget[] {
  const isJudged = !result.quick;
  const footprint = worst(result.footprint, (row) => row.fixedBytes);
  return [
    ...countBudgets(result.dataPath),
    ...nodeBudgets(result.dataPath, isJudged),
    ...nativeBudgets(result.native),
    ...growthBudgets(result.growth, isJudged),
    {
      name: "memory of an instance beyond its rings and buffers",
      limit: `below ${fixedBytes} bytes`,
      measured: footprint === undefined ? "nothing" : `${Math.round(footprint.fixedBytes)} bytes (${footprint.path})`,
      holds: footprint !== undefined && footprint.fixedBytes < fixedBytes,
    },
    ...qemuBudgets(result.qemu, isJudged),
  ];
}
