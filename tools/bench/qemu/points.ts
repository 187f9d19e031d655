/**
 * The lines that both guests print for each point of the table, as `application/points.ts` and `linux/init.c` write them:
 *
 *     begin read random 4096 32 poll
 *     end read random 4096 32 poll 3200 61290000
 */

export type Operation = "read" | "write" | "transmit" | "receive";

/** Where requests go on a disk; frames have no place. */
export type Pattern = "sequential" | "random" | "frames";

/**
 * How a guest passes the time until the device is done: it looks again at once, or after a `pause` instruction; it sleeps
 * until the next is done; or it sleeps until all is done.
 */
export type Waiting = "poll" | "pause" | "sleep" | "all";

/** One kind of work, done one way. */
export interface Point {
  readonly operation: Operation;
  readonly pattern: Pattern;
  /** Of a request's data, or a frame. */
  readonly bytes: number;
  /** How many requests or frames are handed over at once. Disks finish them all before the next are. */
  readonly depth: number;
  readonly waiting: Waiting;
}

/** What a guest measured at a point. */
export interface Timing {
  readonly point: Point;
  /** Requests or frames. */
  readonly count: number;
  readonly nanoseconds: number;
}

const pointPattern = /^(read|write|transmit|receive) (sequential|random|frames) (\d+) (\d+) (poll|pause|sleep|all)/;

/** The name of a point: the same for the same point, and its order of words is that of the lines. */
export function pointName({ operation, pattern, bytes, depth, waiting }: Point): string {
  return `${operation} ${pattern} ${bytes} ${depth} ${waiting}`;
}

function parsePoint(text: string): Point | undefined {
  const [, operation, pattern, bytes, depth, waiting] = pointPattern.exec(text) ?? [];
  if (waiting === undefined) return undefined;
  return {
    operation: operation as Operation,
    pattern: pattern as Pattern,
    bytes: Number(bytes),
    depth: Number(depth),
    waiting: waiting as Waiting,
  };
}

/** The point that a line begins. */
export function parseBegin(line: string): Point | undefined {
  return line.startsWith("begin ") ? parsePoint(line.slice("begin ".length)) : undefined;
}

/** What a line says that ends a point. */
export function parseEnd(line: string): Timing | undefined {
  const point = line.startsWith("end ") ? parsePoint(line.slice("end ".length)) : undefined;
  const [, count, nanoseconds] = / (\d+) (\d+)\s*$/.exec(line) ?? [];
  if (point === undefined || nanoseconds === undefined) return undefined;
  return { point, count: Number(count), nanoseconds: Number(nanoseconds) };
}

/** All that was measured, from what a guest printed. */
export function parseTimings(output: string): Timing[] {
  return output
    .split(/\r?\n/)
    .map(parseEnd)
    .filter((timing) => timing !== undefined);
}

/** Requests or frames per second. */
export function rateOf({ count, nanoseconds }: Timing): number {
  return (count * 1e9) / nanoseconds;
}
