/** Numbers with their nouns. */

/** "1 flush", "2 flushes": the plural ends in s unless it is given. Large numbers have commas. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;
}
