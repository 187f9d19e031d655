/** The packets of a TFTP client that reads a file. [RFC 1350, RFC 2347, RFC 2348 blksize, RFC 2349 tsize] */
import { read16, write16 } from "./bytes";

export const TFTP_SERVER_PORT: u32 = 69;
/** Two sectors: a block goes to the disk as it is. The default is 512. */
export const TFTP_BLOCK_BYTES: u32 = 1024;
export const TFTP_DEFAULT_BLOCK_BYTES: u32 = 512;
/** Length of everything but the data. */
export const TFTP_HEADER_BYTES: u32 = 4;

export const enum TftpOperation {
  READ_REQUEST = 1,
  DATA = 3,
  ACKNOWLEDGE = 4,
  ERROR = 5,
  OPTIONS = 6,
}

export const enum TftpError {
  FILE_NOT_FOUND = 1,
  DISK_FULL = 3,
}

/** Asks for a file, in blocks of TFTP_BLOCK_BYTES, and for its size. Returns the packet's length. */
export function writeReadRequest(at: u32, name: u32, nameLength: u32): u32 {
  write16(at, TftpOperation.READ_REQUEST);
  memory.copy(at + 2, name, nameLength);
  let end = at + 2 + nameLength;
  store<u8>(end++, 0);
  end = writeText(end, "octet");
  end = writeText(end, "blksize");
  end = writeText(end, "1024");
  end = writeText(end, "tsize");
  end = writeText(end, "0");
  return end - at;
}

function writeText(at: u32, text: string): u32 {
  for (let index = 0; index < text.length; index++) store<u8>(at + index, <u8>text.charCodeAt(index));
  store<u8>(at + text.length, 0);
  return at + text.length + 1;
}

/** Acknowledges a block; 0 the options. Returns the packet's length. */
export function writeAcknowledgement(at: u32, block: u32): u32 {
  write16(at, TftpOperation.ACKNOWLEDGE);
  write16(at + 2, block);
  return 4;
}

/** Ends a transfer. Returns the packet's length. */
export function writeError(at: u32, error: TftpError): u32 {
  write16(at, TftpOperation.ERROR);
  write16(at + 2, error);
  store<u8>(at + 4, 0);
  return 5;
}

/** The operation of a packet; 0 when it is too short. */
export function tftpOperation(at: u32, length: u32): u32 {
  return length < TFTP_HEADER_BYTES ? 0 : read16(at);
}

/** The number of a block of data, or of an error. */
export function tftpNumber(at: u32): u32 {
  return read16(at + 2);
}

/** The value of an option that the server acknowledges; -1 when it does not. */
export function tftpOption(at: u32, length: u32, name: string): i64 {
  const end = at + length;
  let text = at + 2;
  while (text < end) {
    const value = behindText(text, end);
    if (value <= end && isText(text, value, name)) return readNumber(value, end);
    text = behindText(value, end);
  }
  return -1;
}

function behindText(at: u32, end: u32): u32 {
  while (at < end && load<u8>(at) != 0) at++;
  return at + 1;
}

/** Whether what lies from `at` to `end` is the text and a zero. Servers may write it in either case. [RFC 2347] */
function isText(at: u32, end: u32, text: string): bool {
  if (end - at != <u32>text.length + 1) return false;
  for (let index = 0; index < text.length; index++) {
    if ((load<u8>(at + index) | 0x20) != text.charCodeAt(index)) return false;
  }
  return true;
}

function readNumber(at: u32, end: u32): i64 {
  let number: i64 = 0;
  for (; at < end && load<u8>(at) != 0; at++) {
    const digit = load<u8>(at) - 48;
    if (digit > 9 || number > 0xffff_ffff_ffff) return -1;
    number = number * 10 + digit;
  }
  return number;
}
