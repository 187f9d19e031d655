/** Ranges of sectors that DISCARD, WRITE_ZEROES and SECURE_ERASE name, and what a device takes of them. [virtio-1.2 §5.2.6] */
import type { Chain } from "../virtio/chain.js";
import * as constants from "./constants.js";

/** How much of an operation a device takes in one request. */
export interface RangeLimits {
  /** Sectors of all ranges together. */
  sectors: number;
  ranges: number;
  /** Sectors, for drivers that cut ranges; nothing is wrong with others. WRITE_ZEROES has none. */
  alignment?: number;
}

/** The operations by their request types. */
export interface RangeOperation {
  readonly name: string;
  readonly feature: number;
  /** Flags that a range may have. */
  readonly flags: number;
  readonly sectorsField: string;
  readonly rangesField: string;
  readonly alignmentField?: string;
}

export const rangeOperations: ReadonlyMap<number, RangeOperation> = new Map([
  [
    constants.VIRTIO_BLK_T_DISCARD,
    {
      name: "DISCARD",
      feature: constants.VIRTIO_BLK_F_DISCARD,
      flags: 0,
      sectorsField: "max_discard_sectors",
      rangesField: "max_discard_seg",
      alignmentField: "discard_sector_alignment",
    },
  ],
  [
    constants.VIRTIO_BLK_T_WRITE_ZEROES,
    {
      name: "WRITE_ZEROES",
      feature: constants.VIRTIO_BLK_F_WRITE_ZEROES,
      flags: constants.UNMAP,
      sectorsField: "max_write_zeroes_sectors",
      rangesField: "max_write_zeroes_seg",
    },
  ],
  [
    constants.VIRTIO_BLK_T_SECURE_ERASE,
    {
      name: "SECURE_ERASE",
      feature: constants.VIRTIO_BLK_F_SECURE_ERASE,
      flags: 0,
      sectorsField: "max_secure_erase_sectors",
      rangesField: "max_secure_erase_seg",
      alignmentField: "secure_erase_sector_alignment",
    },
  ],
]);

export interface Range {
  /** Above 2^53 beyond every disk, whatever is lost of it. */
  readonly sector: number;
  readonly sectors: number;
  readonly flags: number;
}

/** The ranges in a request of so many bytes behind the header; what is left over is ignored. */
export function readRanges(chain: Chain, bytes: number): Range[] {
  const data = new Uint8Array(bytes);
  chain.read(constants.HEADER_BYTES, data, 0, bytes);
  const view = new DataView(data.buffer);
  return Array.from({ length: Math.floor(bytes / constants.RANGE_BYTES) }, (_, index) => {
    const at = index * constants.RANGE_BYTES;
    return {
      sector: Number(view.getBigUint64(at, true)),
      sectors: view.getUint32(at + 8, true),
      flags: view.getUint32(at + 12, true),
    };
  });
}
