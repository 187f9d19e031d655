/**
 * Measures the stack on QEMU's own devices: requests per second, and what they take of notifications, interrupts and
 * register accesses; beside it Linux's drivers, on the same machine with the same devices.
 *
 * Times and counts come from different runs, because tracing takes time. The guests take turns, so that whatever else this
 * computer does meets all of them.
 */

import { randomBytes } from "node:crypto";
import { existsSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { qemuVersion } from "../../../kernel-shim/qemu/find-qemu.js";
import { TemporaryFolder } from "../../command/cleanup.js";
import { ensurePrograms, findProgram } from "../../setup/system-packages.js";
import { buildImage } from "../../unikernel/image.js";
import { judge } from "./budgets.js";
import {
  GuestFailure,
  linuxWithDisk,
  run,
  traceParameters,
  unikernelWithCard,
  unikernelWithDisk,
  type Machine,
  type Run,
  type Work,
} from "./guests.js";
import { NoLinux, prepareLinux, type LinuxImage } from "./linux-image.js";
import { Peer } from "./peer.js";
import { pointName, rateOf, type Point, type Timing } from "./points.js";
import type { Effort, Guest, MeasuredPoint, QemuResult } from "./result.js";
import { spreadOf, type Spread } from "./statistics.js";
import { countTrace, type Counts } from "./trace.js";

/** Hears of every step before it begins: what it is, and how many of how many are done. */
export type Progress = (step: string, done: number, total: number) => void;

interface Amount {
  /** How often each guest is booted to take times. */
  readonly rounds: number;
  readonly work: Work;
  readonly withLinux: boolean;
}

const amounts: Readonly<Record<Effort, Amount>> = {
  full: { rounds: 7, work: { single: 1000, batched: 6400, frames: 32_000 }, withLinux: true },
  quick: { rounds: 1, work: { single: 100, batched: 640, frames: 3200 }, withLinux: false },
};
/** What is done while QEMU writes its trace. */
const countedWork: Work = { single: 64, batched: 640, frames: 3200 };

const application = "tools/bench/qemu/application/index";
const diskBytes = 64 * 1024 * 1024;
/** A file system in memory, where no real disk comes between. */
const memoryFolder = "/dev/shm";
const freeBytesWanted = 2 * diskBytes;

const caveats = [
  "QEMU translates instructions (TCG). Compared with KVM, processor time in the guest costs more, and leaving the guest costs less.",
  "Without an iothread, QEMU's main loop sleeps between single requests. Waking it takes most of their time, in both guests.",
  "The guest's processor and QEMU's threads share this computer's processors. Other work on the computer slows both.",
  "Both guests: -M pc -accel tcg -smp 1,maxcpus=2 (with less, QEMU before 8.1 leaves out memory barriers) -m 256, the same raw image in memory, cache=writeback, aio=threads, rings of 256; an iothread serves the disk.",
  "Linux's requests come from a program that uses O_DIRECT: they pass through system calls and the block layer. The unikernel's do not.",
  "Linux merges the requests of a batch where they are sequential. Where they are random, it cannot.",
  "Linux has mitigations=off, its default I/O scheduler, and MSI-X; the unikernel has one shared interrupt line.",
  "For Linux, poll means idle=poll: its processor does not sleep, but the driver still waits for an interrupt.",
  "Counts come from separate runs, with QEMU's trace and without the iothread, which takes requests without being notified.",
  "Budgets do not apply to sleep, which asks for the next completion. Rates are those of the best way of waiting.",
  "Frames travel over a Unix socket to a Node process on the same computer, whose speed affects their rates.",
];

/** A folder for disk images, in memory where there is room. */
function makeFolder(): TemporaryFolder {
  const hasRoom = (): boolean => {
    const { bavail, bsize } = statfsSync(memoryFolder);
    return bavail * bsize >= freeBytesWanted;
  };
  return new TemporaryFolder("virtio-bench-", existsSync(memoryFolder) && hasRoom() ? memoryFolder : undefined);
}

/** The rates of one guest at all points, round by round. */
class Rates {
  readonly points = new Map<string, Point>();
  private readonly rounds = new Map<string, number[]>();

  add(timings: readonly Timing[], waiting?: Point["waiting"]): void {
    for (const timing of timings) {
      const point = waiting === undefined ? timing.point : { ...timing.point, waiting };
      const name = pointName(point);
      this.points.set(name, point);
      this.rounds.set(name, [...(this.rounds.get(name) ?? []), rateOf(timing)]);
    }
  }

  /** Of one point, in the order of the rounds; none if the guest knows no such point. */
  at(point: Point): readonly number[] {
    return this.rounds.get(pointName(point)) ?? [];
  }
}

/** Rates divided by Linux's, round by round, where Linux waits in the way that is faster. */
function ratios(own: readonly number[], linux: Rates, point: Point): Spread | undefined {
  const [best] = (["sleep", "poll"] as const)
    .map((waiting) => linux.at({ ...point, waiting }))
    .filter((rates) => rates.length === own.length)
    .sort((first, second) => spreadOf(second).median - spreadOf(first).median);
  return best && spreadOf(own.map((rate, round) => rate / (best[round] ?? NaN)));
}

function table(guest: Guest, rates: Rates, counts: ReadonlyMap<string, Counts>, linux?: Rates): MeasuredPoint[] {
  return [...rates.points].map(([name, point]) => ({
    guest,
    point,
    perSecond: spreadOf(rates.at(point)),
    counts: counts.get(name),
    againstLinux: linux && ratios(rates.at(point), linux, point),
  }));
}

/** Everything that one call of `measureQemu` does. */
class Measurement {
  private readonly amount: Amount;
  private readonly folder = makeFolder();
  private readonly disk = join(this.folder.path, "disk.img");
  private readonly gaps: string[] = [];
  private readonly started = { unikernel: [] as number[], linux: [] as number[], firstPacket: [] as number[] };
  private steps = 0;

  constructor(
    private readonly effort: Effort,
    private readonly progress: Progress,
  ) {
    this.amount = amounts[effort];
  }

  close(): void {
    this.folder.remove();
  }

  /** Building and getting Linux are a step each; then come the rounds, of three or of one guest with a disk, and a card. */
  private step(what: string): void {
    const { rounds, withLinux } = this.amount;
    const total = withLinux ? 2 + rounds * 4 + 3 : 1 + rounds * 2 + 2;
    this.progress(what, this.steps++, total);
  }

  async measure(): Promise<QemuResult> {
    this.step("building the unikernel");
    ensurePrograms(["qemu-system-x86_64", "gcc"]);
    const { path: image } = await buildImage({ name: "bench-qemu", application });
    writeFileSync(this.disk, randomBytes(diskBytes));
    const linux = await this.linux();

    const { rounds, work } = this.amount;
    const own = new Rates();
    const others = new Rates();
    const network = new Rates();
    for (let round = 1; round <= rounds; round++) {
      const label = `round ${round} of ${rounds}`;
      this.step(`the unikernel's disk, ${label}`);
      const { timings, startedAfter } = await run(unikernelWithDisk(image, this.disk, "iothread", work));
      own.add(timings);
      this.started.unikernel.push(startedAfter);
      if (linux !== undefined) {
        this.step(`Linux's disk, ${label}`);
        const sleeping = await run(linuxWithDisk(linux, this.disk, "iothread", work, false));
        others.add(sleeping.timings);
        this.started.linux.push(sleeping.startedAfter);
        this.step(`Linux's disk, polling, ${label}`);
        others.add((await run(linuxWithDisk(linux, this.disk, "iothread", work, true))).timings, "poll");
      }
      this.step(`the unikernel's network card, ${label}`);
      network.add((await this.runWithPeer(image, work)).timings);
    }

    this.step("counting what the unikernel's disk takes");
    const ownCounts = await this.count(unikernelWithDisk(image, this.disk, "main loop", countedWork));
    this.step("counting what the unikernel's network card takes");
    const networkCounts = await this.countWithPeer(image);
    if (linux !== undefined) this.step("counting what Linux's disk takes");
    const otherCounts = linux && (await this.count(linuxWithDisk(linux, this.disk, "main loop", countedWork, false)));

    const block = [
      ...table("unikernel", own, ownCounts, linux && others),
      ...(otherCounts ? table("Linux", others, otherCounts) : []),
    ];
    const networkTable = table("unikernel", network, networkCounts);
    return {
      effort: this.effort,
      qemu: qemuVersion(findProgram("qemu-system-x86_64") ?? "") ?? "unknown",
      linux: linux?.origin,
      block,
      network: networkTable,
      boot: {
        unikernel: spreadOf(this.started.unikernel),
        firstPacket: spreadOf(this.started.firstPacket),
        linux: linux && spreadOf(this.started.linux),
      },
      budgets: judge(block, networkTable),
      gaps: this.gaps,
      caveats,
    };
  }

  /** The Linux to compare with; when there is none, that is a gap. */
  private async linux(): Promise<LinuxImage | undefined> {
    if (!this.amount.withLinux) {
      this.gaps.push("Linux: left out of the quick form");
      return undefined;
    }
    this.step("getting Debian's Linux");
    try {
      return await prepareLinux();
    } catch (error) {
      if (!(error instanceof NoLinux)) throw error;
      this.gaps.push(`Linux: ${error.message}`);
      return undefined;
    }
  }

  /** Runs the unikernel with a card, and somebody at the other end, who must have got what was sent. */
  private async runWithPeer(image: string, work: Work, ...parameters: readonly string[]): Promise<Run> {
    const socket = join(this.folder.path, "wire");
    const peer = await Peer.listen(socket);
    try {
      const begin = performance.now();
      const machine = unikernelWithCard(image, socket, work);
      const result = await run({ ...machine, parameters: [...machine.parameters, ...parameters] });
      if (parameters.length === 0) this.started.firstPacket.push((await peer.firstFrame) - begin);
      for (const [bytes, sent] of totals(result.timings)) {
        const arrived = peer.discarded.get(bytes) ?? 0;
        if (arrived !== sent) throw new GuestFailure(`of ${sent} frames of ${bytes} bytes, ${arrived} arrived`);
      }
      if (peer.malformed > 0) throw new GuestFailure(`${peer.malformed} frames arrived without a datagram`);
      return result;
    } finally {
      peer.close();
    }
  }

  private async count(machine: Machine): Promise<ReadonlyMap<string, Counts>> {
    const trace = join(this.folder.path, "trace");
    await run({ ...machine, parameters: [...machine.parameters, ...traceParameters(trace)] });
    return this.readTrace(trace);
  }

  private async countWithPeer(image: string): Promise<ReadonlyMap<string, Counts>> {
    const trace = join(this.folder.path, "trace");
    await this.runWithPeer(image, countedWork, ...traceParameters(trace));
    return this.readTrace(trace);
  }

  private async readTrace(trace: string): Promise<ReadonlyMap<string, Counts>> {
    const counts = existsSync(trace) ? await countTrace(trace) : new Map<string, Counts>();
    rmSync(trace, { force: true });
    if (counts.size === 0) this.gaps.push("counts: this QEMU writes no trace to files");
    return counts;
  }
}

/** How many frames were sent, by their bytes. */
function totals(timings: readonly Timing[]): ReadonlyMap<number, number> {
  const frames = new Map<number, number>();
  for (const { point, count } of timings) {
    if (point.operation === "transmit") frames.set(point.bytes, (frames.get(point.bytes) ?? 0) + count);
  }
  return frames;
}

/**
 * Measures disk and network card; the network only in the unikernel.
 *
 * `full` takes some minutes, `quick` some seconds and leaves Linux out. Throws `MissingPrograms` without QEMU or gcc,
 * `CompileError` and `ProgramError` when the unikernel cannot be built, `GuestFailure` when a guest fails.
 */
export async function measureQemu(effort: Effort, progress: Progress): Promise<QemuResult> {
  const measurement = new Measurement(effort, progress);
  try {
    return await measurement.measure();
  } finally {
    measurement.close();
  }
}
