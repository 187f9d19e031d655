/** The performance section of the README: what `npm run bench -- --readme` measured. */

import { describePoint } from "./budgets.js";
import { bootTable, pointTable, type TextTable } from "./qemu/table.js";
import type { BenchResult, DataPathRow } from "./result.js";

/** The file with the section, relative to the project's folder. */
export const documentFile = "README.md";

const begin = "<!-- bench:begin -->";
const end = "<!-- bench:end -->";

/** The text between the marks, without them. Throws when a mark is missing. */
export function sectionOf(document: string): string {
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${documentFile} has no ${begin} with ${end} behind it`);
  return document.slice(from + begin.length, to);
}

/** The document with a new section. */
export function withSection(document: string, section: string): string {
  const old = sectionOf(document);
  const from = document.indexOf(begin) + begin.length;
  return `${document.slice(0, from)}\n\n${section}\n\n${document.slice(from + old.length)}`;
}

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

/** The engine's points of one batch size. */
function dataPath(rows: readonly DataPathRow[], batch: number): TextTable {
  return {
    head: ["Driver alone, a request or frame", "Build", "ns", "ns in C", "Ratio", "Imports", "Port accesses"],
    rows: rows
      .filter((row) => row.batch === batch)
      .map((row) => [
        ...[describePoint(row), row.build, row.stack.quick.toFixed(1), row.reference.quick.toFixed(1)],
        ...[row.ratio.toFixed(2), row.counts.imports.toFixed(2), row.counts.portAccesses.toFixed(2)],
      ]),
  };
}

/** The batch whose points the section lists. */
const batchShown = 32;

/** What a full run measured, for people. */
export function describeBench(result: BenchResult): string {
  const { host, qemu } = result;
  const parts = [
    `Measured on ${String(host.cores)} cores of an ${host.processor}, Node ${host.node}, nothing else running.`,
    markdown(budgets(result)),
    `In this engine, batches of ${String(batchShown)}; all batches, native code and growth are in the output of the command.`,
    markdown(dataPath(result.dataPath, batchShown)),
  ];
  if (qemu !== undefined) {
    parts.push(
      `On QEMU ${qemu.qemu}'s devices${qemu.linux === undefined ? "" : `, beside ${qemu.linux}`}:`,
      markdown(pointTable(qemu)),
      markdown(bootTable(qemu.boot)),
      [...qemu.gaps, ...qemu.caveats].map((text) => `- ${text}`).join("\n"),
    );
  }
  return parts.join("\n\n");
}
