/** The behaviour cases behind every transport, mapped build. */

import { testTransports } from "./transports.js";

testTransports("mapped");
