/** Where an entropy device has its bytes from: none of them is 0, and there are as many as it is told. */
import type { EntropySource } from "../../kernel-shim/emulated-pc/entropy/device.js";

/** How many bytes there are whenever the device asks. */
export type Supply = "plenty" | "few" | "none";

const SMALLEST_VALUE = 3;
const VALUES = 253;
const FEW = 40;
/** More than any guest asks for; a chain that a lie has made longer would take minutes. */
const PLENTY = 2 ** 20;

export class TracedEntropy {
  supply: Supply = "plenty";
  private given = 0;

  /** For the device's options. */
  readonly source: EntropySource = (target) => {
    const room = target.length;
    const count =
      this.supply === "plenty"
        ? Math.min(room, PLENTY)
        : this.supply === "few"
          ? Math.min(room, 1 + (this.given % FEW))
          : 0;
    for (let index = 0; index < count; index++) target[index] = SMALLEST_VALUE + (this.given++ % VALUES);
    return count;
  };
}
