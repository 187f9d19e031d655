/** The behaviour cases on QEMU's machine q35. */

import { testBehaviour } from "./behaviour.js";

testBehaviour("q35", false);
