/**
 * Points of the table: what is done, how it is waited for, and the lines that tell of it.
 *
 *     begin read random 4096 32 poll
 *     end read random 4096 32 poll 3200 61290000
 *
 * Behind the point's name come the requests and the nanoseconds. Both lines appear in QEMU's trace as well, as writes to
 * the serial port, and so say which of its events belong to the point.
 */
import { now_ns, relax } from "../../../../assembly/kernel";
import { block_await_all, enable_interrupts, events } from "../../../../kernel-shim/unikernel/application/stack";
import { print, printNumber } from "../../../../kernel-shim/unikernel/application/text";
import { askDevices } from "../../../../kernel-shim/unikernel/application/devices";
import { wait } from "../../../../kernel-shim/unikernel/application/unikernel";

/** How the processor passes the time until a device has done something. */
export const enum Waiting {
  /** It looks again at once. */
  POLL = 0,
  /** It looks again after a `pause`, which makes room for others, also for QEMU's other threads. */
  PAUSE = 1,
  /** It sleeps until an interrupt. */
  SLEEP = 2,
  /** It sleeps until all that was asked for is done. Disks only. */
  ALL = 3,
}

let startedAt: u64 = 0;

function printWaiting(waiting: Waiting): void {
  switch (waiting) {
    case Waiting.POLL:
      return print(" poll");
    case Waiting.PAUSE:
      return print(" pause");
    case Waiting.SLEEP:
      return print(" sleep");
    default:
      return print(" all");
  }
}

function printPoint(when: string, what: string, pattern: string, bytes: u32, depth: u32, waiting: Waiting): void {
  print(when);
  print(what);
  print(pattern);
  printNumber(bytes);
  print(" ");
  printNumber(depth);
  printWaiting(waiting);
}

/** Says what begins, and takes the time. */
export function begin(what: string, pattern: string, bytes: u32, depth: u32, waiting: Waiting): void {
  printPoint("begin ", what, pattern, bytes, depth, waiting);
  print("\n");
  restart();
}

/** Takes the time anew. */
export function restart(): void {
  startedAt = now_ns();
}

/** Says what has ended, how many requests or frames it was, and how long it took. */
export function end(what: string, pattern: string, bytes: u32, depth: u32, waiting: Waiting, count: u32): void {
  const duration = now_ns() - startedAt;
  printPoint("end ", what, pattern, bytes, depth, waiting);
  print(" ");
  printNumber(count);
  print(" ");
  printNumber(duration);
  print("\n");
}

/** Passes the time until polling the device may find something. It is the only one that interrupts. */
export function pause(waiting: Waiting, handle: i32): void {
  if (waiting == Waiting.POLL) return;
  if (waiting == Waiting.PAUSE) return relax();
  const isPending = waiting == Waiting.ALL ? block_await_all(handle) : enable_interrupts(handle);
  // Room in a full transmit ring may have been found out just now, with no interrupt to come.
  if (isPending != 0 || events(handle) != 0) return;
  askDevices(wait(u64.MAX_VALUE));
}
