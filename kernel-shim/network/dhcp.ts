/** Dynamic Host Configuration Protocol: messages [RFC 2131 §2], options [RFC 2132], split ones too [RFC 3396]. */
import {
  IPV4_ADDRESS_BYTES,
  MAC_ADDRESS_BYTES,
  UNSPECIFIED_IPV4,
  ipv4FromBytes,
  ipv4ToBytes,
  macFromBytes,
  macToBytes,
  type Ipv4Address,
  type MacAddress,
} from "./addresses.js";

const SERVER_NAME_OFFSET = 44;
const FILE_OFFSET = 108;
const COOKIE_OFFSET = 236;
const OPTIONS_OFFSET = 240;
const MAGIC_COOKIE = 0x63825363;
/** What relays and old servers expect a message to have at least [RFC 1542 §2.1]. */
const MINIMUM_BYTES = 300;
const HARDWARE_ETHERNET = 1;
const BROADCAST_FLAG = 0x8000;

export const DhcpOperation = { REQUEST: 1, REPLY: 2 } as const;
export type DhcpOperation = (typeof DhcpOperation)[keyof typeof DhcpOperation];

/** Values of the option MESSAGE_TYPE [RFC 2132 §9.6]. */
export const DhcpMessageType = {
  DISCOVER: 1,
  OFFER: 2,
  REQUEST: 3,
  DECLINE: 4,
  ACK: 5,
  NAK: 6,
  RELEASE: 7,
  INFORM: 8,
} as const;
export type DhcpMessageType = (typeof DhcpMessageType)[keyof typeof DhcpMessageType];

/** Codes of the options that this project knows [RFC 2132]. */
export const DhcpOption = {
  PAD: 0,
  SUBNET_MASK: 1,
  ROUTER: 3,
  DOMAIN_NAME_SERVER: 6,
  REQUESTED_ADDRESS: 50,
  LEASE_TIME: 51,
  OVERLOAD: 52,
  MESSAGE_TYPE: 53,
  SERVER_IDENTIFIER: 54,
  PARAMETER_REQUEST_LIST: 55,
  END: 255,
} as const;

/** Option code → its bytes. The message type is not among them: it is a field of `DhcpMessage`. */
export type DhcpOptions = ReadonlyMap<number, Uint8Array>;

export interface DhcpMessage {
  operation: DhcpOperation;
  type: DhcpMessageType;
  /** `xid`: chosen by the client, 32 bits. */
  transaction: number;
  /** `secs`: since the client began. */
  seconds: number;
  /** The client cannot receive unicast before it has an address. */
  broadcast: boolean;
  /** `ciaddr`: the client's own address where it already uses one. */
  clientAddress: Ipv4Address;
  /** `yiaddr`: the address given to the client. */
  yourAddress: Ipv4Address;
  /** `chaddr`. */
  clientMac: MacAddress;
  options: DhcpOptions;
}

/** Throws `RangeError` if an option is longer than 255 bytes. */
export function encodeDhcp(message: DhcpMessage): Uint8Array {
  const options = [[DhcpOption.MESSAGE_TYPE, 1, message.type]];
  for (const [code, value] of message.options) {
    if (value.length > 0xff) throw new RangeError(`DHCP option ${code} is longer than 255 bytes`);
    options.push([code, value.length, ...value]);
  }
  const encoded = Uint8Array.from([...options.flat(), DhcpOption.END]);
  const bytes = new Uint8Array(Math.max(OPTIONS_OFFSET + encoded.length, MINIMUM_BYTES));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, message.operation);
  view.setUint8(1, HARDWARE_ETHERNET);
  view.setUint8(2, MAC_ADDRESS_BYTES);
  view.setUint32(4, message.transaction);
  view.setUint16(8, message.seconds);
  view.setUint16(10, message.broadcast ? BROADCAST_FLAG : 0);
  bytes.set(ipv4ToBytes(message.clientAddress), 12);
  bytes.set(ipv4ToBytes(message.yourAddress), 16);
  bytes.set(macToBytes(message.clientMac), 28);
  view.setUint32(COOKIE_OFFSET, MAGIC_COOKIE);
  bytes.set(encoded, OPTIONS_OFFSET);
  return bytes;
}

