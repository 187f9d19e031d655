/** What v86's devices do wrong, and that the shim's README lists it. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, suite, test } from "node:test";
import { loadEmulator } from "../../kernel-shim/v86/load-emulator.js";
import { deviations } from "./deviations.js";

const README = new URL("../../kernel-shim/v86/README.md", import.meta.url);
const emulator = await loadEmulator();
after(() => emulator.destroy());

suite("v86's devices", () => {
  for (const { name, run } of deviations) test(name, () => run(emulator));
});

test("the README lists each of these, in this order", () => {
  const lines = readFileSync(README, "utf8")
    .replaceAll(/\n {2}/g, " ")
    .split("\n");
  const listed = lines.filter((line) => line.startsWith("- ") && /\[[^\]]+\]$/.test(line)).map((line) => line.slice(2));
  assert.deepEqual(
    listed,
    deviations.map(({ name }) => name),
  );
});
