/** Barriers, priorities and SCSI commands, as they reach a legacy disk. */
import { Result } from "../../../../assembly/abi/results";
import { BlockFlag, BlockOperation } from "../../../../assembly/drivers/block/abi";
import { forget_translations } from "../../../../assembly/memory/addresses";
import { Chain, WRITE } from "../../scripted/ring";
import { memory_read32, memory_scatter } from "../../scripted/script";
import {
  addSegment,
  buffer,
  completeAll,
  completePart,
  completion,
  configure,
  FLUSH,
  headerSector,
  headerType,
  INDIRECT_DESC,
  openDisk,
  plugDisk,
  poll,
  prepare,
  request,
  ring,
  SEG_MAX,
  SIZE_MAX,
  submit,
  takePart,
} from "./disk";

const BARRIER: u64 = 1 << 0;
const SCSI: u64 = 1 << 7;
const DISCARD: u64 = 1 << 13;
const BARRIER_BIT: u32 = 0x8000_0000;
const PAGE: u32 = 4096;

function newDisk(features: u64, queueSize: u32 = 16): void {
  plugDisk(features, queueSize);
  assert(openDisk(queueSize) > 0);
}

function priorityOf(part: Chain): u32 {
  return memory_read32(part.pointer(0) + 4);
}

/** Submits the request prepared, with these hints; returns its result. */
function submitWith(flags: u32, priority: u32): i32 {
  request(0).flags = <u8>flags;
  request(0).priority = <u16>priority;
  const accepted = submit(1);
  assert(accepted == (request(0).result == 0 ? 1 : 0));
  return request(0).result;
}

function read(segments: u32): void {
  prepare(0, 1, BlockOperation.READ, 7);
  for (let index: u32 = 0; index < segments; index++) addSegment(0, buffer + index * PAGE, 512);
}

/** Prepares a command with one segment of data, or none. */
function scsi(dataBytes: u32, senseBytes: u32 = 96, resultBytes: u32 = 16): void {
  prepare(0, 5, BlockOperation.SCSI_CMD, 77);
  addSegment(0, buffer, 6);
  if (dataBytes != 0) addSegment(0, buffer + PAGE, dataBytes);
  addSegment(0, buffer + 512, senseBytes);
  addSegment(0, buffer + 1024, resultBytes);
}

describe("a priority", () => {
  it("goes into the header, and nothing else", () => {
    for (let way = 0; way < 2; way++) {
      newDisk(way == 0 ? INDIRECT_DESC : 0);
      read(1);
      expect(submitWith(0, 0xabcd)).toBe(Result.OK);
      let part = takePart();
      expect(headerType(part)).toBe(0);
      expect(headerSector(part)).toBe(7);
      expect(priorityOf(part)).toBe(0xabcd);
      completePart(part, 0);
      expect(poll()).toBe(1);
      read(1);
      expect(submitWith(0, 0)).toBe(Result.OK);
      part = takePart();
      expect(priorityOf(part)).toBe(0);
    }
  });
});

