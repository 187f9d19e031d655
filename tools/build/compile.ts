/**
 * Runs the AssemblyScript compiler in this process. Several modules compiled one after the other take far less time
 * than several processes, and nothing reaches the disk before it has been checked.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { entryFile, moduleTargets, projectFolder, type Build } from "./project.js";

export interface CompiledModule {
  readonly binary: Uint8Array;
  /** The text format. Unlike the binary it has the names of functions and globals. */
  readonly text: string;
  /** The compiler's warnings, empty as a rule. */
  readonly warnings: string;
  /** Files that went in, relative to the project's folder, with their contents; null: it was looked for in vain. */
  readonly inputs: ReadonlyMap<string, string | null>;
}

export interface CompileOptions {
  /** A file of options and targets, relative to the project's folder; `asconfig.json` unless said otherwise. */
  readonly config?: string;
  /** The target in that file. */
  readonly target: string;
  /** The files to compile, relative to the project's folder. What the first one exports, the module exports. */
  readonly entries: readonly string[];
  /** More options of the compiler's command line. */
  readonly options?: readonly string[];
  /** Sources that are not on the disk, by name relative to the project's folder. */
  readonly sources?: ReadonlyMap<string, string>;
}

/** The source does not compile; the message is the compiler's. */
export class CompileError extends Error {}

/** Compiles one module; throws `CompileError`. */
export async function compile({
  config = "asconfig.json",
  target,
  entries,
  options = [],
  sources,
}: CompileOptions): Promise<CompiledModule> {
  // Not at the top: it takes a second to load, also in commands that turn out to have nothing to compile.
  const { default: asc } = await import("assemblyscript/asc");
  const inputs = new Map<string, string | null>();
  const files = new Map<string, string | Uint8Array>();
  const messages = asc.createMemoryStream();
  const outputs = ["--outFile", "module.wasm", "--textFile", "module.wat"];
  const result = await asc.main([...entries, "--config", config, "--target", target, ...outputs, ...options], {
    stdout: messages,
    stderr: messages,
    readFile: (name: string, folder: string) => {
      const source = sources?.get(name);
      if (source !== undefined) return source;
      const path = join(folder, name);
      const contents = readIfThere(path);
      inputs.set(path, contents);
      return contents;
    },
    writeFile: (name: string, contents: string | Uint8Array) => {
      files.set(name, contents);
    },
    listFiles: () => null,
  });
  const binary = files.get("module.wasm");
  const text = files.get("module.wat");
  if (result.error || !(binary instanceof Uint8Array) || typeof text !== "string") {
    throw new CompileError(`${messages.toString().trim()}\n${result.error?.message ?? ""}`.trim());
  }
  return { binary, text, warnings: messages.toString().trim(), inputs };
}

/** What a file contains, given by its path relative to the project's folder; null when there is none. */
export function readIfThere(path: string): string | null {
  const whole = join(projectFolder, path);
  return existsSync(whole) ? readFileSync(whole, "utf8") : null;
}

/** Options of the compiler that keep the code as it is written. */
export const unoptimised: readonly string[] = ["--optimizeLevel", "0", "--shrinkLevel", "0"];

/** How to compile the stack as for release, not optimised, with these sources in the place of others. */
export function unoptimisedStack(build: Build, sources: ReadonlyMap<string, string>): CompileOptions {
  const target = moduleTargets.find((each) => each.isRelease && each.build === build);
  if (target === undefined) throw new Error(`there is no release target of the ${build} build`);
  return { target: target.name, entries: [entryFile], options: unoptimised, sources };
}

/** Compiles the stack so. */
export async function compileUnoptimised(build: Build, sources: ReadonlyMap<string, string>): Promise<CompiledModule> {
  return await compile(unoptimisedStack(build, sources));
}
