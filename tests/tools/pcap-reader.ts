/** Reads capture files as Wireshark does, to see whether it could. [draft-ietf-opsawg-pcap, sections 4 and 5] */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const ETHERNET = 1;
/** Of captures with microseconds and with nanoseconds. */
const MAGIC_NUMBERS = [0xa1b2c3d4, 0xa1b23c4d];

/** The frames of a little-endian capture; fails the test when the file is not one. */
export function readCapture(file: string): Uint8Array[] {
  const bytes = readFileSync(file);
  assert.ok(MAGIC_NUMBERS.includes(bytes.readUInt32LE(0)), "magic number");
  assert.equal(bytes.readUInt16LE(4), 2, "major version");
  assert.equal(bytes.readUInt16LE(6), 4, "minor version");
  assert.equal(bytes.readUInt32LE(20), ETHERNET, "link type");
  const frames: Uint8Array[] = [];
  let offset = FILE_HEADER_BYTES;
  while (offset < bytes.length) {
    const kept = bytes.readUInt32LE(offset + 8);
    assert.ok(kept <= bytes.readUInt32LE(offset + 12), "kept bytes are at most the frame's");
    offset += RECORD_HEADER_BYTES;
    assert.ok(offset + kept <= bytes.length, "the last record is whole");
    frames.push(bytes.subarray(offset, offset + kept));
    offset += kept;
  }
  return frames;
}
