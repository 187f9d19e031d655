/** What the build prints about the modules. */

import Table from "cli-table3";
import { columns, fold, indent, WIDTH, wrap } from "../command/layout.js";
import type { Parts } from "./project.js";
import { sizeLimit } from "./size.js";

/** What the table says about a module. */
export interface ModuleReport {
  /** Relative to the project's folder; of one that lies elsewhere, its name alone. */
  readonly file: string;
  /** What it is made of. */
  readonly parts: Parts;
  /** Whether the limit of the small modules is its own. */
  readonly isLimited: boolean;
  readonly bytes: number;
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

/** What a driver or transport adds to the full module. */
export interface Addition {
  readonly part: string;
  readonly bytes: number;
}

export function describeModule(
  file: string,
  { parts, isLimited }: Pick<ModuleReport, "parts" | "isLimited">,
  binary: Uint8Array,
): ModuleReport {
  const module = new WebAssembly.Module(Uint8Array.from(binary));
  return {
    file,
    parts,
    isLimited,
    bytes: binary.length,
    imports: WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`),
    exports: WebAssembly.Module.exports(module).map(({ name }) => name),
  };
}

const kibibytes = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;

/** A table of modules, and below it what each is made of, imports and exports. */
export function formatReports(reports: readonly ModuleReport[]): string {
  const isAnyLimited = reports.some(({ isLimited }) => isLimited);
  const table = new Table({
    head: ["module", "bytes", ...(isAnyLimited ? ["of limit"] : []), "imports", "exports"],
    colAligns: ["left", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const { file, isLimited, bytes, imports, exports } of reports) {
    const share = isLimited ? `${String(Math.round((100 * bytes) / sizeLimit))} %` : "";
    table.push([file, bytes, ...(isAnyLimited ? [share] : []), imports.length, exports.length]);
  }
  const limits = `A small module may have ${kibibytes(sizeLimit)}.`;
  return [
    table.toString(),
    ...(isAnyLimited ? [limits] : []),
    ...groups(
      reports,
      ({ parts }) => parts.drivers,
      (owners) => `Drivers in ${owners}:`,
    ),
    ...groups(
      reports,
      ({ parts }) => parts.transports,
      (owners) => `Transports in ${owners}:`,
    ),
    ...groups(
      reports,
      ({ parts }) => parts.extras,
      (owners) => `Extras in ${owners}:`,
    ),
    ...groups(
      reports,
      ({ imports }) => imports,
      (owners) => `Imported by ${owners}:`,
    ),
    ...groups(
      reports,
      ({ exports }) => exports,
      (owners) => `Exported by ${owners}:`,
    ),
  ].join("\n");
}

/** What the modules have in common, and what only some of them have. */
function groups(
  reports: readonly ModuleReport[],
  namesIn: (report: ModuleReport) => readonly string[],
  headingOf: (owners: string) => string,
): string[] {
  const modulesOf = new Map<string, string[]>();
  for (const report of reports) {
    for (const name of namesIn(report)) modulesOf.set(name, [...(modulesOf.get(name) ?? []), report.file]);
  }
  const namesOf = new Map<string, string[]>();
  for (const [name, files] of modulesOf) {
    const owners = files.length === reports.length ? "all of them" : `only ${files.join(", ")}`;
    namesOf.set(owners, [...(namesOf.get(owners) ?? []), name]);
  }
  return Array.from(namesOf, ([owners, names]) =>
    [fold(headingOf(reports.length === 1 ? "it" : owners)), ...indent(wrap(names, WIDTH - 2, " ").split("\n"))].join(
      "\n",
    ),
  );
}

/** What each part adds, and what is left: what they share, and what every build has. */
export function formatAdditions(additions: readonly Addition[] | undefined, full: ModuleReport | undefined): string {
  if (additions === undefined || full === undefined) {
    return fold("To measure what each part adds: npm run build -- --sizes");
  }
  const rest = additions.reduce((left, { bytes }) => left - bytes, full.bytes);
  const rows = [...additions.map(({ part, bytes }) => [part, String(bytes)]), ["everything else", String(rest)]];
  return [`Bytes that each adds to ${full.file}:`, ...indent(columns(rows, [1]))].join("\n");
}
