/** The cases of network cards, by what they are about. */

import type { CaseGroups } from "../run.js";
import { control } from "./control.js";
import { debug } from "./debug.js";
import { information } from "./information.js";
import { lifetime } from "./lifetime.js";
import { link } from "./link.js";
import { offloads } from "./offloads.js";
import { receive } from "./receive.js";
import { sleep } from "./sleep.js";
import { ringWrap, traffic } from "./traffic.js";
import { transmit } from "./transmit.js";

export const netCases: CaseGroups = {
  "net: information": information,
  "net: transmission": transmit,
  "net: reception": receive,
  "net: offloads": offloads,
  "net: link": link,
  "net: control queue": control,
  "net: debug I/O": debug,
  "net: lifetime": lifetime,
  "net: suspend and resume": sleep,
  "net: traffic": traffic,
};

/** Long cases: where frames take real time, running them once is enough. */
export const longNetCases: CaseGroups = {
  "net: ring indices that wrap": ringWrap,
};
