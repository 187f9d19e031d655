/** Checksums, segments and fragments as the emulated card makes them, against frames computed by other means. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hasRightChecksum } from "../../../kernel-shim/emulated-pc/net/offloads/checksum.js";
import { finish } from "../../../kernel-shim/emulated-pc/net/offloads/finish.js";
import type { Todo } from "../../../kernel-shim/emulated-pc/net/offloads/unfinished.js";
import { hex, withByte, withFlippedBit } from "./bytes.js";

const TCPV4 = 1;
const UDP = 3;
const TCPV6 = 4;
const UDP_L4 = 5;
const ECN = 0x80;

const MAC_ADDRESSES = "525400000002 525400000001";
const IPV6_ADDRESSES = "fe800000000000000000000000000001 fe800000000000000000000000000002";
const PAYLOAD = "0102030405060708 090a0b0c0d0e0f10 1112131415";

/** TCP with CWR, ACK, PSH and FIN; sequence number and identification are about to wrap. */
const TCP4 = `${MAC_ADDRESSES} 0800 4500003dfffe4000400622ac0a00020f0a000202
  12340050 fffffffc 01020304 5099ffff 18400000 ${PAYLOAD}`;
const TCP4_SEGMENTS = [
  `${MAC_ADDRESSES} 0800 45000030fffe4000400622b90a00020f0a000202
    12340050 fffffffc 01020304 5090ffff 70a10000 0102030405060708`,
  `${MAC_ADDRESSES} 0800 45000030ffff4000400622b80a00020f0a000202
    12340050 00000004 01020304 5010ffff 50fa0000 090a0b0c0d0e0f10`,
  `${MAC_ADDRESSES} 0800 4500002d00004000400622bb0a00020f0a000202
    12340050 0000000c 01020304 5019ffff 47fa0000 1112131415`,
];
const TCP6 = `${MAC_ADDRESSES} 86dd 6000000000290640 ${IPV6_ADDRESSES}
  12340050 000003e8 01020304 5018ffff fd330000 ${PAYLOAD}`;
const TCP6_SEGMENTS = [
  `${MAC_ADDRESSES} 86dd 6000000000240640 ${IPV6_ADDRESSES}
    12340050 000003e8 01020304 5010ffff 58060000 0102030405060708 090a0b0c0d0e0f10`,
  `${MAC_ADDRESSES} 86dd 6000000000190640 ${IPV6_ADDRESSES}
    12340050 000003f8 01020304 5018ffff 5f1b0000 1112131415`,
];
const UDP4 = `${MAC_ADDRESSES} 0800 4500003100074000401122a50a00020f0a000202 12340007001d183f ${PAYLOAD}`;
const UDP4_WHOLE = `${MAC_ADDRESSES} 0800 4500003100074000401122a50a00020f0a000202 12340007001d5bfa ${PAYLOAD}`;
const UDP4_DATAGRAMS = [
  `${MAC_ADDRESSES} 0800 4500002800074000401122ae0a00020f0a000202 123400070014b150 0102030405060708090a0b0c`,
  `${MAC_ADDRESSES} 0800 4500002500084000401122b00a00020f0a000202 123400070011803c 0d0e0f101112131415`,
];
const UDP4_FRAGMENTS = [
  `${MAC_ADDRESSES} 0800 4500002400072000401142b20a00020f0a000202 12340007001d5bfa 0102030405060708`,
  `${MAC_ADDRESSES} 0800 4500002100070002401162b30a00020f0a000202 090a0b0c0d0e0f10 1112131415`,
];
const UDP6 = `${MAC_ADDRESSES} 86dd 60000000001d1140 ${IPV6_ADDRESSES} 12340007001dfd32 ${PAYLOAD}`;
const UDP6_WHOLE = `${MAC_ADDRESSES} 86dd 60000000001d1140 ${IPV6_ADDRESSES} 12340007001d7706 ${PAYLOAD}`;
const UDP6_FRAGMENTS = [
  `${MAC_ADDRESSES} 86dd 6000000000182c40 ${IPV6_ADDRESSES} 1100000100007706 12340007001d7706 0102030405060708`,
  `${MAC_ADDRESSES} 86dd 6000000000152c40 ${IPV6_ADDRESSES} 1100001000007706 090a0b0c0d0e0f10 1112131415`,
];

