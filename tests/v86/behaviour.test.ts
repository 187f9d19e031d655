/** The behaviour cases on v86's device models. */

import { longNetCases, netCases } from "../cases/net/index.js";
import { pciCases } from "../cases/pci/index.js";
import { runCases } from "../cases/run.js";
import { V86Ground } from "./ground.js";

runCases(await V86Ground.start("release", 1), { ...netCases, ...pciCases, ...longNetCases });
// The debug build also asserts that registers are accessed as wide as they are, and rings used as they should be.
runCases(await V86Ground.start("debug", 0.05), { ...netCases, ...pciCases });
