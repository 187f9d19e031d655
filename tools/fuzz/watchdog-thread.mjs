/**
 * Ends the process when one input takes too long: a loop of the module without any import can be stopped in no other
 * way, for everything runs in one thread. Plain JavaScript, because threads do not get the loader for TypeScript.
 */

import { writeSync } from "node:fs";
import { setInterval } from "node:timers";
import { workerData } from "node:worker_threads";

const secondsPerInput = 60;
/** Shared with the main thread: how many inputs were begun, the seed, and 1 for the ported build. */
const beat = new Int32Array(workerData);
const STANDARD_ERROR = 2;

let seen = -1;
setInterval(() => {
  const [count, seed, isPorted] = beat;
  if (count !== seen) {
    seen = count;
    return;
  }
  const build = isPorted === 1 ? "ported" : "mapped";
  const command = `npm run fuzz -- --build ${build} --replay ${seed >>> 0}`;
  writeSync(STANDARD_ERROR, `An input takes more than ${secondsPerInput} s.\n  repeat with: ${command}\n`);
  process.kill(process.pid, "SIGKILL");
}, secondsPerInput * 1000);
