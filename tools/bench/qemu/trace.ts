/**
 * Counts what a guest and its device asked of each other, in QEMU's own words: its trace, as the `log` backend writes it.
 * [QEMU docs/devel/tracing.rst]
 *
 *     virtio_queue_notify vdev 0x55d8 n 0 vq 0x7f0c
 *     virtio_notify_irqfd vdev 0x55d8 vq 0x7f0c
 *     memory_region_ops_write cpu 0 mr 0x55d8 addr 0x3f8 value 0x65 size 1 name 'serial'
 *
 * Registers whose writes wake a thread of QEMU's directly, as a rule the one for notifications, are not among
 * `memory_region_ops`; notifications are counted where the device takes them up. The serial port is there, so the trace
 * holds the guest's text, too, which says where points of the table begin and end.
 */

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { parseBegin, parseEnd, pointName } from "./points.js";

/** The events to switch on. */
export const traceEvents = [
  "virtio_queue_notify",
  "virtio_notify",
  "virtio_notify_irqfd",
  "memory_region_ops_read",
  "memory_region_ops_write",
] as const;

/** What happened while a guest worked at a point. */
export interface Counts {
  /** Requests or frames. */
  readonly count: number;
  /** Times that the device was told of buffers. */
  readonly notifications: number;
  /** Times that the device interrupted. */
  readonly interrupts: number;
  /** Accesses to the device's registers, notifications not counted. */
  readonly deviceAccesses: number;
  /** Accesses to other registers: interrupt controllers, clocks; the serial port not counted. */
  readonly otherAccesses: number;
}

const accessPattern = /^memory_region_ops_(?:read|write) .* name '([^']*)'/;
/** The first serial port's data register. [PC16550D data sheet §8] */
const serialPattern = /^memory_region_ops_write .* addr 0x3f8 value 0x([0-9a-f]+) .* name 'serial'/;

const nothing = { notifications: 0, interrupts: 0, deviceAccesses: 0, otherAccesses: 0 };

/** Takes a trace line by line. */
export class TraceCounter {
  /** By the point's name. */
  readonly counts = new Map<string, Counts>();
  private now = { ...nothing };
  /** What had been counted when the line began that the guest is printing. */
  private atLineStart = { ...nothing };
  private line = "";

  /** Takes one line of the trace. */
  add(line: string): void {
    if (line.startsWith("virtio_queue_notify ")) this.now.notifications++;
    else if (line.startsWith("virtio_notify")) this.now.interrupts++;
    else if (line.startsWith("memory_region_ops_")) this.addAccess(line);
  }

  private addAccess(line: string): void {
    const serial = serialPattern.exec(line)?.[1];
    if (serial !== undefined) {
      this.addCharacter(String.fromCharCode(parseInt(serial, 16)));
      return;
    }
    const name = accessPattern.exec(line)?.[1];
    if (name === undefined || name === "serial") return;
    if (name.startsWith("virtio")) this.now.deviceAccesses++;
    else this.now.otherAccesses++;
  }

  private addCharacter(character: string): void {
    if (this.line === "") this.atLineStart = { ...this.now };
    if (character !== "\n") {
      this.line += character;
      return;
    }
    const ended = parseEnd(this.line);
    if (ended !== undefined) this.counts.set(pointName(ended.point), { count: ended.count, ...this.atLineStart });
    if (parseBegin(this.line) !== undefined) this.now = { ...nothing };
    this.line = "";
  }
}

/** Counts what the file of a trace says, by the names of points. */
export async function countTrace(file: string): Promise<ReadonlyMap<string, Counts>> {
  const counter = new TraceCounter();
  for await (const line of createInterface({ input: createReadStream(file, "latin1") })) counter.add(line);
  return counter.counts;
}
