/** The image itself: the same sources make the same bytes, and both compilers take the kernel without a warning. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { buildImage, type ImageOptions } from "../../tools/unikernel/image.js";

/** As other tests use them; so the first of the two builds is shared with those. */
const images: ImageOptions[] = [
  { name: "library-gcc-guard-pages" },
  { name: "merged-clang-comparisons", linking: "merged", compiler: "clang", memoryCheck: "comparisons" },
];

describe("the image", () => {
  for (const options of images) {
    test(`is the same when it is built again (${options.name})`, async () => {
      const first = await buildImage(options);
      const second = await buildImage({ ...options, name: `second-${options.name}`, force: true });
      assert.notEqual(first.path, second.path);
      assert.ok(readFileSync(first.path).equals(readFileSync(second.path)));
    });
  }

  test("compiles without a warning with clang and guard pages", async () => {
    // Warnings are errors; other tests build the other combinations of compiler and memory check.
    await buildImage({ name: "library-clang-guard-pages", compiler: "clang" });
  });
});
