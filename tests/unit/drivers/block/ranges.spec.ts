/** Operations on ranges: limits, splitting, and how ranges reach the device. */
import { Event, Interrupt, Result } from "../../../../assembly/abi/results";
import { BlockOperation, BlockRange } from "../../../../assembly/drivers/block/abi";
import { events, interrupt } from "../../../../assembly/drivers/calls";
import { Chain, WRITE } from "../../scripted/ring";
import { device_interrupt, memory_read32 } from "../../scripted/script";
import {
  addSegment,
  askInformation,
  askStatistics,
  BLK_SIZE,
  buffer,
  completeAll,
  completePart,
  completion,
  configure,
  disk,
  FLUSH,
  handle,
  headerSector,
  headerType,
  INDIRECT_DESC,
  openDisk,
  plugDisk,
  poll,
  prepare,
  read,
  request,
  ring,
  RO,
  segments,
  SIZE_MAX,
  submit,
  takePart,
} from "./disk";

const DISCARD: u64 = 1 << 13;
const WRITE_ZEROES: u64 = 1 << 14;
const LIFETIME: u64 = 1 << 15;
const SECURE_ERASE: u64 = 1 << 16;
const ALL: u64 = DISCARD | WRITE_ZEROES | SECURE_ERASE;
const NO_LIMIT: u32 = 0xffff_ffff;

/** Sets the limits of all three operations. */
function limit(sectors: u32, ranges: u32, alignment: u32): void {
  configure(36, 4, sectors);
  configure(40, 4, ranges);
  configure(44, 4, alignment);
  configure(48, 4, sectors);
  configure(52, 4, ranges);
  configure(60, 4, sectors);
  configure(64, 4, ranges);
  configure(68, 4, alignment);
}

/** A disk of 1000 sectors with these limits. */
function newRangesDisk(
  sectors: u32,
  ranges: u32,
  alignment: u32,
  features: u64 = INDIRECT_DESC,
  queueSize: u32 = 16,
): void {
  plugDisk(features | ALL, queueSize);
  limit(sectors, ranges, alignment);
  assert(openDisk(queueSize) > 0);
}

function range(index: u32): BlockRange {
  return changetype<BlockRange>(segments + index * offsetof<BlockRange>());
}

/** Submits a request of ranges that were set; returns its result. */
function submitRanges(operation: u32, count: u32): i32 {
  prepare(0, 5, operation, 77);
  request(0).segment_count = count;
  const accepted = submit(1);
  const result = request(0).result;
  assert(accepted == (result == 0 ? 1 : 0));
  return result;
}

function setRange(index: u32, sector: u64, sectors: u32, flags: u32 = 0): void {
  range(index).sector = sector;
  range(index).num_sectors = sectors;
  range(index).flags = flags;
}

function submitOne(operation: u32, sector: u64, sectors: u32, flags: u32 = 0): i32 {
  setRange(0, sector, sectors, flags);
  return submitRanges(operation, 1);
}

/** How many ranges a part has: header, ranges, status. */
function rangesIn(part: Chain, operation: u32): u32 {
  expect(part.count).toBe(3);
  expect(part.lengths[0]).toBe(16);
  expect(headerType(part)).toBe(operation);
  expect(headerSector(part)).toBe(0);
  expect(part.flags[1] & WRITE).toBe(0);
  expect(part.lengths[2]).toBe(1);
  expect(part.flags[2] & WRITE).toBe(WRITE);
  return part.lengths[1] / 16;
}

function expectRange(part: Chain, index: u32, sector: u64, sectors: u32, flags: u32 = 0): void {
  const at = part.pointer(1) + 16 * index;
  expect((<u64>memory_read32(at)) | ((<u64>memory_read32(at + 4)) << 32)).toBe(sector);
  expect(memory_read32(at + 8)).toBe(sectors);
  expect(memory_read32(at + 12)).toBe(flags);
}

