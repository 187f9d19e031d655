/** The module's exports as the binding calls them, also those of drivers that a module is made without. */

import { exportsOfParts, type VirtioExports } from "./abi.js";

/**
 * The exports of an instance. What comes with a driver or transport that the module is made without throws an error that
 * says so when it is called.
 */
export function exportsOf(instance: WebAssembly.Instance): VirtioExports {
  const present = instance.exports as unknown as VirtioExports;
  const missing = Object.entries(exportsOfParts).flatMap(([part, names]) =>
    names.filter((name) => !(name in present)).map((name) => [name, refusal(name, part)] as const),
  );
  return missing.length === 0 ? present : { ...present, ...Object.fromEntries(missing) };
}

function refusal(name: string, part: string): () => never {
  return () => {
    throw new Error(`${name}: this module is made without ${part}; build/virtio.wasm has everything`);
  };
}
