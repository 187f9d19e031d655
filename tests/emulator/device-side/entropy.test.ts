/** The entropy device. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EntropyDevice, type EntropySource } from "../../../kernel-shim/emulated-pc/entropy/device.js";
import type { Completion } from "../../../kernel-shim/emulated-pc/completion.js";
import type { ProfileName } from "../../../kernel-shim/emulated-pc/profiles.js";
import { ScratchGuest } from "./scratch-guest.js";

function started(source?: EntropySource, completion: Completion = "immediate", profile: ProfileName = "virtualbox") {
  const device = new EntropyDevice(source === undefined ? {} : { source });
  const guest = new ScratchGuest(device, { completion, profile });
  const [queue] = guest.start(0);
  assert.ok(queue);
  return { device, guest, queue };
}

/** Numbers from 1 on, at most so many at a time. */
function counting(most: number): EntropySource {
  let next = 1;
  return (target) => {
    const count = Math.min(most, target.length);
    for (let index = 0; index < count; index++) target[index] = next++;
    return count;
  };
}

describe("the entropy device", () => {
  it("fills a buffer, over its descriptors", () => {
    const { guest, queue } = started(counting(100));
    const { head, addresses } = queue.post({ write: 3 }, { write: 2 });
    queue.kick();
    assert.deepEqual(queue.take(), [{ id: head, length: 5 }]);
    assert.deepEqual([...queue.read(addresses[0] ?? 0, 3)], [1, 2, 3]);
    assert.deepEqual([...queue.read(addresses[1] ?? 0, 2)], [4, 5]);
    assert.deepEqual(guest.brokenRules, []);
  });

  it("returns as many bytes as its host has, and touches no others", () => {
    const { queue } = started(counting(4));
    const { head, addresses } = queue.post({ write: 16 });
    queue.kick();
    assert.deepEqual(queue.take(), [{ id: head, length: 4 }]);
    assert.deepEqual([...queue.read(addresses[0] ?? 0, 6)], [1, 2, 3, 4, 0, 0]);
  });

  it("keeps buffers while its host has nothing, and gives them back in order", () => {
    let has = 0;
    const { device, queue } = started((target) => {
      const count = Math.min(has, target.length);
      has -= count;
      return count;
    });
    const first = queue.post({ write: 8 });
    const second = queue.post({ write: 8 });
    queue.kick();
    assert.deepEqual(queue.take(), []);
    has = 12;
    device.bytesArrived();
    assert.deepEqual(queue.take(), [
      { id: first.head, length: 8 },
      { id: second.head, length: 4 },
    ]);
  });

  it("has bytes of its own, which the seed decides", () => {
    const contents = [1, 1, 2].map((seed) => {
      const guest = new ScratchGuest(new EntropyDevice(), { seed, profile: "virtualbox" });
      const [queue] = guest.start(0);
      assert.ok(queue);
      const { addresses } = queue.post({ write: 32 });
      queue.kick();
      assert.deepEqual(
        queue.take().map(({ length }) => length),
        [32],
      );
      return [...queue.read(addresses[0] ?? 0, 32)].join();
    });
    assert.equal(contents[0], contents[1]);
    assert.notEqual(contents[0], contents[2]);
  });

  it("forgets its buffers at a reset", () => {
    let has = 0;
    const { device, guest, queue } = started(() => has);
    queue.post({ write: 8 });
    queue.kick();
    has = 8;
    const [fresh] = guest.start(0);
    device.bytesArrived();
    assert.deepEqual(fresh?.take(), []);
    assert.deepEqual(queue.take(), []);
    assert.deepEqual(guest.brokenRules, []);
  });

  it("works later where completion is deferred", () => {
    const { guest, queue } = started(counting(100), "deferred");
    queue.post({ write: 8 });
    queue.kick();
    assert.deepEqual(queue.take(), []);
    guest.settle();
    assert.equal(queue.take().length, 1);
  });

  it("records buffers that it is to read, and empty ones", () => {
    const { guest, queue } = started(counting(100));
    queue.post({ read: Uint8Array.of(1) });
    queue.post({ read: Uint8Array.of(1) }, { write: 1 });
    queue.kick();
    assert.deepEqual(guest.brokenRules, ["entropy-readable", "entropy-empty"]);
    assert.equal(queue.take().length, 2);
  });
});
