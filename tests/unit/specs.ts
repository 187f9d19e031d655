/**
 * Compiles the as-pect specs in the folders beside this file, where they or the stack have changed, runs them, and
 * hands each of their tests to Node's test runner. Every spec gets memory and imports of its own.
 *
 * With `UNIT_SPECS` in the environment, only specs whose path, followed by "(mapped)" or "(ported)", contains that run.
 */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { EmptyReporter, TestContext, type IAspectExports, type TestNode } from "@as-pect/core";
import { instantiateSync } from "@assemblyscript/loader";
import { compileCached } from "../../tools/build/compile-cache.js";
import { projectFolder, type Build } from "../../tools/build/project.js";
import { createImports, memoryPages } from "./host.js";

/** The half of as-pect that is compiled into every spec. */
const aspectEntry = "node_modules/@as-pect/assembly/assembly/index.ts";

/** Runs all specs, compiled with the stack of one build, one after the other: the compiler is not reentrant. */
export async function runSpecs(build: Build): Promise<void> {
  const wanted = process.env["UNIT_SPECS"] ?? "";
  for (const file of findSpecs()) {
    const spec = `${file} (${build})`;
    if (!spec.includes(wanted)) continue;
    for (const { name, failure } of await runSpec(file, build)) {
      test(`${spec}: ${name}`, () => {
        if (failure !== undefined) assert.fail(failure);
      });
    }
  }
}

/** All specs, as paths relative to the project's folder. */
export function findSpecs(): string[] {
  return readdirSync(import.meta.dirname, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".spec.ts"))
    .map((entry) => relative(projectFolder, join(entry.parentPath, entry.name)))
    .sort();
}

export interface Outcome {
  readonly name: string;
  /** What went wrong; undefined: the test passed. */
  readonly failure: string | undefined;
}

/**
 * Compiles one spec.
 *
 * @param name under which the module is kept
 * @param sources of the stack, in the place of those on the disk
 */
export function compileSpec(
  file: string,
  build: Build,
  name = `${file}-${build}`,
  sources: ReadonlyMap<string, string> = new Map(),
): Promise<Uint8Array> {
  const entries = [file, aspectEntry];
  return compileCached(name, { config: "tests/unit/asconfig.json", target: build, entries, sources });
}

/** Compiles one spec and runs its tests. A spec that does not compile or start is one failed test. */
async function runSpec(file: string, build: Build): Promise<Outcome[]> {
  try {
    return runCompiledSpec(file, build, await compileSpec(file, build));
  } catch (error) {
    return [{ name: "compiles and starts", failure: error instanceof Error ? error.message : String(error) }];
  }
}

/** Takes no notice, but ends a spec with an exception when one of its tests fails. */
export class ImpatientReporter extends EmptyReporter {
  override onExit(_: TestContext, node: TestNode): void {
    if (!node.pass) throw new Error(`${fullName(node)}: ${failureOf(node) ?? ""}`);
  }
}

/** Runs the tests of a compiled spec. Throws when it does not start. */
export function runCompiledSpec(
  file: string,
  build: Build,
  binary: Uint8Array,
  reporter: EmptyReporter = new EmptyReporter(),
): Outcome[] {
  const memory = new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages });
  const context = new TestContext({ fileName: file, binary, reporter });
  const imports = context.createImports({ env: { memory }, ...createImports(memory, build) }) as WebAssembly.Imports;
  const { exports, instance } = instantiateSync<IAspectExports>(binary, imports);
  context.run({ exports: { ...exports, memory }, instance });
  return outcomesOf(context);
}

function outcomesOf({ rootNode, errors }: TestContext): Outcome[] {
  const groups = [rootNode, ...rootNode.childGroups];
  const tests = groups
    .flatMap((group) => group.groupTests)
    .map((node) => ({ name: fullName(node), failure: failureOf(node) }));
  // A group fails on its own when what it does outside of tests fails; its tests never ran then.
  const setUps = groups
    .filter((group) => !group.pass && group.ran && group.groupTests.every(({ pass }) => pass))
    .filter((group) => group.childGroups.every(({ pass }) => pass))
    .map((group) => ({ name: `${fullName(group)} (outside of tests)`, failure: failureOf(group) }));
  const starts = errors.map(({ message, stackTrace }) => ({ name: "starts", failure: `${message}\n${stackTrace}` }));
  const outcomes = [...tests, ...setUps, ...starts];
  return outcomes.length > 0 ? outcomes : [{ name: "has tests", failure: "There is no test in this file." }];
}

/** The names of the groups around a node, and its own. */
function fullName(node: TestNode): string {
  const parent = node.parent === null ? "" : fullName(node.parent);
  return parent === "" ? node.name : `${parent}: ${node.name}`;
}

function failureOf(node: TestNode): string | undefined {
  if (node.pass) return undefined;
  if (!node.ran) return "did not run, because set-up around it failed";
  const { actual, expected, message, stackTrace } = node;
  const lines = [
    message ?? "failed",
    actual === null ? "" : `actual: ${actual.stringify().trim()}`,
    expected === null ? "" : `expected: ${expected.negated ? "not " : ""}${expected.stringify().trim()}`,
    ...node.errors.map((error) => `${error.type}: ${error.message}`),
    stackTrace ?? "",
  ];
  return lines.filter((line) => line !== "").join("\n");
}
