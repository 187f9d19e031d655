/**
 * What was tested where, from what ran: a row for each machine that the behaviour cases ran on, a column for each kind of
 * device.
 */

import { existsSync, readFileSync } from "node:fs";
import type { GroundTally, Tally } from "../../tests/cases/tally.js";
import { columns, fold } from "../command/layout.js";

/** The document with the table, relative to the project's folder. */
export const documentFile = "tests/README.md";
/** What its markers begin with. */
export const sectionName = "grounds";

/** Groups of cases are called after the kind of device: "block: transfers". */
const kinds = ["block", "net", "entropy", "pci"] as const;
type Kind = (typeof kinds)[number];

/** One machine, and what became of the cases of each kind. */
export interface Row {
  readonly ground: string;
  readonly tallies: ReadonlyMap<Kind, Tally>;
}

/** Reads what the tests have noted; nothing when there was no ground among them. Grounds in several files are one row. */
export function readGrounds(file: string): Row[] {
  if (!existsSync(file)) return [];
  const rows = new Map<string, Map<Kind, Tally>>();
  for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
    const { ground, groups } = JSON.parse(line) as GroundTally;
    for (const [group, { passed, skipped }] of Object.entries(groups)) {
      const kind = kinds.find((each) => group.startsWith(`${each}: `));
      if (kind === undefined) continue;
      const row = rows.get(ground) ?? new Map<Kind, Tally>();
      rows.set(ground, row);
      const before = row.get(kind) ?? { passed: 0, skipped: 0 };
      row.set(kind, { passed: before.passed + passed, skipped: before.skipped + skipped });
    }
  }
  return Array.from(rows, ([ground, tallies]) => ({ ground, tallies })).sort((one, other) =>
    one.ground < other.ground ? -1 : 1,
  );
}

/** "12", or "12 of 15" where three could not run. */
function cell(tally: Tally | undefined): string {
  if (tally === undefined) return "";
  const { passed, skipped } = tally;
  return skipped === 0 ? String(passed) : `${String(passed)} of ${String(passed + skipped)}`;
}

const cellsOf = ({ tallies }: Row): string[] => kinds.map((kind) => cell(tallies.get(kind)));

/** For a terminal: the machine's name on a line of its own, because it is long. */
export function formatGrounds(rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  const numbers = columns([["", ...kinds], ...rows.map((row) => ["  cases passed", ...cellsOf(row)])], [1, 2, 3, 4]);
  const [head = "", ...lines] = numbers;
  return ["What ran where:", head, ...lines.flatMap((line, index) => [fold(rows[index]?.ground ?? ""), line])].join(
    "\n",
  );
}

/** The same as Markdown. */
export function documentGrounds(rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const head = ["Machine", ...kinds];
  return [
    line(head),
    line(head.map((_, index) => (index === 0 ? "---" : "--:"))),
    ...rows.map((row) => line([row.ground, ...cellsOf(row)])),
  ].join("\n");
}
