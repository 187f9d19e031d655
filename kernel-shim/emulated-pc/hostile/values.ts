/** Values that break things: the ends of ranges, neighbours of the right value, single bits, and any others. */
import type { Random } from "../random.js";

/**
 * Another value for a field that should hold `value`; now and then the same one.
 *
 * @param bytes of the field: 1, 2 or 4
 */
export function otherValue(random: Random, value: number, bytes: number): number {
  const bits = 8 * bytes;
  const limit = 2 ** bits;
  const choices = [
    () => 0,
    () => limit - 1,
    () => value + 1,
    () => value - 1,
    () => value ^ (2 ** random.below(bits)),
    () => 2 ** random.below(bits),
    () => value * 2,
    () => value / 2,
    () => random.below(17),
    () => limit / 2,
    () => random.next(),
  ];
  const chosen = choices[random.below(choices.length)] ?? (() => 0);
  return ((Math.floor(chosen()) % limit) + limit) % limit;
}

/** One of the elements; there must be at least one. */
export function pick<Element>(random: Random, elements: readonly Element[]): Element {
  const element = elements[random.below(elements.length)];
  if (element === undefined) throw new Error("there is nothing to pick from");
  return element;
}
