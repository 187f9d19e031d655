/** Timing on a machine that does other things, too: many short runs, taken in turn. */

import type { Spread } from "./result.js";

const nanosecondsPerMillisecond = 1e6;
/** Which share of the runs is quicker than the quick one, and slower than the slow one. */
const outside = 1 / 7;

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * sorted.length)] ?? NaN;
  return { quick: at(outside), median: at(1 / 2), slow: at(1 - outside) };
}

/** Of several instances of one thing, the one in the middle. */
export function typicalOf(instances: readonly Spread[]): Spread {
  const sorted = [...instances].sort((first, second) => first.quick - second.quick);
  return sorted[Math.floor(sorted.length / 2)] ?? spreadOf([]);
}

/** Above it, something else was running: the median to the quick end. */
const disturbed = 1.05;
const attemptsMax = 4;

/** How far the median is from the quick end, in the worst case. */
function unrest(spreads: readonly Spread[]): number {
  return Math.max(...spreads.map(({ quick, median }) => median / quick));
}

/** Measures once more, a few times, while the machine is not quiet; returns the quietest measurement. */
export function quietest(measure: () => Spread[]): Spread[] {
  let best = measure();
  for (let attempt = 1; attempt < attemptsMax && unrest(best) > disturbed; attempt++) {
    const other = measure();
    if (unrest(other) < unrest(best)) best = other;
  }
  return best;
}

/** Nanoseconds that `run` takes, divided by `count`. */
export function time(count: number, run: () => void): number {
  const start = performance.now();
  run();
  return ((performance.now() - start) * nanosecondsPerMillisecond) / count;
}

/**
 * Times several things in turn, `rounds` times, so that whatever else the machine does meets all of them alike.
 * Returns the times of each, in the order of the rounds.
 */
export function timeInTurn(rounds: number, subjects: readonly (() => number)[]): number[][] {
  const times = subjects.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    subjects.forEach((subject, index) => times[index]?.push(subject()));
  }
  return times;
}
