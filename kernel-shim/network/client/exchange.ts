/**
 * A conversation with other hosts as a pure state machine: frames and the time go in, frames to send and in the end
 * a result come out. It knows nothing of devices and clocks, so it runs over any machine and in a test without one.
 */

/** Nanoseconds since any fixed moment: what the machine's `now_ns` says, as a number (exact for the first 104 days). */
export type Nanoseconds = number;

export const NANOSECONDS_PER_MILLISECOND = 1_000_000;
export const NANOSECONDS_PER_SECOND = 1_000_000_000;

export interface Exchange<Result> {
  /** Begins; to be called once. Returns the first frames to send. */
  start(now: Nanoseconds): Uint8Array[];
  /** Takes in a frame that arrived, whatever it is. Returns what is to be sent because of it. */
  receive(frame: Uint8Array, now: Nanoseconds): Uint8Array[];
  /** Says that it is `now`. Returns what is due; a call before `deadline` does nothing. */
  elapse(now: Nanoseconds): Uint8Array[];
  /** When `elapse` is to be called next; null once there is a result. */
  readonly deadline: Nanoseconds | null;
  /** What came out; null as long as the exchange goes on. */
  readonly result: Result | null;
}

/** Milliseconds, not necessarily whole, as nanoseconds. */
export function milliseconds(count: number): Nanoseconds {
  return Math.round(count * NANOSECONDS_PER_MILLISECOND);
}
