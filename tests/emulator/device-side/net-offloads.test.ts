/** What the emulated card does with frames whose checksum or segmentation is left to it, and what it hands over unfinished. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NetworkBackend, NetworkPort } from "../../../kernel-shim/emulated-pc/net/backend.js";
import { NetDevice, type NetDeviceOptions } from "../../../kernel-shim/emulated-pc/net/device.js";
import * as features from "../../../kernel-shim/emulated-pc/net/features.js";
import { createLink } from "../../../kernel-shim/emulated-pc/net/link.js";
import type { UnfinishedFrame } from "../../../kernel-shim/emulated-pc/net/offloads/unfinished.js";
import { VIRTIO_F_ANY_LAYOUT } from "../../../kernel-shim/emulated-pc/virtio/constants.js";
import { hex } from "../network/bytes.js";
import { ScratchGuest, type GuestQueue } from "./scratch-guest.js";

const HOST =
  features.VIRTIO_NET_F_CSUM +
  features.VIRTIO_NET_F_HOST_TSO4 +
  features.VIRTIO_NET_F_HOST_TSO6 +
  features.VIRTIO_NET_F_HOST_ECN +
  features.VIRTIO_NET_F_HOST_UFO;
const GUEST =
  features.VIRTIO_NET_F_GUEST_CSUM +
  features.VIRTIO_NET_F_GUEST_TSO4 +
  features.VIRTIO_NET_F_GUEST_TSO6 +
  features.VIRTIO_NET_F_GUEST_ECN +
  features.VIRTIO_NET_F_GUEST_UFO;
const MERGEABLE = features.VIRTIO_NET_F_MRG_RXBUF;
const ANY = VIRTIO_F_ANY_LAYOUT;

const IP_HEADERS = "ffffffffffff 525400000001 0800 4500003dfffe4000400622ac0a00020f0a000202";
/** TCP over IPv4 with 21 bytes, to be cut after every eighth. */
const LARGE = hex(`${IP_HEADERS} 12340050fffffffc010203045018ffff18400000 0102030405060708090a0b0c0d0e0f101112131415`);
const LARGE_HEADER = "01 01 3600 0800 2200 1000";
/** The same as one segment whose checksum is missing. */
const PARTIAL_HEADER = "01 00 3600 0000 2200 1000";
const PLAIN_HEADER = "00 00 0000 0000 0000 0000";

class RecordingBackend implements NetworkBackend {
  readonly sent: Uint8Array[] = [];
  port: NetworkPort | null = null;

  attach(port: NetworkPort): void {
    this.port = port;
  }

  send(frame: Uint8Array): void {
    this.sent.push(frame);
  }
}

interface Setup {
  guest: ScratchGuest;
  device: NetDevice;
  receive: GuestQueue;
  transmit: GuestQueue;
}

function setUp(offered: number, backend: NetworkBackend, options: NetDeviceOptions = {}): Setup {
  const device = new NetDevice({ backend, features: offered + ANY, ...options });
  const guest = new ScratchGuest(device, {});
  const [receive, transmit] = guest.start(offered + ANY);
  assert.ok(receive && transmit);
  return { guest, device, receive, transmit };
}

function send({ transmit }: Setup, header: string, frame: Uint8Array): void {
  transmit.post({ read: Uint8Array.from([...hex(header), ...frame]) });
  transmit.kick();
}

/** Posts buffers of so many bytes. */
function post({ receive }: Setup, ...sizes: readonly number[]): number[] {
  const addresses = sizes.map((bytes) => receive.post({ write: bytes }).addresses[0] ?? 0);
  receive.kick();
  return addresses;
}

/** What came in, header and frame, in hexadecimal digits. */
function taken({ receive }: Setup, addresses: readonly number[]): string[] {
  return receive
    .take()
    .map(({ length }, index) => Buffer.from(receive.read(addresses[index] ?? 0, length)).toString("hex"));
}

function digits(...texts: readonly string[]): string {
  return Buffer.from(hex(texts.join(""))).toString("hex");
}

const hexOf = (frame: Uint8Array): string => Buffer.from(frame).toString("hex");

describe("a card with transmit offloads", () => {
  it("sends segments of a large frame, each with its checksum", () => {
    const backend = new RecordingBackend();
    const card = setUp(HOST, backend);
    send(card, LARGE_HEADER, LARGE);
    assert.deepEqual(
      backend.sent.map((frame) => frame.length),
      [62, 62, 59],
    );
    assert.deepEqual(card.guest.brokenRules, []);
    assert.equal(card.device.counters.transmitted.frames, 1);
    assert.equal(card.device.counters.transmitted.dropped, 0);
    assert.equal(card.transmit.take().length, 1);
  });

  it("drops and counts a large frame that is none", () => {
    const backend = new RecordingBackend();
    const card = setUp(HOST, backend);
    send(card, "01 04 3600 0800 2200 1000", LARGE);
    assert.deepEqual(backend.sent, []);
    assert.equal(card.device.counters.transmitted.dropped, 1);
    assert.deepEqual(card.guest.brokenRules, []);
    assert.equal(card.transmit.take().length, 1);
  });

  it("takes large frames although an MTU was negotiated, and no others", () => {
    const backend = new RecordingBackend();
    const card = setUp(HOST + features.VIRTIO_NET_F_MTU, backend, { mtu: 68 });
    const frame = new Uint8Array(1000);
    frame.set(LARGE);
    new DataView(frame.buffer).setUint16(16, frame.length - 14);
    send(card, LARGE_HEADER, frame);
    assert.equal(backend.sent.length, Math.ceil((1000 - 54) / 8));
    assert.deepEqual(card.guest.brokenRules, []);
    send(card, PARTIAL_HEADER, frame);
    assert.deepEqual(card.guest.brokenRules, ["net-transmit-mtu"]);
  });

  it("does nothing for a network that is not there", () => {
    const backend = new RecordingBackend();
    const card = setUp(HOST, backend, { linkUp: false });
    send(card, LARGE_HEADER, LARGE);
    assert.equal(card.device.counters.transmittedWithoutLink, 1);
    assert.deepEqual(backend.sent, []);
  });
});

