/** The tables that the benchmarks print, none wider than a terminal. */

import { columns, fold, indent, WIDTH } from "../command/layout.js";
import type { MeasuredPoint, QemuResult } from "./qemu/result.js";
import { bootTable, few, perRequest, whole, type TextTable } from "./qemu/table.js";
import type {
  BenchResult,
  DataPathRow,
  FootprintRow,
  GrowthRow,
  KernelCalls,
  NativeRow,
  ScanRow,
  Spread,
  TransportRow,
} from "./result.js";

/** Columns of text on the left, of numbers on the right. */
function tableOf(head: readonly string[], rows: readonly (readonly string[])[], textColumns = 1): string {
  const numbers = head.map((_, index) => index).filter((index) => index >= textColumns);
  return columns([head, ...rows], numbers).join("\n");
}

/** A table for each group of rows, below what its rows have in common. */
function grouped<Row>(rows: readonly Row[], nameOf: (row: Row) => string, table: (rows: Row[]) => string): string {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(nameOf(row), [...(groups.get(nameOf(row)) ?? []), row]);
  return Array.from(groups, ([name, list]) => [name, ...indent(table(list).split("\n"))].join("\n")).join("\n");
}

/** What is subtracted from a time may have been more than the time, on a machine that is not quiet: that says nothing. */
const unknown = "?";
const time = ({ quick }: Spread): string => (quick > 0 ? quick.toFixed(1) : unknown);
const spread = (of: Spread): string => (of.quick > 0 ? `${time(of)} – ${of.slow.toFixed(1)}` : unknown);
const ratioOf = (ratio: number, ...of: readonly Spread[]): string =>
  of.every(({ quick }) => quick > 0) ? ratio.toFixed(2) : unknown;

function timesTable(rows: readonly DataPathRow[]): string {
  return grouped(
    rows,
    ({ path, build }) => `${path}, ${build} build`,
    (list) =>
      tableOf(
        ["bytes", "segments", "batch", "stack ns", "C ns", "ratio", "alone ns"],
        list.map(({ size, segments, batch, stack, reference, ratio, alone }) => [
          ...[size, segments, batch].map(String),
          ...[spread(stack), spread(reference), ratioOf(ratio, stack, reference), alone.toFixed(1)],
        ]),
        0,
      ),
  );
}

function callsTable(rows: readonly DataPathRow[]): string {
  return tableOf(
    ["path", "build", "bytes", "segments", "batch", "imports", "ports", "bytes of ring"],
    rows.map(({ path, size, segments, batch, build, counts }) => [
      ...[path, build, String(size), String(segments), String(batch), few(counts.imports), few(counts.portAccesses)],
      build === "ported" ? few(counts.memoryBytes) : "",
    ]),
    2,
  );
}

function nativeTable(rows: readonly NativeRow[]): string {
  return grouped(
    rows,
    ({ compiler, memoryBase }) => `${compiler}, memory by ${memoryBase}`,
    (list) =>
      tableOf(
        ["path", "bytes", "segments", "batch", "stack", "C", "ratio", "stack ns", "C ns"],
        list.map((row) => [
          ...[row.path, String(row.size), String(row.segments), String(row.batch)],
          ...[row.stackInstructions.toFixed(0), row.referenceInstructions.toFixed(0), row.ratio.toFixed(2)],
          ...[time(row.stack), time(row.reference)],
        ]),
      ),
  );
}

function growthTable(rows: readonly GrowthRow[]): string {
  return tableOf(
    ["path", "of", "number", "ns a request", "ratio"],
    rows.map(({ path, what, value, nanoseconds, ratio }) => [
      ...[path, what, String(value), spread(nanoseconds), ratio.toFixed(2)],
    ]),
    2,
  );
}

function footprintTable(rows: readonly FootprintRow[]): string {
  return tableOf(
    ["path", "ring", "private bytes", "module's data", "of these fixed", "lent by kernel"],
    rows.map((row) =>
      [row.path, row.ringSize, row.privateBytes, row.moduleBytes, Math.round(row.fixedBytes), row.sharedBytes].map(
        String,
      ),
    ),
  );
}

function scanTable(rows: readonly ScanRow[]): string {
  return tableOf(
    ["buses", "configuration reads", "µs"],
    rows.map(({ buses, configurationReads, microseconds }) => [
      ...[String(buses), String(configurationReads), microseconds.toFixed(1)],
    ]),
    0,
  );
}

