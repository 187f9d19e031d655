/**
 * Whoever asked for an interrupt is woken, in whatever order a card's wishes, its full ring and its completions come:
 * every short order, and many long ones. At its end the kernel sleeps, and acts only when it is woken.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Event, Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { frame } from "../../cases/net/frames.js";
import { Random } from "../../cases/random.js";
import { HostedCard } from "./card.js";
import { assertResult } from "./hosted.js";
import { onEveryDriver, withOrWithout } from "./moments.js";

const RING = 4;
const TRANSMIT_QUEUE = 1;
const VIRTIO_F_ANY_LAYOUT = 2 ** 27;
const VIRTIO_F_EVENT_IDX = 2 ** 29;
const VIRTIO_NET_F_STATUS = 2 ** 16;

const STEPS = 3;
const LONG_ORDERS = 600;
const LONGEST_ORDER = 40;

const steps = [
  "send one",
  "send until full",
  "await all",
  "enable",
  "disable",
  "the card sends one",
  "the card sends all",
  "reclaim one",
  "reclaim all",
  "interrupt",
] as const;
type Step = (typeof steps)[number];

class Orders {
  private readonly card: HostedCard;
  /** What was asked for, and has not come since. */
  private waitsForSent = false;
  private waitsForRoom = false;
  private waitsForReceived = false;
  private inFlight = 0;
  private token = 0;

  constructor(build: Build, eventIndex: boolean) {
    this.card = new HostedCard(build, {
      eventIndex,
      machine: { completion: "shuffled" },
      card: { queueSizes: [16, RING], features: VIRTIO_F_ANY_LAYOUT + VIRTIO_F_EVENT_IDX + VIRTIO_NET_F_STATUS },
    });
  }

  /** Does all of it, then sleeps; fails with the order when somebody is not woken. */
  run(order: readonly Step[]): void {
    try {
      this.startAnew();
      for (const step of order) this.perform(step);
      this.sleep();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      assert.fail(`${reason}\nafter: ${order.join(", ")}`);
    }
  }

  private startAnew(): void {
    const { module, handle, device } = this.card;
    const { exports } = module;
    exports.disable_interrupts(handle);
    assertResult(exports.reset(handle), Result.OK);
    module.reclaim(handle, 32);
    exports.disable_interrupts(handle);
    exports.interrupt(handle);
    exports.events(handle);
    // Each queue's first interrupt comes in any case; it shall not be mistaken for one that was asked for.
    this.card.transmit(1);
    this.card.peer.deliver(frame(60, 0));
    module.letDevicesWork();
    module.reclaim(handle, 4);
    this.card.receiveAll();
    exports.interrupt(handle);
    exports.events(handle);
    assert.equal(device.queues[TRANSMIT_QUEUE]?.inFlight, 0);
    this.waitsForSent = this.waitsForRoom = this.waitsForReceived = false;
    this.inFlight = 0;
  }

  private perform(step: Step): void {
    const { module, handle } = this.card;
    const { exports } = module;
    switch (step) {
      case "send one":
        this.send();
        break;
      case "send until full":
        while (this.send());
        break;
      case "await all":
        this.waitsForSent = answer(exports.net_await_all(handle)) === 0 && this.inFlight > 0;
        break;
      case "enable":
        this.waitsForReceived = answer(exports.enable_interrupts(handle)) === 0;
        break;
      case "disable":
        exports.disable_interrupts(handle);
        this.waitsForReceived = this.waitsForSent = false;
        break;
      case "the card sends one":
        this.letCardSend(1);
        break;
      case "the card sends all":
        this.letCardSend(RING);
        break;
      case "reclaim one":
        this.reclaim(1);
        break;
      case "reclaim all":
        this.reclaim(RING);
        break;
      case "interrupt":
        this.interrupt();
        break;
    }
  }

  private send(): boolean {
    const { module, handle } = this.card;
    const { count, results } = module.transmit(handle, this.card.frames(1, this.token++));
    if (count === 0) {
      assertResult(results[0] ?? 0, Result.E_FULL);
      this.waitsForRoom = true;
    }
    this.inFlight += count;
    return count === 1;
  }

  private letCardSend(count: number): void {
    const { pc } = this.card.module;
    const queue = this.card.device.queues[TRANSMIT_QUEUE];
    assert.ok(queue !== undefined);
    const wanted = queue.completions + count;
    while (queue.completions < wanted && !pc.time.isIdle) pc.time.runNext();
  }

  private reclaim(count: number): void {
    const { count: taken } = this.card.module.reclaim(this.card.handle, count);
    this.inFlight -= taken;
    if (this.inFlight === 0) this.waitsForSent = false;
    this.lookAtEvents();
  }

  /** As the guide says, before every sleep. */
  private lookAtEvents(): void {
    const events = this.card.module.exports.events(this.card.handle);
    assert.equal(events & ~Event.ROOM, 0);
    if ((events & Event.ROOM) !== 0) this.waitsForRoom = false;
  }

  /** The line was asserted, or might have been: what it told of is looked at by whoever waits for it. */
  private interrupt(): void {
    const { module, handle } = this.card;
    const wasAsserted = module.line.length > 0;
    assert.equal(module.exports.interrupt(handle) !== 0, wasAsserted);
    this.lookAtEvents();
    if (!wasAsserted) return;
    // Woken, and perhaps too early: then a kernel asks again.
    if (this.waitsForSent && this.inFlight > 0) this.perform("await all");
    if (this.waitsForReceived) this.perform("enable");
  }

  /** The kernel sleeps until nobody waits any more. */
  private sleep(): void {
    const { module, handle, peer } = this.card;
    const { pc, exports } = module;
    this.lookAtEvents();
    // Room is told of to those who asked for interrupts.
    const isEnabled = this.waitsForReceived;
    for (let wakings = 0; this.waitsForSent || (this.waitsForRoom && isEnabled); wakings++) {
      assert.ok(wakings <= RING + 1, "woken too often");
      const whom = `${this.waitsForSent ? "all to be sent" : ""} ${this.waitsForRoom ? "room" : ""}`;
      assert.ok(pc.waitForInterrupt(50).length > 0, `asleep for good, waiting for ${whom}`);
      exports.interrupt(handle);
      this.lookAtEvents();
      this.reclaim(RING);
      if (this.waitsForSent) this.perform("await all");
      if (this.waitsForReceived) this.perform("enable");
    }
    if (!this.waitsForReceived) return;
    module.letDevicesWork();
    while (exports.interrupt(handle) !== 0);
    peer.deliver(frame(60, 1));
    assert.ok(pc.waitForInterrupt(50).length > 0, "asleep for good, waiting for a frame");
    assert.equal(this.card.receiveAll().length, 1);
  }
}

function answer(result: number): number {
  assert.ok(result === 0 || result === 1, `answer ${result}`);
  return result;
}

describe("a kernel that asked to be woken", () => {
  // The builds differ in how memory is reached only, and the long orders below run on both.
  for (const eventIndex of [true, false]) {
    it(`is woken, in every order of three steps behind a first frame: ${withOrWithout(eventIndex)}`, () => {
      const orders = new Orders("mapped", eventIndex);
      const order: Step[] = [];
      const extend = (): void => {
        if (order.length === 1 + STEPS) {
          orders.run(order);
          return;
        }
        for (const step of steps) {
          order.push(step);
          extend();
          order.pop();
        }
      };
      for (const first of ["send one", "send until full"] as const) {
        order.push(first);
        extend();
        order.pop();
      }
    });
  }

  onEveryDriver("is woken, in long orders at random", (build, eventIndex) => {
    const orders = new Orders(build, eventIndex);
    const random = new Random(9);
    for (let number = 0; number < LONG_ORDERS; number++) {
      const length = random.between(5, LONGEST_ORDER);
      orders.run(Array.from({ length }, () => steps[random.below(steps.length)] ?? "interrupt"));
    }
  });
});