/** The next part, which has exactly one range. */
function expectOne(operation: u32, sector: u64, sectors: u32): void {
  const part = takePart();
  expect(rangesIn(part, operation)).toBe(1);
  expectRange(part, 0, sector, sectors);
  completePart(part, 0);
}

describe("limits of ranges", () => {
  it("are what the device states", () => {
    plugDisk(ALL);
    limit(100, 3, 8);
    configure(48, 4, 200);
    configure(52, 4, 5);
    configure(56, 1, 1);
    configure(60, 4, 300);
    configure(64, 4, 7);
    configure(68, 4, 16);
    openDisk();
    const found = askInformation();
    expect(found.max_discard_sectors).toBe(100);
    expect(found.max_discard_seg).toBe(3);
    expect(found.discard_sector_alignment).toBe(8);
    expect(found.max_write_zeroes_sectors).toBe(200);
    expect(found.max_write_zeroes_seg).toBe(5);
    expect(found.write_zeroes_may_unmap).toBe(1);
    expect(found.max_secure_erase_sectors).toBe(300);
    expect(found.max_secure_erase_seg).toBe(7);
    expect(found.secure_erase_sector_alignment).toBe(16);
  });

  it("of 0 are none, and one range", () => {
    newRangesDisk(0, 0, 0);
    const found = askInformation();
    expect(found.max_discard_sectors).toBe(NO_LIMIT);
    expect(found.max_discard_seg).toBe(1);
    expect(found.discard_sector_alignment).toBe(1);
    expect(found.max_write_zeroes_sectors).toBe(NO_LIMIT);
    expect(found.max_write_zeroes_seg).toBe(1);
    expect(found.write_zeroes_may_unmap).toBe(0);
    expect(found.max_secure_erase_sectors).toBe(NO_LIMIT);
    expect(found.max_secure_erase_seg).toBe(1);
    expect(found.secure_erase_sector_alignment).toBe(1);
  });

  it("are zeroes without the features", () => {
    plugDisk(0);
    limit(100, 3, 8);
    configure(56, 1, 1);
    openDisk();
    const found = askInformation();
    expect(found.max_discard_sectors | found.max_discard_seg | found.discard_sector_alignment).toBe(0);
    expect(found.max_write_zeroes_sectors | found.max_write_zeroes_seg | found.write_zeroes_may_unmap).toBe(0);
    expect(found.max_secure_erase_sectors | found.max_secure_erase_seg).toBe(0);
    expect(found.secure_erase_sector_alignment).toBe(0);
  });

  it("say at each change of the configuration whether UNMAP gives up storage", () => {
    newRangesDisk(0, 0, 0);
    configure(56, 1, 0xff);
    device_interrupt(disk, 2);
    expect(interrupt(handle)).toBe(Interrupt.CONFIGURATION);
    expect(events(handle) & Event.CAPACITY).toBe(0);
    expect(askInformation().write_zeroes_may_unmap).toBe(1);
    configure(56, 1, 0);
    device_interrupt(disk, 2);
    interrupt(handle);
    expect(askInformation().write_zeroes_may_unmap).toBe(0);
  });
});

