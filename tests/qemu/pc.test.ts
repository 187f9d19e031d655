/** The behaviour cases on QEMU's machine pc, the long ones among them. */

import { testBehaviour } from "./behaviour.js";

testBehaviour("pc", true);
