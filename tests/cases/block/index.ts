/** The cases of disks, by what they are about. */

import type { CaseGroups } from "../run.js";
import { boundaries } from "./boundaries.js";
import { cache } from "./cache.js";
import { capacity } from "./capacity.js";
import { errors } from "./errors.js";
import { execution } from "./execution.js";
import { information } from "./information.js";
import { legacy } from "./legacy.js";
import { lifetime } from "./lifetime.js";
import { notifications } from "./notifications.js";
import { randomRequests } from "./random.js";
import { ranges } from "./ranges.js";
import { ring, ringWrap } from "./ring.js";
import { segments } from "./segments.js";
import { several } from "./several.js";
import { sleep } from "./sleep.js";
import { transfers } from "./transfers.js";

/** Long cases: where requests take real time, running them once is enough. */
export const longBlockCases: CaseGroups = {
  "block: ring indices that wrap": ringWrap,
};

export const blockCases: CaseGroups = {
  "block: information": information,
  "block: transfers": transfers,
  "block: boundaries": boundaries,
  "block: scatter-gather": segments,
  "block: discard, zeroes, erase": ranges,
  "block: cache mode": cache,
  "block: barriers, priorities, SCSI": legacy,
  "block: one request at a time": execution,
  "block: ring": ring,
  "block: notifications and interrupts": notifications,
  "block: errors": errors,
  "block: capacity": capacity,
  "block: several disks": several,
  "block: lifetime": lifetime,
  "block: suspend and resume": sleep,
  "block: random requests": randomRequests,
};
