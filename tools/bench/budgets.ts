/** The promises that a run is held to, each with what was measured. */

import { builds } from "./data-path.js";
import { flatFrom } from "./growth.js";
import { isKept } from "./qemu/budgets.js";
import type { QemuResult } from "./qemu/result.js";
import { few } from "./qemu/table.js";
import type {
  BenchResult,
  Budget,
  DataPathRow,
  GrowthRow,
  KernelCalls,
  NativeRow,
  Point,
  TransportRow,
} from "./result.js";

/** What two runs of the same thing still differ by, on a machine that is not quite quiet. */
const timingTolerance = 0.05;
const nativeRatio = 1.15;
const baselineRatio = 0.6;
const flatness = 0.1;
const fixedBytes = 64 * 1024;
/** Pages whose translations the stack remembers, and the bytes of a page. */
const rememberedPages = 512;
const pageBytes = 4096;
/** wmb, mb, notify and rmb for a batch that goes out and comes back; a received batch needs no notification. */
const importsPerBatch = 4;

const noCalls: KernelCalls = { ports: NaN, registers: NaN, imports: NaN };

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

function baselineBudget(rows: readonly DataPathRow[], isJudged: boolean): Budget {
  const ratioOf = ({ stack, baseline }: DataPathRow): number => stack.quick / (baseline?.quick ?? NaN);
  const row = worst(
    rows.filter(({ baseline }) => baseline !== undefined),
    ratioOf,
  );
  return {
    name: "block in batches of 8 and 32, to the stack before devices owned their queues",
    limit: `at most ${baselineRatio}`,
    measured: row === undefined ? "nothing" : `${ratioOf(row).toFixed(2)} (${describePoint(row)})`,
    holds: isJudged ? row !== undefined && ratioOf(row) <= baselineRatio : undefined,
  };
}

/** The counts behind each transport. */
function transportBudgets(rows: readonly TransportRow[]): Budget[] {
  const accesses = ({ ports, registers }: KernelCalls): number => ports + registers;
  const direct = rows.filter(({ transport }) => transport !== "modern-window");
  const single = worst(direct, ({ requests }) => accesses(requests[0]?.calls ?? noCalls));
  const message = worst(
    rows.filter(({ interrupts }) => interrupts === "MSI-X"),
    ({ interrupt }) => accesses(interrupt),
  );
  const budget = (
    name: string,
    limit: number,
    row: TransportRow | undefined,
    calls: KernelCalls | undefined,
  ): Budget => {
    const measured = calls === undefined ? NaN : accesses(calls);
    return {
      name,
      limit: `at most ${limit}`,
      measured: `${few(measured)} (${row?.transport ?? "none"})`,
      holds: measured <= limit,
    };
  };
  return [
    budget(
      "port and register accesses for a single request, any transport but the window",
      1,
      single,
      single?.requests[0]?.calls,
    ),
    budget("port and register accesses for an interrupt, MSI-X", 0, message, message?.interrupt),
  ];
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
    ...transportBudgets(result.transports),
    ...nodeBudgets(result.dataPath, isJudged),
    baselineBudget(result.dataPath, isJudged),
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
