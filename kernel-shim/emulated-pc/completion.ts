/** When devices do their work: at once, later, or later and in any order. */
import type { Random } from "./random.js";

/**
 * - `immediate`: inside the port write that notifies.
 * - `deferred`: after a fixed time, in order, while the driver relaxes or waits.
 * - `shuffled`: after a random time each, so that requests complete in any order.
 */
export type Completion = "immediate" | "deferred" | "shuffled";

/** How long a device takes to look at a queue after a notification, in nanoseconds. */
const NOTIFICATION_LATENCY = 2_000;
/** How long a request takes, in nanoseconds. */
const REQUEST_LATENCY = 10_000;
/** The longest a request takes when the order is shuffled, in nanoseconds. */
const SHUFFLED_LATENCY = 200_000;

export class CompletionTimes {
  constructor(
    readonly mode: Completion,
    private readonly random: Random,
  ) {}

  /** Whether each request takes a time of its own, instead of all that were seen together completing together. */
  get isOneByOne(): boolean {
    return this.mode === "shuffled";
  }

  /** Nanoseconds between a notification and the device's look at the queue; -1: inside the notification. */
  notificationDelay(): number {
    return this.mode === "immediate" ? -1 : NOTIFICATION_LATENCY;
  }

  /** Nanoseconds that the next request takes; -1: completed as soon as it is seen. */
  requestDelay(): number {
    if (this.mode === "immediate") return -1;
    return this.mode === "deferred" ? REQUEST_LATENCY : this.random.below(SHUFFLED_LATENCY);
  }
}
