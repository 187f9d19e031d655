/**
 * Text lines to and from QEMU over a pair of FIFOs, synchronously, without a worker or a native add-on.
 *
 * Reading never blocks inside the operating system, so that a silent QEMU cannot hang the program: the FIFO is
 * non-blocking, and waiting is a short run of attempts followed by sleeps. The run of attempts is what makes a
 * request fast: QEMU answers in a few microseconds, and putting this thread to sleep and waking it costs ten times that.
 */

import { readSync, writeSync } from "node:fs";
import { QemuError } from "./qemu-error.js";
import { sleep } from "./sleep.js";

/** Attempts before the first sleep, some 3 µs each. */
const ATTEMPTS_BEFORE_SLEEP = 40;
/** Shortest and longest sleep between attempts, in milliseconds. In between it is an eighth of the time waited. */
const SHORTEST_SLEEP = 0.02;
const LONGEST_SLEEP = 1;
/** How long QEMU may leave a full FIFO unread before that is an error, in milliseconds. */
const WRITE_TIMEOUT = 10_000;

const NEWLINE = "\n";

function isWouldBlock(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EAGAIN";
}

/** Runs a system call that may find nothing to do; answers null then. Stack traces would be most of its cost. */
function attempt(call: () => number): number | null {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return call();
  } catch (error) {
    if (isWouldBlock(error)) {
      return null;
    }
    throw error;
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** Sleeps for a time that fits how long was waited already, so that waiting longer costs less. */
function pause(waited: number, timeout: number): void {
  sleep(Math.min(Math.max(waited / 8, SHORTEST_SLEEP), LONGEST_SLEEP, timeout - waited));
}

/** One conversation with QEMU. Both descriptors are non-blocking; their owner closes them. */
export class Channel {
  private readonly chunk = Buffer.alloc(65536);
  private readonly readChunk = (): number => readSync(this.incoming, this.chunk);
  /** What arrived and was not taken yet. */
  private pending = "";
  private ended = false;

  /**
   * @param outgoing descriptor that QEMU's input comes from
   * @param incoming descriptor that QEMU's output arrives at
   * @param hasQemuEnded asked when nobody holds the other end of `incoming`: QEMU may not have opened it yet
   */
  constructor(
    private readonly outgoing: number,
    private readonly incoming: number,
    private readonly hasQemuEnded: () => boolean,
  ) {}

  /** True once QEMU has ended, and every whole line that it wrote was taken. */
  get isEnded(): boolean {
    return this.ended && !this.pending.includes(NEWLINE);
  }

  /** Sends one line. Throws a QemuError when QEMU reads nothing for ten seconds. */
  send(line: string): void {
    let bytes = Buffer.from(line + NEWLINE);
    let start = 0;
    while (bytes.length > 0) {
      const written = attempt(() => writeSync(this.outgoing, bytes));
      if (written !== null) {
        bytes = bytes.subarray(written);
        continue;
      }
      start ||= performance.now();
      const waited = performance.now() - start;
      if (waited >= WRITE_TIMEOUT) {
        throw new QemuError(`QEMU read nothing for ${WRITE_TIMEOUT / 1000} seconds`);
      }
      pause(waited, WRITE_TIMEOUT);
    }
  }

  /**
   * The next line without its end, or null when `timeout` milliseconds went by without one (0: only what is there
   * already) or QEMU has ended, which `isEnded` tells.
   */
  receive(timeout: number): string | null {
    let start = 0;
    for (let attempts = 0; ; attempts++) {
      const line = this.takeLine();
      if (line !== null) {
        return line;
      }
      const received = this.ended ? 0 : attempt(this.readChunk);
      if (received === 0) {
        this.ended ||= this.hasQemuEnded();
        if (this.ended) {
          return this.takeLine();
        }
      } else if (received !== null) {
        this.pending += this.chunk.toString("latin1", 0, received);
        continue;
      }
      if (timeout <= 0) {
        return null;
      }
      if (attempts < ATTEMPTS_BEFORE_SLEEP) {
        continue;
      }
      start ||= performance.now();
      const waited = performance.now() - start;
      if (waited >= timeout) {
        return null;
      }
      pause(waited, timeout);
    }
  }

  private takeLine(): string | null {
    const end = this.pending.indexOf(NEWLINE);
    if (end < 0) {
      return null;
    }
    const line = this.pending.slice(0, end);
    this.pending = this.pending.slice(end + 1);
    return line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}
