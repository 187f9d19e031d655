/** What only modern devices have of a card: coalescing and speed; and how its control queue fits into vectors and rings. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { NetDevice as EmulatedCard, type NetDeviceOptions } from "../../../kernel-shim/emulated-pc/net/device.js";
import { createLink } from "../../../kernel-shim/emulated-pc/net/link.js";
import { profiles } from "../../../kernel-shim/emulated-pc/profiles.js";
import {
  Event,
  ReceiveMode,
  Result,
  TransportWanted,
  type NetDevice,
  type NetOptions,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { builds } from "../../hostile/modules.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { frame } from "../../cases/net/frames.js";
import { assertThrowsResult } from "../../cases/results.js";

const VERSION_1 = 2 ** 32;
const VQ_NOTF_COAL = 2 ** 52;
const NOTF_COAL = 2 ** 53;
const SPEED_DUPLEX = 2 ** 63;
const CTRL_VQ = 1n << 17n;
const CTRL_MAC_ADDR = 1n << 23n;
const ALL_FEATURES = 0xffff_fffd_ffff_ffffn;
const UNKNOWN_SPEED = 0xffff_ffff;
const UNKNOWN_DUPLEX = 0xff;

interface Scene {
  readonly machine: EmulatedPc;
  readonly device: EmulatedCard;
  readonly card: NetDevice;
}

/** A modern card, opened; another one at the other end of its cable. */
function sceneOf(build: Build, options: NetDeviceOptions, openOptions: Partial<NetOptions> = {}): Scene {
  const { ends } = createLink();
  const device = new EmulatedCard({ ...options, backend: ends[0] });
  const profile = profiles["qemu-modern"];
  const machine = new EmulatedPc({ build, profile, completion: "deferred", devices: [device] });
  const card = loadStack(machine).openNet(machine.addressOf(device), { features: ALL_FEATURES, ...openOptions });
  return { machine, device, card };
}