/** Adds the options of one field to `options`, those split over several [RFC 3396] joined. False if one is cut off. */
function collectOptions(field: Uint8Array, options: Map<number, Uint8Array>): boolean {
  let offset = 0;
  while (offset < field.length) {
    const code = field[offset];
    offset += 1;
    if (code === undefined || code === DhcpOption.END) return true;
    if (code === DhcpOption.PAD) continue;
    const length = field[offset];
    if (length === undefined || offset + 1 + length > field.length) return false;
    const part = field.subarray(offset + 1, offset + 1 + length);
    options.set(code, Uint8Array.of(...(options.get(code) ?? []), ...part));
    offset += 1 + length;
  }
  return true;
}

/**
 * Null if the message is too short, is not for Ethernet, has no magic cookie, an option runs over the end of its field,
 * or the type is missing or unknown.
 */
export function decodeDhcp(bytes: Uint8Array): DhcpMessage | null {
  if (bytes.length < OPTIONS_OFFSET) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const operation = view.getUint8(0);
  if (operation !== DhcpOperation.REQUEST && operation !== DhcpOperation.REPLY) return null;
  if (view.getUint8(1) !== HARDWARE_ETHERNET || view.getUint8(2) !== MAC_ADDRESS_BYTES) return null;
  if (view.getUint32(COOKIE_OFFSET) !== MAGIC_COOKIE) return null;

  const options = new Map<number, Uint8Array>();
  if (!collectOptions(bytes.subarray(OPTIONS_OFFSET), options)) return null;
  // The two name fields may carry options instead of names [RFC 2132 §9.3].
  const overload = options.get(DhcpOption.OVERLOAD)?.[0] ?? 0;
  const file = bytes.subarray(FILE_OFFSET, COOKIE_OFFSET);
  const serverName = bytes.subarray(SERVER_NAME_OFFSET, FILE_OFFSET);
  if ((overload & 1) !== 0 && !collectOptions(file, options)) return null;
  if ((overload & 2) !== 0 && !collectOptions(serverName, options)) return null;

  const typeOption = options.get(DhcpOption.MESSAGE_TYPE);
  const type = Object.values(DhcpMessageType).find((known) => typeOption?.length === 1 && known === typeOption[0]);
  if (type === undefined) return null;
  options.delete(DhcpOption.MESSAGE_TYPE);
  return {
    operation,
    type,
    transaction: view.getUint32(4),
    seconds: view.getUint16(8),
    broadcast: (view.getUint16(10) & BROADCAST_FLAG) !== 0,
    clientAddress: ipv4FromBytes(bytes, 12),
    yourAddress: ipv4FromBytes(bytes, 16),
    clientMac: macFromBytes(bytes, 28),
    options,
  };
}

/** The addresses of an option that is a list of them; empty if it is missing or not a whole number of addresses. */
export function addressesOption(options: DhcpOptions, code: number): Ipv4Address[] {
  const value = options.get(code);
  if (value === undefined || value.length % IPV4_ADDRESS_BYTES !== 0) return [];
  return Array.from({ length: value.length / IPV4_ADDRESS_BYTES }, (_, index) =>
    ipv4FromBytes(value, index * IPV4_ADDRESS_BYTES),
  );
}

/** The address of an option that holds exactly one, or null. */
export function addressOption(options: DhcpOptions, code: number): Ipv4Address | null {
  return options.get(code)?.length === IPV4_ADDRESS_BYTES ? (addressesOption(options, code)[0] ?? null) : null;
}

/** The number of an option that is 32 bits long, or null. */
export function numberOption(options: DhcpOptions, code: number): number | null {
  const value = options.get(code);
  if (value?.length !== 4) return null;
  return new DataView(value.buffer, value.byteOffset).getUint32(0);
}

/** The bytes of an option that holds one 32-bit number. */
export function encodeNumber(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

/** A message in which nothing is set but its kind, its transaction and the client. */
export function blankDhcpMessage(
  operation: DhcpOperation,
  type: DhcpMessageType,
  transaction: number,
  clientMac: MacAddress,
): DhcpMessage {
  return {
    operation,
    type,
    transaction,
    seconds: 0,
    broadcast: false,
    clientAddress: UNSPECIFIED_IPV4,
    yourAddress: UNSPECIFIED_IPV4,
    clientMac,
    options: new Map(),
  };
}
