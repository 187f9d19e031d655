/** The cases of the PCI layer, by what they are about. */

import type { CaseGroups } from "../run.js";
import { assignment } from "./assignment.js";
import { resources } from "./resources.js";
import { scan } from "./scan.js";

export const pciCases: CaseGroups = {
  "pci: scan": scan,
  "pci: resources": resources,
  "pci: assignment": assignment,
};
