/** What is set by the control queue: filters, address, VLANs, announcements. [virtio-1.2 §5.1.6.5] */

import assert from "node:assert/strict";
import { Event, Interrupt, ReceiveMode, Result, type NetDevice } from "../../../kernel-shim/javascript/index.js";
import { macFromBytes, macToBytes } from "../../../kernel-shim/network/addresses.js";
import type { Case, CaseContext, ReceiveFilters } from "../context.js";
import * as features from "../features.js";
import { assertThrowsResult } from "../results.js";
import { overSleep } from "../sleeps.js";
import { assertSameFrame, frame, receiveCopies, send, takeSent } from "./frames.js";

const OWN = "52:54:00:ab:cd:ef";
const NEW = "52:54:00:11:22:33";
const OTHER = "52:54:00:99:88:77";
const GROUP = "01:00:5e:00:00:fb";
const OTHER_GROUP = "33:33:00:00:00:01";
const BROADCAST = "ff:ff:ff:ff:ff:ff";

const FILTERS = { controlQueue: true, receiveModes: true } as const;
const ALL = { ...FILTERS, extraModes: true, vlans: true, macAddress: true, status: true, announce: true } as const;

const VLAN_ETHER_TYPE = [0x81, 0x00];

/** A frame to this address, with a VLAN tag if wanted. Seeds tell frames apart. */
function frameTo(mac: string, seed: number, vlan?: number): Uint8Array {
  const made = frame(120, seed);
  made.set(macToBytes(mac));
  if (vlan !== undefined) made.set([...VLAN_ETHER_TYPE, vlan >> 8, vlan & 0xff], 12);
  return made;
}

/** Delivers frames, and checks that these and no others come in. A broadcast behind them says when they are through. */
function assertLetIn(context: CaseContext, card: NetDevice, frames: readonly Uint8Array[], expected: number[]): void {
  context.card().deliver(frames);
  context.letTimePass(5);
  const received: Uint8Array[] = [];
  context.waitUntil(() => {
    received.push(...card.receiveFrames());
    return received.length >= expected.length;
  }, `arrival of ${expected.length} frames`);
  context.letTimePass(5);
  received.push(...card.receiveFrames());
  const numbers = received.map((each) => frames.findIndex((sent) => Buffer.compare(sent, each) === 0));
  assert.deepEqual(numbers, expected);
}

const TO_EACH = [OWN, OTHER, GROUP, OTHER_GROUP, BROADCAST].map((mac, index) => frameTo(mac, index));
const [TO_OWN, TO_OTHER, TO_GROUP, TO_OTHER_GROUP, TO_ALL] = [0, 1, 2, 3, 4] as const;

function modesOf({ modes }: ReceiveFilters): string[] {
  return [...modes].sort();
}

function tableOf({ table }: ReceiveFilters): string[] {
  return [...table].sort();
}

function vlansOf({ vlans }: ReceiveFilters): number[] {
  assert.ok(vlans !== "all");
  return [...vlans].sort((left, right) => left - right);
}

/** Every setting that there is. */
function setAll(card: NetDevice): void {
  card.setMac(macToBytes(NEW));
  card.setMacTable([macToBytes(OTHER)], [macToBytes(GROUP)]);
  for (const id of [0, 7, 8, 4095]) card.addVlan(id);
  card.setReceiveMode(ReceiveMode.NOBCAST, true);
  card.setReceiveMode(ReceiveMode.ALLUNI, true);
  card.setReceiveMode(ReceiveMode.ALLUNI, false);
  card.setReceiveMode(ReceiveMode.PROMISC, false);
}

function assertAllSet(context: CaseContext, card: NetDevice): void {
  const filters = context.card().filters();
  assert.equal(filters.mac, NEW);
  assert.equal(macFromBytes(card.mac()), NEW);
  assert.deepEqual(modesOf(filters), ["nobcast"]);
  assert.deepEqual(tableOf(filters), [GROUP, OTHER].sort());
  assert.deepEqual(vlansOf(filters), [0, 7, 8, 4095]);
}

