/** Hub, link and capture file. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { UnpluggedBackend, deliver, type NetworkPort } from "../../../kernel-shim/emulated-pc/net/backend.js";
import { CaptureBackend } from "../../../kernel-shim/emulated-pc/net/capture.js";
import { Hub, type Passage } from "../../../kernel-shim/emulated-pc/net/hub.js";
import { createLink } from "../../../kernel-shim/emulated-pc/net/link.js";
import { VirtualTime } from "../../../kernel-shim/emulated-pc/time.js";
import { PcapWriter } from "../../../kernel-shim/network/pcap.js";
import { hex } from "./bytes.js";
import { TestPort, arrivedWithinSecond } from "./port.js";

describe("hub", () => {
  it("carries a frame to all sockets but its own, after the latency", () => {
    const hub = new Hub({ latency: 700 });
    const time = new VirtualTime();
    const ports = [0, 1, 2].map(() => new TestPort(hub.socket(), time));
    ports[1]?.send(hex("0102"));
    time.advanceTo(699);
    assert.deepEqual(
      ports.map(({ arrived }) => arrived.length),
      [0, 0, 0],
    );
    time.advanceTo(700);
    assert.deepEqual(
      ports.map(({ arrived }) => arrived),
      [[hex("0102")], [], [hex("0102")]],
    );
    assert.deepEqual(hub.counters, { sent: 1, delivered: 2, lost: 0 });
  });

  it("carries frames at once without latency", () => {
    const { ends, hub } = createLink({ latency: 0 });
    const [first, second] = ends.map((end) => new TestPort(end));
    first?.send(hex("01"));
    assert.deepEqual(second?.arrived, [hex("01")]);
    assert.equal(hub.counters.delivered, 1);
  });

  it("loses what a test says, and what has nowhere to go", () => {
    const passages: Passage[] = [];
    const hub = new Hub({
      loses: (passage) => {
        passages.push(passage);
        return passage.to === 2;
      },
    });
    const time = new VirtualTime();
    const [first, second, third] = [0, 1, 2].map(() => new TestPort(hub.socket(), time));
    hub.socket();
    first?.send(hex("aa"));
    time.advanceTo(1_000_000);
    assert.deepEqual([second?.arrived, third?.arrived], [[hex("aa")], []]);
    assert.deepEqual(hub.counters, { sent: 1, delivered: 1, lost: 2 });
    assert.deepEqual(passages, [
      { from: 0, to: 1, frame: hex("aa") },
      { from: 0, to: 2, frame: hex("aa") },
    ]);
  });

  it("takes the link of all its ports down and up", () => {
    const hub = new Hub();
    const ports = [0, 1].map(() => new TestPort(hub.socket()));
    hub.setPower(false);
    assert.deepEqual(
      ports.map(({ isLinkUp }) => isLinkUp),
      [false, false],
    );
    hub.setPower(true);
    assert.equal(ports[0]?.isLinkUp, true);
  });

  it("joins machines whose times differ: a frame arrives in the receiver's", () => {
    const { ends } = createLink({ latency: 500 });
    const [first, second] = ends.map((end) => new TestPort(end));
    assert.ok(first && second);
    first.time.advanceTo(1_000_000);
    first.send(hex("01"));
    second.time.advanceTo(499);
    assert.deepEqual(second.arrived, []);
    second.time.advanceTo(500);
    assert.deepEqual(second.arrived, [hex("01")]);
  });
});

describe("a port", () => {
  it("gets nothing while its device is in no machine", () => {
    const port: NetworkPort = { time: null, receive: () => assert.fail("received"), setLink: () => {} };
    assert.equal(deliver(port, hex("01"), 0), false);
    assert.equal(deliver(port, hex("01"), 10), false);
  });

  it("may be plugged into nothing", () => {
    const backend = new UnpluggedBackend();
    const port = new TestPort(backend);
    port.send(hex("01"));
    assert.equal(backend.frames, 1);
    assert.deepEqual(arrivedWithinSecond(port), []);
  });
});

describe("capture file", () => {
  const folder = mkdtempSync(join(tmpdir(), "capture-"));
  after(() => rmSync(folder, { recursive: true }));

  /** Reads a little-endian nanosecond pcap file as its format description says, and checks every fixed field. */
  function readCapture(path: string): { seconds: number; nanoseconds: number; original: number; frame: Uint8Array }[] {
    const bytes = readFileSync(path);
    assert.deepEqual(
      Uint8Array.from(bytes.subarray(0, 24)),
      hex("4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000"),
    );
    const records = [];
    let offset = 24;
    while (offset < bytes.length) {
      const kept = bytes.readUInt32LE(offset + 8);
      records.push({
        seconds: bytes.readUInt32LE(offset),
        nanoseconds: bytes.readUInt32LE(offset + 4),
        original: bytes.readUInt32LE(offset + 12),
        frame: Uint8Array.from(bytes.subarray(offset + 16, offset + 16 + kept)),
      });
      offset += 16 + kept;
    }
    assert.equal(offset, bytes.length);
    return records;
  }

  it("has both directions in it, with their times, before it is closed", () => {
    const path = join(folder, "both.pcap");
    const { ends } = createLink({ latency: 1_000 });
    const capture = new CaptureBackend(path, ends[0]);
    const time = new VirtualTime();
    const port = new TestPort(capture, time);
    const peer = new TestPort(ends[1], time);
    time.advanceTo(3_000_000_007);
    port.send(hex("010203"));
    time.advanceTo(3_000_001_007);
    peer.send(hex("0a0b"));
    time.advanceTo(4_000_000_000);
    assert.deepEqual(peer.arrived, [hex("010203")]);
    assert.deepEqual(port.arrived, [hex("0a0b")]);
    assert.deepEqual(readCapture(path), [
      { seconds: 3, nanoseconds: 7, original: 3, frame: hex("010203") },
      { seconds: 3, nanoseconds: 2_007, original: 2, frame: hex("0a0b") },
    ]);
    assert.equal(capture.frames, 2);
    capture.close();
    capture.close();
    assert.throws(() => port.send(hex("01")), /closed/);
  });

  it("passes the link on, and closes what it captures from", () => {
    let closed = 0;
    let inner: NetworkPort | null = null;
    const capture = new CaptureBackend(join(folder, "link.pcap"), {
      attach: (port) => (inner = port),
      send: () => {},
      close: () => (closed += 1),
    });
    const port = new TestPort(capture);
    (inner as NetworkPort | null)?.setLink(false);
    assert.equal(port.isLinkUp, false);
    capture.close();
    assert.equal(closed, 1);
  });

  it("keeps the beginning of a frame that is too long", () => {
    const path = join(folder, "long.pcap");
    const writer = new PcapWriter(path);
    writer.write(new Uint8Array(262_145).fill(7), 1.5e9);
    writer.close();
    const [record] = readCapture(path);
    assert.deepEqual([record?.seconds, record?.nanoseconds], [1, 500_000_000]);
    assert.deepEqual([record?.original, record?.frame.length], [262_145, 262_144]);
  });

  it("cannot be written where there is no folder", () => {
    assert.throws(() => new CaptureBackend(join(folder, "no", "where.pcap"), new UnpluggedBackend()), /ENOENT/);
  });
});
