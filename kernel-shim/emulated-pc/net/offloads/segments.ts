/** Cuts a large frame into frames with headers of their own: TCP segments, or UDP datagrams. [virtio-1.2 §5.1.6.2] */
import { internetChecksum } from "../../../network/checksum.js";
import { adjustSum, fillChecksum } from "./checksum.js";
import { findPacket, TCP, UDP, viewOf, type PacketPlaces } from "./packet.js";
import type { Todo, UnfinishedFrame } from "./unfinished.js";

const TCP_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const TCP_SEQUENCE = 4;
const TCP_DATA_OFFSET = 12;
const TCP_FLAGS = 13;
const UDP_LENGTH = 4;
const FIN = 0x01;
const PSH = 0x08;
const CWR = 0x80;

/** One of the frames to be made. */
interface Segment {
  readonly frame: Uint8Array;
  /** Where its payload was in that of the large frame. */
  readonly offset: number;
  readonly index: number;
  readonly isLast: boolean;
}

/** TCP segments, or null if the frame is no TCP packet of that version whose header begins at csum_start. */
export function cutTcp({ bytes, todo }: UnfinishedFrame, version: 4 | 6): Uint8Array[] | null {
  const places = findLarge(bytes, todo, TCP);
  if (places?.version !== version || places.transport + TCP_HEADER_BYTES > bytes.length) return null;
  const { transport } = places;
  const view = viewOf(bytes);
  const payload = transport + (view.getUint8(transport + TCP_DATA_OFFSET) >> 4) * 4;
  if (payload < transport + TCP_HEADER_BYTES || payload > bytes.length) return null;
  return cut(bytes, payload, todo.gsoSize).map((segment) => {
    const { frame, offset, index, isLast } = segment;
    const segmentView = viewOf(frame);
    segmentView.setUint32(transport + TCP_SEQUENCE, view.getUint32(transport + TCP_SEQUENCE) + offset);
    // The end of the stream is in the last one; that congestion was noticed is said once.
    const removed = (isLast ? 0 : FIN | PSH) | (index === 0 ? 0 : CWR);
    segmentView.setUint8(transport + TCP_FLAGS, view.getUint8(transport + TCP_FLAGS) & ~removed);
    return complete(bytes, segment, places, todo);
  });
}

/** UDP datagrams, or null if the frame is none whose header begins at csum_start. */
export function cutUdp({ bytes, todo }: UnfinishedFrame): Uint8Array[] | null {
  const places = findLarge(bytes, todo, UDP);
  if (places === null || places.transport + UDP_HEADER_BYTES > bytes.length) return null;
  const { transport } = places;
  return cut(bytes, transport + UDP_HEADER_BYTES, todo.gsoSize).map((segment) => {
    const { frame } = segment;
    viewOf(frame).setUint16(transport + UDP_LENGTH, frame.length - transport);
    return complete(bytes, segment, places, todo);
  });
}

function findLarge(frame: Uint8Array, { csumStart }: Todo, protocol: number): PacketPlaces | null {
  const places = findPacket(frame);
  return places?.protocol === protocol && places.transport === csumStart ? places : null;
}

/** Cuts what is behind the headers into pieces of `size` bytes, each behind a copy of the headers. */
function cut(frame: Uint8Array, payload: number, size: number): Segment[] {
  const bytes = frame.length - payload;
  const count = Math.max(1, Math.ceil(bytes / size));
  return Array.from({ length: count }, (_, index) => {
    const offset = index * size;
    const piece = frame.subarray(payload + offset, Math.min(payload + offset + size, frame.length));
    const segment = new Uint8Array(payload + piece.length);
    segment.set(frame.subarray(0, payload));
    segment.set(piece, payload);
    return { frame: segment, offset, index, isLast: index === count - 1 };
  });
}

/** Lengths, identification and checksums of one of the frames. */
function complete(large: Uint8Array, { frame, index }: Segment, places: PacketPlaces, todo: Todo): Uint8Array {
  setLength(frame, places, index);
  const { csumStart, csumOffset } = todo;
  adjustSum(frame, csumStart + csumOffset, large.length - csumStart, frame.length - csumStart);
  fillChecksum(frame, csumStart, csumOffset);
  return frame;
}

/** The packet ends with the frame. @param index added to the identification of IPv4 */
export function setLength(frame: Uint8Array, { version, network, transport }: PacketPlaces, index: number): void {
  const view = viewOf(frame);
  if (version === 6) {
    view.setUint16(network + 4, frame.length - network - 40);
    return;
  }
  view.setUint16(network + 2, frame.length - network);
  view.setUint16(network + 4, view.getUint16(network + 4) + index);
  view.setUint16(network + 10, 0);
  view.setUint16(network + 10, internetChecksum(frame.subarray(network, transport)));
}
