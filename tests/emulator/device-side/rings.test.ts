/** The device's side of a split virtqueue: what it does, and every rule of the driver's that it checks. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { needEvent } from "../../../kernel-shim/emulated-pc/virtio/queue.js";
import {
  assertViolations,
  blockGuest,
  type BlockGuest,
  BlockRequest,
  type GuestQueue,
  INDIRECT,
  NEXT,
  submit,
  WRITE,
} from "./guest.js";

const NOTIFY_ON_EMPTY = 2 ** 24;
const ANY_LAYOUT = 2 ** 27;
const INDIRECT_DESC = 2 ** 28;
const EVENT_IDX = 2 ** 29;

/** A started disk, and one valid request that is not yet in the ring. */
function started(features = ANY_LAYOUT, completion: "immediate" | "deferred" = "immediate") {
  const parts = blockGuest({ completion }, { queueSizes: [16] });
  const queue = parts.guest.start(features);
  const request = new BlockRequest(parts.guest, 512);
  request.setHeader(0, 3);
  return { ...parts, queue, request, descriptors: request.descriptors(0) };
}

/** Publishes head 0, notifies, and expects the device to refuse the chain and everything behind it. */
function assertRefused(parts: BlockGuest & { queue: GuestQueue }, rule: string): void {
  parts.queue.publish(0);
  parts.queue.notify();
  assert.equal(parts.queue.usedIndex, 0);
  assertViolations(parts.pc, [rule]);
}

describe("chains", () => {
  it("may be indirect, alone or at the end of direct descriptors", () => {
    for (const direct of [0, 1]) {
      const { pc, guest, queue, request, descriptors } = started(ANY_LAYOUT | INDIRECT_DESC);
      const table = guest.allocate(4096);
      const inTable = descriptors.slice(direct);
      inTable.forEach((descriptor, index) => {
        const isLast = index === inTable.length - 1;
        queue.describe(
          index,
          { ...descriptor, flags: (descriptor.flags ?? 0) | (isLast ? 0 : NEXT), next: index + 1 },
          table,
        );
      });
      const indirect = { pointer: table, length: 16 * inTable.length, flags: INDIRECT };
      queue.chain(0, [...descriptors.slice(0, direct), indirect]);
      queue.publish(0);
      queue.notify();
      assert.equal(request.result, 0);
      assert.equal(queue.usedIndex, 1);
      assertViolations(pc, []);
    }
  });

  it("start at a descriptor of the table", () => {
    const { pc, queue } = started();
    queue.publish(16);
    queue.notify();
    assertViolations(pc, ["head-range"]);
  });

  it("stay within the table", () => {
    const parts = started();
    parts.queue.describe(0, { pointer: parts.request.header, length: 16, flags: NEXT, next: 16 });
    assertRefused(parts, "descriptor-next-range");
  });

  it("have no loop", () => {
    const parts = started();
    parts.queue.describe(0, { pointer: parts.request.header, length: 16, flags: NEXT, next: 1 });
    parts.queue.describe(1, { pointer: parts.request.header, length: 16, flags: NEXT, next: 0 });
    assertRefused(parts, "descriptor-loop");
  });

  it("have no loop in an indirect table either", () => {
    const parts = started(ANY_LAYOUT | INDIRECT_DESC);
    const table = parts.guest.allocate(4096);
    parts.queue.describe(0, { pointer: parts.request.header, length: 16, flags: NEXT, next: 0 }, table);
    parts.queue.describe(0, { pointer: table, length: 16, flags: INDIRECT });
    assertRefused(parts, "descriptor-loop");
  });

  it("have only flags that exist", () => {
    const parts = started();
    parts.queue.describe(0, { pointer: parts.request.header, length: 16, flags: 8 });
    assertRefused(parts, "descriptor-flags");
  });

  it("are readable first and writable then", () => {
    const parts = started();
    parts.queue.chain(0, [...parts.descriptors].reverse());
    assertRefused(parts, "descriptor-order");
  });

  it("have no empty descriptors", () => {
    const parts = started();
    parts.queue.chain(0, [{ pointer: parts.request.header, length: 0 }, ...parts.descriptors]);
    assertRefused(parts, "descriptor-empty");
  });

  it("are at most 4 GiB long", () => {
    const parts = started();
    const half = { pointer: parts.request.header, length: 0x9000_0000 };
    parts.queue.chain(0, [half, half]);
    assertRefused(parts, "chain-bytes");
  });

  it("use INDIRECT as it was negotiated", () => {
    const parts = started();
    parts.queue.describe(0, { pointer: parts.request.header, length: 16, flags: INDIRECT });
    assertRefused(parts, "indirect-not-negotiated");
  });

  it("do not nest indirect tables", () => {
    const parts = started(ANY_LAYOUT | INDIRECT_DESC);
    const table = parts.guest.allocate(4096);
    parts.queue.describe(0, { pointer: table, length: 16, flags: INDIRECT }, table);
    parts.queue.describe(0, { pointer: table, length: 16, flags: INDIRECT });
    assertRefused(parts, "indirect-nested");
  });

  it("do not go on behind an indirect table", () => {
    const parts = started(ANY_LAYOUT | INDIRECT_DESC);
    parts.queue.describe(0, { pointer: parts.request.header, length: 16, flags: INDIRECT | NEXT, next: 1 });
    assertRefused(parts, "indirect-with-next");
  });

  for (const length of [0, 15, 17 * 16]) {
    it(`do not have an indirect table of ${length} bytes`, () => {
      const parts = started(ANY_LAYOUT | INDIRECT_DESC);
      parts.queue.describe(0, { pointer: parts.request.header, length, flags: INDIRECT });
      assertRefused(parts, "indirect-table-size");
    });
  }

  it("name only memory that is lent", () => {
    const { pc, disk, queue, request } = started();
    queue.chain(0, [
      { pointer: request.header, length: 16 },
      { address: 0x1000, length: 512, flags: WRITE },
      { pointer: request.status, length: 1, flags: WRITE },
    ]);
    queue.publish(0);
    queue.notify();
    assert.equal(disk.bytes[3 * 512], 3);
    assert.deepEqual([...new Set(pc.violations.map(({ rule }) => rule.id))], ["dma-outside-lent-pages"]);
  });

  it("name no memory that was taken back meanwhile", () => {
    const { pc, queue, request, descriptors } = started(ANY_LAYOUT, "deferred");
    queue.chain(0, descriptors);
    queue.publish(0);
    queue.notify();
    pc.freeBuffer(request.data);
    pc.waitForInterrupt(1);
    assert.ok(pc.violations.length > 0);
    assert.ok(pc.violations.every(({ rule }) => rule.id === "dma-outside-lent-pages"));
  });

  it("are not used again before they came back", () => {
    const { pc, queue, descriptors } = started(ANY_LAYOUT, "deferred");
    queue.chain(0, descriptors);
    queue.publish(0, 0);
    queue.notify();
    pc.waitForInterrupt(1);
    assertViolations(pc, ["descriptor-reused"]);
  });

  it("do not change while the device has them", () => {
    const { pc, device, queue, descriptors, request } = started();
    device.onRequest = () => ({ delay: 1000 });
    queue.chain(0, descriptors);
    queue.publish(0);
    queue.notify();
    queue.describe(1, { pointer: request.data, length: 100, flags: NEXT | WRITE, next: 2 });
    pc.waitForInterrupt(1);
    assertViolations(pc, ["descriptor-changed"]);
  });
});