function todo(gsoType: number, gsoSize: number, csumStart: number, csumOffset: number): Todo {
  return { gsoType, gsoSize, hdrLen: 0, csumStart, csumOffset };
}

/** The frames on the wire, in hexadecimal digits; the frame given stays as it is. */
function finished(bytes: Uint8Array, wanted: Todo): string[] {
  const before = bytes.slice();
  const frames = finish({ bytes, todo: wanted });
  assert.deepEqual(bytes, before);
  return frames.map((frame) => Buffer.from(frame).toString("hex"));
}

function plain(texts: readonly string[]): string[] {
  return texts.map((text) => Buffer.from(hex(text)).toString("hex"));
}

/** The same frame with a VLAN tag. */
function tagged(frame: Uint8Array): Uint8Array {
  return Uint8Array.from([...frame.subarray(0, 12), ...hex("8100 0005"), ...frame.subarray(12)]);
}

describe("a checksum", () => {
  it("is filled in", () => {
    assert.deepEqual(finished(hex(UDP4), todo(0, 0, 34, 6)), plain([UDP4_WHOLE]));
    assert.deepEqual(finished(hex(UDP6), todo(0, 0, 54, 6)), plain([UDP6_WHOLE]));
  });

  it("that would be 0 is 0xffff, since 0 says that there is none [RFC 768]", () => {
    const headers = `${MAC_ADDRESSES} 0800 4500001e00074000401122b80a00020f0a000202`;
    assert.deepEqual(finished(hex(`${headers} 12340007000a182c d58e`), todo(0, 0, 34, 6)), [
      ...plain([`${headers} 12340007000affff d58e`]),
    ]);
  });

  it("covers an odd byte at the end, and whatever stands in its place before", () => {
    const frame = finish({ bytes: hex(`${MAC_ADDRESSES} 88b5 0102 0304 05`), todo: todo(0, 0, 14, 2) })[0];
    // 0x0102 + 0x0304 + 0x0500 is 0x0906.
    assert.deepEqual(frame?.subarray(14), hex("0102 f6f9 05"));
  });

  it("is verified", () => {
    for (const right of [...TCP4_SEGMENTS, ...TCP6_SEGMENTS, ...UDP4_DATAGRAMS, UDP4_WHOLE, UDP6_WHOLE]) {
      const frame = hex(right);
      assert.equal(hasRightChecksum(frame), true);
      assert.equal(hasRightChecksum(tagged(frame)), true);
      assert.equal(hasRightChecksum(Uint8Array.from([...frame, 1, 2, 3])), true, "padding");
      assert.equal(hasRightChecksum(withFlippedBit(frame, frame.length - 1)), false);
      assert.equal(hasRightChecksum(withFlippedBit(frame, 30)), false, "an address");
    }
  });

  it("is not there to be verified in fragments, in other protocols, or where it is 0", () => {
    for (const none of [...UDP4_FRAGMENTS, ...UDP6_FRAGMENTS, `${MAC_ADDRESSES} 0806 0001`, MAC_ADDRESSES]) {
      assert.equal(hasRightChecksum(hex(none)), false);
    }
    const without = withByte(withByte(hex(UDP4_WHOLE), 40, 0), 41, 0);
    assert.equal(hasRightChecksum(without), false);
    assert.equal(hasRightChecksum(hex(UDP4_WHOLE).subarray(0, 39)), false);
  });
});

