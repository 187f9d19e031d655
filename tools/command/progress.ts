/**
 * Says how far long work has come: in one line that changes on a terminal, by a line now and then anywhere else. All of
 * it goes to standard error, because what a command prints may be meant for a program.
 */

import { SingleBar } from "cli-progress";
import { describeProgress, type Situation, type Work } from "./progress-text.js";

/** Work that has begun. */
export interface Step {
  /** So much more is done: 1 unless said otherwise. Not needed where the total is not known. */
  advance(amount?: number): void;
  /** Says what is worked on from now on; for what may take long, since it is said at once. */
  begin(text: string): void;
  /** Says what came out so far, with the next line. */
  note(text: string): void;
  /** Calls `print`, which writes whole lines to the terminal; this line comes again below them. */
  aside(print: () => void): void;
  /** The work is over, finished or not. A second call does nothing. */
  end(): void;
}

export interface StepOptions extends Work {
  /** Known to take long: said at once, not after two seconds. `begin` says it, too. */
  readonly isLong?: boolean;
}

/** Where lines go, and how often. */
export interface Surroundings {
  readonly stream: NodeJS.WriteStream;
  /** Milliseconds of any clock. */
  readonly now: () => number;
}

/** Work that is over by then is not worth a line. */
const SILENCE_MILLISECONDS = 2_000;
/** The least between two lines that do not go to a terminal. */
const INTERVAL_MILLISECONDS = 10_000;
/** The longer it takes, the fewer lines it needs: so much of the time may pass without one. */
const SILENT_SHARE = 1 / 4;
/** Between two looks at the clock while nobody says anything. */
const TURN_MILLISECONDS = 250;

/** Begins a step, whose `end` is the caller's to call. */
export function beginStep(
  options: StepOptions,
  surroundings: Surroundings = { stream: process.stderr, now: () => performance.now() },
): Step {
  const tracker = new Tracker(options, surroundings);
  return surroundings.stream.isTTY ? onTerminal(tracker, surroundings.stream) : inLines(tracker, options, surroundings);
}

/** What has been done since when. */
class Tracker {
  private readonly began: number;
  private done = 0;
  private text = "";

  constructor(
    readonly work: Work,
    private readonly surroundings: Surroundings,
  ) {
    this.began = surroundings.now();
  }

  get milliseconds(): number {
    return this.surroundings.now() - this.began;
  }

  get situation(): Situation {
    return { done: this.done, seconds: this.milliseconds / 1000, note: this.text };
  }

  advance(amount = 1): void {
    this.done += amount;
  }

  note(text: string): void {
    this.text = text;
  }
}

function onTerminal(tracker: Tracker, stream: NodeJS.WriteStream): Step {
  // Nothing of the terminal's state is changed, and Ctrl-C is left alone: work that is one synchronous stretch gives no
  // signal handler a turn to put things right.
  const untouched = { hideCursor: false, linewrap: true, gracefulExit: false };
  const bar = new SingleBar({
    ...untouched,
    format: () => describeProgress(tracker.work, tracker.situation, stream.columns),
    stream,
    clearOnComplete: true,
  });
  const total = tracker.work.total ?? 1;
  let isOver = false;
  bar.start(total, 0);
  const draw = (): void => {
    bar.update(tracker.situation.done);
  };
  return {
    advance: (amount) => {
      tracker.advance(amount);
      draw();
    },
    begin: (text) => {
      tracker.note(text);
      // What comes next may be one stretch in which nothing can be drawn.
      bar.render();
    },
    note: (text) => {
      tracker.note(text);
    },
    aside: (print) => {
      // The bar remembers where it stands, and would go on there.
      bar.stop();
      print();
      if (!isOver) bar.start(total, 0);
    },
    end: () => {
      isOver = true;
      bar.stop();
    },
  };
}

function inLines(tracker: Tracker, { isLong = false }: StepOptions, { stream }: Surroundings): Step {
  let next = isLong ? 0 : SILENCE_MILLISECONDS;
  let isOver = false;
  const look = (): void => {
    if (isOver || tracker.milliseconds < next) return;
    next = tracker.milliseconds + Math.max(INTERVAL_MILLISECONDS, SILENT_SHARE * tracker.milliseconds);
    stream.write(`${describeProgress(tracker.work, tracker.situation)}\n`);
  };
  const timer = setInterval(look, TURN_MILLISECONDS).unref();
  if (isLong) look();
  return {
    advance: (amount) => {
      tracker.advance(amount);
      look();
    },
    begin: (text) => {
      tracker.note(text);
      next = 0;
      look();
    },
    note: (text) => {
      tracker.note(text);
    },
    aside: (print) => print(),
    end: () => {
      isOver = true;
      clearInterval(timer);
    },
  };
}