describe("the available ring", () => {
  it("does not jump", () => {
    const { pc, queue } = started();
    queue.availIndex = 17;
    queue.notify();
    assertViolations(pc, ["avail-index-jump"]);
  });

  it("does not go back", () => {
    const { pc, guest, queue } = started();
    submit(guest, queue, {});
    queue.availIndex = 0;
    queue.notify();
    assertViolations(pc, ["avail-index-jump"]);
  });

  it("has flags of 0 or 1, and 0 with EVENT_IDX", () => {
    const plain = started();
    plain.queue.availFlags = 1;
    submit(plain.guest, plain.queue, {});
    assertViolations(plain.pc, []);
    plain.queue.availFlags = 2;
    plain.queue.publish();
    plain.queue.notify();
    assertViolations(plain.pc, ["avail-flags"]);
    const withEvents = started(ANY_LAYOUT | EVENT_IDX, "deferred");
    withEvents.queue.availFlags = 1;
    submit(withEvents.guest, withEvents.queue, {});
    assertViolations(withEvents.pc, ["avail-flags"]);
  });

  it("wraps around", () => {
    const { pc, queue, descriptors } = started(ANY_LAYOUT | EVENT_IDX);
    queue.chain(0, descriptors);
    for (let count = 0; count < 65536 + 20; count++) {
      queue.publish(0);
      queue.notify();
    }
    assert.equal(queue.usedIndex, 20);
    assert.equal(queue.availEvent, 20);
    assertViolations(pc, []);
  });
});

describe("the used ring", () => {
  it("is not written by the driver: index", () => {
    const { pc, guest, queue } = started();
    submit(guest, queue, {});
    queue.usedIndex = 0;
    submit(guest, queue, {});
    assertViolations(pc, ["used-ring-written"]);
  });

  it("is not written by the driver: elements ahead, and elements never used", () => {
    const { pc, guest, queue } = started();
    queue.overwriteUsed(0, 9);
    submit(guest, queue, {});
    assertViolations(pc, ["used-ring-written"]);
    queue.overwriteUsed(15, 9);
    assertViolations(pc, ["used-ring-written", "used-ring-written"]);
  });

  it("can be made to lie", () => {
    const { pc, guest, device, queue } = started();
    device.faults.usedId = () => 0xffff_ffff;
    device.faults.usedLength = (_queue, length) => length + 1;
    device.faults.usedIndex = (_queue, index) => index + 2;
    submit(guest, queue, {});
    assert.deepEqual(queue.used(0), { id: 0xffff_ffff, length: 514 });
    assert.equal(queue.usedIndex, 3);
    assertViolations(pc, []);
  });
});

