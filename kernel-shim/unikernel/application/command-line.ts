/** The kernel's command line: words of the form `name=value`, or just `name`, separated by blanks. */
import { command_line } from "./unikernel";

const CAPACITY: u32 = 2048;
const text = <u32>memory.data(2048, 8);
const BLANK: u8 = 32;
const EQUALS: u8 = 61;

let length: u32 = 0;

/** The value of the option that was found last, as address and length; length 0 when it has none. */
export let optionValue: u32 = 0;
export let optionLength: u32 = 0;

/** Fetches the command line; once. */
export function readCommandLine(): void {
  length = command_line(text, CAPACITY);
}

/** Looks for an option, and notes its value. */
export function findOption(name: string): bool {
  let start: u32 = 0;
  while (start < length) {
    let end = start;
    while (end < length && load<u8>(text + end) != BLANK) end++;
    if (isOption(name, start, end)) return true;
    start = end + 1;
  }
  return false;
}

function isOption(name: string, start: u32, end: u32): bool {
  const nameLength = <u32>name.length;
  if (end - start < nameLength) return false;
  for (let index: u32 = 0; index < nameLength; index++) {
    if (load<u8>(text + start + index) != name.charCodeAt(index)) return false;
  }
  const behind = start + nameLength;
  if (behind < end && load<u8>(text + behind) != EQUALS) return false;
  optionValue = text + behind + 1;
  optionLength = behind < end ? end - behind - 1 : 0;
  return true;
}
