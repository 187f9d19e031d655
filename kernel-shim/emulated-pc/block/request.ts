/** A block request as the device finds it in a chain. [virtio-1.2 §5.2.6] */
import type { Chain, ChainSegment } from "../virtio/chain.js";
import { HEADER_BYTES, SCSI_RESULT_BYTES, SENSE_BYTES, VIRTIO_BLK_T_BARRIER } from "./constants.js";

export interface ParsedRequest {
  /** Without the bit of a barrier. */
  readonly type: number;
  readonly isBarrier: boolean;
  /** Of legacy requests: higher numbers are more important. */
  readonly priority: number;
  readonly sector: number;
  /** Bytes that the device reads, header not counted. */
  readonly readableBytes: number;
  /** Bytes that the device writes, status byte not counted. */
  readonly writableBytes: number;
}

const header = new Uint8Array(HEADER_BYTES);
const headerView = new DataView(header.buffer);

/** Reads the header; null when there is no room for header and status. */
export function parseRequest(chain: Chain): ParsedRequest | null {
  if (chain.readableBytes < HEADER_BYTES || chain.writableBytes < 1) return null;
  chain.read(0, header, 0, HEADER_BYTES);
  const type = headerView.getUint32(0, true);
  return {
    type: type % VIRTIO_BLK_T_BARRIER,
    isBarrier: type >= VIRTIO_BLK_T_BARRIER,
    priority: headerView.getUint32(4, true),
    // Sectors above 2^53 are beyond every disk, whatever is lost of them here.
    sector: headerView.getUint32(12, true) * 0x1_0000_0000 + headerView.getUint32(8, true),
    readableBytes: chain.readableBytes - HEADER_BYTES,
    writableBytes: chain.writableBytes - 1,
  };
}

/** Whether header and status have a descriptor each, of exactly their size. */
export function isStrictlyFramed(chain: Chain): boolean {
  return chain.readable[0]?.length === HEADER_BYTES && chain.writable.at(-1)?.length === 1;
}

/** Whether command, sense and result of a SCSI request have a descriptor each, too. [virtio-1.2 §5.2.6.3, §5.2.6.4] */
export function isScsiFramed(chain: Chain): boolean {
  const { readable, writable } = chain;
  return (
    isStrictlyFramed(chain) &&
    readable.length >= 2 &&
    writable.at(-3)?.length === SENSE_BYTES &&
    writable.at(-2)?.length === SCSI_RESULT_BYTES
  );
}

/** How many segments carry data, and how long the longest is. Header and status are not data. */
export function measureData(chain: Chain): { segments: number; longest: number } {
  const readable = trim(chain.readable, HEADER_BYTES, 0);
  const writable = trim(chain.writable, 0, 1);
  const lengths = [...readable, ...writable];
  return { segments: lengths.length, longest: Math.max(0, ...lengths) };
}

/** Lengths of what is left of the segments without the first and the last so many bytes. */
function trim(segments: readonly ChainSegment[], front: number, back: number): number[] {
  const lengths = segments.map(({ length }) => length);
  take(lengths, front, 0, 1);
  take(lengths, back, lengths.length - 1, -1);
  return lengths.filter((length) => length > 0);
}

function take(lengths: number[], bytes: number, start: number, step: number): void {
  let rest = bytes;
  for (let index = start; rest > 0; index += step) {
    const length = lengths[index];
    if (length === undefined) return;
    const taken = Math.min(length, rest);
    lengths[index] = length - taken;
    rest -= taken;
  }
}
