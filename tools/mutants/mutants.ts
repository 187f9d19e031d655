/**
 * The mutants of the stack: for every way that a condition can go, where a device has a say in it, the stack that never
 * goes that way. One module holds them all, and is told at run time which of them it is.
 */

import ts from "typescript";
import { type FoundBranch, instrument } from "../fuzz/coverage/instrument.js";
import { parseSources, readStack } from "../fuzz/coverage/stack-sources.js";
import { DeviceData } from "./device-data.js";

/** What never comes of a condition in a mutant; of `&`, that it cuts something off. */
export type Never = "true" | "false" | "first" | "second" | "cut";

export interface Mutant {
  /** The number of the branch that is never taken. */
  readonly branch: number;
  /** Relative to the project's folder. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The function that the condition is in. */
  readonly function: string;
  /** The condition as it is written, in one line. */
  readonly condition: string;
  readonly never: Never;
  /** Which it is of those in the function that are written alike, from 1 on. */
  readonly place: number;
}

export interface Mutants {
  /** In the order of the sources. */
  readonly list: readonly Mutant[];
  /** The numbers of all branches of the function that a mutant is in. */
  neighbours(mutant: Mutant): readonly number[];
  /** The stack's sources with all mutants in them. */
  readonly sources: ReadonlyMap<string, string>;
}

/** Finds the mutants of the stack. */
export function findMutants(): Mutants {
  const parsed = parseSources(readStack());
  const { sources, branches } = instrument(parsed);
  const data = new DeviceData(parsed);
  const counts = new Map<string, number>();
  const list = branches.flatMap((branch, number) => {
    const { condition } = branch;
    if (condition === null) return [];
    const found = mutant(branch, condition, number);
    const alike = `${found.file}: ${found.function}: ${found.condition}: ${found.never}`;
    const place = (counts.get(alike) ?? 0) + 1;
    counts.set(alike, place);
    return data.decides(condition) ? [{ ...found, place }] : [];
  });
  const functions = new Map<string, number[]>();
  branches.forEach(({ file, condition }, number) => {
    if (condition === null) return;
    const name = `${file}: ${functionOf(condition)}`;
    functions.set(name, [...(functions.get(name) ?? []), number]);
  });
  return {
    list,
    neighbours: (mutant) => functions.get(`${mutant.file}: ${mutant.function}`) ?? [],
    sources,
  };
}

function mutant(
  { file, line, column, kind }: FoundBranch,
  condition: ts.Expression,
  branch: number,
): Omit<Mutant, "place"> {
  const text = condition.getText().replaceAll(/\s+/g, " ");
  return { branch, file, line, column, function: functionOf(condition), condition: text, never: kind as Never };
}

/** The name of the function around a node, a method's without its class. */
function functionOf(node: ts.Node): string {
  const found = ts.findAncestor(node, (each) => ts.isFunctionLike(each));
  return found?.name?.getText() ?? "";
}

const NEVER: Readonly<Record<Never, string>> = {
  true: "is never true",
  false: "is never false",
  first: "is never the first operand",
  second: "is never the second operand",
  cut: "never cuts anything off",
};

/** "assembly/virtio/virtqueue.ts:127:9: allocate: size < sizeMin is never true" */
export function describeMutant({ file, line, column, function: name, condition, never }: Mutant): string {
  return `${file}:${line}:${column}: ${name}: ${condition} ${NEVER[never]}`;
}
