/**
 * Keeps what was compiled, for what is compiled again and again from the same sources: specs, and the stack with
 * counters in it. Only modules that nobody publishes; those in `build/` have a record of their own.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compile, readIfThere, type CompileOptions } from "./compile.js";
import { hashOf } from "./fingerprint.js";
import { outputFolder } from "./project.js";
import { replaceFile } from "./replace-file.js";

const folder = join(outputFolder, "compiled");
/** They say which compiler it is, with which transforms, and how it is called. */
const toolFiles = ["package-lock.json", "tools/build/compile.ts"];

/** What is remembered of a module, in the line before its bytes. */
interface Origin {
  /** Of the options, the sources that are on no disk, and the compiler. */
  readonly options: string;
  /** Of each file that went in; null: it was looked for in vain. */
  readonly inputs: Readonly<Record<string, string | null>>;
}

/** The module under this name, or undefined when it was made of something else. */
function findCompiled(file: string, options: string): Uint8Array | undefined {
  if (!existsSync(file)) return undefined;
  const contents = readFileSync(file);
  const end = contents.indexOf("\n");
  const origin = JSON.parse(contents.toString("utf8", 0, end)) as Origin;
  const isSame = ([path, hash]: [string, string | null]): boolean => hashOfFile(path) === hash;
  if (origin.options !== options || !Object.entries(origin.inputs).every(isSame)) return undefined;
  // A copy: the compiler of WebAssembly wants a buffer that is the module's alone.
  return Uint8Array.from(contents.subarray(end + 1));
}

function hashOfFile(path: string): string | null {
  const contents = readIfThere(path);
  return contents === null ? null : hashOf(contents);
}

/**
 * Compiles a module, unless it was compiled from the same before; throws `CompileError`.
 *
 * @param name of the file that keeps it; what was kept under it before is replaced
 * @returns the binary
 */
export async function compileCached(name: string, options: CompileOptions): Promise<Uint8Array> {
  const file = join(folder, name.replaceAll("/", "-"));
  const sources = [...(options.sources ?? [])];
  const key = hashOf(JSON.stringify([{ ...options, sources }, toolFiles.map(hashOfFile)]));
  const found = findCompiled(file, key);
  if (found !== undefined) return found;

  const { binary, inputs } = await compile(options);
  const hashes = Array.from(inputs, ([path, contents]) => [path, contents === null ? null : hashOf(contents)]);
  const origin: Origin = { options: key, inputs: Object.fromEntries(hashes) as Origin["inputs"] };
  replaceFile(file, Buffer.concat([Buffer.from(`${JSON.stringify(origin)}\n`), binary]));
  return binary;
}
