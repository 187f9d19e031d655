/** What was finished and not taken when a device is reset or closed: counted once, or handed back once. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { frame } from "../../cases/net/frames.js";
import { HostedCard } from "./card.js";
import { HostedDisk } from "./disk.js";
import { assertResult } from "./hosted.js";
import { onBothBuilds } from "./moments.js";

const VIRTIO_NET_F_MRG_RXBUF = 2 ** 15;
/** Of which a long frame needs three. */
const SMALL_BUFFER_BYTES = 576;
const LONG_FRAME = 1500;
const SHORT_FRAME = 60;

/** Ways to receive: frames over several buffers, in one of several that may be merged, and in one. */
const receivers: Readonly<Record<string, (build: Build) => HostedCard>> = {
  "over several buffers": (build) => new HostedCard(build, { open: { receive_buffer_bytes: SMALL_BUFFER_BYTES } }),
  "in one buffer each": (build) => new HostedCard(build),
  "without MRG_RXBUF": (build) => new HostedCard(build, { card: { features: 0 } }),
};

const endings = {
  reset: ({ module, handle }: HostedCard) => assertResult(module.exports.reset(handle), Result.OK),
  // One buffer stays with the caller, so that the handle lives on.
  close: ({ module, handle }: HostedCard) => assert.equal(module.exports.close(handle), 1),
} as const;

function discarded({ module, handle }: HostedCard): bigint {
  const { result, record } = module.netStatistics(handle);
  assertResult(result, Result.OK);
  return record.receive_discarded;
}

/** Receives one frame of one buffer, and keeps it. */
function keepOne(card: HostedCard): void {
  card.peer.deliver(frame(SHORT_FRAME, 1));
  card.module.letDevicesWork();
  assert.equal(card.module.receive(card.handle, 1).count, 1);
}

for (const [how, make] of Object.entries(receivers)) {
  describe(`receive_discarded of a card that receives ${how}`, () => {
    for (const [name, end] of Object.entries(endings)) {
      onBothBuilds(`counts the frames that nobody had taken at a ${name}, and no others`, (build) => {
        for (let waiting = 0; waiting < 6; waiting++) {
          const card = make(build);
          keepOne(card);
          for (let number = 0; number < waiting; number++) {
            card.peer.deliver(frame(number % 2 === 0 ? LONG_FRAME : SHORT_FRAME, number));
          }
          card.module.letDevicesWork();
          assert.equal(discarded(card), 0n);
          end(card);
          assert.equal(discarded(card), BigInt(waiting));
          assert.equal(card.module.netStatistics(card.handle).record.frames_received, 1n);
          card.module.assertNoComplaints();
        }
      });
    }

    onBothBuilds("adds up over resets, and leaves out what was taken between them", (build) => {
      const card = make(build);
      let expected = 0n;
      for (let round = 1; round <= 4; round++) {
        for (let number = 0; number < round; number++) card.peer.deliver(frame(LONG_FRAME, number));
        card.module.letDevicesWork();
        assertResult(card.module.exports.reset(card.handle), Result.OK);
        expected += BigInt(round);
        assert.equal(discarded(card), expected);
        card.works();
      }
      card.module.assertNoComplaints();
    });
  });
}

describe("receive_discarded", () => {
  onBothBuilds("counts the frame that was held back because the caller had too little room", (build) => {
    for (const end of Object.values(endings)) {
      const card = new HostedCard(build, { open: { receive_buffer_bytes: SMALL_BUFFER_BYTES } });
      assert.ok(card.device.hasNegotiated(VIRTIO_NET_F_MRG_RXBUF));
      keepOne(card);
      card.peer.deliver(frame(LONG_FRAME, 2));
      card.peer.deliver(frame(LONG_FRAME, 3));
      card.module.letDevicesWork();
      assertResult(card.module.receive(card.handle, 2).count, Result.E_ARGUMENT);
      end(card);
      assert.equal(discarded(card), 2n);
    }
  });

  onBothBuilds("begins at 0 with every opening", (build) => {
    const card = new HostedCard(build);
    card.peer.deliver(frame(LONG_FRAME, 2));
    card.module.letDevicesWork();
    assert.equal(card.module.exports.close(card.handle), 0);
    card.open();
    assert.equal(discarded(card), 0n);
  });
});

describe("what was finished and not taken", () => {
  onBothBuilds("comes back once as E_RESET, of a disk that is reset", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    disk.submitReads(3);
    module.letDevicesWork();
    assertResult(module.exports.reset(handle), Result.OK);
    disk.comeBackAsReset([0n, 1n, 2n]);
    assert.equal(module.poll(handle, 8).count, 0);
    assert.equal(module.blockStatistics(handle).record.errors, 3n);
    assert.equal(module.blockStatistics(handle).record.reads, 0n);
    disk.works();
    module.assertNoComplaints();
  });

  onBothBuilds("comes back once as E_RESET, of a disk that is closed", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    disk.submitReads(3);
    module.letDevicesWork();
    assert.equal(module.exports.close(handle), 3);
    disk.comeBackAsReset([0n, 1n, 2n]);
    assertResult(module.poll(handle, 8).count, Result.E_HANDLE);
    module.assertNoComplaints();
  });

  onBothBuilds("comes back once as E_RESET, of a card that is reset or closed", (build) => {
    for (const isClosed of [true, false]) {
      const card = new HostedCard(build);
      const { module, handle } = card;
      card.transmit(3);
      module.letDevicesWork();
      if (isClosed) assert.equal(module.exports.close(handle), 3);
      else assertResult(module.exports.reset(handle), Result.OK);
      assert.deepEqual(
        module.reclaim(handle, 2).completions,
        [0n, 1n].map((token) => ({ token, result: Result.E_RESET, length: 0 })),
      );
      assert.deepEqual(module.reclaim(handle, 2).completions, [{ token: 2n, result: Result.E_RESET, length: 0 }]);
      assertResult(module.reclaim(handle, 2).count, isClosed ? Result.E_HANDLE : 0);
      if (!isClosed) assert.equal(module.netStatistics(handle).record.transmit_errors, 3n);
      module.assertNoComplaints();
    }
  });
});