describe("a large frame", () => {
  it("of TCP over IPv4 becomes segments", () => {
    assert.deepEqual(finished(hex(TCP4), todo(TCPV4, 8, 34, 16)), plain(TCP4_SEGMENTS));
    assert.deepEqual(finished(hex(TCP4), todo(TCPV4 + ECN, 8, 34, 16)), plain(TCP4_SEGMENTS));
  });

  it("of TCP over IPv6 becomes segments", () => {
    assert.deepEqual(finished(hex(TCP6), todo(TCPV6, 16, 54, 16)), plain(TCP6_SEGMENTS));
  });

  it("of UDP becomes datagrams", () => {
    assert.deepEqual(finished(hex(UDP4), todo(UDP_L4, 12, 34, 6)), plain(UDP4_DATAGRAMS));
  });

  it("of UDP becomes fragments of IP, of a multiple of eight bytes each", () => {
    for (const size of [16, 20, 23]) {
      assert.deepEqual(finished(hex(UDP4), todo(UDP, size, 34, 6)), plain(UDP4_FRAGMENTS));
      assert.deepEqual(finished(hex(UDP6), todo(UDP, size, 54, 6)), plain(UDP6_FRAGMENTS));
    }
    assert.equal(finished(hex(UDP4), todo(UDP, 1, 34, 6)).length, 4);
  });

  it("that one frame can carry stays one", () => {
    assert.deepEqual(finished(hex(UDP4), todo(UDP, 32, 34, 6)), plain([UDP4_WHOLE]));
    assert.deepEqual(finished(hex(UDP4), todo(UDP_L4, 21, 34, 6)), plain([UDP4_WHOLE]));
    const [only = "", ...others] = finished(hex(TCP4), todo(TCPV4, 21, 34, 16));
    assert.equal(others.length, 0);
    assert.equal(hasRightChecksum(hex(only)), true);
  });

  it("keeps its VLAN tag in each of them", () => {
    const expected = TCP4_SEGMENTS.map((text) => Buffer.from(tagged(hex(text))).toString("hex"));
    assert.deepEqual(finished(tagged(hex(TCP4)), todo(TCPV4, 8, 38, 16)), expected);
  });

  it("has headers as long as its options and extensions make them", () => {
    // IPv4 with four bytes of options, TCP with four of its own.
    const options = `${MAC_ADDRESSES} 0800 4600 0041 0001 4000 40060000 0a00020f 0a000202 01010100
      12340050 00000001 01020304 6018ffff 18400000 01010100 ${PAYLOAD}`;
    const segments = finish({ bytes: hex(options), todo: todo(TCPV4, 20, 38, 16) });
    assert.deepEqual(
      segments.map((frame) => frame.length),
      [82, 63],
    );
    // IPv6 with hop-by-hop options.
    const extended = `${MAC_ADDRESSES} 86dd 6000000000310040 ${IPV6_ADDRESSES} 0600010400000000
      12340050 000003e8 01020304 5018ffff fd330000 ${PAYLOAD}`;
    const longer = finish({ bytes: hex(extended), todo: todo(TCPV6, 20, 62, 16) });
    assert.deepEqual(
      longer.map((frame) => frame.length),
      [102, 83],
    );
    for (const frame of longer) assert.equal(hasRightChecksum(frame), true);
  });

  it("that is not what it says becomes nothing", () => {
    const wrong: readonly (readonly [string, Todo])[] = [
      [TCP4, todo(TCPV6, 8, 34, 16)],
      [TCP6, todo(TCPV4, 8, 54, 16)],
      [TCP4, todo(UDP_L4, 8, 34, 16)],
      [TCP4, todo(UDP, 8, 34, 16)],
      [UDP4, todo(TCPV4, 8, 34, 6)],
      [TCP4, todo(TCPV4, 8, 35, 16)],
      [UDP4, todo(UDP_L4, 8, 33, 6)],
      [UDP4, todo(UDP, 8, 33, 6)],
      [TCP4, todo(2, 8, 34, 16)],
      [TCP4.slice(0, 110), todo(TCPV4, 8, 34, 16)],
      [UDP4_FRAGMENTS[0] ?? "", todo(UDP, 8, 34, 6)],
      [`${MAC_ADDRESSES} 0806 0001`, todo(TCPV4, 8, 14, 0)],
      [MAC_ADDRESSES, todo(TCPV4, 8, 8, 0)],
    ];
    for (const [text, wanted] of wrong) assert.deepEqual(finished(hex(text), wanted), [], JSON.stringify(wanted));
    // TCP that says its header is shorter than one can be, or longer than the frame.
    for (const length of [0x40, 0xf0]) {
      assert.deepEqual(finished(withByte(hex(TCP4), 46, length), todo(TCPV4, 8, 34, 16)), []);
    }
  });
});
