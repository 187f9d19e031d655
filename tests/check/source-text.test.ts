/** The checks of `npm run check`, each as a test. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checks, runCheck } from "../../tools/check/checks.js";

for (const check of checks) {
  test(check.name, async () => {
    const { passed, output } = await runCheck(check);
    assert.ok(passed, output);
  });
}
