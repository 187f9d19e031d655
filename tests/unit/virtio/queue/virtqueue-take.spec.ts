/** Taking what the device has used, from an honest device and from others. */
import { Event, Message } from "../../../../assembly/abi/results";
import { DeviceState } from "../../../../assembly/virtio/device";
import { VIRTIO_F_INDIRECT_DESC } from "../../../../assembly/virtio/features";
import {
  memory_ambush,
  memory_write16,
  Trace,
  trace_clear,
  trace_count,
  trace_find,
  trace_number,
} from "../../scripted/script";
import { addChain, device, fill, HANDLE, newQueue, queue, QUEUE, ring, room, takeChain } from "./queue";

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

function expectBroken(message: u32): void {
  expect(device.state).toBe(DeviceState.BROKEN);
  expect(device.events).toBe(Event.BROKEN);
  const place = trace_find(Trace.LOG, message, 0);
  expect(place).not.toBe(-1, "a message in the log");
  expect(trace_number(place, 1)).toBe(HANDLE);
  expect(trace_number(place, 2)).toBe(QUEUE);
  expect(trace_count(Trace.LOG)).toBe(1);
}

/** Four descriptors in a chain of three and one of one; the chain of three is completed once, properly. */
function inFlight(features: u64): StaticArray<u32> {
  newQueue(8, features, 4);
  const done = addChain(1, 1, 2);
  const long = addChain(2, 1, 2);
  const short = addChain(3, 0, 1);
  queue.kick();
  ring.complete(done, 0);
  queue.pending();
  takeChain();
  trace_clear();
  const heads = new StaticArray<u32>(3);
  heads[0] = done;
  heads[1] = long;
  heads[2] = short;
  return heads;
}

function expectNothingTaken(id: u32): void {
  const freeCount = queue.room;
  const used = queue.used;
  ring.complete(id, 0);
  expect(queue.pending()).toBe(1);
  expect(takeChain()).toBe(-1);
  expectBroken(Message.BAD_USED_ID);
  expect(queue.room).toBe(freeCount);
  expect(queue.used).toBe(used);
  expect(queue.outstanding).toBe(2);
}

describe("take", () => {
  it("gives back tokens and lengths in the order of the device", () => {
    newQueue(8, 0);
    const heads: u32[] = [addChain(10, 1, 1), addChain(u64.MAX_VALUE, 0, 2), addChain(30, 2, 0)];
    queue.kick();
    ring.complete(heads[1], 20);
    ring.complete(heads[2], 0);
    expect(queue.pending()).toBe(2);
    expect(takeChain()).toBe(heads[1]);
    expect(queue.state(heads[1]).token).toBe(u64.MAX_VALUE);
    expect(queue.writtenInto(heads[1])).toBe(20);
    expect(takeChain()).toBe(heads[2]);
    expect(queue.state(heads[2]).token).toBe(30);
    expect(queue.pending()).toBe(0);
    ring.complete(heads[0], 16);
    expect(queue.pending()).toBe(1);
    const last = takeChain();
    expect(queue.state(last).token).toBe(10);
    expect(queue.writtenInto(last)).toBe(16);
    expect(room()).toBe(8);
    expect(queue.outstanding).toBe(0);
    expect(device.state).toBe(DeviceState.RUNNING);
  });

  it("reads elements behind a read barrier, which is passed even when there is nothing", () => {
    newQueue(8, 0);
    const head = addChain(1, 0, 1);
    queue.kick();
    trace_clear();
    expect(queue.pending()).toBe(0);
    expect(trace_count(Trace.RMB)).toBe(1);
    ring.complete(head, 3);
    memory_ambush(Trace.RMB, ring.used + 8, 7);
    expect(queue.pending()).toBe(1);
    expect(queue.writtenInto(takeChain())).toBe(7);
  });

  it("believes no length beyond what the device may write", () => {
    for (let indirect: u32 = 0; indirect < 2; indirect++) {
      newQueue(8, indirect ? VIRTIO_F_INDIRECT_DESC : 0, 4);
      const claims: u32[] = [31, 32, 33, 0xffff_ffff, 0x8000_0000];
      for (let at = 0; at < claims.length; at++) {
        addChain(1, 2, 2);
        queue.kick();
        ring.complete(ring.take(), claims[at]);
        queue.pending();
        expect(queue.writtenInto(takeChain())).toBe(min(claims[at], 32));
      }
      addChain(1, 3, 0);
      queue.kick();
      ring.complete(ring.take(), 48);
      queue.pending();
      expect(queue.writtenInto(takeChain())).toBe(0);
      expect(device.state).toBe(DeviceState.RUNNING);
    }
  });

  it("goes on where indices wrap", () => {
    newQueue(4, 0);
    turn(0xfffe);
    let wrong: u32 = 0;
    for (let token: u64 = 1; token <= 5; token++) {
      const first = addChain(token, 1, 0);
      const second = addChain(token + 100, 1, 1);
      queue.kick();
      if (ring.availableIndex != <u32>((0xfffe + 2 * token) & 0xffff)) wrong++;
      if (ring.take() != first || ring.take() != second) wrong++;
      ring.complete(second, 1);
      ring.complete(first, 0);
      if (queue.pending() != 2) wrong++;
      if (takeChain() != second || queue.state(second).token != token + 100) wrong++;
      if (takeChain() != first || queue.state(first).token != token) wrong++;
      if (queue.pending() != 0) wrong++;
    }
    expect(wrong).toBe(0);
    expect(ring.usedIndex).toBe(8);
    expect(device.state).toBe(DeviceState.RUNNING);
  });

  it("works with the largest queue, full", () => {
    newQueue(32768, 0);
    const heads = fill();
    expect(heads.length).toBe(32768);
    queue.kick();
    expect(ring.availableIndex).toBe(32768);
    let wrong: u32 = 0;
    for (let at: i32 = 32767; at >= 0; at--) ring.complete(heads[at], 0);
    expect(queue.pending()).toBe(32768);
    for (let at: i32 = 32767; at >= 0; at--) {
      if (takeChain() != heads[at] || queue.state(heads[at]).token != at) wrong++;
    }
    expect(wrong).toBe(0);
    expect(room()).toBe(32768);
    expect(fill().length).toBe(32768);
  });
});

