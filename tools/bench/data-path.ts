/** What the data path costs in this process's WebAssembly engine: calls counted, then nanoseconds measured. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { outputFolder, projectFolder, type Build } from "../build/project.js";
import { quietest, spreadOf, time, timeInTurn, typicalOf } from "./measure.js";
import type { DataPathRow, Point, RequestCounts } from "./result.js";
import type { BenchModules } from "./toolchain.js";
import { WasmMachine, type Counts, type Path } from "./wasm-machine.js";

/** The modules, compiled for this engine. */
export interface Subjects {
  readonly machine: WebAssembly.Module;
  readonly machineCounted: WebAssembly.Module;
  readonly loops: WebAssembly.Module;
  readonly stack: Readonly<Record<Build, WebAssembly.Module>>;
  readonly reference: Readonly<Record<Build, WebAssembly.Module>>;
  /** The mapped build of an earlier stack, see `baseline/`. */
  readonly baseline: WebAssembly.Module;
}

export function loadSubjects(modules: BenchModules): Subjects {
  const load = (path: string) => new WebAssembly.Module(readFileSync(path));
  return {
    machine: load(modules.machine),
    machineCounted: load(modules.machineCounted),
    loops: load(modules.loops),
    stack: {
      mapped: load(join(outputFolder, "virtio-small.wasm")),
      ported: load(join(outputFolder, "virtio-small-ported.wasm")),
    },
    reference: { mapped: load(modules.reference), ported: load(modules.referencePorted) },
    baseline: load(join(projectFolder, "tools/bench/baseline/virtio.wasm")),
  };
}

/** How much is measured. */
export interface Effort {
  /** Runs of each subject: many short ones, so that some are not disturbed. */
  readonly rounds: number;
  /** Instances of each subject. Where its code and its memory come to lie is a matter of luck, worth some percent. */
  readonly instances: number;
  /** Segments that a run moves. */
  readonly segments: number;
  readonly batches: readonly number[];
}

export const fullEffort: Effort = { rounds: 20, instances: 11, segments: 16384, batches: [1, 8, 32, 128] };
export const quickEffort: Effort = { rounds: 2, instances: 1, segments: 4096, batches: [1, 32] };

export const builds: readonly Build[] = ["mapped", "ported"];
const ringSize = 256;
const countedRequests = 4096;
/** Ring indices have 16 bits: after so many requests a ring is as it was. */
const indexRange = 65536;
/** How often at least loop and device are timed by themselves. */
const aloneRounds = 8;

const shapes: readonly Omit<Point, "batch">[] = [
  ...[512, 4096, 65536].map((size) => ({ path: "block" as const, size, segments: 1 })),
  { path: "block", size: 65536, segments: 16 },
  ...(["transmit", "receive"] as const).flatMap((path) => [64, 512, 1514].map((size) => ({ path, size, segments: 1 }))),
];

export function pointsOf({ batches }: Effort): Point[] {
  return shapes.flatMap((shape) => batches.map((batch) => ({ ...shape, batch })));
}

function startMachine(subjects: Subjects, driver: WebAssembly.Module, path: Path, isCounted = false): WasmMachine {
  const machine = isCounted ? subjects.machineCounted : subjects.machine;
  return new WasmMachine({ driver, machine, loops: subjects.loops, path, queueSize: ringSize });
}

/** What adds up to every call of an import, `phys_*` included. */
const importCounts = [
  ...(["portReads", "portWrites", "wmb", "rmb", "mb", "relax", "now", "log"] as const),
  ...(["dmaAlloc", "dmaFree", "dmaAddress", "memoryReads", "memoryWrites"] as const),
] satisfies (keyof Counts)[];

function importsIn(counts: Counts): number {
  return importCounts.reduce((sum, name) => sum + counts[name], 0);
}

/**
 * Counts what a request of a point costs, once everything is warm. The device follows every chain meanwhile, and a
 * chain that is not as it has to be is an error here. Payload lies outside linear memory: a copy would trap.
 */
function countPoint(subjects: Subjects, driver: WebAssembly.Module, point: Point): RequestCounts {
  const machine = startMachine(subjects, driver, point.path, true);
  machine.prepare(point.size, point.segments);
  machine.run(countedRequests, point.batch);
  const before = machine.counts();
  machine.run(countedRequests, point.batch);
  const after = machine.counts();
  machine.check();
  if (after.mistakes !== 0) throw new Error(`the device found ${after.mistakes} mistakes in the ring`);
  const per = (value: (counts: Counts) => number): number => (value(after) - value(before)) / countedRequests;
  return {
    imports: per(importsIn),
    portAccesses: per(({ portReads, portWrites }) => portReads + portWrites),
    barriers: per(({ wmb, rmb, mb }) => wmb + rmb + mb),
    translations: per(({ dmaAddress }) => dmaAddress),
    allocations: per(({ dmaAlloc }) => dmaAlloc),
    memoryAccesses: per(({ memoryReads, memoryWrites }) => memoryReads + memoryWrites),
    memoryBytes: per(({ memoryBytes }) => memoryBytes),
    descriptors: per(({ descriptors }) => descriptors),
  };
}

/** Whether the earlier stack is measured beside this one: where loops over a batch are to be worth their size. */
function hasBaseline(build: Build, { path, batch }: Point): boolean {
  return build === "mapped" && path === "block" && (batch === 8 || batch === 32);
}

/** Counts, then times one point in one build. */
export function measurePoint(subjects: Subjects, build: Build, point: Point, effort: Effort): DataPathRow {
  const { batch, path, segments } = point;
  const counts = countPoint(subjects, subjects.stack[build], point);
  const drivers = [subjects.stack[build], subjects.reference[build]];
  if (hasBaseline(build, point)) drivers.push(subjects.baseline);
  // Taken in turn: neither always comes first.
  const machines = Array.from({ length: effort.instances }, () =>
    drivers.map((driver) => startMachine(subjects, driver, path)),
  ).flat();
  const requests = Math.max(1024, Math.ceil(effort.segments / segments / batch) * batch);
  for (const machine of machines) {
    machine.prepare(point.size, segments);
    // All entries of the rings have been used once before anything is measured.
    machine.run(indexRange, batch);
    machine.runAlone(indexRange, batch);
  }
  // Whatever else the machine does only ever adds to a time, and this one is subtracted from others.
  const alone = Math.min(
    ...timeInTurn(
      Math.max(aloneRounds, Math.ceil(effort.rounds / 2)),
      machines.map((machine) => () => time(indexRange, () => machine.runAlone(indexRange, batch))),
    ).flat(),
  );
  const [stack, reference, baseline] = quietest(() => {
    const times = timeInTurn(
      effort.rounds,
      machines.map((machine) => () => time(requests, () => machine.run(requests, batch)) - alone),
    );
    const spreads = times.map(spreadOf);
    return drivers.map((_, driver) => typicalOf(spreads.filter((_, index) => index % drivers.length === driver)));
  });
  for (const machine of machines) machine.check();
  if (stack === undefined || reference === undefined) throw new Error("nothing was measured");
  return { ...point, build, counts, stack, reference, alone, ratio: stack.quick / reference.quick, baseline };
}
