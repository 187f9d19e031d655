/** What measuring on QEMU's devices brings to light. */

import type { Point } from "./points.js";
import type { Spread } from "./statistics.js";
import type { Counts } from "./trace.js";

/** `full` for numbers to quote, with Linux beside; `quick` to see that the measurement works. */
export type Effort = "full" | "quick";

/** Whose driver it is: this stack's, in the unikernel, or Linux's. */
export type Guest = "unikernel" | "Linux";

/** One line of the table. */
export interface MeasuredPoint {
  readonly guest: Guest;
  readonly point: Point;
  /** Requests or frames per second, by the guest's clock. */
  readonly perSecond: Spread;
  /** From a run of its own, with QEMU's trace on. Undefined where there was none. */
  readonly counts: Counts | undefined;
  /** The unikernel's rate divided by Linux's, within each round; Linux's faster way of waiting is taken. */
  readonly againstLinux: Spread | undefined;
}

/** Milliseconds from the start of QEMU, firmware included. */
export interface BootTimes {
  /** Until the unikernel's application runs. */
  readonly unikernel: Spread;
  /** Until its first packet is on the wire. */
  readonly firstPacket: Spread;
  /** Until Linux's first process runs; its drivers are loaded after that. */
  readonly linux: Spread | undefined;
}

/** A promise, and what became of it. */
export interface Budget {
  readonly name: string;
  readonly value: number;
  readonly relation: "at most" | "at least";
  readonly limit: number;
  /** The point that came closest to the limit, or went furthest beyond. */
  readonly worst: string;
  /** Whether it is about time, which other work on the same computer can spoil, or about counts. */
  readonly isTime: boolean;
}

export interface QemuResult {
  readonly effort: Effort;
  /** QEMU's version. */
  readonly qemu: string;
  /** The Linux that was compared with: package and version. */
  readonly linux: string | undefined;
  readonly block: readonly MeasuredPoint[];
  readonly network: readonly MeasuredPoint[];
  readonly boot: BootTimes;
  readonly budgets: readonly Budget[];
  /** What was to be measured and was not, and why. */
  readonly gaps: readonly string[];
  /** What to know about the numbers. */
  readonly caveats: readonly string[];
}
