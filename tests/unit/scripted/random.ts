/** Numbers that look random and are the same in every run. */

let state: u32 = 1;

export function seedRandom(seed: u32): void {
  state = seed | 1;
}

/** A number from 0 to `below` - 1. */
export function random(below: u32): u32 {
  // Marsaglia's xorshift32.
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}
