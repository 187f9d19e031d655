/**
 * A kernel that runs the guide's waiting loop, word for word, and nothing else: it polls, asks for an interrupt, looks at
 * the events, and sleeps. It acts only when a call said that there is something, or when the interrupt line woke it.
 */
import assert from "node:assert/strict";
import { runPrintedLoop, type Kind } from "./guide.js";
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

/** Thrown out of the loop, which has no end, when all that is waited for has happened. */
class Done extends Error {}

export class WaitingKernel {
  /** Every answer of `events` other than 0, oldest first. */
  readonly seen: number[] = [];
  /** How often it was woken. */
  wakings = 0;

  private turns = 0;
  private rounds = 0;
  private claims = 0;

  constructor(
    private readonly kind: Kind,
    private readonly module: HostedModule,
    private readonly handle: () => number,
    private readonly work: Work,
  ) {}

  /** Runs the loop until the work is done. Fails when the loop turns without end, or sleeps with nobody to wake it. */
  run(): void {
    const { exports, pc } = this.module;
    this.turns = this.rounds = 0;
    const poll = (): number => {
      this.work.poll();
      return 0;
    };
    try {
      runPrintedLoop(this.kind, this.handle(), {
        net_receive: poll,
        net_reclaim: () => 0,
        block_poll: poll,
        enable_interrupts: (handle) => {
          assert.ok(++this.rounds <= ROUNDS, "enable_interrupts says ever again that polling will find something");
          return exports.enable_interrupts(handle);
        },
        events: (handle) => this.takeEvents(exports.events(handle)),
        act: (happened) => {
          this.work.act(happened);
        },
        sleep_until_asserted: () => {
          this.sleep();
        },
        is_asserted: () => pc.waitForInterrupt(0).length > 0,
        interrupt: (handle) => {
          assert.ok(++this.claims <= CLAIMS, "the interrupt line stays asserted");
          return exports.interrupt(handle);
        },
      });
    } catch (error) {
      if (!(error instanceof Done)) throw error;
    }
  }

  private takeEvents(events: number): number {
    this.rounds = 0;
    assert.ok(
      ++this.turns <= TURNS_AWAKE,
      `the loop has not slept for ${TURNS_AWAKE} turns, events ${String(this.seen)}`,
    );
    if (events > 0) this.seen.push(events);
    return events;
  }

  private sleep(): void {
    if (this.work.isDone()) throw new Done();
    const lines = this.module.pc.waitForInterrupt(LONG_SLEEP);
    assert.ok(lines.length > 0, "the kernel sleeps, and no interrupt wakes it");
    this.wakings++;
    this.turns = this.claims = 0;
  }
}
