/** The waiting loops that the guide prints, as programs: what is C there is JavaScript as well. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectFolder } from "../../../tools/build/project.js";

const GUIDE = join(projectFolder, "kernel-shim", "README.md");

export type Kind = "card" | "disk";

/** What tells one loop from the other. */
const polls: Readonly<Record<Kind, string>> = { card: "net_receive(", disk: "block_poll(" };

/** What the loops call, whatever they are for. */
export interface LoopCalls {
  readonly net_receive: () => number;
  readonly net_reclaim: () => number;
  readonly block_poll: () => number;
  readonly enable_interrupts: (handle: number) => number;
  readonly events: (handle: number) => number;
  readonly interrupt: (handle: number) => number;
  readonly act: (happened: number) => void;
  readonly sleep_until_asserted: () => void;
  readonly is_asserted: () => boolean;
}

/** The text of a loop between its fences. */
export function printedLoop(kind: Kind): string {
  const blocks = [...readFileSync(GUIDE, "utf8").matchAll(/^```c\n([^]*?)^```/gm)].map(([, code = ""]) => code);
  const loops = blocks.filter((code) => code.includes("enable_interrupts(") && code.includes(polls[kind]));
  const [loop] = loops;
  assert.ok(loop !== undefined && loops.length === 1, `the guide prints ${loops.length} loops for a ${kind}`);
  return loop;
}

/** Runs a printed loop word for word. It has no end of its own: one of the calls throws. */
export function runPrintedLoop(kind: Kind, handle: number, calls: LoopCalls): never {
  const variables = "let count, happened; const line = 0, records = 0, completions = 0, room = 0;";
  const unused = "const take = () => {}, finish = () => {};";
  const names = Object.keys(calls);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the text is the guide's, and what is tested
  const program = new Function("handle", ...names, `"use strict"; ${variables} ${unused}\n${printedLoop(kind)}`);
  (program as (...values: unknown[]) => void)(handle, ...names.map((name) => calls[name as keyof LoopCalls]));
  throw new Error("the loop ended");
}