/** What each transport takes, as text: for both tables. */
export function transportRows(rows: readonly TransportRow[]): TextTable {
  const exits = ({ ports, registers }: KernelCalls): string => few(ports + registers);
  return {
    head: ["transport", "interrupts", "scan", "open", "request", "of 32", "interrupt", "imports", "of 32"],
    rows: rows.map(({ transport, interrupts, scan, open, requests, interrupt }) => [
      ...[transport, interrupts, exits(scan), exits(open)],
      ...requests.map(({ calls }) => exits(calls)),
      exits(interrupt),
      ...requests.map(({ calls }) => few(calls.imports)),
    ]),
  };
}

const budgetNameWidth = 32;
const budgetValueWidth = 16;

function budgetTable({ budgets }: BenchResult): string {
  const rows = budgets.map(({ name, limit, measured, holds }) => [
    fold(name, budgetNameWidth),
    fold(limit, budgetValueWidth),
    fold(measured, budgetValueWidth),
    holds === undefined ? "not judged" : holds ? "yes" : "NO",
  ]);
  return tableOf(["budget", "limit", "measured", "holds"], rows, 4);
}

/** How far the rounds are apart, to the middle of them; empty when there was but one. */
function deviation({ perSecond: { median, least, most, runs } }: MeasuredPoint): string {
  if (runs < 2) return "";
  return `±${Math.round((50 * (most - least)) / median)} %`;
}

function pointsTable({ block, network }: QemuResult): string {
  return grouped(
    [...block, ...network],
    ({ point: { operation, pattern, bytes, depth } }) => `${operation} ${pattern}, ${bytes} bytes, depth ${depth}`,
    (list) =>
      tableOf(
        ["guest", "waits", "a second", "", "to Linux", "notified", "interrupts", "registers"],
        list.map((row) => [
          ...[row.guest, row.point.waiting, whole(row.perSecond.median), deviation(row)],
          row.againstLinux?.median.toFixed(2) ?? "",
          ...[perRequest(row, "notifications"), perRequest(row, "interrupts"), perRequest(row, "deviceAccesses")],
        ]),
        2,
      ),
  );
}

function qemuSections(qemu: QemuResult | undefined): string[] {
  if (qemu === undefined) return [];
  const boot = bootTable(qemu.boot);
  return [
    fold(
      `QEMU ${qemu.qemu}'s devices, beside ${qemu.linux ?? "nothing"}: requests or frames a second, ` +
        "how they compare with Linux's, and what each takes of notifications, interrupts and accesses to registers.",
    ),
    pointsTable(qemu),
    tableOf(
      boot.head,
      boot.rows.filter(([, time]) => time !== ""),
    ),
    [...qemu.gaps, ...qemu.caveats].map((text) => bullet(text)).join("\n"),
  ];
}

function bullet(text: string): string {
  const [first = "", ...rest] = fold(text, WIDTH - 2).split("\n");
  return [`- ${first}`, ...indent(rest)].join("\n");
}

/** Everything, in the order of the measurements. */
export function formatResult(result: BenchResult): string {
  const { host } = result;
  const transports = transportRows(result.transports);
  const sections = [
    fold(`${host.processor}, ${host.cores} cores, Node ${host.node}`),
    fold(
      "Data path in WebAssembly, a request or frame: nanoseconds in the driver (one run in seven is quicker, one " +
        "slower), the same of the C reference, and what loop and device take alone.",
    ),
    timesTable(result.dataPath),
    "Data path in WebAssembly, a request or frame: calls of the kernel.",
    callsTable(result.dataPath),
    ...(result.native.length > 0
      ? [
          fold("Native code, a request or frame: instructions in the driver; nanoseconds, loop and device included."),
          nativeTable(result.native),
        ]
      : []),
    fold("Growth, mapped build, frames and requests of 512 bytes, batch 8; loop and device included."),
    growthTable(result.growth),
    "Memory of an instance with one device.",
    footprintTable(result.footprint),
    "PCI scan.",
    scanTable(result.scan),
    fold(
      "A disk behind each transport, full module: port and register accesses to scan, to open, for a request alone and " +
        "in a batch of 32, and for an interrupt; calls of the kernel for a request.",
    ),
    tableOf(transports.head, transports.rows, 2),
    ...qemuSections(result.qemu),
    "Budgets.",
    budgetTable(result),
  ];
  return sections.join("\n\n");
}