/** Waits for an interrupt of the configuration. */
function hear(context: CaseContext, card: NetDevice): void {
  context.waitUntil(() => (context.pendingInterrupt(card) & Interrupt.CONFIGURATION) !== 0, "the configuration's bit");
}

const modes: readonly [ReceiveMode, name: string, letIn: number[]][] = [
  [ReceiveMode.PROMISC, "promisc", [TO_OWN, TO_OTHER, TO_GROUP, TO_OTHER_GROUP, TO_ALL]],
  [ReceiveMode.ALLMULTI, "allmulti", [TO_OWN, TO_GROUP, TO_OTHER_GROUP, TO_ALL]],
  [ReceiveMode.ALLUNI, "alluni", [TO_OWN, TO_OTHER, TO_ALL]],
  [ReceiveMode.NOMULTI, "nomulti", [TO_OWN, TO_ALL]],
  [ReceiveMode.NOUNI, "nouni", [TO_ALL]],
  [ReceiveMode.NOBCAST, "nobcast", [TO_OWN]],
];

const filters: readonly Case[] = [
  {
    name: "a card lets all frames in until it is told otherwise",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      const card = context.openCard();
      assertLetIn(context, card, TO_EACH, [TO_OWN, TO_OTHER, TO_GROUP, TO_OTHER_GROUP, TO_ALL]);
      assertLetIn(context, card, [frameTo(OWN, 1, 5)], [0]);
      assert.deepEqual(modesOf(context.card().filters()), ["promisc"]);
    },
  },
  ...modes.map(([mode, name, letIn]): Case => ({
    name: `${name}: what it lets in [virtio-1.2 §5.1.6.5.1]`,
    cards: [{ mac: OWN, offers: { ...FILTERS, extraModes: true } }],
    run(context) {
      const card = context.openCard();
      card.setReceiveMode(ReceiveMode.PROMISC, false);
      assert.deepEqual(modesOf(context.card().filters()), []);
      assertLetIn(context, card, TO_EACH, [TO_OWN, TO_ALL]);
      card.setReceiveMode(mode, true);
      assert.deepEqual(modesOf(context.card().filters()), [name]);
      assertLetIn(context, card, TO_EACH, letIn);
      card.setReceiveMode(mode, false);
      assert.deepEqual(modesOf(context.card().filters()), []);
      assertLetIn(context, card, TO_EACH, [TO_OWN, TO_ALL]);
    },
  })),
  {
    name: "the address table: stations and groups beside the card's own, each table in the place of the one before",
    cards: [{ mac: OWN, offers: FILTERS }],
    run(context) {
      const card = context.openCard();
      card.setReceiveMode(ReceiveMode.PROMISC, false);
      card.setMacTable([macToBytes(OTHER)], [macToBytes(GROUP)]);
      assert.deepEqual(tableOf(context.card().filters()), [GROUP, OTHER].sort());
      assertLetIn(context, card, TO_EACH, [TO_OWN, TO_OTHER, TO_GROUP, TO_ALL]);
      card.setMacTable([], [macToBytes(OTHER_GROUP)]);
      assertLetIn(context, card, TO_EACH, [TO_OWN, TO_OTHER_GROUP, TO_ALL]);
      card.setMacTable([], []);
      assert.deepEqual(tableOf(context.card().filters()), []);
      assertLetIn(context, card, TO_EACH, [TO_OWN, TO_ALL]);
    },
  },
  {
    name: "the address table holds 64 addresses in all",
    cards: [{ mac: OWN, offers: FILTERS }],
    run(context) {
      const card = context.openCard();
      const many = (first: number, count: number): Uint8Array[] =>
        Array.from({ length: count }, (_, index) => Uint8Array.of(first, 0, 0, 0, 0xfe, index));
      for (const stations of [0, 1, 63, 64]) {
        const wanted = [...many(2, stations), ...many(3, 64 - stations)];
        card.setMacTable(many(2, stations), many(3, 64 - stations));
        assert.deepEqual(tableOf(context.card().filters()), wanted.map((mac) => macFromBytes(mac)).sort());
      }
      const before = tableOf(context.card().filters());
      assertThrowsResult(() => card.setMacTable(many(2, 65), []), Result.E_ARGUMENT);
      assertThrowsResult(() => card.setMacTable(many(2, 1), many(3, 64)), Result.E_ARGUMENT);
      assert.deepEqual(tableOf(context.card().filters()), before);
    },
  },
  {
    name: "addresses of the wrong kind, modes and VLANs that there are not: E_ARGUMENT",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      const card = context.openCard();
      assertThrowsResult(() => card.setMacTable([macToBytes(GROUP)], []), Result.E_ARGUMENT);
      assertThrowsResult(() => card.setMacTable([], [macToBytes(OTHER)]), Result.E_ARGUMENT);
      for (const mac of [GROUP, BROADCAST, "00:00:00:00:00:00"]) {
        assertThrowsResult(() => card.setMac(macToBytes(mac)), Result.E_ARGUMENT, mac);
      }
      assertThrowsResult(() => card.setReceiveMode(6 as ReceiveMode, true), Result.E_ARGUMENT);
      assertThrowsResult(() => card.addVlan(4096), Result.E_ARGUMENT);
      assertThrowsResult(() => card.removeVlan(0xffff_ffff), Result.E_ARGUMENT);
      assert.equal(context.card().filters().mac, OWN);
      assert.deepEqual(tableOf(context.card().filters()), []);
    },
  },
  {
    name: "VLANs: none is let in until it is added, and frames without a tag always are",
    cards: [{ mac: OWN, offers: { ...FILTERS, vlans: true } }],
    run(context) {
      const card = context.openCard();
      card.setReceiveMode(ReceiveMode.PROMISC, false);
      const tagged = [undefined, 0, 1, 7, 8, 4095].map((vlan, index) => frameTo(OWN, index, vlan));
      assertLetIn(context, card, tagged, [0]);
      for (const id of [0, 7, 4095]) card.addVlan(id);
      assert.deepEqual(vlansOf(context.card().filters()), [0, 7, 4095]);
      assertLetIn(context, card, tagged, [0, 1, 3, 5]);
      card.removeVlan(7);
      card.removeVlan(8);
      assert.deepEqual(vlansOf(context.card().filters()), [0, 4095]);
      assertLetIn(context, card, tagged, [0, 1, 5]);
    },
  },
  {
    name: "without CTRL_VLAN, frames of all VLANs are let in",
    cards: [{ mac: OWN, offers: { ...FILTERS, vlans: true } }],
    run(context) {
      const card = context.openCard(0, { features: features.ALL_FEATURES & ~features.VIRTIO_NET_F_CTRL_VLAN });
      card.setReceiveMode(ReceiveMode.PROMISC, false);
      assert.equal(context.card().filters().vlans, "all");
      assertLetIn(context, card, [frameTo(OWN, 1, 5), frameTo(OTHER, 2, 5)], [0]);
    },
  },
  {
    name: "settings change while frames pass in both directions",
    cards: [{ mac: OWN, offers: { ...FILTERS, vlans: true } }],
    run(context) {
      const card = context.openCard();
      for (let round = 0; round < 20; round++) {
        send(context, card, frame(100, round));
        context.card().deliver([frameTo(OWN, round)]);
        card.setReceiveMode(ReceiveMode.PROMISC, round % 2 === 1);
        card.addVlan(round);
        assertSameFrame(receiveCopies(context, card, 1)[0], frameTo(OWN, round));
        assertSameFrame(takeSent(context, 1)[0], frame(100, round));
      }
      assert.equal(vlansOf(context.card().filters()).length, 20);
      assert.equal(context.pendingInterrupt(card) & Interrupt.CONFIGURATION, 0);
    },
  },
];

