/** The table that the build prints, one line per module. */

import Table from "cli-table3";
import { sizeBudget, sizeLimit } from "./check-module.js";

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

/** Names in lines of at most `width` characters. */
function wrap(names: readonly string[], width: number): string {
  const lines: string[] = [];
  for (const name of names) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + name.length <= width) lines[lines.length - 1] = `${last} ${name}`;
    else lines.push(name);
  }
  return lines.join("\n");
}

export function formatReports(reports: readonly ModuleReport[]): string {
  const table = new Table({
    head: ["module", "bytes", "of the budget", "imports", "exports"],
    style: { head: [], border: [] },
  });
  for (const { file, isRelease, bytes, imports, exports } of reports) {
    const share = isRelease ? `${String(Math.round((100 * bytes) / sizeBudget))} %` : "";
    table.push([
      file,
      { content: String(bytes), hAlign: "right" },
      { content: share, hAlign: "right" },
      `${imports.length}:\n${wrap(imports, 36)}`,
      `${exports.length}:\n${wrap(exports, 40)}`,
    ]);
  }
  const limits = `The budget of a release module is ${kibibytes(sizeBudget)}, the limit ${kibibytes(sizeLimit)}.`;
  return `${table.toString()}\n${limits}`;
}
