/** The ways in which a machine sleeps between `suspend` and `resume`. */

import type { Case, CaseContext } from "./context.js";

interface Sleep {
  readonly name: string;
  readonly needs: NonNullable<Case["needs"]>;
  readonly sleep: (context: CaseContext) => void;
}

const sleeps: readonly Sleep[] = [
  { name: "the machine awake", needs: [], sleep: (context) => context.letTimePass() },
  { name: "the machine without power", needs: ["power cycle"], sleep: (context) => context.powerCycle() },
];

/** A case for every way to sleep. */
export function overSleep(
  name: string,
  wanted: Omit<Case, "name" | "run">,
  run: (context: CaseContext, sleep: () => void) => void,
): Case[] {
  return sleeps.map(({ name: meanwhile, needs, sleep }) => ({
    ...wanted,
    name: `${name}, with ${meanwhile} meanwhile`,
    needs: [...(wanted.needs ?? []), ...needs],
    run: (context) => run(context, () => sleep(context)),
  }));
}
