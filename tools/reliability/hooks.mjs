/** Module hooks: whoever imports `node:test` gets the recorder. */

import { URL } from "node:url";

const recorder = new URL("recorder.mjs", import.meta.url).href;

export async function resolve(specifier, context, nextResolve) {
  if (specifier !== "node:test") return nextResolve(specifier, context);
  return { url: recorder, shortCircuit: true };
}
