/** What the build prints about the modules. */

import Table from "cli-table3";
import { fold, indent, WIDTH, wrap } from "../command/layout.js";
import { sizeBudget, sizeLimit } from "./size.js";

/** What the table says about a module. */
export interface ModuleReport {
  /** Relative to the project's folder. */
  readonly file: string;
  readonly isRelease: boolean;
  readonly bytes: number;
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

export function describeModule(file: string, isRelease: boolean, binary: Uint8Array): ModuleReport {
  const module = new WebAssembly.Module(Uint8Array.from(binary));
  return {
    file,
    isRelease,
    bytes: binary.length,
    imports: WebAssembly.Module.imports(module).map(({ module: from, name }) => `${from}.${name}`),
    exports: WebAssembly.Module.exports(module).map(({ name }) => name),
  };
}

const kibibytes = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;

/** A table of modules, and below it what each imports and exports. */
export function formatReports(reports: readonly ModuleReport[]): string {
  const table = new Table({
    head: ["module", "bytes", "of the budget", "imports", "exports"],
    colAligns: ["left", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const { file, isRelease, bytes, imports, exports } of reports) {
    const share = isRelease ? `${String(Math.round((100 * bytes) / sizeBudget))} %` : "";
    table.push([file, bytes, share, imports.length, exports.length]);
  }
  const limits = `The budget of a release module is ${kibibytes(sizeBudget)}, the limit ${kibibytes(sizeLimit)}.`;
  return [table.toString(), limits, ...groups(reports, "imports"), ...groups(reports, "exports")].join("\n");
}

/** What the modules have in common, and what only some of them have. */
function groups(reports: readonly ModuleReport[], kind: "imports" | "exports"): string[] {
  const modulesOf = new Map<string, string[]>();
  for (const report of reports) {
    for (const name of report[kind]) modulesOf.set(name, [...(modulesOf.get(name) ?? []), report.file]);
  }
  const namesOf = new Map<string, string[]>();
  for (const [name, files] of modulesOf) {
    const owners = files.length === reports.length ? "all" : files.join(", ");
    namesOf.set(owners, [...(namesOf.get(owners) ?? []), name]);
  }
  const verb = kind === "imports" ? "Imported" : "Exported";
  return Array.from(namesOf, ([owners, names]) => {
    const heading = owners === "all" ? `${verb} by all of them:` : fold(`${verb} only by ${owners}:`);
    return [heading, ...indent(wrap(names, WIDTH - 2, " ").split("\n"))].join("\n");
  });
}
