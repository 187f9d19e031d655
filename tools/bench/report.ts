/** The tables that the benchmarks print. */

import Table from "cli-table3";
import type { QemuResult } from "./qemu/result.js";
import { bootTable, few, pointTable } from "./qemu/table.js";
import type { BenchResult, DataPathRow, FootprintRow, GrowthRow, NativeRow, ScanRow, Spread } from "./result.js";

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const colAligns = head.map((_, index) => (index === 0 ? ("left" as const) : ("right" as const)));
  const table = new Table({ head: [...head], colAligns, style: { head: [], border: [] } });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

const time = ({ quick }: Spread): string => quick.toFixed(1);
const spread = ({ quick, slow }: Spread): string => `${quick.toFixed(1)} – ${slow.toFixed(1)}`;

function dataPathTable(rows: readonly DataPathRow[]): string {
  return tableOf(
    [
      "path",
      "bytes",
      "segments",
      "batch",
      "build",
      "stack ns",
      "C ns",
      "ratio",
      "alone ns",
      "imports",
      "ports",
      "bytes of ring",
    ],
    rows.map(({ path, size, segments, batch, build, stack, reference, ratio, alone, counts }) => [
      ...[path, String(size), String(segments), String(batch), build, spread(stack), spread(reference)],
      ...[ratio.toFixed(2), alone.toFixed(1), few(counts.imports), few(counts.portAccesses)],
      build === "ported" ? few(counts.memoryBytes) : "",
    ]),
  );
}

function nativeTable(rows: readonly NativeRow[]): string {
  return tableOf(
    ["path", "bytes", "segments", "batch", "compiler", "memory by", "stack", "C", "ratio", "stack ns", "C ns"],
    rows.map((row) => [
      ...[row.path, String(row.size), String(row.segments), String(row.batch), row.compiler, row.memoryBase],
      ...[row.stackInstructions.toFixed(0), row.referenceInstructions.toFixed(0), row.ratio.toFixed(2)],
      ...[time(row.stack), time(row.reference)],
    ]),
  );
}

function growthTable(rows: readonly GrowthRow[]): string {
  return tableOf(
    ["path", "of", "number", "ns a request", "ratio"],
    rows.map(({ path, what, value, nanoseconds, ratio }) => [
      ...[path, what, String(value), spread(nanoseconds), ratio.toFixed(2)],
    ]),
  );
}

function footprintTable(rows: readonly FootprintRow[]): string {
  return tableOf(
    ["path", "ring", "private bytes", "module's data", "of these fixed", "lent by the kernel"],
    rows.map((row) =>
      [row.path, row.ringSize, row.privateBytes, row.moduleBytes, Math.round(row.fixedBytes), row.sharedBytes].map(
        String,
      ),
    ),
  );
}

function scanTable(rows: readonly ScanRow[]): string {
  return tableOf(
    ["buses", "configuration reads", "µs"],
    rows.map(({ buses, configurationReads, microseconds }) => [
      ...[String(buses), String(configurationReads), microseconds.toFixed(1)],
    ]),
  );
}

function budgetTable({ budgets }: BenchResult): string {
  return tableOf(
    ["budget", "limit", "measured", "holds"],
    budgets.map(({ name, limit, measured, holds }) => [
      ...[name, limit, measured, holds === undefined ? "not judged" : holds ? "yes" : "NO"],
    ]),
  );
}

function qemuSections(qemu: QemuResult | undefined): string[] {
  if (qemu === undefined) return [];
  const points = pointTable(qemu);
  const boot = bootTable(qemu.boot);
  return [
    `QEMU ${qemu.qemu}'s devices, beside ${qemu.linux ?? "nothing"}: requests or frames a second, and calls for each.`,
    tableOf(points.head, points.rows),
    tableOf(boot.head, boot.rows),
    ...[...qemu.gaps, ...qemu.caveats].map((text) => `- ${text}`),
  ];
}

/** Everything, in the order of the measurements. */
export function formatResult(result: BenchResult): string {
  const { host } = result;
  const sections = [
    `${host.processor}, ${host.cores} cores, Node ${host.node}`,
    "Data path in WebAssembly, a request or frame: nanoseconds in the driver (one run in seven is quicker, one slower),\n" +
      "the same of the C reference, what loop and device take alone, and calls.",
    dataPathTable(result.dataPath),
    ...(result.native.length > 0
      ? [
          "Native code, a request or frame: instructions in the driver; nanoseconds, loop and device included.",
          nativeTable(result.native),
        ]
      : []),
    "Growth, mapped build, frames and requests of 512 bytes, batch 8; loop and device included.",
    growthTable(result.growth),
    "Memory of an instance with one device.",
    footprintTable(result.footprint),
    "PCI scan.",
    scanTable(result.scan),
    ...qemuSections(result.qemu),
    budgetTable(result),
  ];
  return sections.join("\n");
}
