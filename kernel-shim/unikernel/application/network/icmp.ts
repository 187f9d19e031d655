/** ICMP echo. [RFC 792] */
import { addWords, finishChecksum, write16 } from "./bytes";
import { IPV4_PAYLOAD } from "./ipv4";

const TYPE: u32 = IPV4_PAYLOAD;
const CHECKSUM: u32 = IPV4_PAYLOAD + 2;
const HEADER_BYTES: u32 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/** Whether a packet's payload is an intact echo request. */
export function isEchoRequest(frame: u32, length: u32): bool {
  if (length < HEADER_BYTES || load<u8>(frame + TYPE) != ECHO_REQUEST) return false;
  return finishChecksum(addWords(0, frame + IPV4_PAYLOAD, length)) == 0;
}

/** Makes an echo request the reply to itself. */
export function turnEcho(frame: u32, length: u32): void {
  store<u8>(frame + TYPE, ECHO_REPLY);
  write16(frame + CHECKSUM, 0);
  write16(frame + CHECKSUM, finishChecksum(addWords(0, frame + IPV4_PAYLOAD, length)));
}
