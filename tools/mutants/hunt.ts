/**
 * Looks which test misses which mutant: first the one that did the last time, then all others, the likeliest first, until
 * one does. Every test is first run on the stack as it is, to learn which branches it takes: only those that take a
 * mutant's branch can tell it from the stack.
 */

import { cpus } from "node:os";
import { onSignal } from "../command/cleanup.js";
import { CommandError } from "../command/command-error.js";
import { beginStep } from "../command/progress.js";
import type { KnownTest, Order, Report } from "./bench.js";
import { BenchProcess } from "./bench-process.js";
import { Memory } from "./memory.js";
import { isSpec } from "./modules.js";
import type { Mutant, Mutants } from "./mutants.js";

/** Tests of one kind. */
export interface Group {
  /** What they are: "fixed cases". */
  readonly name: string;
  readonly files: readonly string[];
  /** Which of the tests in them: those with this in their names. */
  readonly only?: RegExp;
}

/** What became of a mutant. */
export interface Verdict {
  readonly mutant: Mutant;
  /** The group of the test that missed it; empty when none did. */
  readonly by: string;
  /** That test; null when none did. */
  readonly test: string | null;
  /** How many tests take the branch, of those that could be asked. */
  readonly tests: number;
}

/** What a test does on the stack as it is. */
interface Trial {
  readonly name: string;
  readonly milliseconds: number;
  /** How to run it on a mutant. */
  readonly order: Omit<Order, "mutant">;
  readonly branches: ReadonlySet<number>;
}

/** More branches than the stack itself takes, by so much, are an endless loop. */
const BRANCHES_FACTOR = 20;
const BRANCHES_SPARE = 2_000_000;
/** Nor does a test of a mutant take so much longer, however busy the machine is. */
const TIME_FACTOR = 20;
const SPARE_MILLISECONDS = 10_000;
/** What any test takes at most. */
const TEST_MILLISECONDS = 120_000;
/** What it takes to run even the quickest test. */
const OVERHEAD_MILLISECONDS = 5;

export class Hunt {
  private readonly processes: readonly BenchProcess[];
  private tests: readonly KnownTest[] = [];
  private readonly memory = new Memory();

  /** @param folder with the modules that know all mutants */
  constructor(
    private readonly mutants: Mutants,
    private readonly groups: readonly Group[],
    folder: string,
  ) {
    const files = groups.flatMap((group) => group.files);
    this.processes = cpus().map(() => new BenchProcess(folder, files));
  }

  /**
   * Tries mutants. Throws `CommandError` when a test fails without any.
   *
   * @param found called with each verdict
   */
  async judge(mutants: readonly Mutant[], found: (verdict: Verdict) => void): Promise<void> {
    const started = await Promise.all(this.processes.map((each) => each.start()));
    this.tests = started[0] ?? [];
    const note = (verdict: Verdict): void => {
      if (verdict.test !== null) this.memory.note(verdict.mutant, verdict.test);
      found(verdict);
    };
    const forget = onSignal(() => this.memory.save());
    try {
      const left = await this.judgeAsBefore(mutants, note);
      const numbers = this.groups.flatMap((group) => this.numbersOf(group));
      const inOrder = (mutant: Mutant, trials: Trial[]): Trial[] => this.inOrder(mutant, trials);
      if (left.length > 0) await this.judgeBy("all tests", numbers, left, inOrder, note);
    } finally {
      forget();
      this.memory.save();
    }
  }

  end(): void {
    for (const each of this.processes) each.end();
  }

  /** Asks for each mutant the test that missed it the last time; returns those that it does not miss now. */
  private async judgeAsBefore(mutants: readonly Mutant[], note: (verdict: Verdict) => void): Promise<Mutant[]> {
    const known = mutants.filter((mutant) => this.memory.testOf(mutant) !== undefined);
    const left = mutants.filter((mutant) => this.memory.testOf(mutant) === undefined);
    if (known.length === 0) return left;
    const names = new Set(known.map((mutant) => this.memory.testOf(mutant)));
    const all = this.groups.flatMap((group) => this.numbersOf(group));
    const numbers = all.filter((number) => names.has(this.name(number)));
    const remembered = (mutant: Mutant, trials: Trial[]): Trial[] =>
      trials.filter(({ name }) => name === this.memory.testOf(mutant));
    await this.judgeBy("the tests that missed them before", numbers, known, remembered, (verdict) => {
      if (verdict.test === null) left.push(verdict.mutant);
      else note(verdict);
    });
    return left;
  }

  /** The tests of a group. */
  private numbersOf({ files, only = /./ }: Group): number[] {
    return [...this.tests.entries()]
      .filter(([, test]) => !test.isSkipped && files.includes(test.file) && only.test(test.name))
      .map(([number]) => number);
  }

  private name(number: number): string {
    return this.tests[number]?.name ?? "";
  }

