/**
 * Makes everything in `build/`: modules, text formats, bindings. Nothing is replaced until all of it is made and
 * checked, and then each file in one step, so that a program that starts meanwhile never reads half a file.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { AbiError, readAbi, type Abi } from "./abi-model.js";
import { cHeader } from "./c-header.js";
import { checkModule } from "./check-module.js";
import { compile, CompileError } from "./compile.js";
import { hashOf } from "./fingerprint.js";
import { compileRelease } from "./optimize.js";
import { entryFile, outputFolder, projectFolder, recordFile, type BuildRecord, type ModuleTarget } from "./project.js";
import { describeModule, type ModuleReport } from "./report.js";
import { replaceFile } from "./replace-file.js";
import { typescriptBindings } from "./typescript-bindings.js";

export interface MakeResult {
  /** What went wrong, for people; nothing was written unless this is empty. */
  readonly problems: readonly string[];
  readonly reports: readonly ModuleReport[];
}

/**
 * Makes the targets and the bindings, and remembers `fingerprint` with them. Throws what writing throws.
 *
 * @param begin is told what is made next, and how many steps, of one a target and one for the bindings, were done since
 */
export async function make(
  targets: readonly ModuleTarget[],
  fingerprint: string,
  begin: (what: string, done: number) => void = () => undefined,
): Promise<MakeResult> {
  const outputs = new Map<string, string | Uint8Array>();
  const reports: ModuleReport[] = [];
  const problems: string[] = [];
  try {
    // The compiler goes first: of a source with mistakes it says most.
    const modules = [];
    for (const target of targets) {
      begin(`${target.output}.wasm`, modules.length === 0 ? 0 : 1);
      const compileTarget = target.isRelease ? compileRelease : compile;
      modules.push({ target, ...(await compileTarget({ target: target.name, entries: [entryFile] })) });
    }
    begin("bindings", 1);
    const style = await resolveConfig(join(outputFolder, "abi.ts"), { editorconfig: true });
    const abi: Abi = readAbi((name) => readFileSync(join(projectFolder, name), "utf8"));
    for (const { target, ...compiled } of modules) {
      const file = `build/${target.output}.wasm`;
      if (compiled.warnings !== "") problems.push(`${file}: ${compiled.warnings}`);
      if (target.isRelease)
        problems.push(...checkModule(compiled, abi, target.build).map((text) => `${file}: ${text}`));
      reports.push(describeModule(file, target.isRelease, compiled.binary));
      outputs.set(`${target.output}.wasm`, compiled.binary);
      outputs.set(`${target.output}.wat`, compiled.text);
    }
    outputs.set("abi.ts", await format(typescriptBindings(abi), { ...style, parser: "typescript" }));
    outputs.set("virtio-abi.h", cHeader(abi));
  } catch (error) {
    if (!(error instanceof CompileError) && !(error instanceof AbiError)) throw error;
    problems.push(error.message);
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
