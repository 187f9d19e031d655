/**
 * A caller who does nothing wrong, and nothing as one would expect: calls in any order at any moment, polls never or too
 * often and with room for nothing, resets and closes in the middle of work, and has a clock that jumps between calls.
 * Its device keeps every rule and is fast, so nothing may ever be called broken.
 */
import assert from "node:assert/strict";
import type { Completion as CompletionMode } from "../../../kernel-shim/emulated-pc/completion.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { Event, resultName } from "../../../kernel-shim/javascript/index.js";
import { Random } from "../../cases/random.js";
import type { HostedModule } from "./hosted.js";

/** Ring features of a device. */
export const VIRTIO_F_ANY_LAYOUT = 2 ** 27;
export const VIRTIO_F_INDIRECT_DESC = 2 ** 28;
export const VIRTIO_F_EVENT_IDX = 2 ** 29;

/** Longer than anything that these devices do takes. */
export const TIMEOUT = 10_000_000n;

/** How much room a caller has for what it polls. */
export const CAPACITIES = [0, 0, 1, 2, 5, 64] as const;

const COMPLETIONS: readonly CompletionMode[] = ["immediate", "deferred", "shuffled"];

/** One choice of a caller: how often it is taken beside the others, and what it does. */
export type Choice = readonly [weight: number, act: () => void];

/** One of them, each as likely as any other. */
export function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[random.below(items.length)];
  assert.ok(item !== undefined);
  return item;
}

/** How a device offers and completes, by chance. */
export function pickMachine(random: Random): { completion: CompletionMode; ringFeatures: number } {
  const features = [VIRTIO_F_ANY_LAYOUT, VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX];
  return {
    completion: pick(random, COMPLETIONS),
    ringFeatures: features.reduce((sum, feature) => sum + random.below(2) * feature, 0),
  };
}

export abstract class OddCaller {
  /** 0 while nothing is open. */
  protected handle = 0;
  /** The handle was closed, and something is still out. */
  protected isClosing = false;
  private skew = 0n;

  protected constructor(
    protected readonly module: HostedModule,
    protected readonly device: VirtioDevice,
    protected readonly random: Random,
  ) {
    const { kernel } = module;
    const now = kernel.now_ns.bind(kernel);
    kernel.now_ns = () => now() + this.skew;
  }

  protected abstract readonly choices: readonly Choice[];
  /** Requests or frames that the caller has not got back. */
  protected abstract readonly out: number;

  /** Does this many things, then ends everything in an orderly way. */
  run(steps: number): void {
    const total = this.choices.reduce((sum, [weight]) => sum + weight, 0);
    for (let step = 0; step < steps; step++) {
      let choice = this.random.below(total);
      for (const [weight, act] of this.choices) {
        choice -= weight;
        if (choice >= 0) continue;
        act();
        break;
      }
      this.assertNothingIsBroken();
    }
    this.end();
    this.assertNothingIsBroken();
    this.module.assertNoComplaints();
  }

  /** Takes everything back, checks it, and closes. */
  protected abstract end(): void;

  // ---- what callers of both kinds do ----

  protected work(): void {
    const { time } = this.module.pc;
    if (this.random.below(2) === 0) this.module.letDevicesWork();
    else if (!time.isIdle) time.runNext();
  }

  /** The device has done all it was asked for when time passes that no device is given. */
  protected jump(): void {
    this.module.letDevicesWork();
    this.skew += TIMEOUT * BigInt(this.random.between(1, 5)) + 1n;
  }

  protected readonly generalChoices: readonly Choice[] = [
    [8, () => this.work()],
    [4, () => this.jump()],
    [3, () => this.allow(this.module.exports.enable_interrupts(this.handle), 0, 1)],
    [2, () => this.allow(this.module.exports.disable_interrupts(this.handle), 0)],
    [3, () => this.lookAtEvents()],
    [3, () => this.interrupt()],
    [1, () => this.module.exports.forget_translations()],
  ];

  /** A call answers one of these while the device is open, and that there is none otherwise. */
  protected allow(result: number, ...allowed: readonly number[]): void {
    if (this.handle === 0 || this.isClosing) assert.equal(resultName(result), "E_HANDLE");
    else assert.ok(allowed.includes(result), `result ${resultName(result)}`);
  }

  protected lookAtEvents(): void {
    const events = this.module.exports.events(this.handle);
    if (this.handle === 0) assert.equal(resultName(events), "E_HANDLE");
    else assert.equal(events & (Event.BROKEN | Event.GONE), 0);
  }

  private interrupt(): void {
    const bits = this.module.exports.interrupt(this.handle);
    this.allow(bits, 0, 1, 2, 3);
  }

  private assertNothingIsBroken(): void {
    assert.deepEqual(this.module.pc.log, [], "messages that the stack logged");
  }
}
