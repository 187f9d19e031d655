/**
 * Kernels whose `in8` and `in16` answer with more bits than the register has. The stack takes the register's bits, or
 * refuses the device; it writes nowhere but in its own memory, and no call goes on for ever.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Result } from "../../../kernel-shim/javascript/abi.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk } from "../../raw-stack/raw-disk.js";
import type { RawGround } from "../../raw-stack/raw-ground.js";
import { onBothBuilds } from "../fixed/ground.js";

/** What may be wrong with a device whose registers are not to be believed. */
const REFUSALS: readonly number[] = [
  Result.E_ARGUMENT,
  Result.E_MEMORY,
  Result.E_DMA_MEMORY,
  Result.E_NOT_FOUND,
  Result.E_NOT_VIRTIO,
  Result.E_BAR,
  Result.E_RESET_TIMEOUT,
  Result.E_FEATURES,
  Result.E_QUEUE_SIZE,
  Result.E_QUEUE_LIVE,
  Result.E_CONFIGURATION,
];
const CONFIGURATION_PORTS = 0xcf8;
const CONFIGURATION_PORTS_END = 0xd00;

const makers: Readonly<Record<string, (build: Build) => RawDisk | RawCard>> = {
  disk: (build) => new RawDisk({ build }),
  card: (build) => new RawCard({ build }),
};

/** Sets these bits in all that is read with that width, of the device or of configuration space. */
function widen(ground: RawGround, name: "in8" | "in16", bits: number, isConfiguration: boolean): void {
  ground.kernel.lies[name] = (honest, port) => {
    const isThere = port >= CONFIGURATION_PORTS && port < CONFIGURATION_PORTS_END;
    return isThere === isConfiguration ? (honest(port) | bits) >>> 0 : honest(port);
  };
}

describe("a read that answers with more than the register has", () => {
  for (const [name, all] of [
    ["in8", [0x100, 0x8000, 0x1_0000, 0x8000_0000, 0xffff_ff00]],
    ["in16", [0x1_0000, 0x2_0000, 0x8000_0000, 0xffff_0000]],
  ] as const) {
    for (const bits of all) {
      for (const [kind, make] of Object.entries(makers)) {
        onBothBuilds(`bits 0x${bits.toString(16)} in ${name}: the ${kind} works or is refused`, (build) => {
          for (const isConfiguration of [false, true]) {
            const ground = make(build);
            // A second of waiting takes a few turns.
            let now = 0n;
            ground.kernel.lies.now_ns = () => (now += 10_000_000n);
            widen(ground, name, bits, isConfiguration);
            const result = ground.open();
            if (result > 0) {
              ground.works();
              ground.closes();
            } else {
              assert.ok(REFUSALS.includes(result), `the open returned ${result}`);
            }
            assert.deepEqual([...ground.kernel.lent], []);
            ground.check();
            ground.kernel.lies = {};
            ground.ok(ground.open());
            ground.works();
            ground.closes();
          }
        });

        onBothBuilds(`bits 0x${bits.toString(16)} in ${name} of an open ${kind}: it breaks at worst`, (build) => {
          const ground = make(build);
          const { exports } = ground.module;
          ground.ok(ground.open());
          widen(ground, name, bits, false);
          const claimed = exports.interrupt(ground.handle);
          assert.ok(claimed <= 3, `interrupt returned ${claimed}`);
          exports.events(ground.handle);
          ground.kernel.lies = {};
          if (claimed >= 0) ground.works();
          assert.equal(exports.reset(ground.handle), Result.OK);
          ground.works();
          ground.closes();
        });
      }
    }
  }

  onBothBuilds("a queue size of 2^16, 2^17, … is E_QUEUE_SIZE, or the 16 bits that there are", (build) => {
    for (let shift = 31; shift >= 16; shift--) {
      const QUEUE_SIZE = 12;
      for (const kind of Object.keys(makers)) {
        const ground = makers[kind]?.(build);
        assert.ok(ground);
        const bar = ground.machine.pc.functionOf(ground.device).read(0x10, 4);
        const port = bar - (bar % 4) + QUEUE_SIZE;
        ground.kernel.lies.in16 = (honest, at) => (at === port ? 2 ** shift : honest(at));
        assert.equal(ground.open(), Result.E_QUEUE_SIZE, `2^${shift}`);
        ground.isLeftAlone();
      }
    }
  });

  onBothBuilds("leaves a card's address six octets", (build) => {
    const ground = new RawCard({ build });
    widen(ground, "in8", 0xffff_ff00, false);
    const bar = ground.machine.pc.functionOf(ground.device).read(0x10, 4);
    const status = bar - (bar % 4) + 18;
    const { in8 } = ground.kernel.lies;
    // The device comes out of its reset.
    ground.kernel.lies.in8 = (honest, port) => (port === status ? honest(port) : (in8?.(honest, port) ?? 0));
    if (ground.open() > 0) {
      assert.ok(ground.information().mac < 1n << 48n);
      ground.closes();
    }
    ground.check();
  });
});
