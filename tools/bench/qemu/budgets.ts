/** What the stack promises on QEMU's devices, held against what was measured. */

import { pointName } from "./points.js";
import type { Budget, MeasuredPoint } from "./result.js";
import type { Counts } from "./trace.js";

/** At depth 1, Linux's requests per second, this many times. */
const singleRequestFactor = 3;

/** A point and what it says about a budget. */
interface Value {
  readonly name: string;
  readonly value: number;
}

function budget(name: string, relation: Budget["relation"], limit: number, isTime: boolean, values: Value[]): Budget[] {
  const [worst] = values.sort((first, second) =>
    relation === "at most" ? second.value - first.value : first.value - second.value,
  );
  if (worst === undefined) return [];
  return [{ name, value: worst.value, relation, limit, worst: worst.name, isTime }];
}

/** What the counts of each point say, of those that were counted. */
function counted(points: readonly MeasuredPoint[], value: (counts: Counts, point: MeasuredPoint) => number): Value[] {
  return points.flatMap((point) =>
    point.counts === undefined ? [] : [{ name: pointName(point.point), value: value(point.counts, point) }],
  );
}

function perBatch(event: "notifications" | "interrupts"): (counts: Counts, point: MeasuredPoint) => number {
  return (counts, { point }) => (counts[event] * point.depth) / counts.count;
}

/** The unikernel's events per request divided by Linux's at the same work; the unikernel may wait as it likes. */
function againstLinux(
  own: readonly MeasuredPoint[],
  linux: readonly MeasuredPoint[],
  event: "notifications" | "interrupts",
): Value[] {
  return counted(own, (counts, { point }) => {
    const other = linux.find(
      (candidate) =>
        candidate.counts !== undefined &&
        pointName({ ...candidate.point, waiting: point.waiting }) === pointName(point),
    )?.counts;
    return other === undefined ? NaN : counts[event] / counts.count / (other[event] / other.count);
  }).filter(({ value }) => !Number.isNaN(value));
}

/** For each work, the rate against Linux's with the unikernel's best way of waiting. */
function bestRates(points: readonly MeasuredPoint[]): Value[] {
  const best = new Map<string, Value>();
  for (const { point, againstLinux: ratio } of points) {
    if (ratio === undefined) continue;
    const work = pointName({ ...point, waiting: "sleep" });
    if (ratio.median > (best.get(work)?.value ?? 0)) best.set(work, { name: pointName(point), value: ratio.median });
  }
  return [...best.values()];
}

/**
 * All budgets that there are measurements for.
 *
 * Interrupts of a batch are judged where the driver was told to wait for all of it, or not to wait. Who asks for the next
 * completion may have one interrupt for each that comes late.
 */
export function judge(block: readonly MeasuredPoint[], network: readonly MeasuredPoint[]): Budget[] {
  const own = block.filter(({ guest, point }) => guest === "unikernel" && point.waiting !== "sleep");
  const linux = block.filter(({ guest }) => guest === "Linux");
  const batches = own.filter(({ point }) => point.depth > 1);
  const awaited = batches.filter(({ point }) => point.waiting === "all" || point.waiting === "poll");
  const singles = own.filter(({ point }) => point.depth === 1);
  const transmit = network.filter(({ point }) => point.operation === "transmit");
  const polledTransmit = transmit.filter(({ point }) => point.waiting === "poll" || point.waiting === "pause");
  return [
    ...budget("disk: notifications per batch of 32", "at most", 1, false, counted(batches, perBatch("notifications"))),
    ...budget("disk: interrupts per batch of 32", "at most", 1, false, counted(awaited, perBatch("interrupts"))),
    ...budget("disk: notifications against Linux", "at most", 1, false, againstLinux(own, linux, "notifications")),
    ...budget("disk: interrupts against Linux", "at most", 1, false, againstLinux(own, linux, "interrupts")),
    ...[4096, 65536].flatMap((bytes) =>
      budget(
        `disk: rate against Linux, batches of 32, ${bytes / 1024} KiB`,
        "at least",
        1,
        true,
        bestRates(batches.filter(({ point }) => point.bytes === bytes)),
      ),
    ),
    ...budget("disk: rate against Linux, depth 1", "at least", singleRequestFactor, true, bestRates(singles)),
    ...budget(
      "card: notifications per batch sent",
      "at most",
      1,
      false,
      counted(polledTransmit, perBatch("notifications")),
    ),
    ...budget(
      "card: interrupts per frame sent, polling",
      "at most",
      0,
      false,
      counted(polledTransmit, (counts) => counts.interrupts / counts.count),
    ),
  ];
}

/** Whether a budget is kept. */
export function isKept({ value, relation, limit }: Budget): boolean {
  return relation === "at most" ? value <= limit : value >= limit;
}
