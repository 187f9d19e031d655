/** How cost and memory change with the size of rings, the number of devices and instances, and the number of buses. */

import { quietest, spreadOf, time, timeInTurn, typicalOf } from "./measure.js";
import type { Effort, Subjects } from "./data-path.js";
import type { FootprintRow, GrowthRow, ScanRow } from "./result.js";
import { wasmPageBytes } from "./toolchain.js";
import { WasmMachine, type Path } from "./wasm-machine.js";

const frameBytes = 512;
const batch = 8;
const requests = 32768;

type Scale = Pick<GrowthRow, "path" | "what" | "value">;

/** A machine for one row; small where there will be many. */
function startMachine(subjects: Subjects, { path, what, value }: Scale): WasmMachine {
  const isMany = what === "instances";
  return new WasmMachine({
    driver: subjects.stack.mapped,
    machine: subjects.machine,
    loops: subjects.loops,
    path,
    queueSize: what === "ring size" ? value : 64,
    devices: what === "devices" ? value : 1,
    ...(isMany ? { pages: 32, arenaBytes: 2 * wasmPageBytes, tableBytes: wasmPageBytes } : {}),
    ...(what === "ring size" && value > 4096 ? { pages: 2048 } : {}),
  });
}

/** Times the rows of one kind side by side; the row with the value `base` is what the others are compared with. */
function measureKind(
  subjects: Subjects,
  effort: Effort,
  path: Path,
  what: GrowthRow["what"],
  values: readonly number[],
  base: number,
): GrowthRow[] {
  const copies = what === "instances" ? 1 : effort.instances;
  const runs = Array.from({ length: copies * values.length }, (_, index) => {
    const value = values[index % values.length] ?? 0;
    const machines = Array.from({ length: what === "instances" ? value : 1 }, () =>
      startMachine(subjects, { path, what, value }),
    );
    // A frame takes two descriptors, a request at most three.
    const rowBatch = what === "ring size" ? Math.min(batch, Math.floor(value / 2)) : batch;
    const share = Math.max(rowBatch, Math.ceil(requests / machines.length));
    for (const machine of machines) {
      machine.prepare(frameBytes, 1);
      machine.run(Math.max(4 * requests, 4 * value) / machines.length, rowBatch);
      machine.check();
    }
    return () =>
      time(share * machines.length, () => {
        for (const machine of machines) machine.run(share, rowBatch);
      });
  });
  const spreads = quietest(() => {
    const all = timeInTurn(effort.rounds, runs).map(spreadOf);
    return values.map((_, row) => typicalOf(all.filter((_, index) => index % values.length === row)));
  });
  const compared = spreads[values.indexOf(base)]?.quick ?? NaN;
  return values.map((value, index) => {
    const nanoseconds = spreads[index] ?? spreadOf([]);
    return { path, what, value, nanoseconds, ratio: nanoseconds.quick / compared };
  });
}

export const flatFrom = 16;

export function measureGrowth(subjects: Subjects, effort: Effort, isQuick: boolean): GrowthRow[] {
  const rings = isQuick ? [16, 256] : [16, 64, 256, 1024, 4096, 32768];
  const devices = isQuick ? [1, 4] : [1, 2, 8, 32];
  const instances = isQuick ? [1, 10] : [1, 10, 100, 1000];
  return [
    ...measureKind(subjects, effort, "block", "ring size", [4, 8, ...rings], flatFrom),
    ...measureKind(subjects, effort, "transmit", "ring size", [2, 4, 8, ...rings], flatFrom),
    ...measureKind(subjects, effort, "block", "devices", devices, 1),
    ...measureKind(subjects, effort, "transmit", "devices", devices, 1),
    ...measureKind(subjects, effort, "block", "instances", instances, 1),
  ];
}

const footprintRings = [256, 512] as const;

/** What an instance with one device takes: twice, because what changes with the ring is not fixed. */
export function measureFootprint(subjects: Subjects): FootprintRow[] {
  return (["block", "transmit"] as const).map((path) => {
    const [small, large] = footprintRings.map(
      (queueSize) =>
        new WasmMachine({
          driver: subjects.stack.mapped,
          machine: subjects.machineCounted,
          loops: subjects.loops,
          path,
          queueSize,
        }),
    );
    if (small === undefined || large === undefined) throw new Error("two rings are compared");
    const perEntry = (large.privateBytes - small.privateBytes) / (footprintRings[1] - footprintRings[0]);
    return {
      path,
      ringSize: footprintRings[0],
      privateBytes: small.privateBytes,
      sharedBytes: small.counts().pages * 4096,
      moduleBytes: small.moduleBytes,
      fixedBytes: small.privateBytes - perEntry * footprintRings[0] + small.moduleBytes,
    };
  });
}

/** A scan of bridges behind each other. */
export function measureScan(subjects: Subjects, effort: Effort, isQuick: boolean): ScanRow[] {
  return (isQuick ? [1, 8] : [1, 2, 8, 32, 128, 256]).map((buses) => {
    const start = (machine: WebAssembly.Module): WasmMachine =>
      new WasmMachine({
        ...{ driver: subjects.stack.mapped, machine, loops: subjects.loops },
        ...{ path: "block", queueSize: 256, devices: 0, bridges: buses - 1 },
      });
    const counted = start(subjects.machineCounted);
    const found = counted.scan();
    if (found !== buses - 1) throw new Error(`a scan of ${buses - 1} bridges found ${found} functions`);
    const timed = start(subjects.machine);
    timed.scan();
    const [times = []] = timeInTurn(effort.rounds, [() => time(1, () => timed.scan())]);
    return {
      buses,
      configurationReads: counted.counts().configurationReads,
      microseconds: spreadOf(times).quick / 1000,
    };
  });
}
