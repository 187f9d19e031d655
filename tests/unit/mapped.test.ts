/** The unit tests, with the stack as the mapped build has it. */

import { runSpecs } from "./specs.js";

await runSpecs("mapped");
