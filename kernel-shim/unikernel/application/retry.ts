/** When to send something again that was not answered: after longer and longer pauses, and not for ever. */
import { now_ns } from "../../../assembly/kernel";

/** A deadline that never comes. */
export const NEVER: u64 = u64.MAX_VALUE;

/** A server next door answers in milliseconds, so waiting begins short. */
const FIRST_PAUSE: u64 = 250_000_000;
const LAST_PAUSE: u64 = 2_000_000_000;
const ATTEMPTS: u32 = 6;

export class Retry {
  /** When the next attempt is due. */
  deadline: u64 = NEVER;
  private attempts: u32 = 0;

  /** Something new is to be sent, at once. */
  start(): void {
    this.attempts = 0;
    this.deadline = 0;
  }

  /** There is nothing to be sent. */
  stop(): void {
    this.deadline = NEVER;
  }

  get isDue(): bool {
    return this.deadline != NEVER && now_ns() >= this.deadline;
  }

  /** Counts an attempt, and sets the deadline of the next. Returns false when there have been enough. */
  attempt(): bool {
    if (this.attempts == ATTEMPTS) return false;
    this.deadline = now_ns() + min(FIRST_PAUSE << this.attempts, LAST_PAUSE);
    this.attempts++;
    return true;
  }
}
