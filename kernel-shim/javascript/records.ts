/**
 * Records in linear memory, read and written by the generated layouts. Field names are the ABI's own, so that
 * `abi/records.ts` and each driver's `abi.ts` in `assembly/` document what comes out of here. Fields of 64 bits are
 * `bigint`, all others `number`.
 */

import type { FieldType, RecordLayout } from "./abi.js";

/** What a record of the given layout looks like in JavaScript. */
export type RecordOf<Layout extends RecordLayout> = {
  -readonly [Name in keyof Layout["fields"]]: Layout["fields"][Name]["type"] extends "u64" | "i64" ? bigint : number;
};

/** 2^32, what the upper half of a 64-bit number counts. */
const UPPER_HALF = 0x1_0000_0000;

function readField(view: DataView, address: number, type: FieldType): number | bigint {
  switch (type) {
    case "i8":
      return view.getInt8(address);
    case "u8":
      return view.getUint8(address);
    case "i16":
      return view.getInt16(address, true);
    case "u16":
      return view.getUint16(address, true);
    case "u32":
      return view.getUint32(address, true);
    case "i32":
      return view.getInt32(address, true);
    case "i64":
      return view.getBigInt64(address, true);
    case "u64":
      return view.getBigUint64(address, true);
  }
}

function writeField(view: DataView, address: number, type: FieldType, value: number | bigint): void {
  switch (type) {
    case "u8":
    case "i8":
      view.setUint8(address, Number(value));
      break;
    case "u16":
    case "i16":
      view.setUint16(address, Number(value), true);
      break;
    case "u32":
    case "i32":
      view.setUint32(address, Number(value), true);
      break;
    case "u64":
    case "i64":
      view.setBigUint64(address, BigInt(value), true);
      break;
  }
}

/** Copies the record at `pointer` out of linear memory. */
export function readRecord<Layout extends RecordLayout>(
  view: DataView,
  layout: Layout,
  pointer: number,
): RecordOf<Layout> {
  const record: Record<string, number | bigint> = {};
  for (const [name, { offset, type }] of Object.entries(layout.fields)) {
    record[name] = readField(view, pointer + offset, type);
  }
  return record as RecordOf<Layout>;
}

/** Writes the record at `pointer`; fields that `values` does not name become 0. */
export function writeRecord<Layout extends RecordLayout>(
  view: DataView,
  layout: Layout,
  pointer: number,
  values: Partial<RecordOf<Layout>>,
): void {
  const given: Partial<Record<string, number | bigint>> = values;
  for (const [name, { offset, type }] of Object.entries(layout.fields)) {
    writeField(view, pointer + offset, type, given[name] ?? 0);
  }
}

/**
 * Stores a 64-bit number as two halves, which costs no `bigint` where the caller has a plain number.
 * `value` is a whole number of 0 and above: at most 2^53 - 1 as `number`, below 2^64 as `bigint`.
 */
export function writeUint64(view: DataView, address: number, value: number | bigint): void {
  if (typeof value === "bigint") {
    view.setBigUint64(address, value, true);
  } else {
    view.setUint32(address, value % UPPER_HALF, true);
    view.setUint32(address + 4, Math.floor(value / UPPER_HALF), true);
  }
}

/** Loads a 64-bit number that is known to be below 2^53. */
export function readSafeUint64(view: DataView, address: number): number {
  return view.getUint32(address + 4, true) * UPPER_HALF + view.getUint32(address, true);
}
