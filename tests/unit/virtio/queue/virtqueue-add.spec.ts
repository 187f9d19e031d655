/** Adding chains to a split virtqueue, and taking the last ones back. */
import { Event, Message } from "../../../../assembly/abi/results";
import { DeviceState } from "../../../../assembly/virtio/device";
import { VIRTIO_F_INDIRECT_DESC } from "../../../../assembly/virtio/features";
import { random, seedRandom } from "../../scripted/random";
import { Chain, INDIRECT, NEXT, WRITE } from "../../scripted/ring";
import { memory_read16, memory_read32, Trace, trace_count, trace_find, trace_number } from "../../scripted/script";
import { addChain, device, fill, HANDLE, isChain, newQueue, queue, QUEUE, ring, room, takeChain } from "./queue";

function expectBroken(message: u32): void {
  expect(device.state).toBe(DeviceState.BROKEN);
  expect(device.events).toBe(Event.BROKEN);
  const place = trace_find(Trace.LOG, message, 0);
  expect(place).not.toBe(-1, "a message in the log");
  expect(trace_number(place, 1)).toBe(HANDLE);
  expect(trace_number(place, 2)).toBe(QUEUE);
  expect(trace_count(Trace.LOG)).toBe(1);
}

describe("add", () => {
  it("makes a chain of descriptors, readable ones first", () => {
    newQueue(8, 0);
    const head = addChain(5, 2, 1);
    const chain = ring.chain(head);
    expect(isChain(chain, 5, 2, 1)).toBe(true);
    expect(chain.flags[0]).toBe(NEXT);
    expect(chain.flags[1]).toBe(NEXT);
    expect(chain.flags[2]).toBe(WRITE);
    expect(chain.isIndirect).toBe(false);
    expect(ring.head(0)).toBe(head);
    expect(room()).toBe(5);
    expect(queue.outstanding).toBe(1);
  });

  it("makes chains of distinct descriptors until there are none left", () => {
    newQueue(8, 0);
    const first = ring.chain(addChain(1, 1, 2));
    const second = ring.chain(addChain(2, 0, 4));
    const third = ring.chain(addChain(3, 1, 0));
    expect(room()).toBe(0);
    let seen: u32 = 0;
    const chains: Chain[] = [first, second, third];
    for (let at = 0; at < 3; at++) {
      for (let index = 0; index < chains[at].indices.length; index++) seen |= 1 << chains[at].indices[index];
    }
    expect(seen).toBe(0xff);
    expect(isChain(first, 1, 1, 2) && isChain(second, 2, 0, 4) && isChain(third, 3, 1, 0)).toBe(true);
  });

  it("uses one descriptor for a chain in a table", () => {
    newQueue(8, VIRTIO_F_INDIRECT_DESC, 4);
    const head = addChain(7, 1, 3);
    const descriptor = queue.descriptors + 16 * head;
    expect(memory_read16(descriptor + 12)).toBe(INDIRECT);
    expect(memory_read32(descriptor + 8)).toBe(4 * 16);
    const chain = ring.chain(head);
    expect(chain.isIndirect).toBe(true);
    expect(isChain(chain, 7, 1, 3)).toBe(true);
    expect(chain.flags[3]).toBe(WRITE);
    expect(queue.room).toBe(7);
    expect(room()).toBe(4);
  });

  it("never gives two chains in flight the same table", () => {
    newQueue(8, VIRTIO_F_INDIRECT_DESC, 4);
    const heads: u32[] = [];
    for (let token: u64 = 1; room() != 0; token++) heads.push(addChain(token, 2, 2));
    expect(heads.length).toBe(8);
    for (let at = 0; at < 8; at++) expect(isChain(ring.chain(heads[at]), at + 1, 2, 2)).toBe(true);
  });

  it("forgets a chain that was begun and not added", () => {
    newQueue(8, 0);
    queue.begin(false);
    queue.append(0x1000, 1, 0);
    queue.append(0x2000, 1, WRITE);
    const head = addChain(9, 1, 0);
    expect(isChain(ring.chain(head), 9, 1, 0)).toBe(true);
    expect(queue.room).toBe(7);
    queue.kick();
    ring.complete(head, 1);
    queue.pending();
    expect(queue.writtenInto(takeChain())).toBe(0, "nothing of the other chain could be written");
  });
});

