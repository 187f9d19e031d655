/** When a device is notified, and when it is asked for interrupts. */
import { VIRTIO_F_EVENT_IDX } from "../../../../assembly/virtio/features";
import {
  memory_ambush,
  Trace,
  trace_clear,
  trace_count,
  trace_find,
  trace_number,
  trace_watch,
  trace_watched,
} from "../../scripted/script";
import { addChain, newQueue, queue, QUEUE, QUEUE_NOTIFY, ring, takeChain } from "./queue";

/** Adds, publishes, completes and takes `count` chains of one buffer, so that all indices move on. */
function turn(count: u32): void {
  for (let done: u32 = 0; done < count; done++) {
    addChain(done, 1, 0);
    queue.kick();
    ring.completeAll();
    queue.pending();
    takeChain();
  }
}

function notifications(): u32 {
  let count: u32 = 0;
  let place = -1;
  while ((place = trace_find(Trace.OUT, QUEUE_NOTIFY, place + 1)) >= 0) count++;
  return count;
}

/** Adds `count` chains of one buffer and kicks; returns how often the device was notified. */
function kickNotifies(count: u32): u32 {
  trace_clear();
  for (let added: u32 = 0; added < count; added++) addChain(added, 1, 0);
  queue.kick();
  ring.completeAll();
  while (queue.pending() != 0) takeChain();
  return notifications();
}

describe("kick", () => {
  it("publishes nothing and tells nobody when nothing was added", () => {
    newQueue(8, 0);
    queue.kick();
    expect(trace_count(Trace.WMB) + trace_count(Trace.MB) + trace_count(Trace.OUT)).toBe(0);
  });

  it("publishes all that was added behind a write barrier, then looks behind a full one, then notifies once", () => {
    newQueue(8, 0);
    addChain(1, 1, 0);
    addChain(2, 1, 0);
    addChain(3, 1, 0);
    expect(queue.unpublished).toBe(3);
    expect(ring.availableIndex).toBe(0);
    trace_watch(ring.available + 2);
    queue.kick();
    expect(queue.unpublished).toBe(0);
    const wmb = trace_find(Trace.WMB, 0, 0);
    const mb = trace_find(Trace.MB, 0, 0);
    const out = trace_find(Trace.OUT, QUEUE_NOTIFY, 0);
    expect(trace_watched(wmb)).toBe(0, "not yet published");
    expect(mb).toBe(wmb + 1);
    expect(trace_watched(mb)).toBe(3);
    expect(out).toBe(mb + 1);
    expect(trace_number(out, 1)).toBe(QUEUE);
    expect(notifications()).toBe(1);
    expect(queue.notifications).toBe(1);
  });

  it("notifies a device by flag unless it says otherwise", () => {
    newQueue(8, 0);
    ring.setUsedFlags(1);
    expect(kickNotifies(2)).toBe(0);
    ring.setUsedFlags(0);
    expect(kickNotifies(2)).toBe(1);
    // Only the lowest bit means anything.
    ring.setUsedFlags(0xfffe);
    expect(kickNotifies(1)).toBe(1);
    expect(queue.notifications).toBe(2);
  });

  it("reads the flag behind the full barrier, in either direction", () => {
    newQueue(8, 0);
    memory_ambush(Trace.MB, ring.used, 1);
    expect(kickNotifies(1)).toBe(0);
    memory_ambush(Trace.MB, ring.used, 0);
    expect(kickNotifies(1)).toBe(1);
  });

  it("does not look at the event index where there is none, nor at the flag where there is one", () => {
    newQueue(8, 0);
    ring.setAvailEvent(0x4000);
    expect(kickNotifies(1)).toBe(1);
    newQueue(8, VIRTIO_F_EVENT_IDX);
    ring.setUsedFlags(1);
    expect(kickNotifies(1)).toBe(1);
  });

  it("notifies when the index passes the event index, wherever indices wrap", () => {
    newQueue(16, VIRTIO_F_EVENT_IDX);
    let before: u32 = 0;
    let wrong: u32 = 0;
    let notified: u32 = 0;
    const places: u32[] = [0, 0x7ff0, 0xffe8];
    for (let place = 0; place < places.length; place++) {
      turn(places[place] - before);
      before = places[place];
      for (let round = 0; round < 3; round++) {
        for (let count: u32 = 1; count <= 8; count++) {
          for (let distance: u32 = 0; distance < 2; distance++) {
            // Just within, and just outside of what will be published.
            const event = before + (distance ? count : count - 1);
            ring.setAvailEvent(event & 0xffff);
            const expected: u32 = distance ? 0 : 1;
            if (kickNotifies(count) != expected) wrong++;
            notified += expected;
            before += count;
          }
        }
      }
    }
    expect(before).toBeGreaterThan(0x1_0000, "indices wrapped");
    expect(wrong).toBe(0);
    expect(notified).toBe(72);
  });

  it("reads the event index behind the full barrier", () => {
    newQueue(8, VIRTIO_F_EVENT_IDX);
    memory_ambush(Trace.MB, ring.used + 4 + 8 * 8, 0x8000);
    expect(kickNotifies(1)).toBe(0);
    memory_ambush(Trace.MB, ring.used + 4 + 8 * 8, 1);
    expect(kickNotifies(1)).toBe(1);
  });
});