describe("a card with receive offloads", () => {
  /** Two linked cards, of which the first sends, and what the second gets; its queues. */
  function link(accepted: number, ...sizes: readonly number[]): { sender: Setup; receiver: Setup; places: number[] } {
    const { ends } = createLink({ latency: 0 });
    const sender = setUp(HOST, ends[0]);
    const receiver = setUp(accepted, ends[1]);
    return { sender, receiver, places: post(receiver, ...sizes) };
  }

  it("hands over a large frame of its neighbour's as it is", () => {
    const { sender, receiver, places } = link(GUEST, 65_601);
    send(sender, LARGE_HEADER, LARGE);
    assert.deepEqual(taken(receiver, places), [digits(LARGE_HEADER, hexOf(LARGE))]);
    assert.deepEqual(receiver.guest.brokenRules, []);
  });

  it("spreads it over merged buffers", () => {
    const { sender, receiver, places } = link(GUEST + MERGEABLE, 64, 64);
    send(sender, LARGE_HEADER, LARGE);
    const whole = digits(LARGE_HEADER, "0200", hexOf(LARGE));
    assert.deepEqual(taken(receiver, places), [whole.slice(0, 128), whole.slice(128)]);
  });

  it("cuts it where one of the features for it is missing", () => {
    for (const missing of [GUEST, features.VIRTIO_NET_F_GUEST_TSO4 + features.VIRTIO_NET_F_GUEST_ECN]) {
      const { sender, receiver, places } = link(GUEST - missing, ...Array<number>(3).fill(65_601));
      send(sender, LARGE_HEADER, LARGE);
      const frames = taken(receiver, places);
      assert.deepEqual(
        frames.map((frame) => frame.length / 2),
        [72, 72, 69],
      );
      // Whoever knows of checksums is told that they are right.
      const header = missing === GUEST ? PLAIN_HEADER : "02 00 0000 0000 0000 0000";
      for (const frame of frames) assert.equal(frame.slice(0, 20), digits(header));
    }
    const { sender, receiver, places } = link(
      GUEST - features.VIRTIO_NET_F_GUEST_ECN,
      ...Array<number>(3).fill(65_601),
    );
    send(sender, LARGE_HEADER.replace("01 01", "01 81"), LARGE);
    assert.equal(taken(receiver, places).length, 3, "ECN");
  });

  it("hands over a frame whose checksum is missing, or fills it in", () => {
    const { sender, receiver, places } = link(features.VIRTIO_NET_F_GUEST_CSUM, 1526);
    send(sender, PARTIAL_HEADER, LARGE);
    assert.deepEqual(taken(receiver, places), [digits(PARTIAL_HEADER, hexOf(LARGE))]);
    const other = link(0, 1526);
    send(other.sender, PARTIAL_HEADER, LARGE);
    const [frame = ""] = taken(other.receiver, other.places);
    assert.equal(frame.slice(0, 20), digits(PLAIN_HEADER));
    assert.notEqual(frame.slice(20), hexOf(LARGE));
  });

  it("says of a frame from a wire whether its checksum is right", () => {
    const backend = new RecordingBackend();
    const card = setUp(features.VIRTIO_NET_F_GUEST_CSUM, backend);
    const places = post(card, 1526, 1526);
    const datagram = hex(
      "ffffffffffff 525400000001 0800 4500002500084000401122b00a00020f0a000202 123400070011803c 0d0e0f101112131415",
    );
    backend.port?.receive(datagram);
    backend.port?.receive(datagram.map((byte, index) => (index === 50 ? byte + 1 : byte)));
    assert.deepEqual(
      taken(card, places).map((frame) => frame.slice(0, 4)),
      ["0200", "0000"],
    );
  });

  it("gives finished frames to what is not a card", () => {
    const { ends, hub } = createLink({ latency: 0 });
    const frames: Uint8Array[] = [];
    const sender = setUp(HOST, ends[0]);
    ends[1].attach({
      time: sender.device.time,
      receive: (frame) => frames.push(frame),
      setLink: () => undefined,
    });
    send(sender, LARGE_HEADER, LARGE);
    assert.equal(frames.length, 3);
    assert.deepEqual(hub.counters, { sent: 1, delivered: 1, lost: 0 });
  });

  it("takes nothing that is unfinished without its link, or above the MTU in a single frame", () => {
    const { sender, receiver, places } = link(GUEST, 65_601);
    receiver.device.setLink(false);
    send(sender, LARGE_HEADER, LARGE);
    assert.deepEqual(taken(receiver, places), []);
    assert.equal(receiver.device.counters.receivedWithoutLink, 1);

    const { ends } = createLink({ latency: 0 });
    const other = setUp(HOST, ends[0]);
    const small = setUp(GUEST + features.VIRTIO_NET_F_MTU, ends[1], { mtu: 68 });
    const buffers = post(small, 65_601);
    const frame = new Uint8Array(300);
    frame.set(LARGE);
    send(other, PARTIAL_HEADER, frame);
    assert.equal(small.device.counters.receivedOverMtu, 1);
    const large: UnfinishedFrame = {
      bytes: frame,
      todo: { gsoType: 1, gsoSize: 8, hdrLen: 54, csumStart: 34, csumOffset: 16 },
    };
    small.device.receiveUnfinished(large);
    assert.equal(taken(small, buffers).length, 1);
  });
});
