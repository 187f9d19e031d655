/**
 * What `optimize.ts` asks of binaryen: reads a module from standard input, and prints what it made of it as JSON, the
 * binary in base64 and the text. Exit status 1: it is not valid.
 *
 * A plain script in a process of its own, because the loader for TypeScript takes ten times as long as Node to load the
 * fifteen megabytes of binaryen.
 */

import { Buffer } from "node:buffer";
import { buffer } from "node:stream/consumers";
import binaryen from "binaryen";

/** What wasm-opt calls -Os. */
const optimizeLevel = 2;
const shrinkLevel = 1;

const module = binaryen.readBinary(await buffer(process.stdin));
module.setFeatures(binaryen.Features.MVP | binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt);
binaryen.setOptimizeLevel(optimizeLevel);
binaryen.setShrinkLevel(shrinkLevel);
binaryen.setLowMemoryUnused(true);
module.optimize();
process.exitCode = module.validate() ? 0 : 1;
const binary = Buffer.from(module.emitBinary()).toString("base64");
process.stdout.write(JSON.stringify({ binary, text: module.emitText() }));