describe("a barrier", () => {
  it("is a bit of the type, in every part", () => {
    plugDisk(BARRIER | SEG_MAX);
    configure(12, 4, 1);
    openDisk();
    read(3);
    expect(submitWith(BlockFlag.BARRIER, 9)).toBe(Result.OK);
    for (let index: u32 = 0; index < 3; index++) {
      const part = takePart();
      expect(headerType(part)).toBe(BARRIER_BIT);
      expect(headerSector(part)).toBe(7 + index);
      expect(priorityOf(part)).toBe(9);
      completePart(part, 0);
    }
    expect(poll()).toBe(1);
    expect(completion(0).result).toBe(Result.OK);
    expect(completion(0).length).toBe(1536);
  });

  it("can be a flush, and ranges", () => {
    newDisk(BARRIER | FLUSH | DISCARD);
    prepare(0, 1, BlockOperation.FLUSH, 0);
    expect(submitWith(BlockFlag.BARRIER, 0)).toBe(Result.OK);
    expect(headerType(takePart())).toBe(BARRIER_BIT | 4);
    prepare(0, 1, BlockOperation.DISCARD, 0);
    // As a range: sectors 0 to 511.
    addSegment(0, 0, 0);
    addSegment(0, 512, 0);
    request(0).segment_count = 1;
    expect(submitWith(BlockFlag.BARRIER, 3)).toBe(Result.OK);
    const part = takePart();
    expect(headerType(part)).toBe(BARRIER_BIT | 11);
    expect(priorityOf(part)).toBe(3);
  });

  it("is refused without the feature, as are flags that mean nothing", () => {
    newDisk(0);
    read(1);
    expect(submitWith(BlockFlag.BARRIER, 0)).toBe(Result.E_UNSUPPORTED);
    expect(submitWith(BlockFlag.DATA_OUT, 0)).toBe(Result.E_ARGUMENT);
    newDisk(BARRIER);
    read(1);
    for (let flags: u32 = 2; flags < 256; flags++) expect(submitWith(flags, 0)).toBe(Result.E_ARGUMENT);
    expect(ring.waiting).toBe(0);
    expect(submitWith(BlockFlag.BARRIER, 0)).toBe(Result.OK);
  });
});

