/**
 * What the driver stack did that a specification forbids: recorded, never thrown, so that a test can look at all of
 * it at its end.
 */

/** One sentence of a specification that a strict machine can check. */
export interface Rule {
  /** Names the rule in tests: a few words with hyphens. */
  readonly id: string;
  /** Where it is written, as `virtio-1.2 §2.7.13`, `PCI 3.0 §6.2.5` or `kernel interface`. */
  readonly section: string;
  /** What the rule asks for. */
  readonly text: string;
}

export interface Violation {
  readonly rule: Rule;
  /** Whose register, queue or memory it concerns: "block 00:04.0 queue 0". */
  readonly source: string;
  /** The numbers of this case. */
  readonly detail: string;
}

/** Violations kept in full; further ones are only counted, so that a driver gone wild does not exhaust memory. */
const KEPT = 1000;

export class Violations {
  /** Oldest first, at most the first 1000. */
  readonly list: Violation[] = [];
  /** All of them, those not kept included. */
  count = 0;

  record(rule: Rule, source: string, detail: string): void {
    this.count++;
    if (this.list.length < KEPT) this.list.push({ rule, source, detail });
  }
}

/** One line for people. */
export function describeViolation(violation: Violation): string {
  const { rule, source, detail } = violation;
  return `${source}: ${rule.text} [${rule.section}] ${detail}`;
}
