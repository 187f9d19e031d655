/** Boots the guests that are measured, on machines that differ in nothing but the guest. */

import { onSignal } from "../../command/cleanup.js";
import { CommandError } from "../../command/command-error.js";
import { BootedMachine } from "../../unikernel/boot.js";
import type { LinuxImage } from "./linux-image.js";
import { parseTimings, type Timing } from "./points.js";
import { traceEvents } from "./trace.js";

/** A guest did not do what it was to do. The message has what it printed. */
export class GuestFailure extends CommandError {}

/** How much a guest has to do. */
export interface Work {
  /** Requests of each point where each waits for the one before. */
  readonly single: number;
  /** Requests of each point where they come in batches: a multiple of 32. */
  readonly batched: number;
  /** Frames of each point of the network: a multiple of 32. */
  readonly frames: number;
}

/** What a guest can be booted with. */
export interface Machine {
  readonly image: string;
  readonly commandLine: string;
  /** More of QEMU's options. */
  readonly parameters: readonly string[];
}

/** What one run brought. */
export interface Run {
  readonly timings: readonly Timing[];
  /** Milliseconds from QEMU's start until the guest's program printed something. */
  readonly startedAfter: number;
}

const timeoutMilliseconds = 180_000;
/** What both guests' programs print at their start and their end. */
const firstWord = "started";
const lastWord = /^done\r?$/m;

const sameForAll = ["-m", "256"];

/**
 * What in QEMU serves a disk: a thread of its own, as hosts have it for disks that matter; or the main loop. That sleeps
 * between requests, and what waking it takes, up to twice what all the rest does, is no driver's doing. But the thread
 * looks at the ring without having been told to, and QEMU's trace counts that as notifications.
 */
export type Server = "iothread" | "main loop";

/** A disk with only the legacy interface. Its file is in the page cache of this computer, or becomes so. */
function diskParameters(file: string, server: Server): string[] {
  const device = "virtio-blk-pci,drive=disk0,disable-modern=on";
  return [
    ...(server === "iothread" ? ["-object", "iothread,id=io0"] : []),
    ...["-drive", `if=none,id=disk0,format=raw,cache=writeback,aio=threads,file=${file}`],
    ...["-device", server === "iothread" ? `${device},iothread=io0` : device],
  ];
}

/** A network card with only the legacy interface, on a wire to a Unix socket. */
function cardParameters(socket: string): string[] {
  return [
    ...["-netdev", `stream,id=net0,server=off,addr.type=unix,addr.path=${socket}`],
    ...["-device", "virtio-net-pci,netdev=net0,disable-modern=on,romfile="],
  ];
}

/** The unikernel with a disk. */
export function unikernelWithDisk(image: string, disk: string, server: Server, { single, batched }: Work): Machine {
  return { image, commandLine: `single=${single} batched=${batched}`, parameters: diskParameters(disk, server) };
}

/** The unikernel with a network card. */
export function unikernelWithCard(image: string, socket: string, { frames }: Work): Machine {
  return { image, commandLine: `frames=${frames}`, parameters: cardParameters(socket) };
}

/**
 * Linux with a disk, and without what it does against speculative execution, which the unikernel does not do either.
 *
 * @param isIdlePolling whether its processor looks for work instead of sleeping when there is none
 */
export function linuxWithDisk(
  linux: LinuxImage,
  disk: string,
  server: Server,
  { single, batched }: Work,
  isIdlePolling: boolean,
): Machine {
  const quiet = "console=ttyS0 quiet loglevel=0 panic=-1";
  const idle = isIdlePolling ? " idle=poll" : "";
  return {
    image: linux.kernel,
    commandLine: `${quiet} mitigations=off${idle} -- single=${single} batched=${batched}`,
    parameters: ["-initrd", linux.initramfs, ...diskParameters(disk, server)],
  };
}

/** QEMU's options that make it write its trace to a file. */
export function traceParameters(file: string): string[] {
  return ["-D", file, ...traceEvents.flatMap((event) => ["-trace", event])];
}

/** Boots a machine, and waits until it has done its work. Throws `GuestFailure`. */
export async function run({ image, commandLine, parameters }: Machine): Promise<Run> {
  const begin = performance.now();
  const machine = new BootedMachine({
    image,
    commandLine,
    parameters: [...sameForAll, ...parameters],
    timeoutMilliseconds,
  });
  const forget = onSignal(() => machine.kill());
  // If it ends without having started, that shows in its output.
  const startedAfter = await machine.shows(firstWord).then(
    () => performance.now() - begin,
    () => 0,
  );
  const { output } = await machine.ended.finally(forget);
  if (!lastWord.test(output)) throw new GuestFailure(`the guest ended early:\n${output.slice(-2000)}`);
  return { timings: parseTimings(output), startedAfter };
}
