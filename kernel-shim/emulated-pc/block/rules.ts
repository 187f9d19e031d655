/** What the specification asks of a driver of block devices. */
import type { Rule } from "../violations.js";

function rule(id: string, section: string, text: string): Rule {
  return { id, section: `virtio-1.2 §${section}`, text };
}

export const BLOCK_FRAMING = rule(
  "block-framing",
  "5.2.6.4",
  "without ANY_LAYOUT the header is alone in the first descriptor, the status byte alone in the last",
);
export const BLOCK_HEADER = rule("block-header", "5.2.6", "a request has 16 bytes of header and a status byte");
export const BLOCK_DATA_DIRECTION = rule(
  "block-data-direction",
  "5.2.6",
  "the device writes the data of reads and reads the data of writes",
);
export const BLOCK_DATA_LENGTH = rule(
  "block-data-length",
  "5.2.6.1",
  "data is a multiple of 512 bytes, 20 bytes for GET_ID, 6 for GET_LIFETIME, whole ranges of 16, none for FLUSH",
);
export const BLOCK_CAPACITY = rule("block-capacity", "5.2.6.1", "requests stay within the capacity");
export const BLOCK_READ_ONLY = rule("block-read-only", "5.2.6.2", "a read-only disk is not written");
export const BLOCK_FLUSH_NOT_NEGOTIATED = rule(
  "block-flush-not-negotiated",
  "5.2.3",
  "FLUSH is used only when it was negotiated",
);
export const BLOCK_FLUSH_SECTOR = rule("block-flush-sector", "5.2.6.1", "the sector of a FLUSH request is 0");
export const BLOCK_SIZE_MAX = rule("block-size-max", "5.2.3", "no segment of data is longer than size_max");
export const BLOCK_SEG_MAX = rule("block-seg-max", "5.2.3", "a request has at most seg_max segments of data");
export const BLOCK_NOT_NEGOTIATED = rule(
  "block-not-negotiated",
  "5.2.3",
  "barriers, SCSI_CMD, DISCARD, WRITE_ZEROES, SECURE_ERASE and GET_LIFETIME are used only when they were negotiated",
);
export const BLOCK_SECTOR_UNUSED = rule(
  "block-sector-unused",
  "5.2.6",
  "the sector of a request that neither reads nor writes is 0",
);
export const BLOCK_RANGE_COUNT = rule(
  "block-range-count",
  "5.2.6.1",
  "a request has at most as many ranges as its operation's max_..._seg",
);
export const BLOCK_RANGE_SECTORS = rule(
  "block-range-sectors",
  "5.2.5",
  "the ranges of a request have at most as many sectors as its operation's max_..._sectors",
);
export const BLOCK_RANGE_FLAGS = rule(
  "block-range-flags",
  "5.2.6.1",
  "no flag of a range is set but unmap, and that for WRITE_ZEROES only",
);
export const BLOCK_SCSI_FRAMING = rule(
  "block-scsi-framing",
  "5.2.6.4",
  "command, 96 bytes of sense and 16 of result of a SCSI request have a descriptor each",
);
export const BLOCK_RESERVED = rule("block-reserved", "5.2.6", "what was a priority in legacy requests is 0 in others");
