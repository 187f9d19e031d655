/** The image itself: the same sources make the same bytes, and both compilers take the kernel without a warning. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { buildImage } from "../../tools/unikernel/image.js";

describe("the image", () => {
  for (const linking of ["library", "merged"] as const) {
    test(`is the same when it is built again (${linking})`, async () => {
      const first = await buildImage({ name: `first-${linking}`, linking, force: true });
      const second = await buildImage({ name: `second-${linking}`, linking, force: true });
      assert.ok(readFileSync(first.path).equals(readFileSync(second.path)));
    });
  }

  for (const compiler of ["gcc", "clang"] as const) {
    for (const memoryCheck of ["guard-pages", "comparisons"] as const) {
      test(`compiles without a warning with ${compiler} and ${memoryCheck}`, async () => {
        // Warnings are errors.
        await buildImage({ name: `library-${compiler}-${memoryCheck}`, compiler, memoryCheck });
      });
    }
  }
});