describe("a request of ranges", () => {
  it("is header, ranges, status, in a table or in the ring", () => {
    for (let way = 0; way < 2; way++) {
      newRangesDisk(1000, 2, 1, way == 0 ? INDIRECT_DESC : 0);
      setRange(0, 10, 20, 1);
      setRange(1, 300, 7);
      expect(submitRanges(BlockOperation.WRITE_ZEROES, 2)).toBe(Result.OK);
      const part = takePart();
      expect(part.isIndirect).toBe(way == 0);
      expect(rangesIn(part, 13)).toBe(2);
      expectRange(part, 0, 10, 20, 1);
      expectRange(part, 1, 300, 7);
      expect(ring.waiting).toBe(0);
      completePart(part, 0);
      expect(poll()).toBe(1);
      expect(completion(0).token).toBe(5);
      expect(completion(0).result).toBe(Result.OK);
      expect(completion(0).length).toBe(0);
    }
  });

  it("has the type of its operation", () => {
    newRangesDisk(0, 1, 1);
    expect(submitOne(BlockOperation.DISCARD, 0, 1)).toBe(Result.OK);
    expectOne(11, 0, 1);
    expect(submitOne(BlockOperation.SECURE_ERASE, 999, 1)).toBe(Result.OK);
    expectOne(14, 999, 1);
  });

  it("is cut where a part has the sectors that the device takes", () => {
    newRangesDisk(64, 8, 1);
    expect(submitOne(BlockOperation.DISCARD, 3, 200)).toBe(Result.OK);
    expectOne(11, 3, 64);
    expectOne(11, 67, 64);
    expectOne(11, 131, 64);
    expectOne(11, 195, 8);
    expect(poll()).toBe(1);
    expect(askStatistics().requests).toBe(1);
  });

  it("is cut at multiples of the alignment, and where there is none, of blocks", () => {
    newRangesDisk(50, 8, 16);
    expect(submitOne(BlockOperation.DISCARD, 5, 100)).toBe(Result.OK);
    expectOne(11, 5, 43);
    expectOne(11, 48, 48);
    expectOne(11, 96, 9);
    expect(submitOne(BlockOperation.WRITE_ZEROES, 5, 60)).toBe(Result.OK);
    expectOne(13, 5, 50);
    expectOne(13, 55, 10);
    // No multiple lies within reach.
    newRangesDisk(10, 8, 64);
    expect(submitOne(BlockOperation.SECURE_ERASE, 1, 12)).toBe(Result.OK);
    expectOne(14, 1, 10);
    expectOne(14, 11, 2);
  });

  it("is cut into whole blocks, whatever limit and alignment are", () => {
    plugDisk(INDIRECT_DESC | ALL | BLK_SIZE);
    configure(20, 4, 4096);
    limit(20, 8, 12);
    openDisk();
    expect(submitOne(BlockOperation.DISCARD, 8, 40)).toBe(Result.OK);
    expectOne(11, 8, 16);
    expectOne(11, 24, 16);
    expectOne(11, 40, 8);
    plugDisk(INDIRECT_DESC | ALL | BLK_SIZE);
    configure(20, 4, 4096);
    limit(36, 8, 16);
    openDisk();
    expect(submitOne(BlockOperation.DISCARD, 8, 40)).toBe(Result.OK);
    expectOne(11, 8, 24);
    expectOne(11, 32, 16);
  });

  it("begins another part with a range that does not fit, and fills it up", () => {
    newRangesDisk(30, 4, 1);
    setRange(0, 0, 10);
    setRange(1, 100, 20);
    setRange(2, 200, 1);
    setRange(3, 300, 40);
    setRange(4, 400, 20);
    setRange(5, 500, 1);
    expect(submitRanges(BlockOperation.DISCARD, 6)).toBe(Result.OK);
    let part = takePart();
    expect(rangesIn(part, 11)).toBe(2);
    expectRange(part, 0, 0, 10);
    expectRange(part, 1, 100, 20);
    part = takePart();
    expect(rangesIn(part, 11)).toBe(1);
    expectRange(part, 0, 200, 1);
    part = takePart();
    expect(rangesIn(part, 11)).toBe(1);
    expectRange(part, 0, 300, 30);
    part = takePart();
    expect(rangesIn(part, 11)).toBe(2);
    expectRange(part, 0, 330, 10);
    expectRange(part, 1, 400, 20);
    part = takePart();
    expect(rangesIn(part, 11)).toBe(1);
    expectRange(part, 0, 500, 1);
    expect(ring.waiting).toBe(0);
  });

  it("has no more ranges in a part than the device takes", () => {
    newRangesDisk(0, 3, 1);
    for (let index: u32 = 0; index < 7; index++) setRange(index, index, 1);
    expect(submitRanges(BlockOperation.DISCARD, 7)).toBe(Result.OK);
    expect(rangesIn(takePart(), 11)).toBe(3);
    expect(rangesIn(takePart(), 11)).toBe(3);
    expect(rangesIn(takePart(), 11)).toBe(1);
  });

  it("keeps its ranges where no other request's table is", () => {
    newRangesDisk(0, 1, 1);
    expect(submitOne(BlockOperation.DISCARD, 20, 10)).toBe(Result.OK);
    prepare(0, 1, BlockOperation.READ, 0);
    for (let index: u32 = 0; index < 8; index++) addSegment(0, buffer + index * 4096, 512);
    expect(submit(1)).toBe(1);
    expectOne(11, 20, 10);
  });

  it("has as many ranges in a part as there is room for", () => {
    // A table has 16 descriptors here, three of which are used.
    newRangesDisk(0, NO_LIMIT, 1);
    for (let index: u32 = 0; index < 20; index++) setRange(index, index, 1);
    expect(submitRanges(BlockOperation.DISCARD, 20)).toBe(Result.OK);
    let part = takePart();
    expect(rangesIn(part, 11)).toBe(13);
    expectRange(part, 12, 12, 1);
    part = takePart();
    expect(rangesIn(part, 11)).toBe(7);
    expectRange(part, 6, 19, 1);
    // In the ring, the slot of a descriptor has 32 bytes.
    newRangesDisk(0, NO_LIMIT, 1, 0);
    expect(submitRanges(BlockOperation.DISCARD, 5)).toBe(Result.OK);
    expect(rangesIn(takePart(), 11)).toBe(2);
    expect(rangesIn(takePart(), 11)).toBe(2);
    expect(rangesIn(takePart(), 11)).toBe(1);
  });

  it("stays within size_max, or is E_SEGMENTS", () => {
    plugDisk(INDIRECT_DESC | ALL | SIZE_MAX);
    limit(0, 8, 1);
    configure(8, 4, 40);
    openDisk();
    for (let index: u32 = 0; index < 3; index++) setRange(index, index, 1);
    expect(submitRanges(BlockOperation.DISCARD, 3)).toBe(Result.OK);
    expect(rangesIn(takePart(), 11)).toBe(2);
    expect(rangesIn(takePart(), 11)).toBe(1);
    plugDisk(INDIRECT_DESC | ALL | SIZE_MAX | FLUSH);
    limit(0, 8, 1);
    configure(8, 4, 15);
    openDisk();
    expect(submitRanges(BlockOperation.DISCARD, 1)).toBe(Result.E_SEGMENTS);
    expect(ring.waiting).toBe(0);
    prepare(0, 1, BlockOperation.FLUSH, 0);
    expect(submit(1)).toBe(1);
    setRange(0, 0, 1);
    expect(submitRanges(BlockOperation.DISCARD, 1)).toBe(Result.E_SEGMENTS, "also where the ring is not empty");
  });

  it("completes with its last part, with the first error of them", () => {
    newRangesDisk(10, 1, 1);
    expect(submitOne(BlockOperation.DISCARD, 0, 30)).toBe(Result.OK);
    completePart(takePart(), 0);
    completePart(takePart(), 2);
    expect(poll()).toBe(0);
    completePart(takePart(), 1);
    expect(poll()).toBe(1);
    expect(completion(0).token).toBe(5);
    expect(completion(0).result).toBe(Result.E_UNSUPPORTED);
    expect(completion(0).length).toBe(0);
    const statistics = askStatistics();
    expect(statistics.errors).toBe(1);
    expect(statistics.reads | statistics.writes | statistics.flushes).toBe(0);
  });

  it("leaves slots of the ring to the chains that they belong to", () => {
    newRangesDisk(0, 2, 1, 0, 8);
    for (let round = 0; round < 20; round++) {
      setRange(0, round, 1);
      setRange(1, 100 + round, 1);
      expect(submitRanges(BlockOperation.DISCARD, 2)).toBe(Result.OK);
      expect(read(6, 9, 512)).toBe(Result.OK);
      const part = takePart();
      expectRange(part, 0, round, 1);
      expectRange(part, 1, 100 + round, 1);
      const other = takePart();
      expect(headerType(other)).toBe(0);
      expect(headerSector(other)).toBe(9);
      // In another order, so that descriptors are mixed.
      if (round & 1) {
        completePart(part, 0);
        completePart(other, 0);
      } else {
        completePart(other, 0);
        completePart(part, 0);
      }
      expect(poll()).toBe(2);
    }
  });
});

