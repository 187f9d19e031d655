/** The guide prints the waiting loops that the tests beside this one run: the same calls in the same order. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { projectFolder } from "../../../tools/build/project.js";

const GUIDE = join(projectFolder, "kernel-shim", "README.md");

/** The calls of `WaitingKernel` with the polling of each kind of device, in their order. */
const loops: Readonly<Record<string, readonly string[]>> = {
  card: ["net_receive(", "net_reclaim(", "enable_interrupts(handle) == 1", "events(handle)", "interrupt(handle)"],
  disk: ["block_poll(", "enable_interrupts(handle) == 1", "events(handle)", "interrupt(handle)"],
};

/** Code between fences, and indented code. */
function codeBlocks(markdown: string): string[] {
  const fenced = [...markdown.matchAll(/^```.*\n([^]*?)^```/gm)].map(([, code = ""]) => code);
  const indented = [...markdown.matchAll(/(?:^ {4}.*\n|^\n(?= {4}))+/gm)].map(([code]) => code);
  return [...fenced, ...indented];
}

/** Whether the code has all of these, each behind the one before. */
function hasInOrder(code: string, calls: readonly string[]): boolean {
  let from = 0;
  for (const call of calls) {
    const found = code.indexOf(call, from);
    if (found < 0) return false;
    from = found + call.length;
  }
  return true;
}

describe("the guide", () => {
  for (const [kind, calls] of Object.entries(loops)) {
    it(`prints the waiting loop of a ${kind}, with the events before every sleep`, () => {
      const blocks = codeBlocks(readFileSync(GUIDE, "utf8")).filter((code) => code.includes("enable_interrupts("));
      assert.ok(
        blocks.some((code) => hasInOrder(code, calls)),
        `no code of the guide calls, in this order: ${calls.join(", ")}`,
      );
    });
  }
});
