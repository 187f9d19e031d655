/**
 * TCP and UDP frames whose checksums are left to a card, and a strict reader of what becomes of them on the wire: it sums
 * every checksum itself. [virtio-1.2 §5.1.6.2], [RFC 9293], [RFC 8200]
 */

import assert from "node:assert/strict";

export const NEEDS_CSUM = 1;
export const DATA_VALID = 2;
export const TCPV4 = 1;
export const UDP_FRAGMENTS = 3;
export const TCPV6 = 4;
export const UDP_DATAGRAMS = 5;
export const ECN = 0x80;

const ETHERNET_BYTES = 14;
const TCP_BYTES = 20;
const UDP_BYTES = 8;
const TCP = 6;
const UDP = 17;
const ACK_AND_PSH = 0x18;
const MORE_FRAGMENTS = 0x2000;

export type Version = 4 | 6;

/** A frame to be finished by the card, and the fields that say so, but for the segmentation. */
export interface LeftFrame {
  readonly bytes: Uint8Array;
  readonly fields: { flags: number; hdr_len: number; csum_start: number; csum_offset: number };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The sum of 16-bit words, end-around carry included. All parts but the last have an even number of bytes. */
function sum(...parts: readonly Uint8Array[]): number {
  let total = 0;
  for (const bytes of parts) {
    for (let index = 0; index < bytes.length; index += 2) total += (bytes[index] ?? 0) * 256 + (bytes[index + 1] ?? 0);
  }
  while (total > 0xffff) total = (total % 0x1_0000) + Math.floor(total / 0x1_0000);
  return total;
}

function ipBytes(version: Version): number {
  return version === 4 ? 20 : 40;
}

function pseudoHeader(frame: Uint8Array, version: Version, protocol: number, bytes: number): Uint8Array {
  const start = ETHERNET_BYTES + (version === 4 ? 12 : 8);
  const addresses = frame.subarray(start, start + (version === 4 ? 8 : 32));
  const lengths = new Uint8Array(8);
  viewOf(lengths).setUint32(0, bytes);
  viewOf(lengths).setUint32(4, protocol);
  return Uint8Array.from([...addresses, ...lengths]);
}

/** Ethernet and IP headers before `bytes` bytes of a protocol, to everybody. */
function headers(version: Version, protocol: number, bytes: number): Uint8Array {
  const made = new Uint8Array(ETHERNET_BYTES + ipBytes(version));
  const view = viewOf(made);
  made.fill(0xff, 0, 6);
  made.set([0x52, 0x54, 0, 0, 0, 1], 6);
  view.setUint16(12, version === 4 ? 0x0800 : 0x86dd);
  const ip = ETHERNET_BYTES;
  view.setUint8(ip, version === 4 ? 0x45 : 0x60);
  if (version === 6) {
    view.setUint16(ip + 4, bytes);
    made.set([protocol, 64, 0xfe, 0x80], ip + 6);
    made.set([0xfe, 0x80], ip + 24);
    made.set([1], ip + 23);
    made.set([2], ip + 39);
    return made;
  }
  view.setUint16(ip + 2, ipBytes(4) + bytes);
  made.set([64, protocol, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2], ip + 8);
  view.setUint16(ip + 10, sum(made.subarray(ip)) ^ 0xffff);
  return made;
}

function leave(version: Version, protocol: number, transport: Uint8Array, header: number, offset: number): LeftFrame {
  const before = headers(version, protocol, transport.length);
  const bytes = new Uint8Array(before.length + transport.length);
  bytes.set(before);
  bytes.set(transport, before.length);
  const seed = sum(pseudoHeader(bytes, version, protocol, transport.length));
  viewOf(bytes).setUint16(before.length + offset, seed);
  const fields = {
    flags: NEEDS_CSUM,
    hdr_len: before.length + header,
    csum_start: before.length,
    csum_offset: offset,
  };
  return { bytes, fields };
}

/** A TCP packet with that payload, from sequence number `sequence` on. */
export function tcp(version: Version, payload: Uint8Array, sequence = 0): LeftFrame {
  const transport = new Uint8Array(TCP_BYTES + payload.length);
  const view = viewOf(transport);
  view.setUint16(0, 4660);
  view.setUint16(2, 80);
  view.setUint32(4, sequence);
  view.setUint8(12, (TCP_BYTES / 4) << 4);
  view.setUint8(13, ACK_AND_PSH);
  transport.set(payload, TCP_BYTES);
  return leave(version, TCP, transport, TCP_BYTES, 16);
}

/** A UDP datagram with that payload. */
export function udp(version: Version, payload: Uint8Array): LeftFrame {
  const transport = new Uint8Array(UDP_BYTES + payload.length);
  const view = viewOf(transport);
  view.setUint16(0, 4660);
  view.setUint16(2, 7);
  view.setUint16(4, transport.length);
  transport.set(payload, UDP_BYTES);
  return leave(version, UDP, transport, UDP_BYTES, 6);
}

/** Checks a frame from the wire: its lengths and checksums. Returns what its IP packet carries. */
function carried(frame: Uint8Array, version: Version): Uint8Array {
  const view = viewOf(frame);
  const start = ETHERNET_BYTES + ipBytes(version);
  assert.equal(view.getUint16(12), version === 4 ? 0x0800 : 0x86dd);
  if (version === 4) assert.equal(sum(frame.subarray(ETHERNET_BYTES, start)), 0xffff, "checksum of the IP header");
  const packet = version === 4 ? view.getUint16(16) - ipBytes(4) : view.getUint16(18);
  assert.equal(packet, frame.length - start, "length in the IP header");
  return frame.subarray(start);
}

function assertChecksum(frame: Uint8Array, version: Version, protocol: number, transport: Uint8Array): void {
  assert.equal(sum(pseudoHeader(frame, version, protocol, transport.length), transport), 0xffff, "checksum");
}

/** The stream in TCP frames from the wire, which must follow each other; `sizes` gets the payload of each. */
export function readTcp(
  frames: readonly Uint8Array[],
  version: Version,
  sequence = 0,
  sizes: number[] = [],
): Uint8Array {
  const stream: Uint8Array[] = [];
  let bytes = 0;
  frames.forEach((frame, index) => {
    const transport = carried(frame, version);
    assertChecksum(frame, version, TCP, transport);
    const view = viewOf(transport);
    assert.equal(view.getUint32(4), (sequence + bytes) % 2 ** 32, "sequence number");
    assert.equal((view.getUint8(13) & 8) !== 0, index === frames.length - 1, "PSH in the last one alone");
    const payload = transport.subarray(TCP_BYTES);
    stream.push(payload);
    bytes += payload.length;
    sizes.push(payload.length);
  });
  return new Uint8Array(Buffer.concat(stream));
}

/** The payload of a UDP datagram from the wire, in one frame or several fragments in order. */
export function readUdp(frames: readonly Uint8Array[], version: Version): Uint8Array {
  const [first] = frames;
  assert.ok(first !== undefined);
  const datagram: Uint8Array[] = [];
  let bytes = 0;
  frames.forEach((frame, index) => {
    let piece = carried(frame, version);
    const isLast = index === frames.length - 1;
    if (version === 4) {
      const expected = (isLast ? 0 : MORE_FRAGMENTS) | (bytes / 8);
      assert.equal(viewOf(frame).getUint16(20), expected, "place of the fragment");
    } else if (frames.length > 1) {
      assert.equal(viewOf(piece).getUint16(2), bytes | (isLast ? 0 : 1), "place of the fragment");
      piece = piece.subarray(8);
    }
    datagram.push(piece);
    bytes += piece.length;
  });
  const whole = new Uint8Array(Buffer.concat(datagram));
  assertChecksum(first, version, UDP, whole);
  assert.equal(viewOf(whole).getUint16(4), whole.length, "length in the UDP header");
  return whole.subarray(UDP_BYTES);
}
