/**
 * Capture files in the format of libpcap, which Wireshark, tshark and tcpdump open
 * [draft-ietf-opsawg-pcap, sections 4 and 5].
 */
import { closeSync, openSync, writeSync } from "node:fs";

/** Written little-endian; says that times are in seconds and nanoseconds. */
const MAGIC_NANOSECONDS = 0xa1b23c4d;
const VERSION_MAJOR = 2;
const VERSION_MINOR = 4;
/** The most that is kept of a frame; none here is that long. */
const SNAPSHOT_BYTES = 262144;
const LINK_TYPE_ETHERNET = 1;

const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const NANOSECONDS_PER_SECOND = 1_000_000_000;

function fileHeader(): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC_NANOSECONDS, true);
  view.setUint16(4, VERSION_MAJOR, true);
  view.setUint16(6, VERSION_MINOR, true);
  view.setUint32(16, SNAPSHOT_BYTES, true);
  view.setUint32(20, LINK_TYPE_ETHERNET, true);
  return bytes;
}

function record(frame: Uint8Array, time: number): Uint8Array {
  const kept = Math.min(frame.length, SNAPSHOT_BYTES);
  const bytes = new Uint8Array(RECORD_HEADER_BYTES + kept);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(time / NANOSECONDS_PER_SECOND), true);
  view.setUint32(4, Math.floor(time % NANOSECONDS_PER_SECOND), true);
  view.setUint32(8, kept, true);
  view.setUint32(12, frame.length, true);
  bytes.set(frame.subarray(0, kept), RECORD_HEADER_BYTES);
  return bytes;
}

/** Writes a capture file of Ethernet frames. Each frame is in the file when `write` returns. */
export class PcapWriter {
  private file: number | null;
  /** Frames written so far. */
  frames = 0;

  /** Creates the file at `path`, or empties it. Throws what `fs.openSync` throws where that cannot be done. */
  constructor(path: string) {
    this.file = openSync(path, "w");
    this.writeAll(fileHeader());
  }

  /** Appends a frame that passed at `time`, in nanoseconds since 1970 or since any other moment. Not after `close`. */
  write(frame: Uint8Array, time: number): void {
    this.writeAll(record(frame, time));
    this.frames += 1;
  }

  /** A second call does nothing. */
  close(): void {
    if (this.file !== null) closeSync(this.file);
    this.file = null;
  }

  private writeAll(bytes: Uint8Array): void {
    if (this.file === null) throw new Error("the capture file is closed");
    for (let written = 0; written < bytes.length;) written += writeSync(this.file, bytes, written);
  }
}
