/**
 * Runs the AssemblyScript compiler in this process. Several modules compiled one after the other take far less time
 * than several processes, and nothing reaches the disk before it has been checked.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import asc from "assemblyscript/asc";
import { entryFile, moduleTargets, projectFolder, type Build } from "./project.js";

export interface CompiledModule {
  readonly binary: Uint8Array;
  /** The text format. Unlike the binary it has the names of functions and globals. */
  readonly text: string;
  /** The compiler's warnings, empty as a rule. */
  readonly warnings: string;
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
  const files = new Map<string, string | Uint8Array>();
  const messages = asc.createMemoryStream();
  const outputs = ["--outFile", "module.wasm", "--textFile", "module.wat"];
  const result = await asc.main([...entries, "--config", config, "--target", target, ...outputs, ...options], {
    stdout: messages,
    stderr: messages,
    readFile: (name: string, folder: string) => {
      const source = sources?.get(name);
      if (source !== undefined) return source;
      const path = join(projectFolder, folder, name);
      return existsSync(path) ? readFileSync(path, "utf8") : null;
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
  return { binary, text, warnings: messages.toString().trim() };
}

/** Options of the compiler that keep the code as it is written. */
export const unoptimised: readonly string[] = ["--optimizeLevel", "0", "--shrinkLevel", "0"];

/** Compiles the stack as for release, not optimised, with these sources in the place of others. */
export async function compileUnoptimised(build: Build, sources: ReadonlyMap<string, string>): Promise<CompiledModule> {
  const target = moduleTargets.find((each) => each.isRelease && each.build === build);
  if (target === undefined) throw new Error(`there is no release target of the ${build} build`);
  return await compile({ target: target.name, entries: [entryFile], options: unoptimised, sources });
}