describe("notifications", () => {
  it("before DRIVER_OK or without a queue are recorded, and not served", () => {
    const { pc, guest } = blockGuest();
    guest.negotiate(ANY_LAYOUT);
    guest.write(16, 2, 0);
    const queue = guest.createQueue(0);
    assert.equal(submit(guest, queue, {}).result, 0xff);
    assertViolations(pc, ["notification-early", "notification-early"]);
  });

  for (const features of [ANY_LAYOUT, ANY_LAYOUT | EVENT_IDX]) {
    const name = features === ANY_LAYOUT ? "flags" : "events";
    it(`while the device is busy are recorded: ${name}`, () => {
      const { pc, guest, queue } = started(features, "deferred");
      submit(guest, queue, { first: 0 });
      assert.equal(queue.usedFlags, features === ANY_LAYOUT ? 1 : 0);
      submit(guest, queue, { first: 3 });
      assertViolations(pc, ["notification-suppressed"]);
      pc.waitForInterrupt(1);
      assert.equal(queue.usedIndex, 2);
      assert.equal(queue.usedFlags, 0);
      assert.equal(queue.availEvent, features === ANY_LAYOUT ? 0 : 2);
    });

    it(`that are missing are recorded, and the work is done: ${name}`, () => {
      const { pc, queue, request, descriptors } = started(features, "deferred");
      queue.chain(0, descriptors);
      queue.publish(0);
      pc.waitForInterrupt(1);
      assertViolations(pc, ["notification-missing"]);
      assert.equal(request.result, 0);
    });

    it(`are not missed while the device is busy: ${name}`, () => {
      const { pc, guest, queue, request, descriptors } = started(features, "deferred");
      submit(guest, queue, { first: 3 });
      queue.chain(0, descriptors);
      queue.publish(0);
      pc.waitForInterrupt(1);
      assert.equal(request.result, 0);
      assertViolations(pc, []);
    });
  }

  it("of nothing new are recorded with EVENT_IDX", () => {
    const { pc, guest, queue } = started(ANY_LAYOUT | EVENT_IDX);
    submit(guest, queue, {});
    queue.notify();
    assertViolations(pc, ["notification-suppressed"]);
  });
});

describe("interrupts", () => {
  it("come unless the flag suppresses them", () => {
    const { pc, guest, queue } = started();
    submit(guest, queue, {});
    assert.equal(pc.waitForInterrupt(0).length, 1);
    assert.equal(guest.read(19, 1), 1);
    assert.equal(guest.read(19, 1), 0);
    queue.availFlags = 1;
    submit(guest, queue, {});
    assert.equal(pc.waitForInterrupt(0).length, 0);
    assertViolations(pc, []);
  });

  it("come at the event, and always the first time", () => {
    const { pc, guest, queue } = started(ANY_LAYOUT | EVENT_IDX);
    queue.usedEvent = 100;
    submit(guest, queue, {});
    assert.equal(guest.read(19, 1), 1);
    submit(guest, queue, {});
    assert.equal(guest.read(19, 1), 0);
    queue.usedEvent = 3;
    submit(guest, queue, {});
    assert.equal(guest.read(19, 1), 0);
    submit(guest, queue, {});
    assert.equal(guest.read(19, 1), 1);
    assertViolations(pc, []);
  });

  it("come in spite of the flag when the ring runs empty, if that was negotiated", () => {
    const { pc, guest, queue } = started(ANY_LAYOUT | NOTIFY_ON_EMPTY);
    queue.availFlags = 1;
    submit(guest, queue, {});
    assert.equal(guest.read(19, 1), 1);
    assertViolations(pc, []);
  });

  it("can be made up or swallowed", () => {
    const { guest, device, queue } = started();
    device.faults.interrupt = () => 0;
    submit(guest, queue, {});
    assert.equal(guest.read(19, 1), 0);
    device.faults.interrupt = () => 0xff;
    submit(guest, queue, {});
    assert.equal(guest.read(19, 1), 0xff);
  });

  it("are wanted when the index passes the event, across the wrap", () => {
    assert.ok(needEvent(5, 6, 5));
    assert.ok(!needEvent(5, 5, 4));
    assert.ok(needEvent(65535, 2, 65530));
    assert.ok(!needEvent(3, 2, 65530));
  });
});
