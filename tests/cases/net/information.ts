/** What a network card says of itself, and how it can be opened. [virtio-1.2 §5.1.4] */

import assert from "node:assert/strict";
import { Result } from "../../../kernel-shim/javascript/index.js";
import type { Case } from "../context.js";
import * as features from "../features.js";
import { assertThrowsResult } from "../results.js";

const MAC = "52:54:00:ab:cd:ef";
const MAC_OCTETS = [0x52, 0x54, 0x00, 0xab, 0xcd, 0xef];
const MULTICAST = 1;
const LOCALLY_ADMINISTERED = 2;

function assertMadeUp(mac: Uint8Array): void {
  assert.equal((mac[0] ?? 0) & MULTICAST, 0, "a station's own address is no group");
  assert.equal((mac[0] ?? 0) & LOCALLY_ADMINISTERED, LOCALLY_ADMINISTERED);
}

export const information: readonly Case[] = [
  {
    name: "the address is the device's, octet by octet",
    cards: [{ mac: MAC }],
    run(context) {
      const card = context.openCard();
      assert.deepEqual([...card.mac()], MAC_OCTETS);
      assert.equal(card.information().mac_is_generated, 0);
      assert.equal(card.information().mac >> 48n, 0n);
    },
  },
  {
    name: "rings, header, MTU and buffers",
    cards: [{}],
    run(context) {
      const found = context.openCard().information();
      const isMergeable = (found.features_accepted & features.VIRTIO_NET_F_MRG_RXBUF) !== 0n;
      const isAnyLayout = features.isAnyLayout(found.features_accepted);
      assert.equal(found.header_bytes, features.headerBytes(found.features_accepted));
      assert.equal(found.mtu, 1500);
      assert.equal(found.link_up, 1);
      assert.equal(found.receive_buffers, found.receive_queue_size / (isAnyLayout ? 1 : 2));
      assert.equal(found.receive_buffer_bytes, 2048);
      assert.ok(found.buffers_per_frame_max >= 1);
      if (!isMergeable) assert.equal(found.buffers_per_frame_max, 1);
    },
  },
  {
    name: "only features that were offered are accepted [virtio-1.2 §2.2.1]",
    cards: [{}],
    run(context) {
      const { features_offered, features_accepted } = context.openCard().information();
      const hasOffloads = (features_offered & features.VIRTIO_NET_F_CSUM) !== 0n;
      const known =
        (hasOffloads ? features.TRANSMIT_OFFLOADS | features.VIRTIO_F_INDIRECT_DESC : 0n) |
        features.VIRTIO_NET_F_MTU |
        features.VIRTIO_NET_F_MAC |
        features.VIRTIO_NET_F_MRG_RXBUF |
        features.VIRTIO_NET_F_STATUS |
        features.VIRTIO_NET_F_SPEED_DUPLEX |
        features.CONTROL_COMMANDS |
        features.VIRTIO_F_ANY_LAYOUT |
        features.VIRTIO_F_EVENT_IDX |
        features.VIRTIO_F_VERSION_1;
      // The control queue goes with what it is used for.
      const hasUse = (features_offered & features.CONTROL_COMMANDS) !== 0n;
      assert.equal(features_accepted, features_offered & (hasUse ? known | features.VIRTIO_NET_F_CTRL_VQ : known));
    },
  },
  {
    name: "without any feature: the shortest header, a made-up address, a link that is up",
    cards: [{ offers: { anyLayout: false } }],
    run(context) {
      const card = context.openCard(0, { features: 0n });
      const found = card.information();
      assert.equal(features.chosen(found.features_accepted), 0n);
      assert.equal(found.header_bytes, features.headerBytes(found.features_accepted));
      assert.equal(found.link_up, 1);
      assert.equal(found.mac_is_generated, 1);
      assertMadeUp(card.mac());
    },
  },
  {
    name: "cards without an address get different ones of their own, and keep them over a reset",
    needs: ["card without address"],
    cards: [{ mac: null }, { mac: null }],
    run(context) {
      const cards = [context.openCard(0), context.openCard(1)];
      const addresses = cards.map((card) => {
        assert.equal(card.information().mac_is_generated, 1);
        assertMadeUp(card.mac());
        return card.mac();
      });
      assert.notDeepEqual(addresses[0], addresses[1]);
      cards[0]?.reset();
      assert.deepEqual(cards[0]?.mac(), addresses[0]);
    },
  },
  {
    name: "MTU: the device's value holds, and receive buffers are large enough for it [virtio-1.2 §5.1.4.1]",
    cards: [{ mtu: 9000, queueSizeMin: 64 }],
    run(context) {
      const found = context.openCard().information();
      assert.equal(found.mtu, 9000);
      const bytes = found.receive_buffer_bytes * found.buffers_per_frame_max;
      assert.ok(bytes >= found.header_bytes + 14 + 4 + 9000);
    },
  },
  {
    name: "an MTU that was refused is 1500",
    cards: [{ mtu: 9000 }],
    run(context) {
      const card = context.openCard(0, { features: features.ALL_OF_PLAIN_CARDS & ~features.VIRTIO_NET_F_MTU });
      assert.equal(card.information().mtu, 1500);
    },
  },
  {
    name: "the options say how many buffers there are, and how large",
    cards: [{ queueSizeMin: 32, offers: { mergeable: true } }],
    run(context) {
      const few = context.openCard(0, { receive_buffers: 7, receive_buffer_bytes: 9984 });
      const found = few.information();
      assert.equal(found.receive_buffers, 7);
      assert.equal(found.receive_buffer_bytes, 9984);
      assert.equal(found.buffers_per_frame_max, 7);
      few.close();
      const many = context.openCard(0, { receive_buffers: 1_000_000 }).information();
      assert.ok(many.receive_buffers <= many.receive_queue_size, "never more than the ring holds");
    },
  },
  {
    name: "sizes of buffers that cannot be: E_ARGUMENT",
    cards: [{ offers: { mergeable: true } }],
    run(context) {
      const mergeable = features.ALL_OF_PLAIN_CARDS;
      const whole = features.ALL_OF_PLAIN_CARDS & ~features.VIRTIO_NET_F_MRG_RXBUF;
      for (const [allowed, bytes] of [
        [mergeable, 1],
        [mergeable, 63],
        [mergeable, 100],
        [mergeable, 69_632 + 128],
        [mergeable, 0xffff_ffc0],
        [whole, 64],
        [whole, 1472],
      ] as const) {
        const options = { features: allowed, receive_buffer_bytes: bytes };
        assertThrowsResult(() => context.openCard(0, options), Result.E_ARGUMENT, String(bytes));
        assert.equal(context.lentPages, 0);
      }
      // The stack says for every failure which device and why.
      context.expectedLog.push(...context.machine.log.slice(-7));
    },
  },
];
