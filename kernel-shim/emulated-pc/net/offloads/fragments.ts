/** Cuts a large UDP datagram into fragments of IP [RFC 791 §3.2], [RFC 8200 §4.5]. [virtio-1.2 §5.1.6.2] */
import { fillChecksum } from "./checksum.js";
import { findPacket, UDP, viewOf, type PacketPlaces } from "./packet.js";
import { setLength } from "./segments.js";
import type { UnfinishedFrame } from "./unfinished.js";

const UDP_CHECKSUM = 6;
/** Fragments begin at multiples of it. */
const UNIT = 8;
const MORE_FRAGMENTS = 0x2000;
const IPV6_FRAGMENT = 44;
const IPV6_FRAGMENT_BYTES = 8;
const IPV6_NEXT_HEADER = 6;
const IPV6_HEADER_BYTES = 40;

/** Null if the frame is no UDP datagram whose header begins at csum_start, or has extension headers. */
export function fragmentUdp({ bytes, todo }: UnfinishedFrame): Uint8Array[] | null {
  const places = findPacket(bytes);
  if (places?.protocol !== UDP || places.transport !== todo.csumStart) return null;
  if (places.version === 6 && places.transport !== places.network + IPV6_HEADER_BYTES) return null;
  const whole = bytes.slice();
  fillChecksum(whole, todo.csumStart, todo.csumOffset);
  const size = Math.max(UNIT, todo.gsoSize - (todo.gsoSize % UNIT));
  const payload = whole.subarray(places.transport);
  if (payload.length <= size) return [whole];
  const fragments: Uint8Array[] = [];
  for (let offset = 0; offset < payload.length; offset += size) {
    const piece = payload.subarray(offset, offset + size);
    const isLast = offset + size >= payload.length;
    fragments.push(fragmentOf(whole, places, piece, offset, isLast));
  }
  return fragments;
}

/** One fragment of a packet: the headers up to IP's, and a piece of what it carries. */
function fragmentOf(
  whole: Uint8Array,
  places: PacketPlaces,
  piece: Uint8Array,
  offset: number,
  isLast: boolean,
): Uint8Array {
  const { version, network, transport } = places;
  const headerBytes = transport + (version === 6 ? IPV6_FRAGMENT_BYTES : 0);
  const frame = new Uint8Array(headerBytes + piece.length);
  frame.set(whole.subarray(0, transport));
  frame.set(piece, headerBytes);
  const view = viewOf(frame);
  if (version === 4) {
    view.setUint16(network + 6, (isLast ? 0 : MORE_FRAGMENTS) | (offset / UNIT));
  } else {
    view.setUint8(transport, view.getUint8(network + IPV6_NEXT_HEADER));
    view.setUint8(network + IPV6_NEXT_HEADER, IPV6_FRAGMENT);
    view.setUint16(transport + 2, offset | (isLast ? 0 : 1));
    // The identification: the same in all fragments of a datagram, and in few others.
    view.setUint32(transport + 4, viewOf(whole).getUint16(transport + UDP_CHECKSUM));
  }
  setLength(frame, places, 0);
  return frame;
}