const address: readonly Case[] = [
  {
    name: "a card's address is what it was given, until it is closed",
    cards: [{ mac: OWN, offers: { ...FILTERS, macAddress: true } }],
    run(context) {
      const card = context.openCard();
      card.setReceiveMode(ReceiveMode.PROMISC, false);
      card.setMac(macToBytes(NEW));
      assert.equal(context.card().filters().mac, NEW);
      assert.equal(macFromBytes(card.mac()), NEW);
      assertLetIn(context, card, [frameTo(OWN, 1), frameTo(NEW, 2)], [1]);
      card.close();
      assert.equal(macFromBytes(context.openCard().mac()), OWN);
    },
  },
  {
    name: "a legacy card without CTRL_MAC_ADDR gets its address octet by octet",
    needs: ["legacy devices"],
    cards: [{ mac: OWN, offers: FILTERS }],
    run(context) {
      const card = context.openCard(0, { features: features.ALL_FEATURES & ~features.VIRTIO_NET_F_CTRL_MAC_ADDR });
      if ((card.information().features_accepted & features.VIRTIO_F_VERSION_1) !== 0n) {
        assertThrowsResult(() => card.setMac(macToBytes(NEW)), Result.E_UNSUPPORTED);
        return;
      }
      card.setReceiveMode(ReceiveMode.PROMISC, false);
      card.setMac(macToBytes(NEW));
      assert.equal(macFromBytes(card.mac()), NEW);
      assertLetIn(context, card, [frameTo(OWN, 1), frameTo(NEW, 2)], [1]);
      card.reset();
      assert.equal(macFromBytes(card.mac()), NEW);
      assertLetIn(context, card, [frameTo(OWN, 1), frameTo(NEW, 2)], [1]);
    },
  },
  {
    name: "without any of the features, and without any address: E_UNSUPPORTED",
    cards: [{ mac: OWN, offers: { anyLayout: false } }],
    run(context) {
      const card = context.openCard(0, { features: 0n });
      assertThrowsResult(() => card.setMac(macToBytes(NEW)), Result.E_UNSUPPORTED);
      assertThrowsResult(() => card.setReceiveMode(ReceiveMode.PROMISC, false), Result.E_UNSUPPORTED);
      assertThrowsResult(() => card.setMacTable([], []), Result.E_UNSUPPORTED);
      assertThrowsResult(() => card.addVlan(1), Result.E_UNSUPPORTED);
      assertThrowsResult(() => card.removeVlan(1), Result.E_UNSUPPORTED);
      assertThrowsResult(() => card.acknowledgeAnnouncement(), Result.E_UNSUPPORTED);
      assertThrowsResult(() => card.setCoalescing(0, 8, 100), Result.E_UNSUPPORTED);
    },
  },
  {
    name: "each command needs its own feature: E_UNSUPPORTED without",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      const calls: readonly [bigint, (card: NetDevice) => void][] = [
        [features.VIRTIO_NET_F_CTRL_RX, (card) => card.setReceiveMode(ReceiveMode.ALLMULTI, true)],
        [features.VIRTIO_NET_F_CTRL_RX, (card) => card.setMacTable([], [])],
        [features.VIRTIO_NET_F_CTRL_RX_EXTRA, (card) => card.setReceiveMode(ReceiveMode.ALLUNI, true)],
        [features.VIRTIO_NET_F_CTRL_VLAN, (card) => card.addVlan(1)],
        [features.VIRTIO_NET_F_CTRL_VLAN, (card) => card.removeVlan(1)],
        [features.VIRTIO_NET_F_GUEST_ANNOUNCE, (card) => card.acknowledgeAnnouncement()],
      ];
      for (const [feature, call] of calls) {
        const card = context.openCard(0, { features: features.ALL_FEATURES & ~feature });
        assert.equal(card.information().features_accepted & feature, 0n);
        assertThrowsResult(() => call(card), Result.E_UNSUPPORTED, String(feature));
        card.close();
      }
    },
  },
  {
    name: "without CTRL_VQ nothing is accepted that needs it, and without anything that needs it, it is not either",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      for (const refused of [features.VIRTIO_NET_F_CTRL_VQ, features.CONTROL_COMMANDS]) {
        const card = context.openCard(0, { features: features.ALL_FEATURES & ~refused });
        const { features_accepted } = card.information();
        assert.equal(features_accepted & (features.CONTROL_COMMANDS | features.VIRTIO_NET_F_CTRL_VQ), 0n);
        assert.equal(card.deviceInformation().queue_count, 2);
        card.close();
      }
      const card = context.openCard(0, { features: features.ALL_FEATURES & ~features.VIRTIO_NET_F_STATUS });
      assert.equal(card.information().features_accepted & features.VIRTIO_NET_F_GUEST_ANNOUNCE, 0n);
      assert.equal(card.deviceInformation().queue_count, 3);
    },
  },
];

