/** Guard pages are the default because they cost less; counted in instructions, which are the same on every computer. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { BootedMachine } from "../../tools/unikernel/boot.js";
import { buildImage, type MemoryCheck } from "../../tools/unikernel/image.js";
import { makeDisk, mebibyte, temporaryFolder, timeoutMilliseconds } from "./bench.js";

const works = ["request", "checksum", "sha256"] as const;

test("guard pages take fewer instructions than comparisons", async (context) => {
  const folder = temporaryFolder();

  async function measure(memoryCheck: MemoryCheck): Promise<number[]> {
    const application = "tests/unikernel/applications/measure";
    const image = await buildImage({ name: `measure-${memoryCheck}`, application, memoryCheck });
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
    return counts;
  }

  const guardPages = await measure("guard-pages");
  const comparisons = await measure("comparisons");
  for (const [index, work] of works.entries()) {
    assert.ok((guardPages[index] ?? NaN) > 0, `${work} was left out by the compiler`);
    assert.ok((guardPages[index] ?? NaN) < (comparisons[index] ?? NaN), work);
  }
});
