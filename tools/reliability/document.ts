/**
 * Writes the list of what is tested on devices that misbehave, from the names of the tests, between two markers in the
 * document on reliability; `npm run format` brings it up to date, and a test compares.
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { withSection } from "../build/marked-section.js";
import { projectFolder } from "../build/project.js";
import { testFilesIn, type TestName, testNames } from "./test-names.js";

export const documentFile = "tests/hostile/README.md";

/** A part of the list. */
export interface Part {
  readonly heading: string;
  readonly tests: readonly TestName[];
}

const hostileFolder = "tests/hostile/fixed";
const qemuFolder = "tests/qemu";
/** What is tested there is the shim. */
const qemuFoldersOfOthers = ["shim"];

/** Reads the names of all tests that belong to the list. */
export function readParts(): Part[] {
  const qemuFolders = readdirSync(join(projectFolder, qemuFolder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !qemuFoldersOfOthers.includes(entry.name))
    .map(({ name }) => `${qemuFolder}/${name}`)
    .sort();
  return [
    { heading: "On the emulated PC, in both builds", tests: testNames(testFilesIn([hostileFolder])) },
    { heading: "On QEMU's devices", tests: testNames(testFilesIn(qemuFolders)) },
  ];
}

/** The document with its list, not yet in the project's layout. */
export function documentReliability(document: string, parts: readonly Part[]): string {
  return withSection(document, documentFile, "reliability", parts.map(describePart).join("\n\n"));
}

/** One entry for each machine, or whatever else is outermost; machines with the same rules share one. */
function describePart({ heading, tests }: Part): string {
  const machines = new Map<string, Map<string, string[]>>();
  for (const { path, name } of tests) {
    const [machine = "", ...inner] = path;
    const groups = machines.get(machine) ?? new Map<string, string[]>();
    machines.set(machine, groups);
    const group = inner.join(", ");
    const rules = groups.get(group) ?? [];
    groups.set(group, rules);
    // The same rule on the other build.
    const rule = name.replace(/: (mapped|ported)$/, "");
    if (!rules.includes(rule)) rules.push(rule);
  }
  const entries = new Map<string, string[]>();
  for (const [machine, groups] of machines) {
    const text = Array.from(groups, ([group, rules]) => describeGroup(group, rules)).join("");
    entries.set(text, [...(entries.get(text) ?? []), machine]);
  }
  const items = Array.from(entries, ([text, names]) => `- **${names.map(escape).join("; ")}**${text}`);
  return [`${heading}:`, items.join("\n")].join("\n\n");
}

function describeGroup(group: string, names: readonly string[]): string {
  const rules = mergeHeads(mergeNumbers(names)).map(escape).join(" · ");
  return group === "" ? ` ${rules}` : `\n  - ${escape(group)}: ${rules}`;
}

const NUMBER = /\b(?:0x[0-9a-f]+|\d+)\b/g;

/** Makes one of names that differ in one number. */
function mergeNumbers(names: readonly string[]): string[] {
  const groups = new Map<string, string[][]>();
  for (const name of names) {
    const shape = name.replaceAll(NUMBER, "#");
    const numbers = name.match(NUMBER) ?? [];
    groups.set(shape, [...(groups.get(shape) ?? []), numbers]);
  }
  return [...groups].flatMap(([shape, rows]) => {
    const [firstRow = []] = rows;
    const columns = firstRow.map((_, column) => [...new Set(rows.map((row) => row[column] ?? ""))]);
    if (columns.filter((values) => values.length > 1).length > 1) return rows.map((row) => fill(shape, row));
    return [fill(shape, columns.map(enumerate))];
  });
}

/** Makes one of names that say the same behind their first colon. */
function mergeHeads(names: readonly string[]): string[] {
  const heads = new Map<string, string[]>();
  for (const name of names) {
    const [head = "", ...tail] = name.split(/(?=: )/);
    const key = tail.join("");
    heads.set(key === "" ? `\n${name}` : key, [...(heads.get(key) ?? []), head]);
  }
  return Array.from(heads, ([key, list]) => (key.startsWith("\n") ? enumerate(list) : `${enumerate(list)}${key}`));
}

/** Puts the numbers in their places. */
function fill(shape: string, numbers: readonly string[]): string {
  let column = 0;
  return shape.replaceAll("#", () => numbers[column++] ?? "");
}

function enumerate(values: readonly string[]): string {
  if (values.length < 2) return values.join("");
  const isSimple = values.every((value) => !value.includes(","));
  return `${values.slice(0, -1).join(isSimple ? ", " : "; ")}${isSimple ? "" : ";"} or ${values.at(-1) ?? ""}`;
}

/** Markdown has no say in a name. */
function escape(text: string): string {
  return text.replaceAll(/[\\`*<>[\]]/g, "\\$&");
}
