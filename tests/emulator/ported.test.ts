/** The behaviour cases on the emulated PC, with the ported build. */

import { testBehaviour } from "./behaviour.js";

testBehaviour("ported");