describe("a device that breaks the rules", () => {
  it("by completing what is no descriptor", () => {
    const ids: u32[] = [8, 9, 0x1_0000, 0x8000_0000, 0xffff_ffff];
    for (let at = 0; at < ids.length; at++) {
      inFlight(0);
      expectNothingTaken(ids[at]);
      inFlight(VIRTIO_F_INDIRECT_DESC);
      expectNothingTaken(ids[at]);
    }
  });

  it("by completing the same chain twice", () => {
    expectNothingTaken(inFlight(0)[0]);
    expectNothingTaken(inFlight(VIRTIO_F_INDIRECT_DESC)[0]);
  });

  it("by completing the middle or the end of a chain", () => {
    for (let at = 1; at < 3; at++) {
      const heads = inFlight(0);
      expectNothingTaken(ring.chain(heads[1]).indices[at]);
    }
  });

  it("by completing a descriptor that never was in use", () => {
    const heads = inFlight(0);
    expectNothingTaken((ring.chain(heads[2]).indices[0] + 1) % 8);
  });

  it("by saying that it used more chains than it has", () => {
    const moves: u32[] = [3, 4, 9, 0x7fff, 0x8000, 0xffff];
    for (let at = 0; at < moves.length; at++) {
      inFlight(0);
      ring.setUsedIndex(ring.used + moves[at]);
      expect(queue.pending()).toBe(0);
      expectBroken(Message.BAD_USED_INDEX);
      expect(queue.outstanding).toBe(2);
    }
  });

  it("which is said once", () => {
    inFlight(0);
    ring.complete(8, 0);
    queue.pending();
    takeChain();
    ring.setUsedIndex(0x4000);
    queue.pending();
    expectBroken(Message.BAD_USED_ID);
  });

  it("by changing descriptors and the available ring, which nothing depends on", () => {
    const heads = inFlight(0);
    for (let offset: u32 = 0; offset < 8 * 16 + 4 + 16; offset += 2) memory_write16(ring.descriptors + offset, 0xffff);
    ring.complete(heads[1], 100);
    ring.complete(heads[2], 100);
    expect(queue.pending()).toBe(2);
    expect(takeChain()).toBe(heads[1]);
    expect(queue.state(heads[1]).token).toBe(2);
    expect(queue.writtenInto(heads[1])).toBe(32);
    expect(takeChain()).toBe(heads[2]);
    expect(queue.writtenInto(heads[2])).toBe(16);
    expect(queue.room).toBe(8);
    expect(device.state).toBe(DeviceState.RUNNING);
  });
});
