/** Reset and close of entropy devices, with requests in flight and without. */

import assert from "node:assert/strict";
import { Result, resultName } from "../../../kernel-shim/javascript/index.js";
import { closeCompletely, type Case } from "../context.js";
import { assertThrowsResult } from "../results.js";
import { askAll, ENOUGH, filled, requestsAt, takeCompletions } from "./asking.js";

const PAGE_BYTES = 4096;
const REOPENINGS = 20;

export const lifetime: readonly Case[] = [
  {
    name: "after a reset each request has completed once, as done or with E_RESET, and the next ones work",
    entropySources: 1,
    run(context) {
      const device = context.openEntropy();
      const buffer = filled(context, PAGE_BYTES);
      const requests = requestsAt(buffer, 4, ENOUGH);
      askAll(device, requests);
      device.reset();
      const completions = device.poll();
      assert.deepEqual(
        completions.map(({ token }) => token).sort((left, right) => left - right),
        requests.map(({ token }) => token),
      );
      for (const { result } of completions) assert.equal(resultName(result), resultName(Result.E_RESET));
      assert.equal(device.randomBytes(100).length, 100);
    },
  },
  {
    name: "close with requests in flight: each completes once, then the handle is gone",
    entropySources: 1,
    run(context) {
      const device = context.openEntropy();
      const requests = requestsAt(filled(context, PAGE_BYTES), 4, ENOUGH);
      askAll(device, requests);
      assert.equal(device.close(), requests.length);
      assert.equal(takeCompletions(context, device, requests.length).length, requests.length);
      assert.ok(device.isGone);
      assertThrowsResult(() => device.poll(), Result.E_HANDLE);
      assert.equal(context.openEntropy().randomBytes(10).length, 10);
    },
  },
  {
    name: "what is no entropy device is not opened as one, and an open one not again",
    entropySources: 1,
    run(context) {
      const device = context.openEntropy();
      assertThrowsResult(() => context.openEntropy(), Result.E_IN_USE);
      assert.equal(device.randomBytes(10).length, 10);
    },
  },
  {
    name: `opened and closed ${REOPENINGS} times: nothing leaks`,
    entropySources: 1,
    run(context) {
      for (let round = 0; round < REOPENINGS; round++) {
        const device = context.openEntropy();
        assert.equal(device.randomBytes(ENOUGH).length, ENOUGH);
        closeCompletely(device);
        assert.equal(context.lentPages, 0);
      }
    },
  },
];