describe("callbacks", () => {
  it("are off in a new queue", () => {
    newQueue(8, 0);
    expect(ring.availableFlags).toBe(1);
    expect(queue.callbacks).toBe(false);
    newQueue(8, VIRTIO_F_EVENT_IDX);
    expect(ring.availableFlags).toBe(0);
    expect(ring.usedEvent).toBe(0xffff);
  });

  it("are switched by the flag", () => {
    newQueue(8, 0);
    expect(queue.enableCallbacks(0)).toBe(false);
    expect(ring.availableFlags).toBe(0);
    expect(queue.callbacks).toBe(true);
    queue.disableCallbacks();
    expect(ring.availableFlags).toBe(1);
    expect(queue.callbacks).toBe(false);
    expect(ring.usedEvent).toBe(0);
  });

  it("are switched by the event index, whose flag stays 0", () => {
    newQueue(8, VIRTIO_F_EVENT_IDX);
    turn(5);
    expect(queue.enableCallbacks(0)).toBe(false);
    expect(ring.usedEvent).toBe(5, "the next one");
    expect(queue.enableCallbacks(3)).toBe(false);
    expect(ring.usedEvent).toBe(8, "three behind it");
    queue.disableCallbacks();
    expect(ring.usedEvent).toBe(4, "65,535 behind");
    expect(ring.availableFlags).toBe(0);
  });

  it("have an event index that wraps", () => {
    newQueue(8, VIRTIO_F_EVENT_IDX);
    turn(0xffff);
    queue.enableCallbacks(0);
    expect(ring.usedEvent).toBe(0xffff);
    queue.enableCallbacks(4);
    expect(ring.usedEvent).toBe(3);
    queue.disableCallbacks();
    expect(ring.usedEvent).toBe(0xfffe);
    turn(1);
    queue.disableCallbacks();
    expect(ring.usedEvent).toBe(0xffff);
  });

  it("say so when enough is there already", () => {
    for (let event: u32 = 0; event < 2; event++) {
      newQueue(8, event ? VIRTIO_F_EVENT_IDX : 0);
      turn(0xfffe);
      for (let added: u64 = 0; added < 4; added++) addChain(added, 1, 0);
      queue.kick();
      for (let completed: u32 = 0; completed <= 4; completed++) {
        for (let delay: u32 = 0; delay < 5; delay++) {
          // Without the event index there is no delay.
          expect(queue.enableCallbacks(delay)).toBe(completed > (event ? delay : 0));
        }
        if (completed < 4) ring.complete(ring.take(), 0);
      }
    }
  });

  it("are asked for before the last look at what is there", () => {
    newQueue(8, 0);
    const head = addChain(1, 1, 0);
    queue.kick();
    ring.put(0, head, 0);
    trace_clear();
    trace_watch(ring.available);
    memory_ambush(Trace.MB, ring.used + 2, 1);
    expect(queue.enableCallbacks(0)).toBe(true);
    expect(trace_watched(trace_find(Trace.MB, 0, 0))).toBe(0, "the flag was cleared by then");
  });
});
