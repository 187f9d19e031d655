/**
 * Ethernet II frames as a network device takes and gives them: without preamble and frame check sequence
 * [RFC 894], [IEEE 802.3 §3].
 */
import { MAC_ADDRESS_BYTES, macFromBytes, macToBytes, type MacAddress } from "./addresses.js";

export const ETHERNET_HEADER_BYTES = 14;
/** The shortest frame on a wire, check sequence not counted; senders pad. */
export const ETHERNET_MINIMUM_BYTES = 60;
/** The most that a frame's payload holds on an ordinary network. */
export const ETHERNET_MTU = 1500;

export const EtherType = { IPV4: 0x0800, ARP: 0x0806 } as const;
/** Smaller values of the type field are lengths, of another kind of frame. */
const SMALLEST_ETHER_TYPE = 0x0600;

export interface EthernetFrame {
  destination: MacAddress;
  source: MacAddress;
  /** One of `EtherType`, or any other from 0x600 on. */
  type: number;
  /** Decoded, it may end in padding: the protocol inside knows its own length. */
  payload: Uint8Array;
}

/** The bytes of a frame, padded with zeros to `ETHERNET_MINIMUM_BYTES`. */
export function encodeEthernet(frame: EthernetFrame): Uint8Array {
  const bytes = new Uint8Array(Math.max(ETHERNET_HEADER_BYTES + frame.payload.length, ETHERNET_MINIMUM_BYTES));
  bytes.set(macToBytes(frame.destination), 0);
  bytes.set(macToBytes(frame.source), MAC_ADDRESS_BYTES);
  new DataView(bytes.buffer).setUint16(2 * MAC_ADDRESS_BYTES, frame.type);
  bytes.set(frame.payload, ETHERNET_HEADER_BYTES);
  return bytes;
}

/**
 * Takes a frame apart; `payload` is a view of `bytes`. Null if it is too short for a header, comes from a group
 * address, or is no Ethernet II frame. Frames too short for a wire are taken: virtual networks carry them.
 */
export function decodeEthernet(bytes: Uint8Array): EthernetFrame | null {
  if (bytes.length < ETHERNET_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint16(2 * MAC_ADDRESS_BYTES);
  const sourceIsGroup = (view.getUint8(MAC_ADDRESS_BYTES) & 1) !== 0;
  if (type < SMALLEST_ETHER_TYPE || sourceIsGroup) return null;
  return {
    destination: macFromBytes(bytes, 0),
    source: macFromBytes(bytes, MAC_ADDRESS_BYTES),
    type,
    payload: bytes.subarray(ETHERNET_HEADER_BYTES),
  };
}