describe("undo", () => {
  it("leaves the queue as if nothing had been added", () => {
    for (let indirect: u32 = 0; indirect < 2; indirect++) {
      const features = indirect ? VIRTIO_F_INDIRECT_DESC : <u64>0;
      const expected = new Array<u32>();
      // The free list out of order, and one chain added before.
      for (let undone: u32 = 0; undone <= 3; undone++) {
        newQueue(16, features, 4);
        const heads: u32[] = [addChain(1, 2, 0), addChain(2, 1, 1), addChain(3, 3, 1), addChain(4, 1, 0)];
        queue.kick();
        const order: u32[] = [2, 0, 3];
        for (let at = 0; at < order.length; at++) ring.complete(heads[order[at]], 0);
        while (queue.pending() != 0) takeChain();
        addChain(5, 1, 1);
        const room = queue.room;
        for (let chain: u32 = 0; chain < undone; chain++) addChain(6 + chain, 1 + chain, 1);
        queue.undo(room);
        expect(queue.room).toBe(room);
        expect(queue.outstanding).toBe(2);
        expect(queue.unpublished).toBe(1);
        const filled = fill();
        if (undone == 0) for (let at = 0; at < filled.length; at++) expected.push(filled[at]);
        expect(filled.length).toBe(expected.length);
        for (let at = 0; at < filled.length; at++) expect(filled[at]).toBe(expected[at]);
      }
    }
  });

  it("hides the chains from the device", () => {
    newQueue(8, 0);
    const kept = addChain(1, 1, 0);
    const first = queue.nextHead;
    addChain(2, 2, 0);
    addChain(3, 1, 1);
    queue.undo(7);
    queue.kick();
    expect(ring.waiting).toBe(1);
    expect(ring.take()).toBe(kept);
    ring.complete(first, 0);
    expect(queue.pending()).toBe(1);
    expect(takeChain()).toBe(-1);
    expectBroken(Message.BAD_USED_ID);
  });
});

describe("free descriptors", () => {
  it("are conserved whatever the order of adding and taking", () => {
    for (let indirect: u32 = 0; indirect < 2; indirect++) {
      seedRandom(11 + indirect);
      newQueue(32, indirect ? VIRTIO_F_INDIRECT_DESC : 0, 8);
      /** By head: buffers of the chain in flight, 0 for none. */
      const readable = new StaticArray<u32>(32);
      const writable = new StaticArray<u32>(32);
      const tokens = new StaticArray<u64>(32);
      let inFlight: u32 = 0;
      let used: u32 = 0;
      let wrong: u32 = 0;
      let full: u32 = 0;
      let token: u64 = 1;
      for (let step = 0; step < 6000; step++) {
        if (random(100) < (step % 1000 < 500 ? 60 : 40)) {
          const reads = random(4);
          const writes = random(4) + (reads == 0 ? 1 : 0);
          if (room() < reads + writes) {
            full++;
            continue;
          }
          const head = addChain(token, reads, writes);
          if (readable[head] + writable[head] != 0) wrong++;
          readable[head] = reads;
          writable[head] = writes;
          tokens[head] = token++;
          used += indirect ? 1 : reads + writes;
          inFlight++;
        } else if (inFlight != 0) {
          queue.kick();
          let head = random(32);
          while (readable[head] + writable[head] == 0) head = (head + 1) % 32;
          if (!isChain(ring.chain(head), tokens[head], readable[head], writable[head])) wrong++;
          ring.complete(head, 0xffff);
          if (queue.pending() != 1 || takeChain() != <i32>head || queue.state(head).token != tokens[head]) wrong++;
          if (queue.writtenInto(head) != writable[head] * 16) wrong++;
          used -= indirect ? 1 : readable[head] + writable[head];
          readable[head] = 0;
          writable[head] = 0;
          inFlight--;
        }
        if (queue.room + used != 32 || queue.outstanding != inFlight) wrong++;
      }
      expect(wrong).toBe(0);
      expect(full).toBeGreaterThan(0, "the queue was full at times");
      // What is in flight still lies where it was put: no descriptor was given out twice.
      for (let head: u32 = 0; head < 32; head++) {
        if (readable[head] + writable[head] == 0) continue;
        if (!isChain(ring.chain(head), tokens[head], readable[head], writable[head])) wrong++;
        queue.kick();
        ring.complete(head, 0);
        queue.pending();
        takeChain();
      }
      expect(wrong).toBe(0);
      const heads = fill();
      expect(heads.length).toBe(32);
      let seen: u32 = 0;
      for (let at = 0; at < 32; at++) seen |= 1 << heads[at];
      expect(seen).toBe(0xffff_ffff);
    }
  });
});