const announcement: readonly Case[] = [
  {
    name: "ANNOUNCE: an event, again and again until it is acknowledged [virtio-1.2 §5.1.6.5.4]",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      const card = context.openCard();
      assertThrowsResult(() => card.acknowledgeAnnouncement(), Result.E_REFUSED, "nobody has asked");
      for (let round = 0; round < 2; round++) {
        context.card().announce();
        hear(context, card);
        assert.equal(card.events() & Event.ANNOUNCE, Event.ANNOUNCE);
        assert.equal(card.events(), 0);
        card.acknowledgeAnnouncement();
        assertThrowsResult(() => card.acknowledgeAnnouncement(), Result.E_REFUSED);
      }
      context.letTimePass(20);
      context.card().takeSent();
    },
  },
  {
    name: "an announcement that was asked for is not forgotten when the link changes",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      const card = context.openCard();
      context.card().announce();
      hear(context, card);
      card.events();
      context.card().setLink(false);
      hear(context, card);
      assert.equal(card.events(), Event.ANNOUNCE | Event.LINK);
      assert.equal(card.information().link_up, 0);
      card.acknowledgeAnnouncement();
      context.card().setLink(true);
      hear(context, card);
      assert.equal(card.events(), Event.LINK);
    },
  },
  {
    name: "without GUEST_ANNOUNCE there is no such event",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      const card = context.openCard(0, { features: features.ALL_FEATURES & ~features.VIRTIO_NET_F_GUEST_ANNOUNCE });
      context.card().announce();
      context.letTimePass(20);
      context.pendingInterrupt(card);
      assert.equal(card.events() & Event.ANNOUNCE, 0);
    },
  },
];

