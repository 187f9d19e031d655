/** Every export in every state of a handle answers what the table says, and reaches no port where it has none. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { UsedRing } from "../../../kernel-shim/emulated-pc/hostile/used-ring.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { Result, resultName } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { frame } from "../../cases/net/frames.js";
import { type Answer, type CallStates, cardCalls, diskCalls, type State, states } from "./call-states.js";
import { HostedCard } from "./card.js";
import { HostedDisk } from "./disk.js";
import { assertResult, type HostedModule } from "./hosted.js";
import { onBothBuilds } from "./moments.js";

/** Port accesses that a call makes at most to find that nothing answers any more. */
const ACCESSES_OF_GONE = 10;

/** A device in one of the states, and the handle that names it. */
interface Prepared {
  readonly module: HostedModule;
  readonly handle: number;
}

function diskIn(state: State, build: Build): Prepared {
  const disk = new HostedDisk(build);
  const { module, handle, device } = disk;
  device.faults.silent = true;
  disk.submitReads(3);
  enter(state, module, device, handle, () => module.poll(handle, 1).count);
  return { module, handle };
}

function cardIn(state: State, build: Build): Prepared {
  const card = new HostedCard(build);
  const { module, handle, device, peer } = card;
  peer.deliver(frame(60, 1));
  const { buffers } = module.receive(handle, 1);
  assert.equal(buffers[0]?.buffer, 0);
  module.exports.interrupt(handle);
  device.faults.silent = true;
  card.transmit(3);
  enter(state, module, device, handle, () => module.receive(handle, 1).count);
  return { module, handle };
}

function enter(state: State, module: HostedModule, device: VirtioDevice, handle: number, poll: () => number): void {
  const { exports, pc } = module;
  const [queue] = device.queues;
  switch (state) {
    case "open":
      break;
    case "broken":
      assert.ok(queue !== undefined);
      new UsedRing(device, queue).complete(0xffff, 0);
      assertResult(poll(), Result.E_BROKEN);
      break;
    case "gone":
    case "gone after a reset":
      pc.removeDevice(device);
      exports.interrupt(handle);
      if (state === "gone after a reset") exports.reset(handle);
      break;
    case "suspended":
      assertResult(exports.suspend(handle, 1), Result.OK);
      exports.events(handle);
      break;
    case "closing":
      assert.ok(exports.close(handle) > 0);
      module.revoke(device);
      break;
  }
}

function assertAnswer(actual: number, expected: Answer): void {
  if (typeof expected === "string") assertResult(actual, Result[expected]);
  else assert.equal(actual, expected, resultName(actual));
}

function testCalls(calls: Readonly<Record<string, CallStates>>, prepare: (state: State, build: Build) => Prepared) {
  for (const [name, { call, answers, ports }] of Object.entries(calls)) {
    for (const state of states) {
      onBothBuilds(`${name} answers ${answers[state]} while it is ${state}`, (build) => {
        const { module, handle } = prepare(state, build);
        module.watch();
        assertAnswer(call(module, handle), answers[state]);
        const { registerAccesses } = module;
        if (!ports.includes(state)) assert.deepEqual(registerAccesses, [], "ports that were reached");
        else if (state.startsWith("gone")) assert.ok(registerAccesses.length < ACCESSES_OF_GONE);
      });
    }
  }
}

describe("the handle of a disk", () => testCalls(diskCalls, diskIn));

describe("the handle of a card", () => testCalls(cardCalls, cardIn));

/** Every export that takes a handle. */
const allCalls = { ...diskCalls, ...cardCalls };

/** All of these calls are refused, and none of them reaches a port. */
function assertNamesNothing(
  module: HostedModule,
  handle: number,
  calls: Readonly<Record<string, CallStates>> = allCalls,
): void {
  module.watch();
  for (const [name, { call }] of Object.entries(calls)) {
    assertResult(call(module, handle), Result.E_HANDLE, `${name} of handle ${handle}`);
  }
  assert.deepEqual(module.accesses, []);
}

