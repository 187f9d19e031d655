/** Both builds with and without EVENT_IDX, and the moments at which something can happen to a waiting kernel. */
import { it } from "node:test";
import type { Build } from "../../../kernel-shim/machine.js";
import { builds } from "../../hostile/modules.js";
import type { HostedModule } from "./hosted.js";

/** For the names of tests. */
export function withOrWithout(eventIndex: boolean): string {
  return eventIndex ? "with EVENT_IDX" : "without EVENT_IDX";
}

/** One test for each build, with EVENT_IDX and without. */
export function onEveryDriver(rule: string, test: (build: Build, eventIndex: boolean) => void): void {
  for (const build of builds) {
    for (const eventIndex of [true, false]) {
      it(`${rule}: ${build}, ${withOrWithout(eventIndex)}`, () => test(build, eventIndex));
    }
  }
}

/** One test for each build. */
export function onBothBuilds(rule: string, test: (build: Build) => void): void {
  for (const build of builds) it(`${rule}: ${build}`, () => test(build));
}

export const moments = ["before it began", "between polling and sleeping", "while it slept"] as const;
export type Moment = (typeof moments)[number];

/** When the kernel sleeps for sure, in nanoseconds from now. */
const ASLEEP = 1_000_000;

/** Lets something happen at that moment of a kernel that is about to run. */
export function raise(
  moment: Moment,
  module: HostedModule,
  kernel: { afterPolling: () => void },
  happen: () => void,
): void {
  switch (moment) {
    case "before it began":
      happen();
      break;
    case "between polling and sleeping":
      kernel.afterPolling = () => {
        kernel.afterPolling = () => {};
        happen();
      };
      break;
    case "while it slept":
      module.pc.time.schedule(ASLEEP, happen);
      break;
  }
}
