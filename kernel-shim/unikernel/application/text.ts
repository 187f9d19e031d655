/** Text for the console. Nothing here allocates: pieces are written one after the other instead of being joined. */
import { write } from "./unikernel";

const CAPACITY: u32 = 256;
const buffer = <u32>memory.data(256, 8);

/** Prints ASCII text, at most 256 characters of it. */
export function print(text: string): void {
  const length = min<u32>(text.length, CAPACITY);
  for (let index: u32 = 0; index < length; index++) store<u8>(buffer + index, <u8>text.charCodeAt(index));
  write(buffer, length);
}

/** Prints a number, in decimal. */
export function printNumber(number: u64): void {
  let at = buffer + CAPACITY;
  do {
    store<u8>(--at, <u8>(48 + (number % 10)));
    number /= 10;
  } while (number != 0);
  write(at, buffer + CAPACITY - at);
}

/** Prints a quotient with two decimals; a dash when there is nothing to divide by. */
export function printRatio(dividend: u64, divisor: u64): void {
  if (divisor == 0) return print("-");
  const hundredths = (dividend * 100 + divisor / 2) / divisor;
  printNumber(hundredths / 100);
  print(".");
  printNumber((hundredths / 10) % 10);
  printNumber(hundredths % 10);
}

/** Prints nanoseconds as whole milliseconds. */
export function printMilliseconds(nanoseconds: u64): void {
  printNumber((nanoseconds + 500_000) / 1_000_000);
  print(" ms");
}

/** Prints `length` bytes in hexadecimal, at most 128. */
export function printBytes(bytes: u32, length: u32): void {
  const count = min<u32>(length, CAPACITY / 2);
  for (let index: u32 = 0; index < count; index++) {
    const byte = load<u8>(bytes + index);
    store<u8>(buffer + index * 2, digit(byte >> 4));
    store<u8>(buffer + index * 2 + 1, digit(byte & 15));
  }
  write(buffer, count * 2);
}

function digit(value: u8): u8 {
  return value < 10 ? 48 + value : 87 + value;
}

/** Prints an IPv4 address. */
export function printAddress(address: u32): void {
  for (let shift = 24; shift >= 0; shift -= 8) {
    printNumber((address >> shift) & 255);
    if (shift != 0) print(".");
  }
}
