/** How long a call waits for the answer to a control command, on clocks that go, jump, crawl and stand still. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Result } from "../../../kernel-shim/javascript/index.js";
import type { KernelImports } from "../../../kernel-shim/machine.js";
import { HostedCard } from "./card.js";
import { assertResult } from "./hosted.js";
import { onBothBuilds } from "./moments.js";

/** Longer than a device has for an answer, once. */
const TOO_LONG = 1_500_000_000n;
/** More turns than the clock may stand still for, twice. */
const MANY_TURNS = 2_100_000;

/** Gives a command, with other functions for some of the kernel's. */
function command(card: HostedCard, imports: (before: KernelImports) => Partial<KernelImports>): number {
  const { kernel, exports } = card.module;
  const before = { ...kernel };
  Object.assign(kernel, imports(before));
  const result = exports.net_add_vlan(card.handle, 1);
  Object.assign(kernel, before);
  return result;
}

describe("the answer to a control command", () => {
  onBothBuilds("is waited for a second time, in case it was the machine that stood still", (build) => {
    const card = new HostedCard(build);
    let jump = 0n;
    const result = command(card, (before) => ({
      now_ns: () => before.now_ns() + jump,
      relax: () => {
        if (jump === 0n) jump = TOO_LONG;
        else before.relax();
      },
    }));
    assertResult(result, Result.OK);
    card.works();
  });

  onBothBuilds("counts though it comes while the driver looks at the clock for the last time", (build) => {
    const card = new HostedCard(build);
    let looks = 0;
    const result = command(card, () => ({
      now_ns: () => {
        // At the beginning and the end of the first wait, and of the second one.
        if (++looks === 4) card.module.letDevicesWork();
        return BigInt(looks) * TOO_LONG;
      },
      relax: () => {},
    }));
    assert.equal(looks, 4);
    assertResult(result, Result.OK);
    card.works();
  });

  onBothBuilds("is waited for no longer when the clock stands still", (build) => {
    const card = new HostedCard(build);
    assertResult(
      command(card, () => ({ now_ns: () => 5n, relax: () => {} })),
      Result.E_BROKEN,
    );
    assertResult(card.module.exports.reset(card.handle), Result.OK);
    card.works();
  });

  onBothBuilds("is waited for as long as the clock goes, be it ever so slow", (build) => {
    const card = new HostedCard(build);
    let now = 0n;
    let turns = 0;
    const result = command(card, (before) => ({
      now_ns: () => ++now,
      relax: () => {
        if (++turns > MANY_TURNS) before.relax();
      },
    }));
    assertResult(result, Result.OK);
    assert.ok(turns > MANY_TURNS);
    card.works();
  });
});
