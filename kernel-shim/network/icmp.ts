/** ICMP echo request and reply, the messages of `ping` [RFC 792, "Echo or Echo Reply Message"]. */
import { internetChecksum } from "./checksum.js";

export const ICMP_ECHO_HEADER_BYTES = 8;

export const IcmpType = { ECHO_REPLY: 0, ECHO_REQUEST: 8 } as const;
export type IcmpEchoType = (typeof IcmpType)[keyof typeof IcmpType];

export interface IcmpEcho {
  type: IcmpEchoType;
  /** Tells one pinger's replies from another's; 16 bits. */
  identifier: number;
  /** Tells one pinger's requests apart; 16 bits. */
  sequence: number;
  payload: Uint8Array;
}

export function encodeIcmpEcho(message: IcmpEcho): Uint8Array {
  const bytes = new Uint8Array(ICMP_ECHO_HEADER_BYTES + message.payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, message.type);
  view.setUint16(4, message.identifier);
  view.setUint16(6, message.sequence);
  bytes.set(message.payload, ICMP_ECHO_HEADER_BYTES);
  view.setUint16(2, internetChecksum(bytes));
  return bytes;
}

/** Null if the message is too short, no echo, has a code other than 0, or its checksum is wrong. */
export function decodeIcmpEcho(bytes: Uint8Array): IcmpEcho | null {
  if (bytes.length < ICMP_ECHO_HEADER_BYTES || internetChecksum(bytes) !== 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint8(0);
  if ((type !== IcmpType.ECHO_REQUEST && type !== IcmpType.ECHO_REPLY) || view.getUint8(1) !== 0) return null;
  return {
    type,
    identifier: view.getUint16(4),
    sequence: view.getUint16(6),
    payload: bytes.subarray(ICMP_ECHO_HEADER_BYTES),
  };
}
