/** The unit tests, with the stack as the ported build has it. */

import { runSpecs } from "./specs.js";

await runSpecs("ported");
