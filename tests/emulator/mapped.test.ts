/** The behaviour cases on the emulated PC, with the mapped build. */

import { testBehaviour } from "./behaviour.js";

testBehaviour("mapped");
