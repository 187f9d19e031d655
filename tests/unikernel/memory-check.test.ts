/** Guard pages are the default because they cost less; counted in instructions, which are the same on every computer. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { projectFolder, smallParts } from "../../tools/build/project.js";
import { BootedMachine } from "../../tools/unikernel/boot.js";
import { buildImage, type MemoryCheck } from "../../tools/unikernel/image.js";
import { makeDisk, mebibyte, temporaryFolder, timeoutMilliseconds } from "./bench.js";

const works = ["request", "checksum", "sha256"] as const;

/** What `kernel-shim/unikernel/README.md` says of each, and of the image with all of them. */
const rows = ["Submit and poll one read", "Internet checksum", "SHA-256 by the library", "Bytes of the image"] as const;
/** Compilers of other versions make somewhat other code. */
const tolerance = 0.1;

function documented(row: string, column: 0 | 1): number {
  const page = readFileSync(join(projectFolder, "kernel-shim/unikernel/README.md"), "utf8");
  const line = page.split("\n").find((each) => each.startsWith(`| ${row}`));
  return Number(line?.split("|")[column + 2]?.replaceAll(",", ""));
}

test("guard pages take fewer instructions than comparisons, about as many as README.md says", async (context) => {
  const folder = temporaryFolder();

  async function measure(memoryCheck: MemoryCheck): Promise<number[]> {
    const application = "tests/unikernel/applications/measure";
    const image = await buildImage({ name: `measure-${memoryCheck}`, application, parts: smallParts, memoryCheck });
    const { status, output } = await new BootedMachine({
      image: image.path,
      disks: [makeDisk(join(folder, `${memoryCheck}.img`), mebibyte)],
      parameters: ["-icount", "shift=0"],
      timeoutMilliseconds,
    }).ended;
    assert.equal(status, 0, output);
    const counts = works.map((work) => Number(new RegExp(`^${work} (\\S+)`, "m").exec(output)?.[1]));
    context.diagnostic(
      `${memoryCheck}: ${image.bytes} bytes; instructions per ${works.join(", ")}: ${counts.join(", ")}`,
    );
    return [...counts, image.bytes];
  }

  const guardPages = await measure("guard-pages");
  const comparisons = await measure("comparisons");
  for (const [index, row] of rows.entries()) {
    for (const [column, measured] of [guardPages, comparisons].entries()) {
      const stated = documented(row, column === 0 ? 0 : 1);
      const difference = Math.abs((measured[index] ?? NaN) / stated - 1);
      assert.ok(difference <= tolerance, `README.md says ${stated} for "${row}", which is ${measured[index]}`);
    }
  }
  for (const [index, work] of works.entries()) {
    assert.ok((guardPages[index] ?? NaN) > 0, `${work} was left out by the compiler`);
    assert.ok((guardPages[index] ?? NaN) < (comparisons[index] ?? NaN), work);
  }
});