describe("a request of ranges is refused", () => {
  it("without the feature", () => {
    plugDisk(DISCARD);
    openDisk();
    expect(submitOne(BlockOperation.WRITE_ZEROES, 0, 1)).toBe(Result.E_UNSUPPORTED);
    expect(submitOne(BlockOperation.SECURE_ERASE, 0, 1)).toBe(Result.E_UNSUPPORTED);
    expect(submitOne(BlockOperation.DISCARD, 0, 1)).toBe(Result.OK);
  });

  it("on a read-only disk", () => {
    plugDisk(ALL | RO);
    openDisk();
    expect(submitOne(BlockOperation.DISCARD, 0, 1)).toBe(Result.E_READ_ONLY);
  });

  it("without ranges, and with one that is empty", () => {
    newRangesDisk(0, 4, 1);
    expect(submitRanges(BlockOperation.DISCARD, 0)).toBe(Result.E_SEGMENTS);
    setRange(0, 0, 1);
    setRange(1, 0, 0);
    expect(submitRanges(BlockOperation.DISCARD, 2)).toBe(Result.E_SEGMENTS);
  });

  it("beyond the capacity", () => {
    newRangesDisk(0, 4, 1);
    expect(submitOne(BlockOperation.DISCARD, 0, 1000)).toBe(Result.OK);
    expect(submitOne(BlockOperation.DISCARD, 0, 1001)).toBe(Result.E_RANGE);
    expect(submitOne(BlockOperation.DISCARD, 1000, 1)).toBe(Result.E_RANGE);
    expect(submitOne(BlockOperation.DISCARD, u64.MAX_VALUE, 2)).toBe(Result.E_RANGE);
  });

  it("with flags that the operation does not have", () => {
    newRangesDisk(0, 4, 1);
    expect(submitOne(BlockOperation.WRITE_ZEROES, 0, 1, 1)).toBe(Result.OK);
    expect(submitOne(BlockOperation.WRITE_ZEROES, 0, 1, 2)).toBe(Result.E_ARGUMENT);
    expect(submitOne(BlockOperation.WRITE_ZEROES, 0, 1, 0x8000_0001)).toBe(Result.E_ARGUMENT);
    expect(submitOne(BlockOperation.DISCARD, 0, 1, 1)).toBe(Result.E_ARGUMENT);
    expect(submitOne(BlockOperation.SECURE_ERASE, 0, 1, 1)).toBe(Result.E_ARGUMENT);
  });

  it("with parts of blocks", () => {
    plugDisk(ALL | BLK_SIZE);
    configure(20, 4, 1024);
    openDisk();
    expect(submitOne(BlockOperation.DISCARD, 1, 2)).toBe(Result.E_ALIGNMENT);
    expect(submitOne(BlockOperation.DISCARD, 2, 1)).toBe(Result.E_ALIGNMENT);
    expect(submitOne(BlockOperation.DISCARD, 2, 2)).toBe(Result.OK);
  });

  it("where the device takes less than a block at once, and a range has to be cut", () => {
    plugDisk(INDIRECT_DESC | ALL | BLK_SIZE);
    configure(20, 4, 4096);
    limit(7, 1, 1);
    openDisk();
    expect(submitOne(BlockOperation.DISCARD, 0, 8)).toBe(Result.E_SEGMENTS);
    expect(ring.waiting).toBe(0);
  });

  it("with ranges that are not in memory", () => {
    newRangesDisk(0, 4, 1);
    prepare(0, 5, BlockOperation.DISCARD, 0);
    const end = (<u32>memory.size()) << 16;
    request(0).segments = end - 24;
    request(0).segment_count = 2;
    expect(submit(1)).toBe(0);
    expect(request(0).result).toBe(Result.E_ARGUMENT);
    request(0).segments = 0;
    request(0).segment_count = 1;
    expect(submit(1)).toBe(0);
    expect(request(0).result).toBe(Result.E_ARGUMENT);
    request(0).segments = end - 16;
    changetype<BlockRange>(end - 16).sector = 0;
    changetype<BlockRange>(end - 16).num_sectors = 1;
    changetype<BlockRange>(end - 16).flags = 0;
    expect(submit(1)).toBe(1);
  });

  it("for want of room: E_FULL, or E_SEGMENTS where there never will be enough", () => {
    for (let way = 0; way < 2; way++) {
      const chains: u32 = way == 0 ? 16 : 5;
      newRangesDisk(1, 1, 1, way == 0 ? INDIRECT_DESC : 0);
      expect(submitOne(BlockOperation.DISCARD, 0, chains + 1)).toBe(Result.E_SEGMENTS);
      expect(ring.waiting).toBe(0);
      expect(submitOne(BlockOperation.DISCARD, 0, chains)).toBe(Result.OK);
      expect(submitOne(BlockOperation.DISCARD, 0, 1)).toBe(Result.E_FULL);
      setRange(0, 0, 2);
      setRange(1, 1000, 1);
      expect(submitRanges(BlockOperation.DISCARD, 2)).toBe(Result.E_RANGE);
      expect(completeAll()).toBe(chains);
      expect(poll()).toBe(1);
      expect(submitOne(BlockOperation.DISCARD, 0, chains)).toBe(Result.OK);
    }
  });
});

