/**
 * Records that change under the stack's hands: somebody else writes to the memory that they lie in, at a moment between
 * two imports that a test chooses.
 */
import type { RecordLayout } from "../../kernel-shim/javascript/abi.js";
import type { LyingKernel } from "./lying-kernel.js";

/** One store. */
export interface Change {
  /** For people: what becomes what. */
  readonly name: string;
  apply(view: DataView): void;
}

/** Every value given, for each of the fields named, of the record at `pointer`. */
export function fieldChanges<Layout extends RecordLayout>(
  what: string,
  layout: Layout,
  pointer: number,
  values: Partial<Readonly<Record<keyof Layout["fields"] & string, readonly (number | bigint)[]>>>,
): Change[] {
  return Object.entries(values as Record<string, readonly (number | bigint)[]>).flatMap(([name, all]) => {
    const field = layout.fields[name];
    if (field === undefined) return [];
    return all.map((value) => ({
      name: `${what}.${name} = 0x${value.toString(16)}`,
      apply: (view: DataView) => store(view, pointer + field.offset, field.type, BigInt(value)),
    }));
  });
}

function store(view: DataView, at: number, type: string, value: bigint): void {
  const bytes = Number(/\d+/.exec(type)?.[0]) / 8;
  for (let byte = 0; byte < bytes; byte++) view.setUint8(at + byte, Number((value >> BigInt(8 * byte)) & 0xffn));
}

/**
 * Makes one call again and again, each time with one change behind its first, second, … import, until the call has no
 * such import any more.
 *
 * @param run prepares the records, calls `arm` directly before the export, and judges what came of it; `describe` says
 *   what changes, for people
 * @returns how often the call was made
 */
export function changeEverywhere(
  kernel: LyingKernel,
  view: DataView,
  changes: readonly Change[],
  run: (arm: () => void, describe: string) => void,
): number {
  let runs = 0;
  for (const change of changes) {
    let isOver = false;
    for (let number = 1; !isOver; number++) {
      let isDone = false;
      const arm = (): void => {
        kernel.calls = 0;
        kernel.between = (count) => {
          if (count !== number) return;
          kernel.between = undefined;
          isDone = true;
          change.apply(view);
        };
      };
      run(arm, `${change.name} behind import ${number}`);
      kernel.between = undefined;
      isOver = !isDone;
      runs++;
    }
  }
  return runs;
}
