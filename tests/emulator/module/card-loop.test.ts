/** The guide's waiting loop with a card: it sleeps, is woken for everything, and hears of each event once. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { UsedRing } from "../../../kernel-shim/emulated-pc/hostile/used-ring.js";
import { Event, Interrupt, Result } from "../../../kernel-shim/javascript/index.js";
import { frame } from "../../cases/net/frames.js";
import { HostedCard } from "./card.js";
import { assertResult } from "./hosted.js";
import { moments, onEveryDriver, raise } from "./moments.js";
import { WaitingKernel } from "./waiting-kernel.js";

const RECEIVE_QUEUE = 0;
const TRANSMIT_QUEUE = 1;
/** STATUS, and what rings can do without ANY_LAYOUT, so that a ring of four takes two frames. */
const VIRTIO_NET_F_STATUS = 2 ** 16;
const VIRTIO_RING_F_EVENT_IDX = 2 ** 29;
const SMALL_RING = { queueSizes: [16, 8], features: VIRTIO_NET_F_STATUS + VIRTIO_RING_F_EVENT_IDX };

/** A kernel that takes what was received and sent, sends more when there is room, and repairs a broken card. */
class CardKernel {
  readonly received: Uint8Array[] = [];
  readonly results: number[] = [];
  /** Frames that it would still like to send, and the number of the next. */
  toSend = 0;
  nextFrame = 0;
  isOpen = true;
  /** Called when polling has found nothing more. */
  afterPolling = (): void => {};
  private readonly kernel: WaitingKernel;

  constructor(
    private readonly card: HostedCard,
    isDone: (kernel: CardKernel) => boolean,
  ) {
    this.kernel = new WaitingKernel("card", card.module, () => card.handle, {
      poll: () => this.poll(),
      act: (events) => this.act(events),
      isDone: () => isDone(this),
    });
  }

  get seen(): readonly number[] {
    return this.kernel.seen;
  }

  get wakings(): number {
    return this.kernel.wakings;
  }

  run(): void {
    this.kernel.run();
  }

  /** Sends until the ring is full; then it waits for the event that says that there is room. */
  send(): void {
    const { module, handle } = this.card;
    while (this.toSend > 0) {
      const { count, results } = module.transmit(handle, this.card.frames(1, this.nextFrame));
      assert.ok(count >= 0);
      if (count === 0) {
        assertResult(results[0] ?? 0, Result.E_FULL);
        return;
      }
      this.toSend--;
      this.nextFrame++;
    }
  }

  private get isSendingTheLast(): boolean {
    return this.toSend === 0 && this.results.length < this.nextFrame;
  }

  private poll(): void {
    const { module, handle } = this.card;
    for (;;) {
      const { count, buffers } = module.receive(handle, 4);
      if (count <= 0) break;
      for (const { pointer, length } of buffers) this.received.push(module.pc.readBuffer(pointer, length));
      assert.equal(
        module.release(
          handle,
          buffers.map(({ buffer }) => buffer),
        ),
        count,
      );
    }
    do {
      for (;;) {
        const { count, completions } = module.reclaim(handle, 4);
        if (count <= 0) break;
        this.results.push(...completions.map(({ result }) => result));
      }
      // Nothing else tells of the last frames.
    } while (this.isSendingTheLast && module.exports.net_await_all(handle) === 1);
    this.afterPolling();
  }

  private act(events: number): void {
    const { exports } = this.card.module;
    if ((events & Event.GONE) !== 0) {
      assert.ok(exports.close(this.card.handle) >= 0);
      this.isOpen = false;
    } else if ((events & Event.BROKEN) !== 0) {
      assertResult(exports.reset(this.card.handle), Result.OK);
    }
    if ((events & Event.ROOM) !== 0) this.send();
  }
}

