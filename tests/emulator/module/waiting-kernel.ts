/**
 * A kernel that does what the guide's waiting loop says and nothing else: it polls, asks for an interrupt, looks at the
 * events, and sleeps. It acts only when a call said that there is something, or when the interrupt line woke it.
 */
import assert from "node:assert/strict";
import type { HostedModule } from "./hosted.js";

/** More of them without sleeping than any reason to be awake needs. */
const TURNS_AWAKE = 6;
/** Rounds of polling in one turn. */
const ROUNDS = 4;
/** Calls of `interrupt` until a line is quiet. */
const CLAIMS = 4;
/** Milliseconds, of which no device here needs one. */
const LONG_SLEEP = 50;

export interface Work {
  /** Polls until there is nothing more, as the loop's inner loops do. */
  poll(): void;
  /** Acts on events; called only when there are some. */
  act(events: number): void;
  /** Whether all that the test waits for has happened. */
  isDone(): boolean;
}

export class WaitingKernel {
  /** Every answer of `events` other than 0, oldest first. */
  readonly seen: number[] = [];
  /** How often it was woken. */
  wakings = 0;

  constructor(
    private readonly module: HostedModule,
    private readonly handle: () => number,
    private readonly work: Work,
  ) {}

  /** Runs the loop until the work is done. Fails when the loop turns without end, or sleeps with nobody to wake it. */
  run(): void {
    const { exports } = this.module;
    for (let turns = 1; ; turns++) {
      assert.ok(turns <= TURNS_AWAKE, `the loop has not slept for ${TURNS_AWAKE} turns, events ${String(this.seen)}`);
      let rounds = 0;
      do {
        assert.ok(++rounds <= ROUNDS, "enable_interrupts says ever again that polling will find something");
        this.work.poll();
      } while (exports.enable_interrupts(this.handle()) === 1);
      const events = exports.events(this.handle());
      if (events > 0) {
        this.seen.push(events);
        this.work.act(events);
        // Acting may have made further events, and they are looked at before every sleep.
        continue;
      }
      if (this.work.isDone()) return;
      this.sleep();
      turns = 0;
    }
  }

  private sleep(): void {
    const { pc, exports } = this.module;
    let lines = pc.waitForInterrupt(LONG_SLEEP);
    assert.ok(lines.length > 0, "the kernel sleeps, and no interrupt wakes it");
    this.wakings++;
    for (let claims = 0; lines.length > 0; claims++) {
      assert.ok(claims < CLAIMS, "the interrupt line stays asserted");
      exports.interrupt(this.handle());
      lines = pc.waitForInterrupt(0);
    }
  }
}
