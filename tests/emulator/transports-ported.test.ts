/** The behaviour cases behind every transport, ported build. */

import { testTransports } from "./transports.js";

testTransports("ported");