describe("a number that names no device", () => {
  onBothBuilds("is refused by every export, and changes nothing in the devices that are open", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    const slots = 256;
    for (const number of [0, -1, 1, 255, slots, 12345, 0x7fff_ffff, -0x8000_0000, handle + slots, handle - slots]) {
      if (number !== handle) assertNamesNothing(module, number);
    }
    assertNamesNothing(module, handle + 1);
    disk.works();
    module.assertNoComplaints();
  });

  onBothBuilds("is refused by every export while no device is open", (build) => {
    const disk = new HostedDisk(build);
    assert.equal(disk.module.exports.close(disk.handle), 0);
    const used = disk.handle;
    for (const number of [0, -1, 256, used, used + 256]) assertNamesNothing(disk.module, number);
  });
});

describe("a handle whose device was closed", () => {
  onBothBuilds("names nothing once the last completion was taken", (build) => {
    const { module, handle } = diskIn("closing", build);
    assert.equal(module.poll(handle, 2).count, 2);
    assertResult(module.blockInformation(handle).result, Result.OK);
    assert.equal(module.poll(handle, 2).count, 1);
    assertNamesNothing(module, handle);
  });

  onBothBuilds("names nothing once the last frame and the last buffer are back", (build) => {
    for (const isBufferFirst of [true, false]) {
      const { module, handle } = cardIn("closing", build);
      if (isBufferFirst) assert.equal(module.release(handle, [0]), 1);
      assert.equal(module.reclaim(handle, 8).count, 3);
      if (!isBufferFirst) {
        assertResult(module.netInformation(handle).result, Result.OK);
        assert.equal(module.release(handle, [0]), 1);
      }
      assertNamesNothing(module, handle);
    }
  });

  onBothBuilds("names nothing when another device has its place", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    disk.submitReads(3);
    assert.equal(module.exports.close(handle), 3);
    assert.equal(module.poll(handle, 8).count, 3);
    disk.open();
    assert.notEqual(disk.handle, handle);
    assert.equal(disk.handle % 256, handle % 256);
    disk.submitReads(2);
    assertNamesNothing(module, handle);
    module.letDevicesWork();
    assert.equal(module.poll(disk.handle, 8).count, 2);
    disk.works();
    module.assertNoComplaints();
  });
});

describe("the handle of a device of the other kind", () => {
  onBothBuilds("is refused by every export for disks", (build) => {
    const card = new HostedCard(build);
    const calls = Object.fromEntries(Object.entries(diskCalls).filter(([name]) => name.startsWith("block_")));
    assertNamesNothing(card.module, card.handle, calls);
    card.works();
    card.module.assertNoComplaints();
  });

  onBothBuilds("is refused by every export for cards", (build) => {
    const disk = new HostedDisk(build);
    const calls = Object.fromEntries(Object.entries(cardCalls).filter(([name]) => name.startsWith("net_")));
    assertNamesNothing(disk.module, disk.handle, calls);
    disk.works();
    disk.module.assertNoComplaints();
  });
});

describe("what is known of a device", () => {
  const topology = { physicalBlockExp: 3, alignmentOffset: 1, minIoSize: 8, optIoSize: 64 };

  for (const state of states) {
    onBothBuilds(`is told from memory while a disk is ${state}, geometry and topology included`, (build) => {
      const disk = new HostedDisk(build, { disk: { topology, serial: "one" } });
      const { module, handle, device } = disk;
      const before = module.blockInformation(handle);
      assertResult(before.result, Result.OK);
      assert.equal(before.record.physical_block_exp, 3);
      assert.equal(before.record.opt_io_size, 64);
      assert.ok(before.record.heads > 0);
      device.faults.silent = true;
      disk.submitReads(3);
      enter(state, module, device, handle, () => module.poll(handle, 1).count);
      module.watch();
      assert.deepEqual(module.blockInformation(handle), before);
      assert.equal(module.blockStatistics(handle).record.requests, 3n);
      assert.deepEqual(module.accesses, []);
    });

    onBothBuilds(`is told from memory while a card is ${state}`, (build) => {
      const card = new HostedCard(build);
      const { module, handle, device } = card;
      const before = module.netInformation(handle);
      device.faults.silent = true;
      card.transmit(3);
      enter(state, module, device, handle, () => module.receive(handle, 1).count);
      module.watch();
      const after = module.netInformation(handle);
      // What is gone has no link.
      if (state.startsWith("gone")) after.record.link_up = before.record.link_up;
      assert.deepEqual(after, before);
      assert.equal(module.netStatistics(handle).result, Result.OK);
      assert.deepEqual(module.accesses, []);
    });
  }
});
