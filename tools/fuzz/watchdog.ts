/** Ends the process when one input takes too long: starts the thread that watches. */

import { Worker } from "node:worker_threads";
import type { Build } from "../../kernel-shim/machine.js";

export interface Watchdog {
  /** Says what is run from now on. */
  begin(seed: number, build: Build): void;
  stop(): Promise<number>;
}

export function startWatchdog(): Watchdog {
  const shared = new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT);
  const beat = new Int32Array(shared);
  const worker = new Worker(new URL("watchdog-thread.mjs", import.meta.url), { workerData: shared, execArgv: [] });
  return {
    begin: (seed, build) => {
      beat[1] = seed;
      beat[2] = build === "ported" ? 1 : 0;
      Atomics.add(beat, 0, 1);
    },
    stop: () => worker.terminate(),
  };
}
