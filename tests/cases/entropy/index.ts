/** The cases of entropy devices, by what they are about. */

import type { CaseGroups } from "../run.js";
import { lifetime } from "./lifetime.js";
import { requests } from "./requests.js";

export const entropyCases: CaseGroups = {
  "entropy: requests": requests,
  "entropy: lifetime": lifetime,
};
