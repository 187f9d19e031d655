/**
 * Makes everything in `build/`: modules, text formats, bindings. Nothing is replaced until all of it is made and
 * checked, and then each file in one step, so that a program that starts meanwhile never reads half a file.
 */

import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { format, resolveConfig } from "prettier";
import { AbiError, readAbi, type Abi } from "./abi-model.js";
import { measureAdditions } from "./additions.js";
import { cHeader } from "./c-header.js";
import { checkModule } from "./check-module.js";
import { compile, CompileError, type CompiledModule } from "./compile.js";
import { hashOf } from "./fingerprint.js";
import { compileRelease } from "./optimize.js";
import { allParts, compileOptionsFor } from "./parts.js";
import {
  entryFile,
  outputFolder,
  projectFolder,
  recordFile,
  type Build,
  type BuildRecord,
  type ModuleTarget,
  type Parts,
} from "./project.js";
import { describeModule, type Addition, type ModuleReport } from "./report.js";
import { replaceFile } from "./replace-file.js";
import { typescriptBindings } from "./typescript-bindings.js";

export interface MakeResult {
  /** What went wrong, for people; nothing was written unless this is empty. */
  readonly problems: readonly string[];
  readonly reports: readonly ModuleReport[];
}

/** Is told what is made next, and how many steps were done since it was told last. */
export type Begin = (what: string, done: number) => void;

/** Compiles a target; throws `CompileError`. */
async function compileTarget({ name, isRelease, parts = allParts() }: ModuleTarget): Promise<CompiledModule> {
  return await (isRelease ? compileRelease : compile)({
    target: name,
    entries: [entryFile],
    ...compileOptionsFor(parts),
  });
}

/** What is wrong with a compiled target. */
function problemsOf(file: string, compiled: CompiledModule, abi: Abi, target: ModuleTarget): string[] {
  const warnings = compiled.warnings === "" ? [] : [compiled.warnings];
  const broken = target.isRelease ? checkModule(compiled, abi, target) : [];
  return [...warnings, ...broken].map((text) => `${file}: ${text}`);
}

function reportOf(file: string, compiled: CompiledModule, { parts, sizeLimit }: ModuleTarget): ModuleReport {
  const kind = { parts: parts ?? allParts(), isLimited: sizeLimit !== undefined };
  return describeModule(file, kind, compiled.binary);
}

const readProjectAbi = (): Abi => readAbi((name) => readFileSync(join(projectFolder, name), "utf8"));

/** The message of a mistake in the sources; throws what is none. */
function mistakeIn(error: unknown): string {
  if (!(error instanceof CompileError) && !(error instanceof AbiError)) throw error;
  return error.message;
}

/**
 * Makes the targets and the bindings, and remembers `fingerprint` with them. Throws what writing throws.
 *
 * @param begin is told of one step a target, and one for the bindings
 */
export async function make(
  targets: readonly ModuleTarget[],
  fingerprint: string,
  begin: Begin = () => undefined,
): Promise<MakeResult> {
  const outputs = new Map<string, string | Uint8Array>();
  const reports: ModuleReport[] = [];
  const problems: string[] = [];
  try {
    // The compiler goes first: of a source with mistakes it says most.
    const modules = [];
    for (const target of targets) {
      begin(`${target.output}.wasm`, modules.length === 0 ? 0 : 1);
      modules.push({ target, compiled: await compileTarget(target) });
    }
    begin("bindings", 1);
    const style = await resolveConfig(join(outputFolder, "abi.ts"), { editorconfig: true });
    const abi = readProjectAbi();
    for (const { target, compiled } of modules) {
      const file = `build/${target.output}.wasm`;
      problems.push(...problemsOf(file, compiled, abi, target));
      reports.push(reportOf(file, compiled, target));
      outputs.set(`${target.output}.wasm`, compiled.binary);
      outputs.set(`${target.output}.wat`, compiled.text);
    }
    outputs.set("abi.ts", await format(typescriptBindings(abi), { ...style, parser: "typescript" }));
    outputs.set("virtio-abi.h", cHeader(abi));
  } catch (error) {
    problems.push(mistakeIn(error));
  }
  if (problems.length > 0) return { problems, reports };

  const record: BuildRecord = {
    fingerprint,
    hasDebug: targets.some(({ isRelease }) => !isRelease),
    outputs: Object.fromEntries(Array.from(outputs, ([name, contents]) => [name, hashOf(contents)])),
    reports,
  };
  for (const [name, contents] of outputs) replaceFile(join(outputFolder, name), contents);
  replaceFile(recordFile, JSON.stringify(record, null, 2));
  return { problems, reports };
}

/** Measures what each part adds to the full module of a build, and remembers it with the build. */
export async function measure(record: BuildRecord, begin: Begin): Promise<readonly Addition[]> {
  let isFirst = true;
  const additions = await measureAdditions(fullModule(record.reports).bytes, (what) => {
    begin(what, isFirst ? 0 : 1);
    isFirst = false;
  });
  replaceFile(recordFile, JSON.stringify({ ...record, additions } satisfies BuildRecord, null, 2));
  return additions;
}

/** The module that additions are measured with. */
function fullModule(reports: readonly ModuleReport[]): ModuleReport {
  const [full] = reports;
  if (full === undefined) throw new Error("nothing was built");
  return full;
}

/**
 * Makes one module more, with nothing beside it. Throws what writing throws.
 *
 * @param path where it goes; nothing is there unless the module keeps all rules
 * @param file what it is called in messages
 */
export async function makeChosen(parts: Parts, build: Build, path: string, file: string): Promise<MakeResult> {
  const name = build === "mapped" ? "release" : "release-ported";
  const target: ModuleTarget = { name, build, isRelease: true, output: "", parts };
  try {
    const compiled = await compileTarget(target);
    const problems = problemsOf(file, compiled, readProjectAbi(), target);
    if (problems.length === 0) replaceFile(path, compiled.binary);
    return { problems, reports: [reportOf(basename(path), compiled, target)] };
  } catch (error) {
    return { problems: [mistakeIn(error)], reports: [] };
  }
}
