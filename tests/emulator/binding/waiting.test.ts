/** The loops that wait: those of the binding's README, and being told of what was sent. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { transform } from "esbuild";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { createLink } from "../../../kernel-shim/emulated-pc/net/link.js";
import { NetDevice as EmulatedCard } from "../../../kernel-shim/emulated-pc/net/device.js";
import { Event, Result, type NetDevice, type VirtioStack } from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { PAGE_BYTES, bytesOf } from "./disk-machine.js";

interface Cards {
  machine: EmulatedPc;
  stack: VirtioStack;
  emulated: EmulatedCard;
  near: NetDevice;
  far: NetDevice;
}

/** Cards at both ends of a cable. */
function cards(): Cards {
  const [first, second] = createLink().ends.map(
    (backend, index) => new EmulatedCard({ backend, mac: `52:54:00:00:00:0${index + 1}` }),
  );
  assert.ok(first && second);
  const machine = new EmulatedPc({ completion: "deferred", devices: [first, second] });
  const stack = loadStack(machine);
  const near = stack.openNet(machine.addressOf(first));
  return { machine, stack, emulated: first, near, far: stack.openNet(machine.addressOf(second)) };
}

/** The loop as the README prints it, as a function of what it names. */
async function printedLoop(): Promise<(...parts: readonly unknown[]) => unknown> {
  const text = readFileSync(new URL("../../../kernel-shim/javascript/README.md", import.meta.url), "utf8");
  const [loop] = [...text.matchAll(/```ts\n(.*?)```/gs)].flatMap(([, code = ""]) =>
    /\bfor \(;;\)/.test(code) ? code : [],
  );
  const { code } = await transform(loop ?? "", { loader: "ts" });
  // eslint-disable-next-line @typescript-eslint/no-implied-eval -- the text is the guide's, and what is tested
  return new Function("card", "stack", "handle", "announce", "timeout", code) as (
    ...parts: readonly unknown[]
  ) => unknown;
}

/** Ends the loop, which does not end by itself. */
class Enough extends Error {}

test("the loop that the README prints sleeps, whatever happened before, and is told of all of it", async () => {
  const loop = await printedLoop();
  const { machine, stack, emulated, near, far } = cards();
  const segment = { pointer: machine.allocateBuffer(PAGE_BYTES), length: 100 };
  const happenings: readonly [number, () => void][] = [
    [0, () => {}],
    [
      Event.LINK,
      () => {
        emulated.setLink(false);
        emulated.setLink(true);
      },
    ],
    [
      Event.ROOM,
      () => {
        const frames = Array.from({ length: 300 }, (_, token) => ({ token, segments: [segment] }));
        assert.ok(near.transmit(frames).accepted < 300);
      },
    ],
    [
      Event.BROKEN,
      () => {
        emulated.faults.usedId = () => 0xffff;
        far.sendFrame(bytesOf(60, 1));
        assert.throws(() => near.waitForFrames(1), { code: Result.E_BROKEN });
        delete emulated.faults.usedId;
        near.reset();
      },
    ],
  ];
  for (const [event, happen] of happenings) {
    let sleeps = 0;
    let turns = 0;
    let seen = 0;
    happen();
    const bounded = {
      receiveFrames: () => {
        assert.ok(turns++ < 100, "the loop goes to sleep");
        return near.receiveFrames();
      },
      reclaim: () => near.reclaim(),
      enableInterrupts: () => near.enableInterrupts(),
      events: () => near.events(),
    };
    const sleepy = {
      service: (milliseconds: number) => {
        if (sleeps++ === 5) throw new Enough();
        return stack.service(milliseconds);
      },
    };
    const announce = (what: number): void => {
      seen |= what;
    };
    assert.throws(() => loop(bounded, sleepy, () => {}, announce, 1), Enough);
    assert.equal(seen & event, event, `event ${event} was announced`);
  }
});

test("who waits until all frames are sent is told, once, by an interrupt", () => {
  const emulated = new EmulatedCard();
  const machine = new EmulatedPc({ completion: "deferred", devices: [emulated] });
  const stack = loadStack(machine);
  const card = stack.openNet(machine.addressOf(emulated));
  const pointer = machine.allocateBuffer(PAGE_BYTES);
  const frames = Array.from({ length: 10 }, (_, token) => ({ token, segments: [{ pointer, length: 100 }] }));
  /** Sends ten frames and waits. Returns how often the card interrupted for it, and that all came back. */
  const send = (isAwaited: boolean): [number, number] => {
    const before = card.statistics().interrupts;
    card.transmit(frames);
    if (isAwaited) assert.equal(card.awaitAll(), false);
    stack.service(1);
    return [Number(card.statistics().interrupts - before), card.reclaim().length];
  };
  // Hosts interrupt for the first completion of all, whatever they were asked for.
  send(false);
  assert.deepEqual(send(false), [0, 10]);
  assert.deepEqual(send(true), [1, 10]);
  assert.deepEqual(send(false), [0, 10]);
  card.transmit(frames);
  machine.waitForInterrupt(1);
  assert.equal(card.awaitAll(), true, "all of them can be reclaimed already");
});
