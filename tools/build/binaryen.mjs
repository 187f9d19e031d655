/**
 * What `optimize.ts` asks of binaryen: takes modules as messages, and answers each with the binary and the text that
 * became of it, and whether they are valid.
 *
 * A plain script in a thread of its own, because the loader for TypeScript takes ten times as long as Node to load the
 * fifteen megabytes of binaryen.
 */

import { parentPort } from "node:worker_threads";
import binaryen from "binaryen";

/** What wasm-opt calls -Os. */
const optimizeLevel = 2;
const shrinkLevel = 1;

parentPort.on("message", (bytes) => {
  const module = binaryen.readBinary(bytes);
  module.setFeatures(binaryen.Features.MVP | binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt);
  binaryen.setOptimizeLevel(optimizeLevel);
  binaryen.setShrinkLevel(shrinkLevel);
  binaryen.setLowMemoryUnused(true);
  module.optimize();
  parentPort.postMessage({ isValid: module.validate(), binary: module.emitBinary(), text: module.emitText() });
  module.dispose();
});
