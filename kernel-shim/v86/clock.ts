/**
 * The machine's time. Devices do their work inside the access that tells them to, and nothing happens by itself while
 * the stack runs. So time is virtual: it passes with what the stack does, and a wait is over at once.
 */

/** What an access of a port takes, in nanoseconds: an exit to a hypervisor. */
const ACCESS_TIME = 1_000;
/** What asking for the time takes, so that a loop that waits for time to pass ends. */
const READING_TIME = 100;
/** One turn of a waiting loop. */
const RELAX_TIME = 1_000;
const NANOSECONDS_PER_MILLISECOND = 1_000_000;

export class Clock {
  private nanoseconds = 0;

  read(): bigint {
    this.nanoseconds += READING_TIME;
    return BigInt(Math.floor(this.nanoseconds));
  }

  access(): void {
    this.nanoseconds += ACCESS_TIME;
  }

  relax(): void {
    this.nanoseconds += RELAX_TIME;
  }

  wait(milliseconds: number): void {
    if (Number.isFinite(milliseconds)) this.nanoseconds += milliseconds * NANOSECONDS_PER_MILLISECOND;
  }
}
