/** Negative results of the module's calls as JavaScript errors that say what they mean. */

import { Result, ResultMeaning } from "./abi.js";

type ResultName = keyof typeof Result;

const NAMES = new Map<number, ResultName>(
  (Object.keys(Result) as ResultName[]).map((name): [number, ResultName] => [Result[name], name]),
);

/** The name of a `Result`, or the number itself where the ABI has no such code. */
export function resultName(code: number): string {
  return NAMES.get(code) ?? String(code);
}

/** What a `Result` means, in the words of the ABI. */
export function resultMeaning(code: number): string {
  const name = NAMES.get(code);
  return name === undefined ? "The ABI has no such code." : ResultMeaning[name];
}

/** A call of the module's refused to do what it was asked. */
export class VirtioError extends Error {
  override readonly name = "VirtioError";
  /** The negative `Result`. */
  readonly code: number;
  /** Its name, `E_…`. */
  readonly codeName: string;
  /** What it means, without the name of the call. */
  readonly explanation: string;

  constructor(
    /** The export that was called. */
    readonly call: string,
    code: number,
    /** `cause`: what made the binding refuse the call in the module's place. */
    options?: ErrorOptions,
  ) {
    super(`${call}: ${resultName(code)} (${code}): ${resultMeaning(code)}`, options);
    this.code = code;
    this.codeName = resultName(code);
    this.explanation = resultMeaning(code);
  }
}

/** Passes on a count, handle or `OK`, and throws what is negative. */
export function check(call: string, result: number): number {
  if (result < 0) {
    throw new VirtioError(call, result);
  }
  return result;
}
