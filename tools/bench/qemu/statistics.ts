/** What several runs of the same measurement say together. */

/** The middle of several values, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  /** How many values there were. */
  readonly runs: number;
}

/** The spread of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((first, second) => first - second);
  const least = sorted[0];
  const most = sorted.at(-1);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const lower = sorted.length % 2 === 0 ? sorted[middle - 1] : upper;
  if (least === undefined || most === undefined || lower === undefined || upper === undefined) {
    throw new RangeError("nothing was measured");
  }
  return { median: (lower + upper) / 2, least, most, runs: sorted.length };
}
