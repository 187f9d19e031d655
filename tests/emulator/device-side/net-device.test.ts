/** The network card of the emulated PC: what it does right, and what it notices that a driver does wrong. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NetworkBackend, NetworkPort } from "../../../kernel-shim/emulated-pc/net/backend.js";
import { NetDevice, type NetDeviceOptions } from "../../../kernel-shim/emulated-pc/net/device.js";
import { LONGEST_RECEIVED } from "../../../kernel-shim/emulated-pc/net/receive.js";
import * as features from "../../../kernel-shim/emulated-pc/net/features.js";
import { VIRTIO_F_ANY_LAYOUT, VIRTIO_F_VERSION_1 } from "../../../kernel-shim/emulated-pc/virtio/constants.js";
import { hex } from "../network/bytes.js";
import { ScratchGuest, type GuestOptions, type GuestQueue, type Part } from "./scratch-guest.js";

const ALL_RECEIVED = features.VIRTIO_NET_F_MAC;
const MERGEABLE = features.VIRTIO_NET_F_MRG_RXBUF;
const CONTROL =
  features.VIRTIO_NET_F_CTRL_VQ +
  features.VIRTIO_NET_F_CTRL_RX +
  features.VIRTIO_NET_F_CTRL_RX_EXTRA +
  features.VIRTIO_NET_F_CTRL_VLAN +
  features.VIRTIO_NET_F_CTRL_MAC_ADDR;

/** Keeps what the card sends, and is the network that sends to it. */
class RecordingBackend implements NetworkBackend {
  readonly sent: Uint8Array[] = [];
  port: NetworkPort | null = null;
  isClosed = false;

  attach(port: NetworkPort): void {
    this.port = port;
  }

  send(frame: Uint8Array): void {
    this.sent.push(frame);
  }

  close(): void {
    this.isClosed = true;
  }
}

interface Setup {
  guest: ScratchGuest;
  device: NetDevice;
  backend: RecordingBackend;
  receive: GuestQueue;
  transmit: GuestQueue;
  control: GuestQueue | undefined;
}

/** A card that offers `offered` and a guest that accepts it all, and ANY_LAYOUT unless told otherwise. */
function setUp(offered: number, options: NetDeviceOptions & GuestOptions & { accepted?: number } = {}): Setup {
  const backend = new RecordingBackend();
  const { profile, completion, seed, accepted, ...deviceOptions } = options;
  const device = new NetDevice({ backend, features: offered, ...deviceOptions });
  const guest = new ScratchGuest(device, {
    ...(profile && { profile }),
    ...(completion && { completion }),
    ...(seed && { seed }),
  });
  const [receive, transmit, control] = guest.start(accepted ?? offered);
  assert.ok(receive && transmit);
  return { guest, device, backend, receive, transmit, control };
}

const ANY = VIRTIO_F_ANY_LAYOUT;

