/** The messages of a DHCP client. [RFC 2131, RFC 2132] */
import { read32, write16, write32 } from "./bytes";
import { readMac, writeMac } from "./ethernet";

export const DHCP_SERVER_PORT: u32 = 67;
export const DHCP_CLIENT_PORT: u32 = 68;

// Fields of the fixed part. [RFC 2131 §2]
const OPERATION: u32 = 0;
const HARDWARE: u32 = 1;
const HARDWARE_LENGTH: u32 = 2;
const TRANSACTION: u32 = 4;
const FLAGS: u32 = 10;
const YOUR_ADDRESS: u32 = 16;
const NEXT_SERVER: u32 = 20;
const CLIENT_MAC: u32 = 28;
const COOKIE: u32 = 236;
const OPTIONS: u32 = 240;

const BOOT_REQUEST: u8 = 1;
const BOOT_REPLY: u8 = 2;
const ETHERNET: u8 = 1;
const MAGIC_COOKIE: u32 = 0x6382_5363;
/** The client cannot receive unicast before it has an address. */
const FLAG_BROADCAST: u32 = 0x8000;
/** Some servers want the size of a BOOTP message. [RFC 1542 §2.1] */
const MESSAGE_BYTES: u32 = 300;

/** DHCP message types. [RFC 2132 §9.6] */
export const enum DhcpMessage {
  DISCOVER = 1,
  OFFER = 2,
  REQUEST = 3,
  ACKNOWLEDGE = 5,
  REFUSE = 6,
}

/** Options. [RFC 2132] */
export const enum DhcpOption {
  PAD = 0,
  REQUESTED_ADDRESS = 50,
  MESSAGE_TYPE = 53,
  SERVER = 54,
  END = 255,
}

/**
 * Writes a message.
 *
 * @param offered the address that a server offered; 0 in a DISCOVER
 * @param server that server
 * @returns its length
 */
export function writeDhcp(at: u32, type: DhcpMessage, transaction: u32, mac: u64, offered: u32, server: u32): u32 {
  memory.fill(at, 0, MESSAGE_BYTES);
  store<u8>(at + OPERATION, BOOT_REQUEST);
  store<u8>(at + HARDWARE, ETHERNET);
  store<u8>(at + HARDWARE_LENGTH, 6);
  write32(at + TRANSACTION, transaction);
  write16(at + FLAGS, FLAG_BROADCAST);
  writeMac(at + CLIENT_MAC, mac);
  write32(at + COOKIE, MAGIC_COOKIE);
  let option = at + OPTIONS;
  store<u8>(option, <u8>DhcpOption.MESSAGE_TYPE);
  store<u8>(option + 1, 1);
  store<u8>(option + 2, <u8>type);
  option += 3;
  if (type == DhcpMessage.REQUEST) {
    option = writeAddressOption(option, DhcpOption.REQUESTED_ADDRESS, offered);
    option = writeAddressOption(option, DhcpOption.SERVER, server);
  }
  store<u8>(option, <u8>DhcpOption.END);
  return MESSAGE_BYTES;
}

function writeAddressOption(at: u32, option: DhcpOption, address: u32): u32 {
  store<u8>(at, <u8>option);
  store<u8>(at + 1, 4);
  write32(at + 2, address);
  return at + 6;
}

/** The type of a server's message that belongs to the transaction; 0 for anything else. */
export function dhcpType(at: u32, length: u32, transaction: u32, mac: u64): u32 {
  if (length < OPTIONS || load<u8>(at + OPERATION) != BOOT_REPLY) return 0;
  if (read32(at + COOKIE) != MAGIC_COOKIE || read32(at + TRANSACTION) != transaction) return 0;
  if (readMac(at + CLIENT_MAC) != mac) return 0;
  const option = findOption(at, length, DhcpOption.MESSAGE_TYPE, 1);
  return option == 0 ? 0 : load<u8>(option);
}

/** The address that a message gives to the client. */
export function dhcpAddress(at: u32): u32 {
  return read32(at + YOUR_ADDRESS);
}

/** The server that sent the message, by its option; 0 when it does not say. */
export function dhcpServer(at: u32, length: u32): u32 {
  const option = findOption(at, length, DhcpOption.SERVER, 4);
  return option == 0 ? 0 : read32(option);
}

/** The server to boot from; 0 when the message does not say. */
export function dhcpNextServer(at: u32): u32 {
  return read32(at + NEXT_SERVER);
}

/** Where the value of an option of at least `bytes` is; 0 when there is none. */
function findOption(at: u32, length: u32, wanted: DhcpOption, bytes: u32): u32 {
  const end = at + length;
  let option = at + OPTIONS;
  while (option < end && load<u8>(option) != <u8>DhcpOption.END) {
    if (load<u8>(option) == <u8>DhcpOption.PAD) {
      option++;
      continue;
    }
    if (option + 2 > end) return 0;
    const size = <u32>load<u8>(option + 1);
    if (option + 2 + size > end) return 0;
    if (load<u8>(option) == <u8>wanted) return size >= bytes ? option + 2 : 0;
    option += 2 + size;
  }
  return 0;
}
