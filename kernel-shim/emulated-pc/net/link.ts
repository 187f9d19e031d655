/** A cable between two network devices: a hub with two sockets. */
import type { NetworkBackend } from "./backend.js";
import { Hub, type HubOptions } from "./hub.js";

/** The back ends for the devices at both ends, and the hub between them for counting. */
export interface Link {
  ends: readonly [NetworkBackend, NetworkBackend];
  hub: Hub;
}

export function createLink(options: HubOptions = {}): Link {
  const hub = new Hub(options);
  return { ends: [hub.socket(), hub.socket()], hub };
}