const afterwards: readonly Case[] = [
  {
    name: "a reset sets again what was set, before any frame comes in",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      const card = context.openCard();
      setAll(card);
      assertAllSet(context, card);
      for (let round = 0; round < 2; round++) {
        card.reset();
        assertAllSet(context, card);
        assert.equal(card.events() & ~Event.LINK, 0);
        assertLetIn(context, card, [...TO_EACH, frameTo(NEW, 9), frameTo(NEW, 10, 7)], [TO_OTHER, TO_GROUP, 5, 6]);
      }
    },
  },
  {
    name: "a reset forgets no setting that was changed back",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      const card = context.openCard();
      setAll(card);
      card.setReceiveMode(ReceiveMode.PROMISC, true);
      card.setReceiveMode(ReceiveMode.NOBCAST, false);
      card.setMacTable([], []);
      card.removeVlan(8);
      card.setMac(macToBytes(OWN));
      card.reset();
      const now = context.card().filters();
      assert.deepEqual(modesOf(now), ["promisc"]);
      assert.deepEqual(tableOf(now), []);
      assert.deepEqual(vlansOf(now), [0, 7, 4095]);
      assert.equal(now.mac, OWN);
    },
  },
  {
    name: "what was set is the opened card's: one that is closed and opened again has none of it",
    cards: [{ mac: OWN, offers: ALL }],
    run(context) {
      const first = context.openCard();
      setAll(first);
      first.close();
      const card = context.openCard();
      const now = context.card().filters();
      assert.deepEqual(modesOf(now), ["promisc"]);
      assert.deepEqual(tableOf(now), []);
      assert.deepEqual(vlansOf(now), []);
      assert.equal(now.mac, OWN);
      card.reset();
      assert.deepEqual(vlansOf(context.card().filters()), []);
    },
  },
  ...overSleep("what was set is set again", { cards: [{ mac: OWN, offers: ALL }] }, (context, wait) => {
    const card = context.openCard();
    setAll(card);
    assert.equal(card.suspend(), 0);
    assertThrowsResult(() => card.addVlan(5), Result.E_SUSPENDED);
    wait();
    card.resume();
    assertAllSet(context, card);
    assert.equal(card.events() & ~Event.LINK, 0);
  }),
];

export const control: readonly Case[] = [...filters, ...address, ...announcement, ...afterwards];