describe("GET_LIFETIME", () => {
  it("reads six bytes", () => {
    plugDisk(LIFETIME);
    openDisk();
    prepare(0, 9, BlockOperation.GET_LIFETIME, 55);
    addSegment(0, buffer, 6);
    expect(submit(1)).toBe(1);
    const part = takePart();
    expect(part.count).toBe(3);
    expect(headerType(part)).toBe(10);
    expect(headerSector(part)).toBe(0);
    expect(part.lengths[1]).toBe(6);
    expect(part.flags[1] & WRITE).toBe(WRITE);
    completePart(part, 0);
    expect(poll()).toBe(1);
    expect(completion(0).length).toBe(6);
  });

  it("is refused with other lengths, and without the feature", () => {
    plugDisk(LIFETIME);
    openDisk();
    for (let length: u32 = 1; length < 9; length++) {
      if (length == 6) continue;
      prepare(0, 9, BlockOperation.GET_LIFETIME, 0);
      addSegment(0, buffer, length);
      expect(submit(1)).toBe(0);
      expect(request(0).result).toBe(Result.E_SEGMENTS);
    }
    prepare(0, 9, BlockOperation.GET_LIFETIME, 0);
    expect(submit(1)).toBe(0);
    expect(request(0).result).toBe(Result.E_SEGMENTS);
    addSegment(0, buffer, 3);
    addSegment(0, buffer, 3);
    expect(submit(1)).toBe(0);
    expect(request(0).result).toBe(Result.E_SEGMENTS);
    plugDisk(0);
    openDisk();
    prepare(0, 9, BlockOperation.GET_LIFETIME, 0);
    addSegment(0, buffer, 6);
    expect(submit(1)).toBe(0);
    expect(request(0).result).toBe(Result.E_UNSUPPORTED);
  });
});
