/** The measurements on QEMU's devices as lines of text, for a terminal and for a document alike. */

import { pointName } from "./points.js";
import type { BootTimes, MeasuredPoint, QemuResult } from "./result.js";
import type { Spread } from "./statistics.js";

export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export const whole = (value: number): string => Math.round(value).toLocaleString("en");
/** With as many digits behind the point as say something, three at most. */
export const few = (value: number): string => String(Number(value.toFixed(3)));
const rate = ({ median, least, most }: Spread): string => `${whole(median)} (${whole(least)} – ${whole(most)})`;

/** How many of these a request or frame takes; empty where that was not counted. */
export function perRequest(
  { counts }: MeasuredPoint,
  event: "notifications" | "interrupts" | "deviceAccesses",
): string {
  return counts === undefined ? "" : few(counts[event] / counts.count);
}

function rowOf(measured: MeasuredPoint): string[] {
  const { guest, point, perSecond, againstLinux } = measured;
  return [
    ...[guest, `${point.operation} ${point.pattern}`, String(point.bytes), String(point.depth), point.waiting],
    ...[rate(perSecond), againstLinux === undefined ? "" : againstLinux.median.toFixed(2)],
    perRequest(measured, "notifications"),
    perRequest(measured, "interrupts"),
    perRequest(measured, "deviceAccesses"),
  ];
}

/** One line for each point, those of the same work below each other. */
export function pointTable({ block, network }: QemuResult): TextTable {
  const work = ({ point }: MeasuredPoint): string => pointName({ ...point, waiting: "sleep" });
  const disks = [...new Set(block.map(work))].flatMap((name) => block.filter((row) => work(row) === name));
  return {
    head: [
      ...["guest", "work", "bytes", "depth", "waits by", "a second (least – most)", "to Linux"],
      ...["notifications", "interrupts", "register accesses"],
    ],
    rows: [...disks, ...network].map(rowOf),
  };
}

/** Milliseconds from the start of QEMU. */
export function bootTable({ unikernel, firstPacket, linux }: BootTimes): TextTable {
  const milliseconds = (spread: Spread | undefined): string => (spread === undefined ? "" : rate(spread));
  return {
    head: ["from the start of QEMU", "ms (least – most)"],
    rows: [
      ["the unikernel's application runs", milliseconds(unikernel)],
      ["its first packet is on the wire", milliseconds(firstPacket)],
      ["Linux's first process runs", milliseconds(linux)],
    ],
  };
}
