/** A device that answers with all ones: it is noticed at the first read, told of once, and never waited for. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { Event, Message, Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { HostedCard } from "./card.js";
import { HostedDisk } from "./disk.js";
import { assertResult, type HostedModule } from "./hosted.js";
import { onBothBuilds } from "./moments.js";

/** Enough to find out, and nothing to wait with. */
const PORT_READS = 10;
const CLOCK_READS = 4;

const kinds = ["disk", "card"] as const;

interface Rig {
  readonly module: HostedModule;
  readonly device: VirtioDevice;
  readonly handle: number;
  /** Requests or frames in flight. */
  readonly inFlight: number;
  /** Takes what comes back. */
  readonly take: () => number;
}

function rig(build: Build, kind: (typeof kinds)[number]): Rig {
  const inFlight = 3;
  if (kind === "disk") {
    const disk = new HostedDisk(build);
    const { module, device, handle } = disk;
    disk.submitReads(inFlight);
    return { module, device, handle, inFlight, take: () => module.poll(handle, 8).count };
  }
  const card = new HostedCard(build);
  const { module, device, handle } = card;
  card.transmit(inFlight);
  return { module, device, handle, inFlight, take: () => module.reclaim(handle, 8).count };
}

/** How a device goes: out of its slot, or off the bus while its configuration space still answers. */
const ways: Readonly<Record<string, (module: HostedModule, device: VirtioDevice) => void>> = {
  "pulled out": ({ pc }, device) => pc.removeDevice(device),
  "dead at its ports": (_, device) => {
    device.faults.readRegister = (_offset, width) => 2 ** (8 * width) - 1;
  },
};

/** Calls, and fails when that waited for anything. */
function withoutWaiting(module: HostedModule, call: () => number): number {
  let clockReads = 0;
  const { kernel } = module;
  const now = kernel.now_ns.bind(kernel);
  kernel.now_ns = () => {
    clockReads++;
    return now();
  };
  module.watch();
  const result = call();
  kernel.now_ns = now;
  assert.equal(module.turns, 0, "turns of a waiting loop");
  assert.ok(clockReads <= CLOCK_READS, `${clockReads} times the clock was read`);
  const reads = module.registerAccesses.filter(({ direction }) => direction === "in").length;
  assert.ok(reads < PORT_READS, `${reads} port reads`);
  return result;
}

for (const [way, go] of Object.entries(ways)) {
  for (const kind of kinds) {
    describe(`a ${kind} that is ${way}`, () => {
      onBothBuilds("is noticed by the first interrupt(), with one port read, and told of once", (build) => {
        const { module, device, handle } = rig(build, kind);
        const { exports } = module;
        go(module, device);
        module.watch();
        assertResult(exports.interrupt(handle), Result.E_GONE);
        assert.equal(module.registerAccesses.length, 1);
        assert.equal(exports.events(handle), Event.GONE);
        assert.equal(exports.events(handle), 0);
        assertResult(exports.interrupt(handle), Result.E_GONE);
        assert.equal(exports.events(handle), 0, "told of once");
        assert.equal(module.pc.log.filter(({ message }) => message === Message.DEVICE_GONE).length, 1);
      });

      for (const isNoticed of [true, false]) {
        const name = isNoticed ? "after it was noticed" : "before anything has noticed it";
        onBothBuilds(`is not waited for by reset(), ${name}`, (build) => {
          const { module, device, handle, inFlight, take } = rig(build, kind);
          go(module, device);
          if (isNoticed) module.exports.interrupt(handle);
          assertResult(
            withoutWaiting(module, () => module.exports.reset(handle)),
            Result.E_GONE,
          );
          assert.equal(module.exports.events(handle), Event.GONE);
          assert.equal(take(), inFlight);
          assertResult(take(), Result.E_GONE);
        });

        onBothBuilds(`is not waited for by close(), ${name}`, (build) => {
          const { module, device, handle, inFlight, take } = rig(build, kind);
          go(module, device);
          if (isNoticed) module.exports.interrupt(handle);
          assert.equal(
            withoutWaiting(module, () => module.exports.close(handle)),
            inFlight,
          );
          assert.equal(take(), inFlight);
          assertResult(take(), Result.E_HANDLE);
        });
      }
    });
  }
}

describe("a device that is dead at its ports", () => {
  onBothBuilds("is not waited for when it is opened", (build) => {
    const disk = new HostedDisk(build);
    const { module, device } = disk;
    assert.equal(module.exports.close(disk.handle), 0);
    ways["dead at its ports"]?.(module, device);
    assert.ok(withoutWaiting(module, () => disk.open()) < 0);
  });

  onBothBuilds("works again after a reset, once it answers", (build) => {
    const disk = new HostedDisk(build);
    const { module, device, handle } = disk;
    disk.submitReads(3);
    ways["dead at its ports"]?.(module, device);
    assertResult(module.exports.interrupt(handle), Result.E_GONE);
    assertResult(module.submit(handle, disk.reads(1)).count, Result.E_GONE);
    device.faults.readRegister = undefined;
    assertResult(module.exports.reset(handle), Result.OK);
    disk.comeBackAsReset([0n, 1n, 2n]);
    disk.works();
    assert.equal(module.exports.events(handle) & ~Event.GONE, 0);
  });

  onBothBuilds("is told from one whose interrupt register has bits that nobody knows", (build) => {
    const ISR = 19;
    for (const bits of [0x03, 0xfc, 0x7f, 0x80]) {
      const disk = new HostedDisk(build);
      const { module, device, handle } = disk;
      assert.ok(device instanceof BlockDevice);
      device.faults.readRegister = (offset, _, right) => (offset === ISR ? bits : right);
      assert.equal(module.exports.interrupt(handle), bits & 3);
      assert.equal(module.exports.events(handle) & Event.GONE, 0);
      device.faults.readRegister = undefined;
      disk.works();
    }
  });
});