  /**
   * Tries mutants on some tests.
   *
   * @param choose of those that take the mutant's branch, the tests to ask, in that order
   */
  private async judgeBy(
    what: string,
    numbers: readonly number[],
    mutants: readonly Mutant[],
    choose: (mutant: Mutant, trials: Trial[]) => readonly Trial[],
    found: (verdict: Verdict) => void,
  ): Promise<void> {
    const trials = await this.prepare(what, numbers);
    const step = beginStep({ what: `Trying mutants on ${what}`, total: mutants.length, unit: "mutants" });
    try {
      await this.share(mutants, async (mutant, bench) => {
        const fit = trials.filter(({ branches }) => branches.has(mutant.branch));
        const test = await this.whatMisses(mutant, choose(mutant, fit), bench);
        const verdict = { mutant, by: this.groupOf(test), test: test?.name ?? null, tests: fit.length };
        step.aside(() => found(verdict));
        step.advance();
      });
    } finally {
      step.end();
    }
  }

  private groupOf(trial: Trial | null): string {
    const file = trial === null ? "" : (this.tests[trial.order.test]?.file ?? "");
    return this.groups.find(({ files }) => files.includes(file))?.name ?? "";
  }

  /** Runs tests on the stack as it is. */
  private async prepare(what: string, numbers: readonly number[]): Promise<Trial[]> {
    const trials: Trial[] = [];
    const step = beginStep({ what: `Running ${what} without a mutant`, total: numbers.length, unit: "tests" });
    try {
      await this.share(numbers, async (number, bench) => {
        const test = this.name(number);
        const branchesMax = Number.MAX_SAFE_INTEGER;
        const order = { test: number, mutant: null, branchesMax, millisecondsMax: TEST_MILLISECONDS };
        let report = await bench.run(order);
        if (report?.failure !== null) {
          // What other tests left behind in the process may be the reason.
          bench.end();
          report = await bench.run(order);
        }
        if (report?.failure !== null) {
          const [why = ""] = report?.failure.split("\n") ?? ["it hangs"];
          throw new CommandError(`"${test}" fails without a mutant (${why}); see npm test`);
        }
        trials.push(trial(number, test, report));
        step.advance();
      });
    } finally {
      step.end();
    }
    return trials;
  }

  /** The first test that misses a mutant; null when none does. */
  private async whatMisses(mutant: Mutant, trials: readonly Trial[], bench: BenchProcess): Promise<Trial | null> {
    for (const each of trials) {
      if (await this.misses(mutant, each, bench)) return each;
    }
    return null;
  }

  /** Those first that are quick, and go ways of the mutant's function that few others go: they are about it. */
  private inOrder(mutant: Mutant, trials: readonly Trial[]): Trial[] {
    const neighbours = this.mutants.neighbours(mutant).map((branch) => ({
      branch,
      weight: 1 / Math.max(trials.filter(({ branches }) => branches.has(branch)).length, 1),
    }));
    const worth = ({ branches, milliseconds }: Trial): number => {
      const found = neighbours.reduce((sum, { branch, weight }) => (branches.has(branch) ? sum + weight : sum), 0);
      return found / (milliseconds + OVERHEAD_MILLISECONDS);
    };
    const worths = new Map(trials.map((each) => [each, worth(each)]));
    return [...trials].sort((first, second) => (worths.get(second) ?? 0) - (worths.get(first) ?? 0));
  }

  private async misses({ branch }: Mutant, { order }: Trial, bench: BenchProcess): Promise<boolean> {
    const onMutant = await bench.run({ ...order, mutant: branch });
    if (onMutant === null) return true;
    if (onMutant.failure === null) return false;
    // Of these nothing outlives a run.
    if (isSpec(this.tests[order.test]?.file ?? "")) return true;
    const onStack = await bench.run({ ...order, mutant: null });
    if (onStack?.failure === null) return true;
    // A mutant left something behind in the process: what fails in a fresh one counts.
    bench.end();
    const again = await bench.run({ ...order, mutant: branch });
    bench.end();
    return again?.failure !== null;
  }

  /** Works through a list, with all processes at once. */
  private async share<Item>(
    items: readonly Item[],
    work: (item: Item, bench: BenchProcess) => Promise<void>,
  ): Promise<void> {
    const left = [...items].reverse();
    await Promise.all(
      this.processes.map(async (bench) => {
        try {
          for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item, bench);
        } catch (error) {
          // The others end, too.
          left.length = 0;
          throw error;
        }
      }),
    );
  }
}

function trial(number: number, name: string, { milliseconds, taken, branches }: Report): Trial {
  const branchesMax = taken * BRANCHES_FACTOR + BRANCHES_SPARE;
  const millisecondsMax = milliseconds * TIME_FACTOR + SPARE_MILLISECONDS;
  const order = { test: number, branchesMax, millisecondsMax };
  return { name, milliseconds, order, branches: new Set(branches) };
}