describe("a SCSI command", () => {
  it("is header, command, data, sense, result, status", () => {
    for (let way = 0; way < 4; way++) {
      newDisk(SCSI | (way & 1 ? INDIRECT_DESC : 0));
      scsi(600);
      expect(submitWith(way & 2 ? BlockFlag.DATA_OUT : 0, 0)).toBe(Result.OK);
      const part = takePart();
      expect(part.isIndirect).toBe((way & 1) != 0);
      expect(part.count).toBe(6);
      expect(headerType(part)).toBe(2);
      expect(headerSector(part)).toBe(0);
      const lengths: u32[] = [16, 6, 600, 96, 16, 1];
      for (let index = 0; index < 6; index++) expect(part.lengths[index]).toBe(lengths[index]);
      for (let index = 0; index < 6; index++) {
        const isWritten = index > 2 || (index == 2 && (way & 2) == 0);
        expect(part.flags[index] & WRITE).toBe(isWritten ? WRITE : 0);
      }
      completePart(part, 0);
      expect(poll()).toBe(1);
      expect(completion(0).token).toBe(5);
      expect(completion(0).result).toBe(Result.OK);
      expect(completion(0).length).toBe(600);
    }
  });

  it("needs no data", () => {
    newDisk(SCSI);
    scsi(0);
    expect(submitWith(0, 0)).toBe(Result.OK);
    const part = takePart();
    expect(part.count).toBe(5);
    completePart(part, 2);
    expect(poll()).toBe(1);
    expect(completion(0).result).toBe(Result.E_UNSUPPORTED);
  });

  it("has its data where pages are apart, and within the limits, in one chain", () => {
    plugDisk(SCSI | SIZE_MAX | SEG_MAX | INDIRECT_DESC);
    configure(8, 4, 1000);
    configure(12, 4, 7);
    openDisk();
    memory_scatter(buffer, 32);
    forget_translations();
    scsi(5000);
    expect(submitWith(0, 0)).toBe(Result.OK);
    const part = takePart();
    // 4 pieces of 1000 and one of 96 from the first page, then 904.
    expect(part.count).toBe(5 + 6);
    expect(part.lengths[2]).toBe(1000);
    expect(part.lengths[6]).toBe(96);
    expect(part.lengths[7]).toBe(904);
    completePart(part, 0);
    expect(poll()).toBe(1);
    expect(completion(0).length).toBe(5000);
    scsi(8000);
    expect(submitWith(0, 0)).toBe(Result.E_SEGMENTS);
  });

  it("has command, sense and result in one descriptor each, whatever the limit of data is", () => {
    plugDisk(SCSI | SIZE_MAX);
    configure(8, 4, 5);
    openDisk();
    scsi(8);
    expect(submitWith(0, 0)).toBe(Result.OK);
    const part = takePart();
    const lengths: u32[] = [16, 6, 5, 3, 96, 16, 1];
    expect(part.count).toBe(7);
    for (let index = 0; index < 7; index++) expect(part.lengths[index]).toBe(lengths[index]);
  });

  it("is E_FULL where no descriptor is free", () => {
    newDisk(SCSI | INDIRECT_DESC, 8);
    for (let index = 0; index < 8; index++) {
      read(1);
      expect(submitWith(0, 0)).toBe(Result.OK);
    }
    scsi(36);
    expect(submitWith(0, 0)).toBe(Result.E_FULL);
    expect(completeAll()).toBe(8);
    expect(poll()).toBe(8);
    expect(submitWith(0, 0)).toBe(Result.OK);
    expect(headerType(takePart())).toBe(2);
  });

  it("is refused with the wrong segments", () => {
    newDisk(SCSI);
    scsi(36, 95);
    expect(submitWith(0, 0)).toBe(Result.E_SEGMENTS);
    scsi(36, 97);
    expect(submitWith(0, 0)).toBe(Result.E_SEGMENTS);
    scsi(36, 96, 15);
    expect(submitWith(0, 0)).toBe(Result.E_SEGMENTS);
    scsi(36, 96, 17);
    expect(submitWith(0, 0)).toBe(Result.E_SEGMENTS);
    prepare(0, 5, BlockOperation.SCSI_CMD, 0);
    expect(submitWith(0, 0)).toBe(Result.E_SEGMENTS);
    addSegment(0, buffer, 96);
    addSegment(0, buffer, 16);
    expect(submitWith(0, 0)).toBe(Result.E_SEGMENTS);
    expect(ring.waiting).toBe(0);
  });

  it("is refused where command, sense or result are in several pieces", () => {
    newDisk(SCSI);
    memory_scatter(buffer, 32);
    forget_translations();
    for (let piece = 0; piece < 3; piece++) {
      prepare(0, 5, BlockOperation.SCSI_CMD, 0);
      addSegment(0, piece == 0 ? buffer + PAGE - 3 : buffer, 6);
      addSegment(0, piece == 1 ? buffer + PAGE - 3 : buffer + 512, 96);
      addSegment(0, piece == 2 ? buffer + PAGE - 3 : buffer + 1024, 16);
      expect(submitWith(0, 0)).toBe(Result.E_SEGMENTS);
    }
  });

  it("goes into the ring where a table has no room, and is E_FULL or E_SEGMENTS where that has none", () => {
    newDisk(SCSI | INDIRECT_DESC, 64);
    prepare(0, 5, BlockOperation.SCSI_CMD, 0);
    addSegment(0, buffer, 6);
    // With five others, more than the 32 of a table.
    for (let index = 0; index < 28; index++) addSegment(0, buffer + PAGE, 1);
    addSegment(0, buffer + 512, 96);
    addSegment(0, buffer + 1024, 16);
    expect(submitWith(0, 0)).toBe(Result.OK);
    const part = takePart();
    expect(part.isIndirect).toBe(false);
    expect(part.count).toBe(33);
    expect(submitWith(0, 0)).toBe(Result.E_FULL);
    completePart(part, 0);
    expect(poll()).toBe(1);
    expect(completion(0).length).toBe(28);
    newDisk(SCSI, 8);
    scsi(36);
    expect(submitWith(0, 0)).toBe(Result.OK);
    expect(submitWith(0, 0)).toBe(Result.E_FULL);
    expect(completeAll()).toBe(1);
    expect(poll()).toBe(1);
    prepare(0, 5, BlockOperation.SCSI_CMD, 0);
    addSegment(0, buffer, 6);
    for (let index = 0; index < 4; index++) addSegment(0, buffer + PAGE, 1);
    addSegment(0, buffer + 512, 96);
    addSegment(0, buffer + 1024, 16);
    expect(submitWith(0, 0)).toBe(Result.E_SEGMENTS);
  });

  it("is refused without the feature", () => {
    newDisk(0);
    scsi(36);
    expect(submitWith(0, 0)).toBe(Result.E_UNSUPPORTED);
  });
});