describe("the waiting loop of a card", () => {
  onEveryDriver("takes the frames that arrive while it sleeps", (build, eventIndex) => {
    const card = new HostedCard(build, { eventIndex });
    const { module, peer } = card;
    for (let number = 0; number < 5; number++) {
      const kernel = new CardKernel(card, ({ received }) => received.length === 1);
      module.pc.time.schedule(1_000_000, () => peer.deliver(frame(80 + number, number)));
      kernel.run();
      assert.deepEqual(kernel.received, [frame(80 + number, number)]);
      assert.ok(kernel.wakings > 0);
    }
    module.assertNoComplaints();
  });

  onEveryDriver("takes the frame that arrives between polling and asking for an interrupt", (build, eventIndex) => {
    const card = new HostedCard(build, { eventIndex });
    const kernel = new CardKernel(card, ({ received }) => received.length === 1);
    raise("between polling and sleeping", card.module, kernel, () => card.peer.deliver(frame(70, 3)));
    kernel.run();
    assert.deepEqual(kernel.received, [frame(70, 3)]);
    assert.equal(kernel.wakings, 0);
  });

  for (const moment of moments) {
    onEveryDriver(`sends more when there is room, after a ring that was full ${moment}`, (build, eventIndex) => {
      const card = new HostedCard(build, { eventIndex, card: SMALL_RING });
      const kernel = new CardKernel(card, ({ results }) => results.length === 30);
      raise(moment, card.module, kernel, () => {
        kernel.toSend = 30;
        kernel.send();
        // Somebody has to wake whoever slept when the frames came from elsewhere.
        if (moment === "while it slept") card.peer.deliver(frame(60, 1));
      });
      kernel.run();
      assert.deepEqual(kernel.results, new Array<number>(30).fill(Result.OK));
      assert.deepEqual(
        card.peer.sent,
        Array.from({ length: 30 }, (_, number) => frame(60, number)),
      );
      assert.ok(kernel.seen.every((events) => events === Event.ROOM));
      card.module.assertNoComplaints();
    });

    onEveryDriver(`tells once of a cable that was taken out ${moment}`, (build, eventIndex) => {
      const card = new HostedCard(build, { eventIndex });
      const kernel = new CardKernel(card, ({ seen }) => seen.length > 0);
      raise(moment, card.module, kernel, () => card.device.setLink(false));
      kernel.run();
      assert.deepEqual(kernel.seen, [Event.LINK]);
      assert.equal(card.module.netInformation(card.handle).record.link_up, 0);
      const later = new CardKernel(card, ({ seen }) => seen.length > 0);
      raise("while it slept", card.module, later, () => card.device.setLink(true));
      later.run();
      assert.deepEqual(later.seen, [Event.LINK]);
      assert.equal(card.module.netInformation(card.handle).record.link_up, 1);
      card.module.assertNoComplaints();
    });

    onEveryDriver(`tells of a cable that was out and in again ${moment}`, (build, eventIndex) => {
      const card = new HostedCard(build, { eventIndex });
      const kernel = new CardKernel(card, ({ seen, received }) => seen.length > 0 && received.length === 1);
      raise(moment, card.module, kernel, () => {
        card.device.setLink(false);
        card.device.setLink(true);
        card.peer.deliver(frame(60, 1));
      });
      kernel.run();
      assert.deepEqual(kernel.seen, [Event.LINK]);
      assert.equal(card.module.netInformation(card.handle).record.link_up, 1);
      card.module.assertNoComplaints();
    });

    onEveryDriver(`resets a card that broke the rules ${moment}, and sleeps again`, (build, eventIndex) => {
      const card = new HostedCard(build, { eventIndex });
      const { device, module, peer } = card;
      const kernel = new CardKernel(card, ({ seen }) => seen.length > 0);
      raise(moment, module, kernel, () => {
        const queue = device.queues[RECEIVE_QUEUE];
        assert.ok(queue !== undefined);
        new UsedRing(device, queue).complete(0xffff, 60);
        device.raiseQueueInterrupt();
      });
      kernel.run();
      assert.deepEqual(kernel.seen, [Event.BROKEN, Event.LINK], "the reset forgot what was said of the link");
      const later = new CardKernel(card, ({ received }) => received.length === 1);
      module.pc.time.schedule(1_000_000, () => peer.deliver(frame(90, 2)));
      later.run();
      assert.deepEqual(later.received, [frame(90, 2)]);
      assert.deepEqual(later.seen, []);
    });
  }

  onEveryDriver("gives back the frames that a broken card did not send", (build, eventIndex) => {
    const card = new HostedCard(build, { eventIndex });
    const { device, module } = card;
    device.faults.silent = true;
    card.transmit(4);
    const queue = device.queues[TRANSMIT_QUEUE];
    assert.ok(queue !== undefined);
    new UsedRing(device, queue).complete(0xffff, 0);
    device.faults.silent = false;
    const kernel = new CardKernel(card, ({ results }) => results.length === 4);
    kernel.run();
    assert.deepEqual(kernel.results, new Array<number>(4).fill(Result.E_RESET));
    assert.deepEqual(kernel.seen, [Event.BROKEN, Event.LINK], "the reset forgot what was said of the link");
    assertResult(module.exports.events(card.handle), 0);
  });

  onEveryDriver("closes a card that was pulled out, and goes on", (build, eventIndex) => {
    const card = new HostedCard(build, { eventIndex });
    const { exports, pc } = card.module;
    card.transmit(3);
    pc.removeDevice(card.device);
    assertResult(exports.interrupt(card.handle), Result.E_GONE);
    const kernel = new CardKernel(card, ({ isOpen, results }) => !isOpen && results.length === 3);
    kernel.run();
    assert.deepEqual(kernel.seen, [Event.GONE]);
    assert.deepEqual(kernel.results, [Result.E_RESET, Result.E_RESET, Result.E_RESET]);
    assertResult(exports.events(card.handle), Result.E_HANDLE);
  });
});

describe("enable_interrupts of a card", () => {
  onEveryDriver("answers 1 only while net_receive finds something, whatever has happened", (build, eventIndex) => {
    const card = new HostedCard(build, { eventIndex, card: SMALL_RING });
    const { exports, pc } = card.module;
    assert.equal(exports.enable_interrupts(card.handle), 0);
    card.device.setLink(false);
    assert.equal(exports.interrupt(card.handle) & Interrupt.CONFIGURATION, Interrupt.CONFIGURATION);
    assert.equal(exports.enable_interrupts(card.handle), 0, "with an event that nobody has read");
    card.device.setLink(true);
    exports.interrupt(card.handle);
    card.transmit(4);
    assertResult(card.module.transmit(card.handle, card.frames(1)).results[0] ?? 0, Result.E_FULL);
    card.module.letDevicesWork();
    assert.equal(exports.enable_interrupts(card.handle), 0, "with frames sent and not reclaimed");
    assert.equal(card.module.reclaim(card.handle, 8).count, 4);
    assert.equal(exports.enable_interrupts(card.handle), 0, "with room that nobody was told of");
    card.peer.deliver(frame(60, 1));
    pc.waitForInterrupt(1);
    assert.equal(exports.enable_interrupts(card.handle), 1, "with a frame");
    assert.equal(card.receiveAll().length, 1);
    assert.equal(exports.enable_interrupts(card.handle), 0, "with nothing more");
    assert.equal(exports.events(card.handle), Event.LINK | Event.ROOM);
    card.module.assertNoComplaints();
  });
});
