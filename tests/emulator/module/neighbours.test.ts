/** A device that lies about its ports, beside one that is open: nothing is done to the other's, nor to configuration. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Result } from "../../../kernel-shim/javascript/index.js";
import { assertResult } from "./hosted.js";
import { lie, Neighbours, type Ports } from "./neighbours.js";
import { onBothBuilds } from "./moments.js";

/** The smallest registers that a device can have. */
const LEAST = 32;
/** Readings of a base address register in the longest life that a test gives a device. */
const READINGS = 16;

const kinds = ["disk", "card"] as const;

const overlaps: Readonly<Record<string, (other: Ports) => Ports>> = {
  "are another's": (other) => other,
  "contain another's": ({ base }) => ({ base: base & ~0x3ff, end: (base & ~0x3ff) + 0x400 }),
  "are another's first": ({ base }) => ({ base, end: base + LEAST }),
  "are another's last": ({ end }) => ({ base: end - LEAST, end }),
};

const changes: typeof overlaps = { ...overlaps, "are free": () => ({ base: 0xd000, end: 0xd080 }) };

const overConfiguration: readonly Ports[] = [
  { base: 0xcc0, end: 0xd00 },
  { base: 0xc80, end: 0xd00 },
  { base: 0xce0, end: 0xd00 },
  { base: 0xc00, end: 0x1000 },
  { base: 0x800, end: 0x1000 },
];

describe("opening a device whose ports", () => {
  for (const kind of kinds) {
    for (const [name, portsOf] of Object.entries(overlaps)) {
      onBothBuilds(`${name} is refused, as a ${kind}, and the other one works on`, (build) => {
        const both = new Neighbours(build, kind);
        const { module } = both;
        const end = lie(both.liarFunction, portsOf(both.ports));
        module.watch();
        assertResult(both.openLiar(), Result.E_BAR);
        assert.deepEqual(module.registerAccesses, []);
        both.works();
        end();
        assert.ok(both.openLiar() > 0);
        both.works();
        module.assertNoComplaints();
      });
    }

    for (const ports of overConfiguration) {
      const name = `0x${ports.base.toString(16)} to 0x${(ports.end - 1).toString(16)}`;
      onBothBuilds(`are ${name}, with those of configuration, is refused, as a ${kind}`, (build) => {
        const both = new Neighbours(build, kind);
        const { module } = both;
        const end = lie(both.liarFunction, ports);
        module.watch();
        assertResult(both.openLiar(), Result.E_BAR);
        assert.deepEqual(module.registerAccesses, []);
        both.assertConfigurationIsIntact();
        end();
        assert.ok(both.openLiar() > 0);
        both.works();
      });
    }

    for (const [name, baseOf] of [
      ["follow another's", ({ end }: Ports) => end],
      ["come before another's", ({ base, end }: Ports) => base - (end - base)],
    ] as const) {
      onBothBuilds(`${name} directly is no error, as a ${kind}`, (build) => {
        const both = new Neighbours(build, kind);
        const { module, liar } = both;
        module.revoke(liar);
        module.pokeBaseAddress(liar, baseOf(both.ports) + 1);
        module.grant(liar);
        module.watch();
        const handle = both.openLiar();
        assert.ok(handle > 0, `${handle}`);
        both.works();
        assert.equal(module.exports.close(handle), 0);
        both.works();
        module.assertNoComplaints();
      });
    }

    onBothBuilds(`turn into another's at any reading never has those touched, as a ${kind}`, (build) => {
      for (let from = 0; from < READINGS; from++) {
        for (const isLasting of [true, false]) {
          const both = new Neighbours(build, kind);
          const { module } = both;
          lie(both.liarFunction, both.ports, (reading) => (isLasting ? reading >= from : reading === from));
          module.watch();
          const handle = both.openLiar();
          if (handle > 0) {
            module.exports.interrupt(handle);
            module.exports.reset(handle);
            module.exports.close(handle);
          }
          // The honest disk is used between the calls of the liar's only.
          both.assertUntouched();
          both.works();
        }
      }
    });
  }
});

describe("a device whose ports change while it is open", () => {
  for (const kind of kinds) {
    for (const [name, portsOf] of Object.entries(changes)) {
      onBothBuilds(`to ports that ${name} is not reset there, and comes back with its own, as a ${kind}`, (build) => {
        const both = new Neighbours(build, kind);
        const { module } = both;
        const handle = both.openLiar();
        const end = lie(both.liarFunction, portsOf(both.ports));
        module.watch();
        assertResult(module.exports.reset(handle), Result.E_BAR);
        both.assertUntouched();
        both.assertUntouched(portsOf(both.ports));
        both.works();
        assert.ok(module.exports.enable_interrupts(handle) < 0);
        end();
        assertResult(module.exports.reset(handle), Result.OK);
        assert.equal(module.exports.enable_interrupts(handle), 0);
        both.works();
      });

      onBothBuilds(`to ports that ${name} is closed without touching those, as a ${kind}`, (build) => {
        const both = new Neighbours(build, kind);
        const { module } = both;
        const handle = both.openLiar();
        const end = lie(both.liarFunction, portsOf(both.ports));
        module.watch();
        assert.equal(module.exports.close(handle), 0);
        both.assertUntouched();
        both.assertUntouched(portsOf(both.ports));
        both.works();
        end();
        assert.ok(both.openLiar() > 0);
      });
    }

    onBothBuilds(`to those of configuration is neither reset nor closed there, as a ${kind}`, (build) => {
      for (const ports of overConfiguration) {
        const both = new Neighbours(build, kind);
        const { module } = both;
        const handle = both.openLiar();
        lie(both.liarFunction, ports);
        module.watch();
        assertResult(module.exports.reset(handle), Result.E_BAR);
        assert.equal(module.exports.close(handle), 0);
        both.assertConfigurationIsIntact();
        both.works();
      }
    });
  }
});

describe("closing one of two devices", () => {
  for (const kind of kinds) {
    onBothBuilds(`leaves the other, its ports and its configuration alone, as a ${kind}`, (build) => {
      const both = new Neighbours(build, kind);
      const { module } = both;
      const handle = both.openLiar();
      const honestAddress = module.pc.addressOf(both.honest);
      module.watch();
      assert.equal(module.exports.close(handle), 0);
      both.assertUntouched();
      assert.ok(module.configurationWrites.every(({ address }) => address !== honestAddress));
      both.works();
      module.assertNoComplaints();
    });
  }
});
