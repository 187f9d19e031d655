/** `npm run bench -- --quick`: everything is measured, counts are judged, times are not. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { documentFile, sectionName } from "../../tools/bench/document.js";
import { sectionOf, withSection } from "../../tools/build/marked-section.js";
import type { BenchResult } from "../../tools/bench/result.js";
import { projectFolder } from "../../tools/build/project.js";
import { assertDocument } from "./schema.js";
import { withFolder } from "./start-command.js";

const COMMAND = fileURLToPath(new URL("../../tools/bench/main.ts", import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
/** What a quick run takes is less than a minute where nothing else runs. */
const TIMEOUT_MILLISECONDS = 400_000;

function bench(parameters: readonly string[]) {
  return spawnSync(process.execPath, ["--import", TSX, COMMAND, ...parameters], {
    encoding: "utf8",
    timeout: TIMEOUT_MILLISECONDS,
  });
}

test("a quick run measures every kind of thing, and holds the budgets that do not depend on time", () => {
  withFolder((folder) => {
    const chart = path.join(folder, "chart.svg");
    const json = path.join(folder, "result.json");
    const { status, stdout, stderr } = bench(["--quick", "--json", json, "--chart", chart]);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^Data path: /m, "it says what it does");
    for (const line of `${stdout}${stderr}`.split("\n")) assert.ok(line.length <= 80, line);
    const text = readFileSync(json, "utf8");
    assertDocument("npm run bench", text);
    const result = JSON.parse(text) as BenchResult;

    assert.equal(result.quick, true);
    for (const build of ["mapped", "ported"] as const) {
      for (const kind of ["block", "transmit", "receive"] as const) {
        const rows = result.dataPath.filter((row) => row.build === build && row.path === kind);
        assert.ok(rows.length >= 6, `${build} ${kind}`);
        for (const { stack, reference, counts, batch } of rows) {
          assert.ok(stack.quick > 0 && stack.quick <= stack.median && stack.median <= stack.slow);
          assert.ok(reference.quick > 0);
          assert.equal(counts.allocations, 0);
          assert.ok(counts.portAccesses * batch <= 1);
          assert.equal(counts.memoryAccesses > 0, build === "ported");
        }
      }
    }
    assert.deepEqual([...new Set(result.native.map(({ compiler }) => compiler))], ["gcc", "clang"]);
    for (const { stackInstructions, referenceInstructions } of result.native) {
      assert.ok(stackInstructions > 100 && referenceInstructions > 100);
    }
    assert.deepEqual([...new Set(result.growth.map(({ what }) => what))], ["ring size", "devices", "instances"]);
    assert.ok(result.footprint.every(({ fixedBytes }) => fixedBytes > 0));
    assert.equal(new Set(result.transports.map(({ transport }) => transport)).size, 6);
    for (const { interrupts, interrupt, requests } of result.transports) {
      assert.equal(interrupt.imports === 0, interrupts === "MSI-X");
      assert.ok(requests.length === 2 && requests.every(({ calls }) => calls.imports > 0));
    }
    assert.deepEqual(
      result.scan.map(({ buses, configurationReads }) => [buses, configurationReads > 0]),
      [
        [1, true],
        [8, true],
      ],
    );
    assert.ok(result.qemu !== undefined);
    const { block, network, gaps } = result.qemu;
    assert.deepEqual(gaps, ["Linux: left out of the quick form"]);
    for (const { guest, perSecond, counts } of [...block, ...network]) {
      assert.equal(guest, "unikernel");
      assert.ok(perSecond.median > 0);
      assert.ok(counts !== undefined && counts.count > 0);
    }
    assert.ok(result.budgets.some(({ holds }) => holds === true));
    assert.ok(result.budgets.every(({ holds }) => holds !== false));
    assert.match(readFileSync(chart, "utf8"), /^<svg /);

    const section = sectionOf(readFileSync(path.join(projectFolder, documentFile), "utf8"), documentFile, sectionName);
    for (const { name, limit } of result.budgets) {
      assert.ok(section.includes(`| ${name} `), `${documentFile} says what became of: ${name}`);
      assert.ok(section.includes(` ${limit} `), `${documentFile} states the limit ${limit}`);
    }
  });
});

test("a section replaces the one that was there, and nothing else", () => {
  const marked = (text: string): string => `before\n<!-- bench:begin -->${text}<!-- bench:end -->\nbehind\n`;
  assert.equal(
    withSection(marked("\n\nold $& text\n\n"), documentFile, sectionName, "new $& text"),
    marked("\n\nnew $& text\n\n"),
  );
  assert.equal(withSection(marked(""), documentFile, sectionName, "first"), marked("\n\nfirst\n\n"));
  assert.throws(() => withSection("no marks", documentFile, sectionName, "text"), /bench:begin/);
});

test("what only a full run can tell does not go into the document after another one", () => {
  for (const option of ["--quick", "--no-native", "--no-qemu"]) {
    const { status, stdout, stderr } = bench(["--readme", option]);
    assert.equal(status, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /--readme is for full runs/);
  }
});

test("an option that does not exist ends it before anything is measured", () => {
  const { status, stdout, stderr } = bench(["--slow"]);
  assert.equal(status, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /--slow/);
});

test("--help names the options", () => {
  const { status, stdout } = bench(["--help"]);
  assert.equal(status, 0);
  for (const option of ["--quick", "--json", "--no-native", "--no-qemu", "--readme", "--chart"])
    assert.ok(stdout.includes(option));
});
