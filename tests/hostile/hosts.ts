/** The hosts of the campaign: any that there is a profile for, and devices plugged in as they are there, or otherwise. */
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import { type Profile, profileNames, profiles } from "../../kernel-shim/emulated-pc/profiles.js";
import type { Random } from "../../kernel-shim/emulated-pc/random.js";
import { modernLayoutOf, type Transport } from "../../kernel-shim/emulated-pc/virtio/transport.js";

const TRANSPORTS: readonly Transport[] = [
  "legacy",
  "transitional",
  "modern-io",
  "modern-memory",
  "modern-window",
  "mmio-1",
  "mmio-2",
];
/** One in how many devices is plugged in as its host would not. */
const ELSEWHERE = 2;
/** Few entries, so that rings fill up and wrap. */
export const QUEUE_SIZES = [4, 8, 16, 64] as const;

/** One of the hosts, as a rule with smaller queues. */
export function chooseProfile(random: Random): Profile {
  const profile = profiles[pick(random, profileNames)];
  return {
    ...profile,
    block: { ...profile.block, queueSize: pick(random, QUEUE_SIZES) },
    net: {
      ...profile.net,
      // Only a large ring has room for frames over small buffers.
      receiveQueueSize: pick(random, [...QUEUE_SIZES, 512]),
      transmitQueueSize: pick(random, QUEUE_SIZES),
    },
  };
}

/** How one device of a host is plugged in. */
export function chooseTransport(random: Random, profile: Profile): Transport {
  if (random.below(ELSEWHERE) > 0) return profile.transport;
  const chosen = pick(random, TRANSPORTS);
  // Not by a window that leads nowhere.
  const isClosed = chosen === "modern-window" && modernLayoutOf(chosen, profile)?.window !== "everything";
  return isClosed ? profile.transport : chosen;
}