for (const build of builds) {
  describe(`the coalescing of a card, ${build}`, () => {
    for (const [name, feature] of [
      ["by direction", NOTF_COAL],
      ["by queue", VQ_NOTF_COAL],
      ["by queue, where there is both", VQ_NOTF_COAL + NOTF_COAL],
    ] as const) {
      test(`${name} is set, and set again after a reset`, () => {
        const { card, device, machine } = sceneOf(build, { modernFeatures: VERSION_1 + feature });
        card.setCoalescing(0, 8, 100);
        assert.deepEqual([...device.coalescing], [[0, { maxPackets: 8, maxMicroseconds: 100 }]]);
        card.setCoalescing(1, 0xffff_ffff, 0);
        const both = new Map([
          [0, { maxPackets: 8, maxMicroseconds: 100 }],
          [1, { maxPackets: 0xffff_ffff, maxMicroseconds: 0 }],
        ]);
        assert.deepEqual(device.coalescing, both);
        card.reset();
        assert.deepEqual(device.coalescing, both);
        assert.equal(card.events() & Event.SETTINGS, 0);
        assertThrowsResult(() => card.setCoalescing(2 as 1, 1, 1), Result.E_ARGUMENT);
        assert.deepEqual(machine.violations, []);
      });
    }

    test("of one direction alone is set again alone", () => {
      for (const queue of [0, 1] as const) {
        const { card, device } = sceneOf(build, { modernFeatures: VERSION_1 + NOTF_COAL });
        card.setCoalescing(queue, 3, 4);
        card.reset();
        assert.deepEqual([...device.coalescing.keys()], [queue]);
      }
    });

    test("that is refused is not kept, and one that is refused after a reset is an event", () => {
      for (const queue of [0, 1] as const) {
        let answer: number | undefined = 1;
        const controlFaults = { answer: (commandClass: number) => (commandClass === 6 ? answer : undefined) };
        const { card, device } = sceneOf(build, { modernFeatures: VERSION_1 + NOTF_COAL, controlFaults });
        assertThrowsResult(() => card.setCoalescing(queue, 1, 1), Result.E_REFUSED);
        card.reset();
        assert.equal(card.events() & Event.SETTINGS, 0);
        answer = undefined;
        card.setCoalescing(queue, 2, 2);
        answer = 1;
        card.reset();
        assert.equal(device.coalescing.size, 0);
        assert.equal(card.events() & Event.SETTINGS, Event.SETTINGS);
        answer = undefined;
        card.reset();
        assert.equal(device.coalescing.size, 1);
        assert.equal(card.events() & Event.SETTINGS, 0);
      }
    });

    test("is nothing without its features, or without CTRL_VQ", () => {
      const none = sceneOf(build, { modernFeatures: VERSION_1 });
      assertThrowsResult(() => none.card.setCoalescing(0, 1, 1), Result.E_UNSUPPORTED);
      const features = ALL_FEATURES & ~CTRL_VQ;
      const { card } = sceneOf(build, { modernFeatures: VERSION_1 + NOTF_COAL + VQ_NOTF_COAL }, { features });
      assert.equal(card.information().features_accepted >> 52n, 0n);
      assertThrowsResult(() => card.setCoalescing(0, 1, 1), Result.E_UNSUPPORTED);
    });
  });

  describe(`the speed of a card, ${build}`, () => {
    test("is what the device says, and follows it", () => {
      const options = { modernFeatures: VERSION_1 + SPEED_DUPLEX, speed: 10_000, isFullDuplex: true };
      const { card, device, machine } = sceneOf(build, options);
      assert.equal(card.information().features_accepted >> 63n, 1n);
      assert.equal(card.information().speed, 10_000);
      assert.equal(card.information().duplex, 1);
      device.configuration.set("speed", 100);
      device.configuration.set("duplex", 0);
      assert.equal(card.information().speed, 10_000, "not before the interrupt");
      device.configurationChanged();
      card.interrupt();
      assert.equal(card.information().speed, 100);
      assert.equal(card.information().duplex, 0);
      device.configuration.set("speed", 0x7fff_ffff);
      card.reset();
      assert.equal(card.information().speed, 0x7fff_ffff);
      assert.deepEqual(machine.violations, []);
    });

    for (const [speed, duplex] of [
      [0x8000_0000, 2],
      [0xffff_ffff, 0xff],
      [0xffff_fffe, 0x80],
    ] as const) {
      test(`of 0x${speed.toString(16)}, and duplex ${duplex}, are unknown`, () => {
        const { card, device } = sceneOf(build, { modernFeatures: VERSION_1 + SPEED_DUPLEX });
        device.configuration.set("speed", speed);
        device.configuration.set("duplex", duplex);
        card.reset();
        assert.equal(card.information().speed, UNKNOWN_SPEED);
        assert.equal(card.information().duplex, UNKNOWN_DUPLEX);
      });
    }

    test("is unknown where the configuration ends before it", () => {
      const options = { modernFeatures: VERSION_1 + SPEED_DUPLEX, speed: 1000, isFullDuplex: true };
      for (const [bytes, speed] of [
        [16, UNKNOWN_SPEED],
        [17, 1000],
      ] as const) {
        const device = new EmulatedCard(options);
        const machine = new EmulatedPc({ build, profile: profiles["qemu-modern"], devices: [device] });
        const stack = loadStack(machine);
        stack.scan();
        const pciFunction = machine.functionOf(device);
        const [DEVICE_CFG, CFG_TYPE, LENGTH, VENDOR] = [4, 3, 12, 9] as const;
        let at = pciFunction.read(0x34, 1);
        while (pciFunction.read(at, 1) !== VENDOR || pciFunction.read(at + CFG_TYPE, 1) !== DEVICE_CFG) {
          at = pciFunction.read(at + 1, 1);
        }
        pciFunction.poke(at + LENGTH, [bytes, 0, 0, 0]);
        const card = stack.openNet(machine.addressOf(device), { features: ALL_FEATURES });
        assert.equal(card.information().speed, speed, `${bytes} bytes`);
      }
    });

    test("is unknown without the feature", () => {
      const { card } = sceneOf(build, { modernFeatures: VERSION_1, speed: 1000, isFullDuplex: true });
      assert.equal(card.information().speed, UNKNOWN_SPEED);
      assert.equal(card.information().duplex, UNKNOWN_DUPLEX);
    });
  });

  describe(`the address of a card, ${build}`, () => {
    const MAC = Uint8Array.of(2, 0, 0, 1, 2, 3);

    test("is not written into the configuration of a modern device", () => {
      const { card, device, machine } = sceneOf(build, {}, { features: ALL_FEATURES & ~CTRL_MAC_ADDR });
      const before = device.mac;
      assertThrowsResult(() => card.setMac(MAC), Result.E_UNSUPPORTED);
      assert.equal(device.mac, before);
      assert.deepEqual(machine.violations, []);
    });

    test("is not written where the registers end before it", () => {
      for (const [bytes, result] of [
        [0x104, Result.E_UNSUPPORTED],
        [0x108, Result.OK],
      ] as const) {
        const device = new EmulatedCard();
        const machine = new EmulatedPc({ build, profile: profiles["microvm-1"], devices: [device] });
        const { base } = machine.slotOf(device);
        const options = { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes };
        const features = ALL_FEATURES & ~CTRL_MAC_ADDR;
        const card = loadStack(machine).openNet(Number(BigInt.asUintN(32, base)), { ...options, features });
        if (result === Result.OK) card.setMac(MAC);
        else assertThrowsResult(() => card.setMac(MAC), result);
        assert.equal(device.mac, result === Result.OK ? "02:00:00:01:02:03" : "52:54:00:12:34:56");
        assert.deepEqual(machine.violations, []);
      }
    });
  });

  describe(`the control queue of a modern card, ${build}`, () => {
    for (const size of [2, 3, 4]) {
      test(`takes commands in a ring of ${size}`, () => {
        const { card, device, machine } = sceneOf(build, { queueSizes: [256, 256, 64] }, { queue_size_max: size });
        for (let round = 0; round < 10; round++) {
          card.setMacTable([Uint8Array.of(2, 0, 0, 0, 0, round)], [Uint8Array.of(3, 0, 0, 0, 0, round)]);
          card.setReceiveMode(ReceiveMode.PROMISC, round % 2 === 1);
          card.addVlan(round);
        }
        assert.equal(device.filters.table.size, 2);
        assert.ok(device.filters.vlans !== "all" && device.filters.vlans.size === 10);
        assert.deepEqual(machine.violations, []);
      });
    }

    test("has no message vector, and takes none from the other queues", () => {
      for (const vectors of [1, 2, 3, 4]) {
        const { card, device, machine } = sceneOf(build, { queueSizes: [256, 256, 64] }, { vectors });
        assert.equal(card.deviceInformation().queue_count, 3);
        const expected = vectors > 2 ? [1, 2] : [vectors - 1, vectors - 1];
        const NO_VECTOR = 0xffff;
        assert.deepEqual(
          device.queues.map(({ vector }) => vector),
          [...expected, NO_VECTOR],
        );
        card.enableInterrupts();
        card.addVlan(1);
        card.reset();
        assert.deepEqual(machine.waitForInterrupt(1), [], "nobody is told of commands");
        assert.deepEqual(machine.violations, []);
      }
    });

    test("interrupts nobody by a line either", () => {
      const { card, machine } = sceneOf(build, {});
      card.enableInterrupts();
      // With EVENT_IDX, the first that a device uses after a reset interrupts, wanted or not.
      card.addVlan(0);
      card.interrupt();
      for (let id = 1; id < 100; id++) card.addVlan(id);
      assert.deepEqual(machine.waitForInterrupt(1), []);
      assert.ok(card.sendFrame(frame(60, 1)));
    });
  });
}
