/** One line about work in progress. */

import { WIDTH } from "./layout.js";

/** What is to be done. */
export interface Work {
  readonly what: string;
  /** How much; undefined where that is not known. */
  readonly total?: number;
  /** What is counted, as a plural ("files"), or `bytes`, shown as KiB or MiB; undefined: shares of the whole. */
  readonly unit?: string;
}

/** How far it has come. */
export interface Situation {
  readonly done: number;
  /** Since it began. */
  readonly seconds: number;
  /** Empty: nothing to say. */
  readonly note: string;
}

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const BAR_WIDTH = 12;
/** Before that, a rate says little. */
const FIRST_RATE_SECONDS = 1;
/** Of less, `few` says nothing. */
const LEAST_RATE = 0.1;

function few(value: number): string {
  if (value === 0) return "0";
  return value >= 10 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

/** Seconds as people say them. */
export function duration(seconds: number): string {
  const whole = Math.max(Math.ceil(seconds), 0);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function amounts({ total, unit }: Work, done: number): string[] {
  if (total === undefined || unit === undefined) return [];
  if (unit === "bytes") {
    const [size, name] = total < MEBIBYTE ? [KIBIBYTE, "KiB"] : [MEBIBYTE, "MiB"];
    return [`${few(done / size)} of ${few(total / size)} ${name}`];
  }
  return [`${done.toLocaleString("en")} of ${total.toLocaleString("en")} ${unit}`];
}

function rate({ unit }: Work, { done, seconds }: Situation): string[] {
  if (unit === undefined || done / seconds < LEAST_RATE || seconds < FIRST_RATE_SECONDS) return [];
  return [unit === "bytes" ? `${few(done / MEBIBYTE / seconds)} MiB/s` : `${few(done / seconds)}/s`];
}

function time({ total }: Work, { done, seconds }: Situation): string[] {
  if (total === undefined) return seconds < 1 ? [] : [duration(seconds)];
  if (done === 0 || seconds < FIRST_RATE_SECONDS) return [];
  return [`${duration((seconds * (total - done)) / done)} left`];
}

function bar(share: number): string {
  const full = Math.round(BAR_WIDTH * share);
  return "█".repeat(full) + "░".repeat(BAR_WIDTH - full);
}

/**
 * The line: what is done, how much of it, how fast, what remains. Its parts go one by one, the last first, where the
 * width is too small for all.
 *
 * @param columns of the terminal; undefined: this is for no terminal, and without a bar
 */
export function describeProgress(work: Work, situation: Situation, columns?: number): string {
  const share = work.total === undefined ? undefined : Math.min(situation.done / Math.max(work.total, 1), 1);
  const percent = share === undefined ? [] : [`${Math.floor(100 * share)} %`];
  const facts = [...percent, ...amounts(work, situation.done), ...rate(work, situation), ...time(work, situation)];
  const parts = [...facts, ...(situation.note === "" ? [] : [situation.note])];
  const picture = columns === undefined || share === undefined ? " " : ` ${bar(share)} `;
  // The last column stays free: some terminals go to the next line with it.
  const room = (columns ?? WIDTH + 1) - 1;
  for (; parts.length > 0; parts.pop()) {
    const line = `${work.what}${columns === undefined ? ": " : picture}${parts.join(", ")}`;
    if (line.length <= room) return line;
  }
  return `${work.what.slice(0, Math.max(room - 2, 0))} …`;
}
