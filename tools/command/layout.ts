/** Text in columns and lines that fit, without borders and colours. */

import Table from "cli-table3";

const NO_BORDERS = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

/** What all output fits: the width of a terminal that nobody has made larger. */
export const WIDTH = 80;

/** Columns that are as wide as their longest cell; those whose numbers `rightAligned` has are flush right. */
export function columns(rows: readonly (readonly string[])[], rightAligned: readonly number[] = []): string[] {
  const width = Math.max(0, ...rows.map((row) => row.length));
  const table = new Table({
    chars: NO_BORDERS,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
    colAligns: Array.from({ length: width }, (_, column) => (rightAligned.includes(column) ? "right" : "left")),
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .filter((line) => line !== "");
}

/** Pieces of text joined by `separator`, broken into lines of at most `width` characters between pieces. */
export function wrap(pieces: readonly string[], width: number, separator: string): string {
  const lines: string[] = [];
  for (const piece of pieces) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + separator.length + piece.length <= width) {
      lines[lines.length - 1] = last + separator + piece;
    } else {
      lines.push(piece);
    }
  }
  return lines.join("\n");
}

/** A sentence in lines that fit. */
export function fold(text: string, width = WIDTH): string {
  return wrap(text.split(" "), width, " ");
}

/** Every line moved to the right. */
export function indent(lines: readonly string[], spaces = 2): string[] {
  return lines.map((line) => " ".repeat(spaces) + line);
}
