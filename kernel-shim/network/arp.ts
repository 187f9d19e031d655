/** Address resolution for IPv4 on Ethernet [RFC 826]. */
import {
  BROADCAST_MAC,
  ZERO_MAC,
  ipv4FromBytes,
  ipv4ToBytes,
  macFromBytes,
  macToBytes,
  type Ipv4Address,
  type MacAddress,
} from "./addresses.js";
import { EtherType, decodeEthernet, encodeEthernet } from "./ethernet.js";

const ARP_PACKET_BYTES = 28;
const HARDWARE_ETHERNET = 1;

export const ArpOperation = { REQUEST: 1, REPLY: 2 } as const;
export type ArpOperation = (typeof ArpOperation)[keyof typeof ArpOperation];

export interface ArpPacket {
  operation: ArpOperation;
  senderMac: MacAddress;
  senderAddress: Ipv4Address;
  /** Meaningless in a request. */
  targetMac: MacAddress;
  targetAddress: Ipv4Address;
}

export function encodeArp(packet: ArpPacket): Uint8Array {
  const bytes = new Uint8Array(ARP_PACKET_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, HARDWARE_ETHERNET);
  view.setUint16(2, EtherType.IPV4);
  view.setUint8(4, 6);
  view.setUint8(5, 4);
  view.setUint16(6, packet.operation);
  bytes.set(macToBytes(packet.senderMac), 8);
  bytes.set(ipv4ToBytes(packet.senderAddress), 14);
  bytes.set(macToBytes(packet.targetMac), 18);
  bytes.set(ipv4ToBytes(packet.targetAddress), 24);
  return bytes;
}

/** Null if the packet is too short, is for other kinds of address, or is neither request nor reply. */
export function decodeArp(bytes: Uint8Array): ArpPacket | null {
  if (bytes.length < ARP_PACKET_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint16(0) !== HARDWARE_ETHERNET || view.getUint16(2) !== EtherType.IPV4) return null;
  if (view.getUint8(4) !== 6 || view.getUint8(5) !== 4) return null;
  const operation = view.getUint16(6);
  if (operation !== ArpOperation.REQUEST && operation !== ArpOperation.REPLY) return null;
  return {
    operation,
    senderMac: macFromBytes(bytes, 8),
    senderAddress: ipv4FromBytes(bytes, 14),
    targetMac: macFromBytes(bytes, 18),
    targetAddress: ipv4FromBytes(bytes, 24),
  };
}

/** Who somebody is on the local network. */
export interface Identity {
  mac: MacAddress;
  address: Ipv4Address;
}

/** The frame in which `asker` asks everybody for the MAC address of `target`. */
export function arpRequestFrame(asker: Identity, target: Ipv4Address): Uint8Array {
  return encodeEthernet({
    destination: BROADCAST_MAC,
    source: asker.mac,
    type: EtherType.ARP,
    payload: encodeArp({
      operation: ArpOperation.REQUEST,
      senderMac: asker.mac,
      senderAddress: asker.address,
      targetMac: ZERO_MAC,
      targetAddress: target,
    }),
  });
}

/** The frame in which `owner` answers a request for its address, to the one who asked. */
export function arpReplyFrame(owner: Identity, request: ArpPacket): Uint8Array {
  return encodeEthernet({
    destination: request.senderMac,
    source: owner.mac,
    type: EtherType.ARP,
    payload: encodeArp({
      operation: ArpOperation.REPLY,
      senderMac: owner.mac,
      senderAddress: owner.address,
      targetMac: request.senderMac,
      targetAddress: request.senderAddress,
    }),
  });
}

/** The packet in an Ethernet frame, or null if the frame holds no well-formed one. */
export function arpInFrame(frame: Uint8Array): ArpPacket | null {
  const ethernet = decodeEthernet(frame);
  return ethernet !== null && ethernet.type === EtherType.ARP ? decodeArp(ethernet.payload) : null;
}
