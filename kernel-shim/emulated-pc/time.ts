/**
 * Virtual time, and what is due in it: nothing on the emulated PC happens by itself or takes real time, so that a run
 * can be repeated exactly.
 */

interface Due {
  time: number;
  /** Order of scheduling, which decides between events of the same time. */
  order: number;
  run: () => void;
}

/** Events that one call of `runDue` performs at most: an event that schedules itself without delay must not hang. */
const EVENTS_PER_TURN = 1_000_000;

export class VirtualTime {
  /** Nanoseconds since the machine was switched on. */
  now = 0;
  private order = 0;
  /** Binary heap, earliest first. */
  private readonly heap: Due[] = [];

  /** Calls `run` once `delay` nanoseconds (0 or more) from now, during a later `advanceTo`. */
  schedule(delay: number, run: () => void): void {
    const due = { time: this.now + delay, order: this.order++, run };
    const heap = this.heap;
    let index = heap.length;
    heap.push(due);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isEarlier(due, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = due;
  }

  /** The time of the earliest event, Infinity when there is none. */
  get next(): number {
    return this.heap[0]?.time ?? Infinity;
  }

  /** Whether nothing is scheduled. */
  get isIdle(): boolean {
    return this.heap.length === 0;
  }

  /** Moves time on to `time` and runs what falls due on the way, each event at its own time. */
  advanceTo(time: number): void {
    for (let turn = 0; turn < EVENTS_PER_TURN && this.next <= time; turn++) this.runNext();
    this.now = Math.max(this.now, time);
  }

  /** Moves time on to the earliest event and runs it. Does nothing when there is none. */
  runNext(): void {
    const first = this.heap[0];
    if (first === undefined) return;
    this.removeFirst();
    this.now = Math.max(this.now, first.time);
    first.run();
  }

  private removeFirst(): void {
    const heap = this.heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      let below = heap[child];
      const right = heap[child + 1];
      if (below === undefined) break;
      if (right !== undefined && isEarlier(right, below)) {
        child++;
        below = right;
      }
      if (!isEarlier(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }
}

function isEarlier(left: Due, right: Due): boolean {
  return left.time < right.time || (left.time === right.time && left.order < right.order);
}