/** A frame of `length` bytes whose bytes differ. */
function frame(length: number, seed = 0): Uint8Array {
  const bytes = Uint8Array.from({ length }, (_, index) => seed + index * 3 + (index >> 8));
  bytes.set(hex("525400123456 525500000001 88b5"));
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const read = (bytes: Uint8Array): Part => ({ read: bytes });
const write = (bytes: number): Part => ({ write: bytes });
const zeros = (bytes: number): Uint8Array => new Uint8Array(bytes);

describe("transmission", () => {
  for (const [name, offered, header] of [
    ["10 bytes of header", ANY, 10],
    ["12 bytes of header with MRG_RXBUF", ANY + MERGEABLE, 12],
  ] as const) {
    it(`sends the frame behind ${name}`, () => {
      const { guest, backend, transmit } = setUp(offered);
      const { head } = transmit.post(read(joined(zeros(header), frame(60))));
      assert.equal(transmit.kick(), true);
      assert.deepEqual(backend.sent, [frame(60)]);
      assert.deepEqual(transmit.take(), [{ id: head, length: 0 }]);
      assert.equal(guest.interruptPin, true);
      assert.deepEqual(guest.brokenRules, []);
    });
  }

  it("joins a frame of many descriptors", () => {
    const { guest, backend, transmit } = setUp(0);
    const bytes = frame(1514);
    transmit.post(read(zeros(10)), read(bytes.slice(0, 1)), read(bytes.slice(1, 700)), read(bytes.slice(700)));
    transmit.kick();
    assert.deepEqual(backend.sent, [bytes]);
    assert.deepEqual(guest.brokenRules, []);
  });

  it("reports the bytes sent on bhyve", () => {
    const { transmit } = setUp(0, { profile: "bhyve" });
    transmit.post(read(zeros(10)), read(frame(60)));
    transmit.kick();
    assert.deepEqual(
      transmit.take().map(({ length }) => length),
      [70],
    );
  });

  it("gives a batch back together, later, with one interrupt", () => {
    const { guest, device, backend, transmit } = setUp(ANY, { completion: "deferred" });
    for (let count = 0; count < 5; count++) transmit.post(read(joined(zeros(10), frame(60, count))));
    transmit.kick();
    assert.deepEqual(transmit.take(), []);
    guest.settle();
    assert.deepEqual(
      backend.sent,
      [0, 1, 2, 3, 4].map((count) => frame(60, count)),
    );
    assert.equal(transmit.take().length, 5);
    assert.equal(device.queues[1]?.interrupts, 1);
    assert.deepEqual(guest.brokenRules, []);
  });

  it("sends in order and gives back in any order when shuffled", () => {
    const { guest, backend, transmit } = setUp(ANY, { completion: "shuffled", seed: 7 });
    for (let count = 0; count < 16; count++) transmit.post(read(joined(zeros(10), frame(60, count))));
    transmit.kick();
    guest.settle();
    assert.deepEqual(
      backend.sent,
      Array.from({ length: 16 }, (_, count) => frame(60, count)),
    );
    const order = transmit.take().map(({ id }) => id);
    const sorted = order.toSorted((first, second) => first - second);
    assert.notDeepEqual(order, sorted);
    assert.deepEqual(
      sorted,
      Array.from({ length: 16 }, (_, count) => count),
    );
  });

  it("notices a frame that changes before it came back", () => {
    const { guest, transmit } = setUp(ANY, { completion: "deferred" });
    const { addresses } = transmit.post(read(joined(zeros(10), frame(60))));
    transmit.kick();
    guest.time.advanceTo(guest.time.now + 2_000);
    guest.bytes[guest.offset(addresses[0] ?? 0) + 30] = 0xee;
    guest.settle();
    assert.deepEqual(guest.brokenRules, ["net-transmit-changed"]);
  });

  for (const [name, offered, parts, rule, isSent] of [
    ["the header not alone without ANY_LAYOUT", 0, [read(joined(zeros(10), frame(60)))], "net-transmit-framing", true],
    [
      "the header in pieces without ANY_LAYOUT",
      0,
      [zeros(4), zeros(6), frame(60)].map(read),
      "net-transmit-framing",
      true,
    ],
    [
      "a header of the wrong length",
      MERGEABLE,
      [zeros(10), zeros(2), frame(60)].map(read),
      "net-transmit-framing",
      true,
    ],
    ["a writable descriptor", ANY, [read(joined(zeros(10), frame(60))), write(8)], "net-transmit-writable", true],
    ["a header cut off", ANY, [read(zeros(9))], "net-transmit-short", false],
    ["no Ethernet header", ANY, [read(zeros(23))], "net-transmit-short", false],
    [
      "NEEDS_CSUM without CSUM",
      ANY,
      [read(joined(hex("01 00 0000 0000 0000 0000"), frame(60)))],
      "net-transmit-flags",
      false,
    ],
    ["DATA_VALID", ANY, [read(joined(hex("02 00 0000 0000 0000 0000"), frame(60)))], "net-transmit-flags", false],
    [
      "segmentation not negotiated",
      ANY,
      [read(joined(hex("00 01 0000 0000 0000 0000"), frame(60)))],
      "net-transmit-gso",
      false,
    ],
    [
      "segmentation not negotiated, with a checksum",
      ANY + features.VIRTIO_NET_F_CSUM,
      [read(joined(hex("01 01 0000 0000 0000 0000"), frame(60)))],
      "net-transmit-gso",
      false,
    ],
    [
      "ECN not negotiated",
      ANY + features.VIRTIO_NET_F_CSUM + features.VIRTIO_NET_F_HOST_TSO4,
      [read(joined(hex("01 81 0000 0000 0000 0000"), frame(60)))],
      "net-transmit-gso",
      false,
    ],
    [
      "segmentation without a checksum",
      ANY + features.VIRTIO_NET_F_CSUM + features.VIRTIO_NET_F_HOST_TSO4,
      [read(joined(hex("00 01 0000 0000 0000 0000"), frame(60)))],
      "net-transmit-gso",
      false,
    ],
    [
      "hdr_len without segmentation",
      ANY,
      [read(joined(hex("00 00 0e00 0000 0000 0000"), frame(60)))],
      "net-transmit-unused-fields",
      true,
    ],
    [
      "gso_size without segmentation",
      ANY,
      [read(joined(hex("00 00 0000 0100 0000 0000"), frame(60)))],
      "net-transmit-unused-fields",
      true,
    ],
    [
      "csum_start without NEEDS_CSUM",
      ANY,
      [read(joined(hex("00 00 0000 0000 0100 0000"), frame(60)))],
      "net-transmit-unused-fields",
      true,
    ],
    [
      "csum_offset without NEEDS_CSUM",
      ANY,
      [read(joined(hex("00 00 0000 0000 0000 0001"), frame(60)))],
      "net-transmit-unused-fields",
      true,
    ],
    [
      "a checksum beyond the end of the frame",
      ANY + features.VIRTIO_NET_F_CSUM,
      [read(joined(hex("01 00 0000 0000 2200 1900"), frame(60)))],
      "net-transmit-checksum-place",
      false,
    ],
    [
      "headers longer than the frame",
      ANY + features.VIRTIO_NET_F_CSUM,
      [read(joined(hex("01 00 3d00 0000 2200 1000"), frame(60)))],
      "net-transmit-header-length",
      false,
    ],
    [
      "segmentation without a size",
      ANY + features.VIRTIO_NET_F_CSUM + features.VIRTIO_NET_F_HOST_TSO4,
      [read(joined(hex("01 01 3600 0000 2200 1000"), frame(60)))],
      "net-transmit-gso-size",
      false,
    ],
    [
      "num_buffers",
      ANY + MERGEABLE,
      [read(joined(hex("00 00 0000 0000 0000 0000 0100"), frame(60)))],
      "net-transmit-num-buffers",
      true,
    ],
    [
      "more than the negotiated MTU",
      ANY + features.VIRTIO_NET_F_MTU,
      [read(joined(zeros(10), frame(1519)))],
      "net-transmit-mtu",
      false,
    ],
  ] as const) {
    it(`notices ${name}`, () => {
      const { guest, device, backend, transmit } = setUp(offered);
      transmit.post(...parts);
      transmit.kick();
      assert.deepEqual(guest.brokenRules, [rule]);
      assert.equal(backend.sent.length, isSent ? 1 : 0);
      assert.equal(device.counters.transmitted.dropped, isSent ? 0 : 1);
      assert.equal(transmit.take().length, 1);
    });
  }

  it("takes a tagged frame of the negotiated MTU, and longer ones without MTU up to 64 KiB", () => {
    const { guest, backend, transmit } = setUp(ANY + features.VIRTIO_NET_F_MTU);
    transmit.post(read(joined(zeros(10), frame(1518))));
    transmit.kick();
    assert.equal(backend.sent.length, 1);
    assert.deepEqual(guest.brokenRules, []);

    const other = setUp(ANY);
    other.transmit.post(read(joined(zeros(10), frame(65_593))));
    other.transmit.post(read(joined(zeros(10), frame(65_594))));
    other.transmit.kick();
    assert.deepEqual(other.backend.sent, [frame(65_593)]);
    assert.equal(other.device.counters.transmitted.dropped, 1);
  });
});

describe("reception", () => {
  it("puts header and frame into one buffer", () => {
    const { guest, backend, receive } = setUp(ANY);
    const { head, addresses } = receive.post(write(1526));
    receive.kick();
    backend.port?.receive(frame(100));
    assert.deepEqual(receive.take(), [{ id: head, length: 110 }]);
    assert.deepEqual(receive.read(addresses[0] ?? 0, 111), joined(zeros(10), frame(100), zeros(1)));
    assert.equal(guest.interruptPin, true);
    assert.deepEqual(guest.brokenRules, []);
  });

  it("puts header and frame into descriptors of their own without ANY_LAYOUT", () => {
    const { guest, backend, receive } = setUp(0);
    const { addresses } = receive.post(write(10), write(1516));
    receive.kick();
    backend.port?.receive(frame(1514));
    assert.deepEqual(receive.take(), [{ id: 0, length: 1524 }]);
    assert.deepEqual(receive.read(addresses[1] ?? 0, 1514), frame(1514));
    assert.deepEqual(guest.brokenRules, []);
  });

  it("spreads a frame over several buffers with MRG_RXBUF, and says how many in the first", () => {
    const { guest, device, backend, receive } = setUp(ANY + MERGEABLE);
    const posts = [64, 100, 30, 2000].map((bytes) => receive.post(write(bytes)));
    receive.kick();
    backend.port?.receive(frame(200));
    assert.deepEqual(
      receive.take(),
      posts.map(({ head }, index) => ({ id: head, length: [64, 100, 30, 18][index] })),
    );
    const written = posts.flatMap(({ addresses }, index) => [
      ...receive.read(addresses[0] ?? 0, [64, 100, 30, 18][index] ?? 0),
    ]);
    assert.deepEqual(Uint8Array.from(written), joined(zeros(10), hex("0400"), frame(200)));
    assert.equal(device.queues[0]?.interrupts, 1);
    assert.deepEqual(guest.brokenRules, []);
  });

  it("spreads the longest frame that a host delivers over as many buffers as it takes, and drops longer ones", () => {
    const { guest, device, backend, receive } = setUp(ANY + MERGEABLE);
    const posts = Array.from({ length: 36 }, () => receive.post(write(2048)));
    receive.kick();
    backend.port?.receive(new Uint8Array(LONGEST_RECEIVED + 1));
    assert.equal(device.counters.received.droppedTooLong, 1);
    assert.deepEqual(receive.take(), []);
    const longest = frame(LONGEST_RECEIVED);
    backend.port?.receive(longest);
    const used = receive.take();
    assert.equal(LONGEST_RECEIVED, 69_632);
    assert.equal(used.length, 35);
    const pieces = used.map(({ id, length }) => receive.read(posts[id]?.addresses[0] ?? 0, length));
    const [header] = pieces;
    assert.deepEqual(header?.subarray(0, 12), hex("00000000000000000000 2300"));
    assert.deepEqual(joined(...pieces).subarray(12), longest);
    assert.deepEqual(guest.brokenRules, []);
  });

  it("says one buffer where one is enough", () => {
    const { backend, receive } = setUp(ANY + MERGEABLE);
    const { addresses } = receive.post(write(12 + 60));
    receive.kick();
    backend.port?.receive(frame(60));
    assert.deepEqual(receive.take(), [{ id: 0, length: 72 }]);
    assert.deepEqual(receive.read(addresses[0] ?? 0, 12), hex("00000000000000000000 0100"));
  });

  it("keeps frames in order while there are no buffers, and drops those beyond the backlog", () => {
    const { guest, device, backend, receive } = setUp(ANY, { backlog: 3 });
    receive.post(write(1526));
    receive.kick();
    for (let count = 0; count < 6; count++) backend.port?.receive(frame(60, count));
    assert.equal(receive.take().length, 1);
    assert.equal(device.waitingFrames, 3);
    assert.equal(device.counters.received.droppedForLackOfBuffers, 2);
    const posts = [1, 2, 3, 4].map(() => receive.post(write(1526)));
    assert.equal(receive.kick(), true);
    assert.equal(receive.take().length, 3);
    assert.deepEqual(
      posts.slice(0, 3).map(({ addresses }) => receive.read((addresses[0] ?? 0) + 10, 60)),
      [1, 2, 3].map((count) => frame(60, count)),
    );
    assert.deepEqual(device.counters.received, {
      frames: 4,
      bytes: 240,
      droppedForLackOfBuffers: 2,
      droppedTooLong: 0,
      delayed: 3,
    });
    assert.deepEqual(guest.brokenRules, []);
  });

  it("waits with half the buffers of a frame until the others come", () => {
    const { device, backend, receive } = setUp(ANY + MERGEABLE);
    receive.post(write(100));
    receive.kick();
    backend.port?.receive(frame(150));
    assert.deepEqual(receive.take(), []);
    assert.equal(device.waitingFrames, 1);
    receive.post(write(100));
    receive.kick();
    assert.deepEqual(
      receive.take().map(({ length }) => length),
      [100, 62],
    );
  });

  it("drops a frame that the whole ring of buffers could not hold, and goes on with the next", () => {
    const { device, backend, receive } = setUp(ANY + MERGEABLE, { queueSizes: [4, 4] });
    for (let count = 0; count < 4; count++) receive.post(write(40));
    receive.kick();
    backend.port?.receive(frame(149));
    backend.port?.receive(frame(148));
    assert.equal(device.counters.received.droppedTooLong, 1);
    assert.deepEqual(
      receive.take().map(({ length }) => length),
      [40, 40, 40, 40],
    );
  });

  it("drops a frame longer than the buffer without MRG_RXBUF, and keeps the buffer for the next", () => {
    const { guest, device, backend, receive } = setUp(ANY);
    receive.post(write(1526));
    receive.kick();
    backend.port?.receive(frame(1517));
    backend.port?.receive(frame(1516));
    assert.equal(device.counters.received.droppedTooLong, 1);
    assert.deepEqual(receive.take(), [{ id: 0, length: 1526 }]);
    assert.deepEqual(guest.brokenRules, []);
  });

  it("needs no notification for further buffers while it has some", () => {
    const { guest, backend, receive } = setUp(ANY);
    receive.post(write(1526));
    receive.post(write(1526));
    assert.equal(receive.kick(), true);
    backend.port?.receive(frame(60));
    receive.post(write(1526));
    assert.equal(receive.kick(), false);
    for (let count = 0; count < 3; count++) backend.port?.receive(frame(60));
    assert.equal(receive.take().length, 3);
    receive.post(write(1526));
    assert.equal(receive.kick(), true);
    assert.equal(receive.take().length, 1);
    assert.deepEqual(guest.brokenRules, []);
  });

  for (const [name, offered, parts, rule, isReceived] of [
    ["a readable descriptor", ANY, [read(zeros(4)), write(1526)], "net-receive-readable", true],
    ["a buffer too small for a frame", ANY, [write(1525)], "net-receive-short", true],
    ["a header not alone without ANY_LAYOUT", 0, [write(1526)], "net-receive-framing", true],
    [
      "a header of the wrong length without ANY_LAYOUT",
      MERGEABLE,
      [write(10), write(1526)],
      "net-receive-framing",
      false,
    ],
    ["a header in pieces", ANY + MERGEABLE, [write(8), write(100)], "net-receive-framing", false],
    [
      "a buffer too small for large receives",
      ANY + features.VIRTIO_NET_F_GUEST_CSUM + features.VIRTIO_NET_F_GUEST_TSO4,
      [write(65_561)],
      "net-receive-short",
      true,
    ],
  ] as const) {
    it(`notices ${name}`, () => {
      const { guest, backend, receive } = setUp(offered);
      receive.post(...parts);
      receive.kick();
      backend.port?.receive(frame(60));
      assert.deepEqual(guest.brokenRules, [rule]);
      const used = receive.take();
      assert.equal(used.length, 1);
      assert.equal((used[0]?.length ?? 0) > 0, isReceived);
    });
  }

  it("notices a buffer too small for the header with MRG_RXBUF", () => {
    const { guest, backend, receive } = setUp(ANY + MERGEABLE);
    receive.post(write(11));
    receive.kick();
    backend.port?.receive(frame(60));
    assert.deepEqual(guest.brokenRules, ["net-receive-short", "net-receive-framing"]);
  });

  it("takes nothing in before DRIVER_OK, after a reset, without bus mastering, or over the MTU", () => {
    const { guest, device, backend, receive } = setUp(ANY + features.VIRTIO_NET_F_MTU);
    receive.post(write(4096));
    receive.kick();
    backend.port?.receive(frame(1519));
    assert.equal(device.counters.receivedOverMtu, 1);
    guest.isBusMaster = false;
    backend.port?.receive(frame(60));
    guest.isBusMaster = true;
    device.setStatus(0);
    backend.port?.receive(frame(60));
    assert.equal(device.counters.receivedTooEarly, 2);
    assert.deepEqual(receive.take(), []);
  });

  it("forgets waiting frames and buffers with a reset", () => {
    const { guest, device, backend, receive } = setUp(ANY + MERGEABLE);
    receive.post(write(100));
    receive.kick();
    backend.port?.receive(frame(150));
    const [again] = guest.start(ANY + MERGEABLE);
    assert.ok(again);
    assert.equal(device.waitingFrames, 0);
    const { addresses } = again.post(write(200));
    again.kick();
    assert.deepEqual(again.take(), []);
    backend.port?.receive(frame(60));
    assert.deepEqual(again.take(), [{ id: 0, length: 72 }]);
    assert.deepEqual(again.read((addresses[0] ?? 0) + 12, 60), frame(60));
  });

  it("can be spoiled by a test", () => {
    const { backend, receive } = setUp(ANY + MERGEABLE, {
      receiveFaults: { header: (header) => header.fill(0xff, 10), buffersReturned: (count) => count - 1 },
    });
    const { addresses } = receive.post(write(100));
    receive.post(write(100));
    receive.kick();
    backend.port?.receive(frame(150));
    assert.deepEqual(receive.take(), [{ id: 0, length: 100 }]);
    assert.deepEqual(receive.read((addresses[0] ?? 0) + 10, 2), hex("ffff"));
  });
});

describe("VERSION_1", () => {
  const accepted = VIRTIO_F_VERSION_1;

  it("makes every header 12 bytes long, however it is framed", () => {
    const { guest, backend, transmit } = setUp(0, { accepted });
    transmit.post(read(joined(zeros(12), frame(60))));
    transmit.post(read(zeros(5)), read(joined(zeros(7), frame(60, 1))));
    transmit.kick();
    assert.deepEqual(backend.sent, [frame(60), frame(60, 1)]);
    assert.deepEqual(guest.brokenRules, []);
  });

  for (const [profile, numBuffers] of [
    ["bhyve", 1],
    ["qemu", 0],
    ["v86", 256],
  ] as const) {
    it(`has num_buffers ${numBuffers} in a buffer that nothing is merged into, on the host ${profile}`, () => {
      const { guest, backend, receive } = setUp(0, { accepted, profile });
      const { addresses, head } = receive.post(write(1526));
      receive.kick();
      backend.port?.receive(frame(60));
      assert.deepEqual(receive.take(), [{ id: head, length: 72 }]);
      const bytes = receive.read(addresses[0] ?? 0, 72);
      assert.deepEqual(bytes.subarray(12), frame(60));
      assert.equal(new DataView(bytes.buffer).getUint16(10, true), numBuffers);
      assert.deepEqual(guest.brokenRules, []);
    });
  }

  it("counts the buffers of a merged frame", () => {
    const { backend, receive } = setUp(MERGEABLE, { accepted: accepted + MERGEABLE, profile: "v86" });
    const { addresses } = receive.post(write(50));
    receive.post(write(50));
    receive.kick();
    backend.port?.receive(frame(60));
    assert.equal(receive.take().length, 2);
    assert.equal(receive.read(addresses[0] ?? 0, 12)[10], 2);
  });

  it("makes used lengths of sent frames 0 everywhere", () => {
    const { transmit } = setUp(0, { accepted, profile: "bhyve" });
    const { head } = transmit.post(read(joined(zeros(12), frame(60))));
    transmit.kick();
    assert.deepEqual(transmit.take(), [{ id: head, length: 0 }]);
  });

  it("makes the MAC address read-only", () => {
    const MAC = features.VIRTIO_NET_F_MAC;
    const { guest, device } = setUp(MAC, { accepted: accepted + MAC });
    device.writeConfiguration(0, 2, 1);
    assert.equal(device.mac, "52:54:00:12:34:56");
    assert.deepEqual(guest.brokenRules, ["configuration-read-only"]);
  });

  it("forgets receive buffers when their queue is reset", () => {
    const RING_RESET = 2 ** 40;
    const { guest, device, backend, receive } = setUp(MERGEABLE, { accepted: accepted + MERGEABLE + RING_RESET });
    receive.post(write(50));
    receive.kick();
    backend.port?.receive(frame(100));
    const [queue] = device.queues;
    assert.ok(queue);
    device.resetQueue(queue);
    assert.equal(queue.isEnabled, false);
    assert.deepEqual(receive.take(), []);
    assert.deepEqual(guest.brokenRules, []);
  });
});

describe("link and configuration", () => {
  const STATUS = features.VIRTIO_NET_F_STATUS;

  it("tells the driver of the link when STATUS is offered, and carries nothing while it is down", () => {
    const { guest, device, backend, receive, transmit } = setUp(ANY + STATUS);
    receive.post(write(1526));
    receive.kick();
    assert.equal(device.readConfiguration(6), 1);
    backend.port?.setLink(false);
    assert.equal(guest.interruptPin, true);
    assert.equal(device.takeIsr(), 2);
    assert.equal(device.readConfiguration(6), 0);
    transmit.post(read(joined(zeros(10), frame(60))));
    transmit.kick();
    backend.port?.receive(frame(60));
    assert.equal(transmit.take().length, 1);
    assert.equal(backend.sent.length, 0);
    assert.deepEqual([device.counters.transmittedWithoutLink, device.counters.receivedWithoutLink], [1, 1]);
    device.takeIsr();
    device.setLink(false);
    assert.equal(device.takeIsr(), 0);
    device.setLink(true);
    assert.equal(device.takeIsr(), 2);
    assert.deepEqual(guest.brokenRules, []);
  });

  it("tells the driver of a link that went down and came up again before it looked", () => {
    const { guest, device } = setUp(ANY + STATUS);
    device.setLink(false);
    device.setLink(true);
    assert.equal(guest.interruptPin, true);
    assert.equal(device.takeIsr(), 2);
    assert.equal(device.readConfiguration(6), 1);
    assert.equal(device.takeIsr(), 0);
  });

  it("says nothing of the link when STATUS is not offered, nor before DRIVER_OK", () => {
    const { device } = setUp(ANY);
    device.setLink(false);
    assert.equal(device.takeIsr(), 0);
    const other = setUp(ANY + STATUS);
    other.device.setStatus(0);
    other.device.setLink(false);
    assert.equal(other.device.takeIsr(), 0);
  });

  it("notices fields that are read without their feature", () => {
    const { guest, device } = setUp(ALL_RECEIVED + ANY);
    assert.equal(device.readConfiguration(0), 0x52);
    assert.deepEqual(guest.brokenRules, []);
    for (const offset of [6, 8, 10, 12, 16]) device.readConfiguration(offset);
    assert.deepEqual(
      guest.violations.list.map(({ detail }) => detail),
      ["status", "max_virtqueue_pairs", "mtu", "speed", "duplex"],
    );
    device.readConfiguration(17);
    assert.deepEqual(guest.brokenRules, ["configuration-not-offered", "configuration-outside"]);
  });

  it("lets a legacy driver change its address, until the reset", () => {
    const { guest, device } = setUp(ALL_RECEIVED + ANY, { mac: "52:54:00:00:00:07" });
    for (const [offset, byte] of hex("020304050607").entries()) device.writeConfiguration(offset, byte, 1);
    assert.equal(device.mac, "02:03:04:05:06:07");
    device.setStatus(0);
    assert.equal(device.mac, "52:54:00:00:00:07");
    assert.deepEqual(guest.brokenRules, []);
    device.writeConfiguration(0, 2, 1);
    assert.deepEqual(guest.brokenRules, ["configuration-read-only"]);
  });

  it("notices features accepted without those that they need", () => {
    const ecn = features.VIRTIO_NET_F_HOST_ECN + features.VIRTIO_NET_F_GUEST_ECN;
    const { guest } = setUp(ANY + ecn + features.VIRTIO_NET_F_HOST_TSO4 + features.VIRTIO_NET_F_CTRL_RX);
    assert.deepEqual(
      guest.violations.list.map(({ rule, detail }) => `${rule.id} ${detail}`),
      ["feature-dependency HOST_TSO4", "feature-dependency CTRL_RX", "net-feature-alternative GUEST_ECN"],
    );
  });

  for (const [profile, queues] of [
    ["qemu", 3],
    ["virtualbox", 3],
    ["bhyve", 2],
    ["large", 2],
    ["minimal", 2],
  ] as const) {
    it(`has ${queues} queues in the profile ${profile}`, () => {
      const device = new NetDevice();
      const guest = new ScratchGuest(device, { profile });
      const { net, ringFeatures } = guest.profile;
      assert.equal(device.queues.length, queues);
      assert.equal(device.offeredFeatures, net.features + ringFeatures);
    });
  }

  it("closes its back end", () => {
    const { device, backend } = setUp(ANY);
    device.close();
    assert.equal(backend.isClosed, true);
  });
});

describe("control queue", () => {
  /** Sends a command as parts of their own, and returns its ack. */
  function command(setup: Setup, ...parts: readonly Uint8Array[]): number | undefined {
    const { control } = setup;
    assert.ok(control);
    const { addresses } = control.post(...parts.map(read), write(1));
    control.kick();
    const [used] = control.take();
    assert.equal(used?.length, 1);
    return control.read(addresses.at(-1) ?? 0, 1)[0];
  }

  /** Which of some frames the card lets in. */
  function accepted(setup: Setup, ...destinations: readonly string[]): string[] {
    return destinations.filter((destination) => {
      const before = setup.device.counters.filtered;
      setup.backend.port?.receive(joined(hex(destination), hex("525500000001 88b5"), zeros(46)));
      return setup.device.counters.filtered === before;
    });
  }

  const SELF = "525400123456";
  const OTHER = "525400999999";
  const GROUP = "01005e000001";
  const ALL = "ffffffffffff";
  const EVERY = [SELF, OTHER, GROUP, ALL] as const;

  it("changes what is let in", () => {
    const setup = setUp(CONTROL);
    assert.deepEqual(accepted(setup, ...EVERY), [...EVERY]);
    assert.equal(command(setup, hex("0000"), hex("00")), 0);
    assert.deepEqual(accepted(setup, ...EVERY), [SELF, ALL]);
    assert.equal(command(setup, hex("0001"), hex("01")), 0);
    assert.deepEqual(accepted(setup, ...EVERY), [SELF, GROUP, ALL]);
    assert.equal(command(setup, hex("0002"), hex("01")), 0);
    assert.deepEqual(accepted(setup, ...EVERY), [...EVERY]);
    for (const mode of ["0003", "0004", "0005"]) assert.equal(command(setup, hex(mode), hex("01")), 0);
    assert.deepEqual(accepted(setup, ...EVERY), []);
    assert.deepEqual(setup.guest.brokenRules, []);
    assert.deepEqual(setup.device.counters.control, { accepted: 6, refused: 0 });
    setup.guest.start(CONTROL);
    assert.deepEqual(accepted(setup, ...EVERY), [...EVERY]);
  });

  it("takes tables of addresses and a new address", () => {
    const setup = setUp(CONTROL);
    command(setup, hex("0000"), hex("00"));
    const tables = [hex("01000000 525400999999"), hex("02000000 01005e000001 01005e000002")] as const;
    assert.equal(command(setup, hex("0100"), ...tables), 0);
    assert.deepEqual(accepted(setup, ...EVERY), [...EVERY]);
    assert.equal(command(setup, hex("0100"), hex("00000000"), hex("00000000")), 0);
    assert.deepEqual(accepted(setup, ...EVERY), [SELF, ALL]);
    assert.equal(command(setup, hex("0101"), hex(OTHER)), 0);
    assert.deepEqual(accepted(setup, ...EVERY), [OTHER, ALL]);
    assert.deepEqual(setup.guest.brokenRules, []);
  });

  it("filters VLANs", () => {
    const setup = setUp(CONTROL);
    const tagged = (): boolean => {
      const before = setup.device.counters.filtered;
      setup.backend.port?.receive(joined(hex(SELF), hex("525500000001 8100 e123 88b5"), zeros(46)));
      return setup.device.counters.filtered === before;
    };
    command(setup, hex("0000"), hex("00"));
    assert.equal(tagged(), false);
    assert.equal(command(setup, hex("0200"), hex("2301")), 0);
    assert.equal(tagged(), true);
    assert.equal(command(setup, hex("0201"), hex("2301")), 0);
    assert.equal(tagged(), false);
    assert.deepEqual(setup.guest.brokenRules, []);
  });

  it("asks for an announcement until it is acknowledged", () => {
    const offered = CONTROL + features.VIRTIO_NET_F_STATUS + features.VIRTIO_NET_F_GUEST_ANNOUNCE;
    const setup = setUp(offered);
    setup.device.requestAnnouncement();
    assert.equal(setup.device.takeIsr(), 2);
    assert.equal(setup.device.readConfiguration(6), 3);
    assert.equal(setup.device.isAnnouncementDue, true);
    assert.equal(command(setup, hex("0300")), 0);
    assert.equal(setup.device.readConfiguration(6), 1);
    assert.equal(command(setup, hex("0300")), 1, "nobody has asked again");
    assert.deepEqual(setup.guest.brokenRules, []);
  });

  it("says what the driver has set", () => {
    const setup = setUp(CONTROL);
    assert.deepEqual(setup.device.filters, { modes: new Set(["promisc"]), table: new Set(), vlans: new Set() });
    command(setup, hex("0000"), hex("00"));
    command(setup, hex("0005"), hex("01"));
    command(setup, hex("0100"), hex("00000000"), hex("01000000 01005e000001"));
    command(setup, hex("0200"), hex("2301"));
    const set = { modes: new Set(["nobcast"]), table: new Set(["01:00:5e:00:00:01"]), vlans: new Set([0x123]) };
    assert.deepEqual(setup.device.filters, set);
    assert.equal(setUp(CONTROL - features.VIRTIO_NET_F_CTRL_VLAN).device.filters.vlans, "all");
  });

  it("answers as it is told to, or not at all, and then does nothing", () => {
    let answer: number | null | undefined = 1;
    const asked: string[] = [];
    const controlFaults = {
      answer: (commandClass: number, number: number) => {
        asked.push(`${commandClass}.${number}`);
        return answer;
      },
    };
    const setup = setUp(CONTROL, { controlFaults });
    assert.equal(command(setup, hex("0005"), hex("01")), 1);
    answer = 0xab;
    assert.equal(command(setup, hex("0001"), hex("01")), 0xab);
    assert.deepEqual([...setup.device.filters.modes], ["promisc"]);
    answer = undefined;
    assert.equal(command(setup, hex("0001"), hex("01")), 0);
    assert.deepEqual([...setup.device.filters.modes], ["promisc", "allmulti"]);
    answer = null;
    const { control } = setup;
    control?.post(read(hex("0001")), read(hex("00")), write(1));
    control?.kick();
    assert.deepEqual(control?.take(), []);
    assert.deepEqual(asked, ["0.5", "0.1", "0.1", "0.1"]);
    assert.deepEqual(setup.guest.brokenRules, []);
  });

  it("keeps the address in the configuration from a driver that has a command for it", () => {
    const setup = setUp(CONTROL + features.VIRTIO_NET_F_MAC);
    setup.device.writeConfiguration(0, 2, 1);
    assert.deepEqual(setup.guest.brokenRules, ["configuration-read-only"]);
    assert.equal(setup.device.mac, "52:54:00:12:34:56");
  });

  for (const [name, parts, rule] of [
    ["an unknown class", ["0900", "00"], "net-control-malformed"],
    ["an unknown command", ["0006", "00"], "net-control-malformed"],
    ["too much data", ["0000", "0000"], "net-control-malformed"],
    ["an address that is too short", ["0101", "5254001234"], "net-control-malformed"],
    [
      "a table that says it is longer than it is",
      ["0100", "02000000 525400999999", "00000000"],
      "net-control-malformed",
    ],
    ["a table that says it is endless", ["0100", "ffffffff", "00000000"], "net-control-malformed"],
    ["half a header", ["00"], "net-control-malformed"],
    ["a VLAN that does not exist", ["0200", "0010"], "net-control-malformed"],
    ["an announcement that was not negotiated", ["0300"], "net-control-not-negotiated"],
  ] as const) {
    it(`refuses ${name}`, () => {
      const setup = setUp(CONTROL + ANY);
      assert.equal(command(setup, ...parts.map(hex)), 1);
      assert.deepEqual(setup.guest.brokenRules, [rule]);
    });
  }

  describe("of coalescing [virtio-1.3 §5.1.6.5.10]", () => {
    const VERSION_1 = 2 ** 32;
    const BOTH = features.VIRTIO_NET_F_NOTF_COAL + features.VIRTIO_NET_F_VQ_NOTF_COAL;

    /** A modern card whose driver accepts these beside CTRL_VQ. */
    function modern(accepted: number): Setup {
      const all = features.VIRTIO_NET_F_CTRL_VQ + VERSION_1;
      return setUp(features.VIRTIO_NET_F_CTRL_VQ, { modernFeatures: VERSION_1 + BOTH, accepted: all + accepted });
    }

    it("remembers what the driver wants, until the reset", () => {
      const setup = modern(BOTH);
      assert.equal(command(setup, hex("0600"), hex("08000000 64000000")), 0);
      assert.equal(command(setup, hex("0601"), hex("09000000 65000000")), 0);
      assert.deepEqual(setup.device.coalescing.get(1), { maxPackets: 8, maxMicroseconds: 100 });
      assert.deepEqual(setup.device.coalescing.get(0), { maxPackets: 9, maxMicroseconds: 101 });
      assert.equal(command(setup, hex("0602"), hex("0100 0000 0a000000 66000000")), 0);
      assert.deepEqual(setup.device.coalescing.get(1), { maxPackets: 10, maxMicroseconds: 102 });
      assert.deepEqual(setup.guest.brokenRules, []);
      setup.device.setStatus(0);
      assert.equal(setup.device.coalescing.size, 0);
    });

    for (const [name, parts, rule, accepted] of [
      ["too little", ["0600", "08000000"], "net-control-malformed", BOTH],
      ["too much", ["0601", "0100 0000 0a000000 66000000"], "net-control-malformed", BOTH],
      ["a queue that cannot be", ["0602", "0200 0000 0a000000 66000000"], "net-control-malformed", BOTH],
      ["what is reserved", ["0602", "0100 0100 0a000000 66000000"], "net-control-malformed", BOTH],
      ["an unknown command", ["0604", "0a000000 66000000"], "net-control-malformed", BOTH],
      [
        "a direction without NOTF_COAL",
        ["0600", "0a000000 66000000"],
        "net-control-not-negotiated",
        features.VIRTIO_NET_F_VQ_NOTF_COAL,
      ],
      [
        "a queue without VQ_NOTF_COAL",
        ["0602", "0000 0000 0a000000 66000000"],
        "net-control-not-negotiated",
        features.VIRTIO_NET_F_NOTF_COAL,
      ],
    ] as const) {
      it(`refuses ${name}`, () => {
        const setup = modern(accepted);
        assert.equal(command(setup, ...parts.map(hex)), 1);
        assert.deepEqual(setup.guest.brokenRules, [rule]);
      });
    }
  });

  it("refuses what was not negotiated", () => {
    const setup = setUp(CONTROL, { accepted: 0 });
    assert.equal(command(setup, hex("0000"), hex("00")), 1);
    assert.deepEqual(setup.guest.brokenRules, ["net-control-not-negotiated"]);
  });

  it("refuses everything without CTRL_VQ", () => {
    const setup = setUp(CONTROL, { accepted: features.VIRTIO_NET_F_CTRL_RX });
    assert.equal(command(setup, hex("0000"), hex("00")), 1);
    assert.deepEqual(setup.guest.brokenRules, ["feature-dependency", "net-control-not-negotiated"]);
  });

  it("notices framing that needs ANY_LAYOUT", () => {
    for (const parts of [["000000"], ["00", "00", "00"], ["0100", "00000000 00000000"]]) {
      const setup = setUp(CONTROL);
      assert.equal(command(setup, ...parts.map(hex)), 0);
      assert.deepEqual(setup.guest.brokenRules, ["net-control-framing"]);
    }
  });
});
