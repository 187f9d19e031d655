/** What the build prints about the modules. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { sizeLimit } from "../../tools/build/size.js";
import { formatAdditions, formatReports, type ModuleReport } from "../../tools/build/report.js";

const report = (file: string, imports: readonly string[]): ModuleReport => ({
  ...{ file, isLimited: true, bytes: sizeLimit / 2, imports },
  parts: { drivers: ["net"], transports: ["legacy-pci"], extras: [] },
  exports: Array.from({ length: 40 }, (_, index) => `export_number_${index}`),
});

test("sizes, imports and exports fit 80 columns, and what modules share is said once", () => {
  const shared = Array.from({ length: 20 }, (_, index) => `kernel.import_${index}`);
  const text = formatReports([
    report("build/virtio.wasm", shared),
    report("build/virtio-ported.wasm", [...shared, "kernel.phys_read8"]),
  ]);
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
  assert.match(text, /│ build\/virtio\.wasm +│ \d+ │ +50 % │ +20 │ +40 │/);
  assert.match(text, /^Imported by only build\/virtio-ported\.wasm:\n {2}kernel\.phys_read8$/m);
  for (const name of [/\bkernel\.import_7\b/g, /\bexport_number_7\b/g]) assert.equal(text.match(name)?.length, 1);
});

test("what each driver adds is said when it was measured, and how to measure it otherwise", () => {
  const full = report("build/virtio.wasm", []);
  const additions = [
    { part: "block", bytes: 3000 },
    { part: "net", bytes: 4000 },
  ];
  const rest = full.bytes - 7000;
  assert.equal(
    formatAdditions(additions, full),
    `Bytes that each adds to build/virtio.wasm:\n  block            3000\n  net              4000\n  everything else  ${rest}`,
  );
  assert.match(formatAdditions(undefined, full), /npm run build -- --sizes$/);
});
