/** Completions that never were: random writes to a live used ring, of the kinds that only a hostile device makes. */
import type { Random } from "../random.js";
import type { VirtioDevice } from "../virtio/device.js";
import { UsedRing } from "./used-ring.js";
import { otherValue, pick } from "./values.js";

/** Forges something in one of the device's used rings. Returns what, for people; null when no queue is live. */
export function forge(device: VirtioDevice, random: Random): string | null {
  const live = device.queues.filter((queue) => queue.isLive);
  if (live.length === 0) return null;
  const ring = new UsedRing(device, pick(random, live));
  const { size } = ring;
  const length = otherValue(random, 64, 4);
  const anywhere = random.below(size);

  const moveIndex = (by: number): string => {
    ring.index += by;
    return `used.idx moved by ${by}`;
  };
  const complete = (id: number): string => {
    ring.complete(id, length);
    return `completed ${id} with length ${length}`;
  };
  const actions: readonly (() => string)[] = [
    () => moveIndex(pick(random, [1, 2, size - 1, size, size + 1, 0x7fff, 0x8000, 0xffff])),
    () => moveIndex(random.below(0x1_0000)),
    () => complete(random.below(size)),
    () => complete(otherValue(random, size, 4)),
    // Once more what was completed last, and what was offered last, whether or not it is done.
    () => complete(ring.idAt(ring.index - 1)),
    () => complete(ring.offered(random.below(Math.min(size, 4)))),
    () => {
      ring.put(anywhere, otherValue(random, ring.idAt(anywhere), 4), ring.lengthAt(anywhere));
      return "an element's id changed";
    },
    () => {
      ring.put(anywhere, ring.idAt(anywhere), otherValue(random, ring.lengthAt(anywhere), 4));
      return "an element's length changed";
    },
    () => {
      ring.flags = otherValue(random, ring.flags, 2);
      return "used.flags changed";
    },
    () => {
      ring.availEvent = random.below(0x1_0000);
      return "avail_event changed";
    },
  ];
  return `queue ${ring.queue.index}: ${pick(random, actions)()}`;
}
