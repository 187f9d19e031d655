/** The results in the document on performance: what `npm run bench -- --readme` measured. */

import { describePoint } from "./budgets.js";
import { bootTable, pointTable, type TextTable } from "./qemu/table.js";
import { transportRows } from "./report.js";
import type { BenchResult, DataPathRow, NativeRow } from "./result.js";

/** The file with the section, relative to the project's folder. */
export const documentFile = "tools/bench/README.md";

/** What its markers begin with. */
export const sectionName = "bench";

function markdown({ head, rows }: TextTable): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function budgets({ budgets }: BenchResult): TextTable {
  return {
    head: ["Budget", "Limit", "Measured", "Holds"],
    rows: budgets.map(({ name, limit, measured, holds }) => [
      ...[name, limit, measured, holds === undefined ? "not judged" : holds ? "yes" : "**no**"],
    ]),
  };
}

/** Tables that few read to the end. */
function folded(summary: string, ...parts: readonly string[]): string {
  return ["<details>", `<summary>${summary}</summary>`, ...parts, "</details>"].join("\n\n");
}

/** The engine's points of some batch sizes. */
function dataPath(rows: readonly DataPathRow[], batches: readonly number[]): TextTable {
  return {
    head: ["Driver alone, a request or frame", "Build", "ns", "ns in C", "Ratio", "Imports", "Port accesses"],
    rows: rows
      .filter((row) => batches.includes(row.batch))
      .map((row) => [
        ...[describePoint(row), row.build, row.stack.quick.toFixed(1), row.reference.quick.toFixed(1)],
        ...[row.ratio.toFixed(2), row.counts.imports.toFixed(2), row.counts.portAccesses.toFixed(2)],
      ]),
  };
}

/** Instructions in native code, all points. */
function nativeCode(rows: readonly NativeRow[]): TextTable {
  return {
    head: ["Driver alone, a request or frame", "Compiler", "Memory by", "Instructions", "In C", "Ratio"],
    rows: rows.map((row) => [
      ...[describePoint(row), row.compiler, row.memoryBase],
      ...[row.stackInstructions.toFixed(0), row.referenceInstructions.toFixed(0), row.ratio.toFixed(2)],
    ]),
  };
}

/** The batches whose points the section lists. */
const batchesShown = [1, 32];

/** What a full run measured, for people. */
export function describeBench(result: BenchResult): string {
  const { host, qemu } = result;
  const parts = [
    `Measured on ${String(host.cores)} cores, ${host.processor}, Node ${host.node}.`,
    markdown(budgets(result)),
    folded(
      `In this engine, batches of ${batchesShown.join(" and ")}`,
      markdown(dataPath(result.dataPath, batchesShown)),
      "All batches, times in native code and growth are in the output of the command.",
    ),
    folded(
      "Behind each transport: port and register accesses of the full module with a disk, and calls of the kernel",
      markdown(transportRows(result.transports)),
    ),
    folded(
      "In native code, translated by wasm2c: memory where a pointer says, or at a constant place as in the unikernel",
      markdown(nativeCode(result.native)),
    ),
  ];
  if (qemu !== undefined) {
    parts.push(
      folded(
        `On QEMU ${qemu.qemu}'s devices${qemu.linux === undefined ? "" : `, beside ${qemu.linux}`}`,
        markdown(pointTable(qemu)),
        markdown(bootTable(qemu.boot)),
      ),
      [...qemu.gaps, ...qemu.caveats].map((text) => `- ${text}`).join("\n"),
    );
  }
  return parts.join("\n\n");
}
