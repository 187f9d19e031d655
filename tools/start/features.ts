/** What a device offered and what became of it, by name. */

import { featureNames } from "../../kernel-shim/javascript/index.js";
import type { FeaturesResult } from "./result.js";

export function describeFeatures(virtioType: number, offered: bigint, accepted: bigint): FeaturesResult {
  return {
    offered: featureNames(virtioType, offered),
    accepted: featureNames(virtioType, accepted),
    refused: featureNames(virtioType, offered & ~accepted),
  };
}
