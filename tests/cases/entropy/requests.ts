/** Requests for random bytes, from the call to the completion. [virtio-1.2 §5.4.6] */

import assert from "node:assert/strict";
import { Interrupt, Result } from "../../../kernel-shim/javascript/index.js";
import type { Case } from "../context.js";
import { assertResult } from "../results.js";
import { askAll, assertRandom, ENOUGH, FILL, filled, requestsAt, takeCompletions } from "./asking.js";

const PAGE_BYTES = 4096;
const INTERRUPT_MILLISECONDS = 5000;

export const requests: readonly Case[] = [
  {
    name: "as many bytes as are asked for, and others the next time",
    entropySources: 1,
    run(context) {
      const device = context.openEntropy();
      const first = device.randomBytes(10_000);
      const second = device.randomBytes(10_000);
      assert.equal(first.length, 10_000);
      assert.equal(second.length, 10_000);
      assertRandom(first);
      assert.notDeepEqual(first, second);
    },
  },
  {
    name: "each request completes once; what lies behind its bytes is left alone",
    entropySources: 1,
    run(context) {
      const device = context.openEntropy();
      const buffer = filled(context, PAGE_BYTES);
      // Room between them, which nobody may write.
      const requests = requestsAt(buffer, 4, 512).map((request) => ({ ...request, length: 100 + request.token }));
      askAll(device, requests);
      const completions = takeCompletions(context, device, requests.length);
      const expected = new Uint8Array(PAGE_BYTES).fill(FILL);
      const written = context.machine.readBuffer(buffer, PAGE_BYTES);
      for (const { token, result, length } of completions) {
        const request = requests[token];
        assert.ok(request);
        assertResult(result, Result.OK);
        assert.ok(length >= 1 && length <= request.length, `${length} bytes of ${request.length}`);
        const at = request.pointer - buffer;
        assertRandom(written.subarray(at, at + length));
        expected.set(written.subarray(at, at + length), at);
      }
      assert.deepEqual(written, expected);
      assert.equal(new Set(completions.map(({ token }) => token)).size, requests.length);
    },
  },
  {
    name: "whoever waits for a request is interrupted",
    entropySources: 1,
    run(context) {
      const device = context.openEntropy();
      const buffer = filled(context, PAGE_BYTES);
      for (let round = 0; round < 5; round++) {
        assert.equal(device.enableInterrupts(), false);
        askAll(device, requestsAt(buffer, 1, ENOUGH));
        assert.equal(context.takeInterrupt(device, INTERRUPT_MILLISECONDS), Interrupt.QUEUE);
        assert.equal(takeCompletions(context, device, 1)[0]?.result, Result.OK);
      }
    },
  },
  {
    name: "a full ring accepts no more, and goes on after completions were taken",
    entropySources: 1,
    run(context) {
      const device = context.openEntropy(0, { queue_size_max: 8 });
      const buffer = filled(context, PAGE_BYTES);
      const requests = requestsAt(buffer, 64, ENOUGH);
      const { accepted, refusal } = device.request(requests);
      assertResult(refusal, Result.E_FULL);
      assert.ok(accepted >= 1 && accepted < requests.length);
      takeCompletions(context, device, accepted);
      askAll(device, requests.slice(0, accepted));
      takeCompletions(context, device, accepted);
    },
  },
  {
    name: "a buffer in memory that is not lent: E_ADDRESS; one without room: E_SEGMENTS",
    entropySources: 1,
    run(context) {
      const device = context.openEntropy();
      const buffer = context.allocate(PAGE_BYTES);
      context.free(buffer);
      assert.deepEqual(device.request(requestsAt(buffer, 1, ENOUGH)), { accepted: 0, refusal: Result.E_ADDRESS });
      const there = filled(context, PAGE_BYTES);
      assert.deepEqual(device.request(requestsAt(there, 1, 0)), { accepted: 0, refusal: Result.E_SEGMENTS });
      askAll(device, requestsAt(there, 1, ENOUGH));
      takeCompletions(context, device, 1);
    },
  },
  {
    name: "a card, a disk and an entropy device work side by side",
    disks: [{}],
    cards: [{}],
    entropySources: 1,
    run(context) {
      const device = context.openEntropy();
      const disk = context.openDisk();
      const card = context.openCard();
      const bytes = device.randomBytes(512);
      disk.writeSectors(7, bytes);
      assert.deepEqual(context.disk().contents(7, 1), bytes);
      card.sendFrame(bytes);
      const sent: Uint8Array[] = [];
      context.waitUntil(() => {
        sent.push(...context.card().takeSent());
        return sent.length > 0;
      }, "a frame at the other end of the cable");
      assert.deepEqual(sent, [bytes]);
      assert.notDeepEqual(device.randomBytes(512), bytes);
    },
  },
];
