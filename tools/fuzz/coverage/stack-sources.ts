/**
 * The stack's sources, and what TypeScript's checker knows of them. AssemblyScript is close enough to TypeScript for its
 * parser, and for its checker to say what a name means and whether it may be null; what else it complains of is of no
 * interest.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { projectFolder } from "../../build/project.js";

/** Sources by name, relative to the project's folder. */
export type Sources = ReadonlyMap<string, string>;

export interface ParsedSources {
  readonly checker: ts.TypeChecker;
  /** In the order of the sources. */
  readonly files: readonly ts.SourceFile[];
}

/** The folder of the stack's sources. */
const folder = "assembly";
/** AssemblyScript's own functions and types. */
const builtins = join(projectFolder, "node_modules/assemblyscript/std/assembly/index.d.ts");

/** Reads all sources of the stack. */
export function readStack(): Map<string, string> {
  const names = readdirSync(join(projectFolder, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((name) => name.endsWith(".ts"))
    .sort();
  return new Map(names.map((name) => [name, readFileSync(join(projectFolder, name), "utf8")]));
}

/** Parses sources that import nothing but each other. */
export function parseSources(sources: Sources): ParsedSources {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.Latest,
    moduleResolution: ts.ModuleResolutionKind.Node10,
    noLib: true,
    strictNullChecks: true,
    types: [],
  };
  const host = ts.createCompilerHost(options, true);
  const sourceOf = (path: string): string | undefined => sources.get(relativeName(path));
  const readElsewhere = host.readFile.bind(host);
  host.getCurrentDirectory = () => projectFolder;
  host.fileExists = (path) => sourceOf(path) !== undefined || path === builtins;
  host.readFile = (path) => sourceOf(path) ?? readElsewhere(path);
  const names = [...sources.keys()].map((name) => join(projectFolder, name));
  const program = ts.createProgram([builtins, ...names], options, host);
  const files = names.map((name) => program.getSourceFile(name)).filter((file) => file !== undefined);
  return { checker: program.getTypeChecker(), files };
}

/** A file's name as it is in `Sources`. */
export function relativeName(path: string): string {
  return path.startsWith(projectFolder) ? path.slice(projectFolder.length + 1).replaceAll("\\", "/") : path;
}
