/** From a caller's request to the chains that a disk sees. */
import { BlockOperation } from "../../../../assembly/drivers/block/abi";
import { Result } from "../../../../assembly/abi/results";
import { NO_ADDRESS } from "../../../../assembly/kernel";
import { forget_translations, physicalAddress } from "../../../../assembly/memory/addresses";
import { writesTo, QUEUE_NOTIFY } from "../../scripted/plug";
import { Chain, WRITE } from "../../scripted/ring";
import {
  memory_physical,
  memory_read8,
  memory_scatter,
  memory_translate,
  memory_write32,
  Trace,
  trace_clear,
  trace_count,
} from "../../scripted/script";
import {
  addSegment,
  ANY_LAYOUT,
  askInformation,
  askStatistics,
  BLK_SIZE,
  buffer,
  completeAll,
  completePart,
  completion,
  configure,
  FLUSH,
  handle,
  headerSector,
  headerType,
  INDIRECT_DESC,
  newDisk,
  openDisk,
  payload,
  plugDisk,
  poll,
  prepare,
  read,
  request,
  requests,
  ring,
  SEG_MAX,
  segments,
  SIZE_MAX,
  submit,
  submitOne,
  takePart,
  write,
} from "./disk";

const PAGE: u32 = 4096;
const END: u32 = (<u32>memory.size()) << 16;

/** Physical address of a byte of the buffer. */
function at(offset: u32): u64 {
  return memory_physical(buffer + offset);
}

/** A disk with limits, whose buffer has every page somewhere else. */
function newLimitedDisk(segMax: u32, sizeMax: u32, blockSize: u32 = 512, features: u64 = INDIRECT_DESC): void {
  plugDisk(features | SEG_MAX | SIZE_MAX | BLK_SIZE, 32);
  configure(8, 4, sizeMax);
  configure(12, 4, segMax);
  configure(20, 4, blockSize);
  assert(openDisk(32) > 0);
  memory_scatter(buffer, 32);
  forget_translations();
}

/** Refuses the request prepared, shows nothing to the device, and counts it. */
function expectRefused(result: i32): void {
  const refused = askStatistics().refused;
  const room = ring.availableIndex;
  trace_clear();
  expect(submit(1)).toBe(0);
  expect(request(0).result).toBe(result);
  expect(ring.availableIndex).toBe(room);
  expect(writesTo(QUEUE_NOTIFY).length).toBe(0);
  expect(askStatistics().refused).toBe(refused + 1);
}

function expectRefusedOne(operation: u32, sector: u64, bytes: u32, result: i32): void {
  prepare(0, 1, operation, sector);
  if (bytes != 0) addSegment(0, buffer, bytes);
  expectRefused(result);
}

/** Reads `count` sectors into as many segments, all the same one; returns the result. */
function readSegments(count: u32): i32 {
  prepare(0, 1, BlockOperation.READ, 0);
  for (let segment: u32 = 0; segment < count; segment++) addSegment(0, buffer, 512);
  return submit(1) == 1 ? Result.OK : request(0).result;
}

/** Header, payload and status byte of a part, and nothing else but the payload given. */
function expectFraming(part: Chain, type: u32, sector: u64, bytes: u32, dataFlags: u32): void {
  const last = part.count - 1;
  expect(part.lengths[0]).toBe(16);
  expect(part.flags[0] & WRITE).toBe(0);
  expect(part.lengths[last]).toBe(1);
  expect(part.flags[last] & WRITE).toBe(WRITE);
  expect(headerType(part)).toBe(type);
  expect(headerSector(part)).toBe(sector);
  expect(payload(part)).toBe(bytes);
  for (let index: u32 = 1; index < last; index++) expect(part.flags[index] & WRITE).toBe(dataFlags);
  expect(memory_read8(part.pointer(last))).toBe(0xff, "a status that no device writes");
}

describe("a request", () => {
  it("to read is header, data that the device writes, status", () => {
    for (let features = 0; features < 3; features++) {
      newDisk(features == 0 ? 0 : features == 1 ? ANY_LAYOUT : INDIRECT_DESC);
      expect(read(1, 0x123, 1024)).toBe(Result.OK);
      const part = takePart();
      expect(part.count).toBe(3);
      expectFraming(part, 0, 0x123, 1024, WRITE);
      expect(part.addresses[1]).toBe(at(0));
      expect(part.isIndirect).toBe(features == 2);
    }
  });

  it("to write is header, data that the device reads, status", () => {
    newDisk(0);
    expect(write(1, 999, 512)).toBe(Result.OK);
    const part = takePart();
    expect(part.count).toBe(3);
    expectFraming(part, 1, 999, 512, 0);
  });

  it("to flush has no data, and no sector whatever the caller says", () => {
    newDisk(FLUSH);
    expect(submitOne(1, BlockOperation.FLUSH, 55, 0)).toBe(Result.OK);
    const part = takePart();
    expect(part.count).toBe(2);
    expectFraming(part, 4, 0, 0, 0);
  });

  it("to flush needs no pointer to segments", () => {
    newDisk(FLUSH);
    prepare(0, 1, BlockOperation.FLUSH, 0);
    request(0).segments = 0;
    expect(submit(1)).toBe(1);
    expect(request(0).result).toBe(Result.OK);
  });

  it("has its own segments, whatever follows them", () => {
    const features: u64[] = [0, INDIRECT_DESC];
    for (let at = 0; at < features.length; at++) {
      newDisk(features[at]);
      prepare(0, 1, BlockOperation.READ, 0);
      for (let segment: u32 = 0; segment < 3; segment++) addSegment(0, buffer, 512);
      request(0).segment_count = 1;
      expect(submit(1)).toBe(1);
      expectFraming(takePart(), 0, 0, 512, WRITE);
    }
  });

  it("leaves the tables of others alone, however many segments follow its own", () => {
    newDisk(INDIRECT_DESC);
    read(1, 0, 512);
    read(2, 5, 512);
    const first = takePart();
    const second = ring.take();
    completePart(first, 0);
    expect(poll()).toBe(1);
    prepare(0, 3, BlockOperation.READ, 0);
    for (let segment: u32 = 0; segment < 300; segment++) addSegment(0, buffer, 512);
    request(0).segment_count = 1;
    expect(submit(1)).toBe(1);
    expectFraming(takePart(), 0, 0, 512, WRITE);
    expectFraming(ring.chain(second), 0, 5, 512, WRITE);
  });

  it("is one of those in the batch, whatever follows them", () => {
    newDisk(INDIRECT_DESC);
    for (let index: u32 = 0; index < 3; index++) {
      prepare(index, index, BlockOperation.READ, 0);
      addSegment(index, buffer, 512);
    }
    expect(submit(2)).toBe(2);
    expect(ring.waiting).toBe(2);
    expect(request(2).result).toBe(77);
  });

  it("for the serial number has 20 bytes, and no sector", () => {
    newDisk(0);
    expect(submitOne(1, BlockOperation.GET_ID, 55, 20)).toBe(Result.OK);
    expectFraming(takePart(), 8, 0, 20, WRITE);
  });

  it("has headers and status bytes of its own", () => {
    newDisk(0);
    read(1, 5, 512);
    read(2, 6, 512);
    const first = takePart();
    const second = takePart();
    expect(headerSector(first)).toBe(5);
    expect(headerSector(second)).toBe(6);
    expect(first.addresses[2]).not.toBe(second.addresses[2]);
  });

  it("keeps the caller's segments apart", () => {
    newDisk(0);
    prepare(0, 1, BlockOperation.WRITE, 0);
    addSegment(0, buffer + 5000, 100);
    addSegment(0, buffer + 100, 400);
    addSegment(0, buffer + 9, 12);
    expect(submit(1)).toBe(1);
    const part = takePart();
    expect(part.count).toBe(5);
    expect(part.addresses[1]).toBe(at(5000));
    expect(part.lengths[1]).toBe(100);
    expect(part.addresses[2]).toBe(at(100));
    expect(part.lengths[2]).toBe(400);
    expect(part.addresses[3]).toBe(at(9));
    expect(part.lengths[3]).toBe(12);
  });

  it("is one descriptor over contiguous pages, and split where the next lies elsewhere", () => {
    newDisk(0);
    read(1, 0, 4 * PAGE);
    expect(takePart().count).toBe(3);
    memory_scatter(buffer + 2 * PAGE, 1);
    forget_translations();
    submitOne(2, BlockOperation.READ, 0, 4 * PAGE - 1024, 512);
    const part = takePart();
    expect(part.count).toBe(5);
    expect(part.addresses[1]).toBe(at(512));
    expect(part.lengths[1]).toBe(2 * PAGE - 512);
    expect(part.addresses[2]).toBe(at(2 * PAGE));
    expect(part.lengths[2]).toBe(PAGE);
    expect(part.addresses[3]).toBe(at(3 * PAGE));
    expect(part.lengths[3]).toBe(PAGE - 512);
  });
});

describe("a refused request", () => {
  it("has an operation that does not exist", () => {
    newDisk(FLUSH);
    const operations: u32[] = [3, 5, 9, 12, 15, 0x80, 0xff];
    for (let index = 0; index < operations.length; index++) {
      expectRefusedOne(operations[index], 0, 512, Result.E_ARGUMENT);
    }
  });

  it("has segments outside of memory", () => {
    newDisk(0);
    prepare(0, 1, BlockOperation.READ, 0);
    request(0).segment_count = 1;
    request(0).segments = 0;
    expectRefused(Result.E_ARGUMENT);
    request(0).segments = END - 7;
    expectRefused(Result.E_ARGUMENT);
    request(0).segments = segments;
    request(0).segment_count = 0x2000_0001;
    expectRefused(Result.E_ARGUMENT);
  });

  it("has no bytes, an empty segment, or more bytes than a completion can state", () => {
    newDisk(0);
    expectRefusedOne(BlockOperation.READ, 0, 0, Result.E_SEGMENTS);
    expectRefusedOne(BlockOperation.WRITE, 0, 0, Result.E_SEGMENTS);
    prepare(0, 1, BlockOperation.READ, 0);
    addSegment(0, buffer, 512);
    addSegment(0, buffer, 0);
    expectRefused(Result.E_SEGMENTS);
    newDisk(0, 4);
    read(1, 0, 512);
    prepare(0, 1, BlockOperation.READ, 0);
    for (let count = 0; count < 16; count++) addSegment(0, 0x1000, 0x1000_0000);
    addSegment(0, buffer, 512);
    expectRefused(Result.E_SEGMENTS);
  });

  it("has a segment that goes on behind the last pointer", () => {
    newDisk(0);
    prepare(0, 1, BlockOperation.READ, 0);
    addSegment(0, 0xffff_ff00, 512);
    expectRefused(Result.E_SEGMENTS);
  });

  it("is not made of whole blocks, nor begins at one, with tables", () => {
    plugDisk(BLK_SIZE | INDIRECT_DESC);
    configure(20, 4, 4096);
    assert(openDisk() > 0);
    expect(read(1, 0, 4096)).toBe(Result.OK);
    expect(read(2, 1, 4096)).toBe(Result.E_ALIGNMENT);
    expect(read(3, 0, 512)).toBe(Result.E_ALIGNMENT);
  });

  it("goes on behind the last pointer, where the first pages are known", () => {
    newDisk(INDIRECT_DESC);
    memory_translate(0xffff_f000, 0x10_0000);
    memory_translate(0, 0x10_1000);
    physicalAddress(0xffff_f000);
    physicalAddress(0);
    prepare(0, 1, BlockOperation.READ, 0);
    addSegment(0, 0xffff_ff00, 512);
    expectRefused(Result.E_SEGMENTS);
  });

  it("is not made of whole blocks", () => {
    newDisk(0);
    expectRefusedOne(BlockOperation.READ, 0, 511, Result.E_ALIGNMENT);
    expectRefusedOne(BlockOperation.WRITE, 0, 513, Result.E_ALIGNMENT);
    plugDisk(BLK_SIZE);
    configure(20, 4, 4096);
    openDisk();
    expectRefusedOne(BlockOperation.READ, 0, 512, Result.E_ALIGNMENT);
    expectRefusedOne(BlockOperation.READ, 1, 4096, Result.E_ALIGNMENT);
    expectRefusedOne(BlockOperation.READ, 8, 4096 + 512, Result.E_ALIGNMENT);
    expect(read(1, 8, 4096)).toBe(Result.OK);
  });

  it("is not within the disk", () => {
    newDisk(0);
    expect(read(1, 999, 512)).toBe(Result.OK);
    expectRefusedOne(BlockOperation.READ, 1000, 512, Result.E_RANGE);
    expectRefusedOne(BlockOperation.WRITE, 999, 1024, Result.E_RANGE);
    expectRefusedOne(BlockOperation.READ, u64.MAX_VALUE, 512, Result.E_RANGE);
    expectRefusedOne(BlockOperation.READ, 1 << 55, 512, Result.E_RANGE);
    plugDisk(0);
    configure(0, 8, 1);
    openDisk();
    expectRefusedOne(BlockOperation.READ, 0, 1024, Result.E_RANGE);
    configure(0, 8, 0);
    plugDisk(0);
    configure(0, 8, 0);
    openDisk();
    expectRefusedOne(BlockOperation.READ, 0, 512, Result.E_RANGE);
  });

  it("needs a flush that the disk does not have, or gives it data", () => {
    newDisk(0);
    expectRefusedOne(BlockOperation.FLUSH, 0, 0, Result.E_UNSUPPORTED);
    newDisk(FLUSH);
    expectRefusedOne(BlockOperation.FLUSH, 0, 512, Result.E_SEGMENTS);
  });

  it("wants a serial number of another length", () => {
    newDisk(0);
    expectRefusedOne(BlockOperation.GET_ID, 0, 19, Result.E_SEGMENTS);
    expectRefusedOne(BlockOperation.GET_ID, 0, 21, Result.E_SEGMENTS);
    expectRefusedOne(BlockOperation.GET_ID, 0, 0, Result.E_SEGMENTS);
    prepare(0, 1, BlockOperation.GET_ID, 0);
    addSegment(0, buffer, 10);
    addSegment(0, buffer + 10, 10);
    expectRefused(Result.E_SEGMENTS);
  });

  it("has bytes that are not lent to devices, and leaves no part behind", () => {
    newLimitedDisk(2, 0xffff_ffff);
    memory_translate(buffer + 5 * PAGE, NO_ADDRESS);
    forget_translations();
    expectRefusedOne(BlockOperation.READ, 0, 8 * PAGE, Result.E_ADDRESS);
    prepare(0, 1, BlockOperation.READ, 0);
    addSegment(0, buffer + 5 * PAGE + 7, 512);
    expectRefused(Result.E_ADDRESS);
    expect(read(1, 0, 5 * PAGE)).toBe(Result.OK);
    expect(ring.waiting).toBe(3, "parts of 2, 2 and 1 page");
  });

  it("stops the batch, whose earlier requests are published with one notification", () => {
    newDisk(0);
    for (let index: u32 = 0; index < 3; index++) {
      prepare(index, index, BlockOperation.READ, index == 1 ? 1000 : 0);
      addSegment(index, buffer, 512);
    }
    expect(submit(3)).toBe(1);
    expect(request(0).result).toBe(Result.OK);
    expect(request(1).result).toBe(Result.E_RANGE);
    expect(request(2).result).toBe(77, "not looked at");
    expect(ring.waiting).toBe(1);
    expect(writesTo(QUEUE_NOTIFY).length).toBe(1);
    expect(askStatistics().requests).toBe(1);
  });
});

describe("a request that the device cannot take in one piece", () => {
  it("is split into parts of no more segments than it takes", () => {
    newLimitedDisk(2, 0xffff_ffff);
    expect(read(9, 100, 5 * PAGE)).toBe(Result.OK);
    expect(ring.waiting).toBe(3);
    for (let part: u32 = 0; part < 3; part++) {
      const chain = takePart();
      expectFraming(chain, 0, 100 + part * 16, part < 2 ? 2 * PAGE : PAGE, WRITE);
      expect(chain.count).toBe(part < 2 ? 4 : 3);
      expect(chain.addresses[1]).toBe(at(part * 2 * PAGE));
    }
  });

  it("is split into segments no larger than it takes", () => {
    newLimitedDisk(0xffff_ffff, 1000);
    expect(write(1, 0, 4096)).toBe(Result.OK);
    expect(ring.waiting).toBe(1);
    const part = takePart();
    expectFraming(part, 1, 0, 4096, 0);
    expect(part.count).toBe(2 + 5);
    for (let index: u32 = 0; index < 5; index++) {
      expect(part.lengths[1 + index]).toBe(index < 4 ? 1000 : 96);
      expect(part.addresses[1 + index]).toBe(at(index * 1000));
    }
  });

  it("has whole blocks in every part: what is left over goes into the next", () => {
    newLimitedDisk(1, 1000);
    expect(read(1, 10, 2048)).toBe(Result.OK);
    expect(ring.waiting).toBe(4);
    for (let part: u32 = 0; part < 4; part++) {
      const chain = takePart();
      expectFraming(chain, 0, 10 + part, 512, WRITE);
      expect(chain.addresses[1]).toBe(at(part * 512));
    }
  });

  it("has whole blocks of the disk's own size in every part", () => {
    newLimitedDisk(3, 3000, 4096);
    expect(read(1, 8, 3 * 4096)).toBe(Result.OK);
    expect(ring.waiting).toBe(3);
    for (let part: u32 = 0; part < 3; part++) {
      const chain = takePart();
      expectFraming(chain, 0, 8 + part * 8, 4096, WRITE);
      expect(chain.lengths[1]).toBe(3000);
      expect(chain.lengths[2]).toBe(1096);
    }
  });

  it("goes on in the middle of a segment of the caller's", () => {
    newLimitedDisk(2, 0xffff_ffff);
    prepare(0, 1, BlockOperation.WRITE, 0);
    addSegment(0, buffer, 300);
    addSegment(0, buffer + PAGE, 700);
    addSegment(0, buffer + 2 * PAGE, 1048);
    expect(submit(1)).toBe(1);
    const first = takePart();
    expectFraming(first, 1, 0, 512, 0);
    expect(first.lengths[1]).toBe(300);
    expect(first.lengths[2]).toBe(212);
    const second = takePart();
    expectFraming(second, 1, 1, 1536, 0);
    expect(second.addresses[1]).toBe(at(PAGE + 212));
    expect(second.lengths[1]).toBe(488);
    expect(second.addresses[2]).toBe(at(2 * PAGE));
    expect(second.lengths[2]).toBe(1048);
    expect(ring.waiting).toBe(0);
  });

  it("is refused when no block fits into the segments that the device takes", () => {
    newLimitedDisk(1, 511);
    expectRefusedOne(BlockOperation.READ, 0, 512, Result.E_SEGMENTS);
    newLimitedDisk(2, 256);
    expect(read(1, 0, 512)).toBe(Result.OK);
    newLimitedDisk(2, 255);
    expectRefusedOne(BlockOperation.READ, 0, 1024, Result.E_SEGMENTS);
  });

  it("leaves whole segments to the next part when they hold less than a block", () => {
    plugDisk(INDIRECT_DESC | BLK_SIZE, 32);
    configure(20, 4, 4096);
    openDisk(32);
    prepare(0, 1, BlockOperation.READ, 0);
    for (let count: u32 = 0; count < 64; count++) addSegment(0, buffer + count * 2048, 1024);
    expect(submit(1)).toBe(1);
    expect(ring.waiting).toBe(3);
    const counts: u32[] = [28, 28, 8];
    let first: u32 = 0;
    for (let part = 0; part < 3; part++) {
      const chain = takePart();
      expectFraming(chain, 0, first * 2, counts[part] * 1024, WRITE);
      expect(chain.count).toBe(counts[part] + 2);
      expect(chain.addresses[1]).toBe(at(first * 2048));
      first += counts[part];
    }
  });

  it("covers every byte once, in order, however it is cut", () => {
    const segMaxima: u32[] = [1, 2, 3, 7, 30];
    const sizeMaxima: u32[] = [512, 700, 1024, 4096, 5000, 0xffff_ffff];
    let wrong: u32 = 0;
    let cut: u32 = 0;
    for (let seg = 0; seg < segMaxima.length; seg++) {
      for (let size = 0; size < sizeMaxima.length; size++) {
        newLimitedDisk(segMaxima[seg], sizeMaxima[size]);
        const bytes: u32 = 13 * 512;
        const start: u32 = 1500;
        if (submitOne(1, BlockOperation.READ, 40, bytes, start) != Result.OK) {
          // One block must fit into what the device takes, pages being apart.
          if (segMaxima[seg] > 1) wrong++;
          continue;
        }
        let done: u32 = 0;
        while (ring.waiting != 0) {
          const part = takePart();
          if (headerSector(part) != 40 + done / 512) wrong++;
          if (part.count - 2 > segMaxima[seg] || payload(part) % 512 != 0) wrong++;
          for (let index: u32 = 1; index + 1 < part.count; index++) {
            if (part.addresses[index] != at(start + done) || part.lengths[index] > sizeMaxima[size]) wrong++;
            done += part.lengths[index];
          }
          cut++;
        }
        if (done != bytes) wrong++;
      }
    }
    expect(wrong).toBe(0);
    expect(cut).toBeGreaterThan(40);
  });
});

describe("room", () => {
  it("runs out when descriptors do, and comes back with completions", () => {
    newDisk(0);
    let token: u64 = 0;
    while (read(token, 0, 512) == Result.OK) token++;
    expect(token).toBe(5, "of 3 descriptors each, in 16");
    expect(request(0).result).toBe(Result.E_FULL);
    expect(askStatistics().refused).toBe(0);
    completeAll();
    expect(poll(1)).toBe(1);
    expect(read(99, 0, 512)).toBe(Result.OK);
    expect(read(100, 0, 512)).toBe(Result.E_FULL);
  });

  it("is one descriptor for each request with tables", () => {
    newDisk(INDIRECT_DESC);
    let token: u64 = 0;
    while (read(token, 0, 512) == Result.OK) token++;
    expect(token).toBe(16);
    expect(request(0).result).toBe(Result.E_FULL);
  });

  it("is needed for all parts or none", () => {
    newLimitedDisk(1, 0xffff_ffff, 512, 0);
    // 32 descriptors, 3 for each part of one page.
    expect(read(1, 0, 6 * PAGE)).toBe(Result.OK);
    expect(read(2, 0, 5 * PAGE)).toBe(Result.E_FULL);
    expect(ring.waiting).toBe(6);
    expect(read(3, 0, 4 * PAGE)).toBe(Result.OK);
    expect(ring.waiting).toBe(10);
    expect(read(4, 0, 512)).toBe(Result.E_FULL);
    expect(completeAll()).toBe(10);
    expect(poll()).toBe(2);
    expect(completion(0).token).toBe(1);
    expect(completion(1).token).toBe(3);
  });

  it("for a request that is too long for the whole ring never comes", () => {
    newLimitedDisk(1, 0xffff_ffff, 512, 0);
    expect(read(1, 0, 512)).toBe(Result.OK);
    expect(read(2, 0, 11 * PAGE)).toBe(Result.E_FULL, "there may be more when the other is done");
    completeAll();
    poll();
    expectRefusedOne(BlockOperation.READ, 0, 11 * PAGE, Result.E_SEGMENTS);
    expect(read(3, 0, 10 * PAGE)).toBe(Result.OK);
    completeAll();
    expect(poll()).toBe(1);
  });

  it("is enough in the smallest queue", () => {
    newDisk(0, 4);
    expect(read(1, 0, 512)).toBe(Result.OK);
    expect(read(2, 0, 512)).toBe(Result.E_FULL);
    completeAll();
    expect(poll()).toBe(1);
    memory_scatter(buffer, 32);
    forget_translations();
    expect(read(3, 0, 2 * PAGE)).toBe(Result.OK, "two segments");
    completeAll();
    expect(poll()).toBe(1);
    expectRefusedOne(BlockOperation.READ, 0, 3 * PAGE, Result.E_SEGMENTS);
  });

  it("is what the disk says beforehand", () => {
    const sizes: u32[] = [4, 16, 32];
    for (let at = 0; at < sizes.length; at++) {
      for (let features: u32 = 0; features < 2; features++) {
        plugDisk(features ? INDIRECT_DESC | SEG_MAX | SIZE_MAX : SEG_MAX | SIZE_MAX, sizes[at]);
        configure(8, 4, 512);
        configure(12, 4, 5);
        openDisk(sizes[at]);
        const segmentsMax = askInformation().request_segments_max;
        expect(askInformation().request_bytes_max).toBe(segmentsMax * 512);
        expect(readSegments(segmentsMax)).toBe(Result.OK);
        completeAll();
        expect(poll()).toBe(1);
        expect(completion(0).length).toBe(segmentsMax * 512);
        expect(readSegments(segmentsMax + 1)).toBe(Result.E_SEGMENTS);
      }
    }
  });

  it("is said to be none where no block fits into a chain", () => {
    const features: u64[] = [0, INDIRECT_DESC];
    for (let at = 0; at < features.length; at++) {
      newLimitedDisk(5, 512, 4096, features[at]);
      expect(askInformation().request_segments_max).toBe(0);
      expect(askInformation().request_bytes_max).toBe(0);
    }
  });

  it("is said without the rest of the ring where that has room for no block", () => {
    newLimitedDisk(10, 512, 4096, 0);
    expect(askInformation().request_segments_max).toBe(20, "two parts of one block each, and 8 descriptors more");
    expect(askInformation().request_bytes_max).toBe(8192);
  });

  it("is said to be what blocks take in the ring that are in more pieces than a table holds", () => {
    plugDisk(INDIRECT_DESC | SIZE_MAX, 256);
    configure(8, 4, 4);
    assert(openDisk(256) > 0);
    expect(askInformation().request_segments_max).toBe(128, "one block, and two descriptors more");
    expect(askInformation().request_bytes_max).toBe(512);
  });

  it("is in the ring for a block in more pieces than a table holds", () => {
    plugDisk(INDIRECT_DESC | SEG_MAX, 256);
    configure(12, 4, 254);
    openDisk(256);
    for (let turn = 0; turn < 3; turn++) {
      prepare(0, 1, BlockOperation.WRITE, 5);
      // Whole blocks on either side of one in 251 pieces.
      addSegment(0, buffer, 1024);
      for (let piece: u32 = 0; piece < 250; piece++) addSegment(0, buffer + piece, 2);
      addSegment(0, buffer, 12);
      addSegment(0, buffer, 512);
      expect(submit(1)).toBe(1);
      expect(request(0).result).toBe(Result.OK);
      const before = takePart();
      expect(payload(before)).toBe(1024);
      const block = takePart();
      expect(block.count).toBe(2 + 251);
      expect(payload(block)).toBe(512);
      expect(headerSector(block)).toBe(7);
      const behind = takePart();
      expect(headerSector(behind)).toBe(8);
      expect(payload(behind)).toBe(512);
      completePart(before, 0);
      completePart(block, 0);
      completePart(behind, 0);
      expect(poll()).toBe(1);
      expect(completion(0).length).toBe(2048);
    }
    prepare(0, 1, BlockOperation.WRITE, 5);
    for (let piece: u32 = 0; piece < 254; piece++) addSegment(0, buffer + piece, 2);
    addSegment(0, buffer, 4);
    expectRefused(Result.E_SEGMENTS);
  });

  it("heals when a device has written over descriptors and tables", () => {
    newDisk(INDIRECT_DESC);
    expect(read(1, 0, 512)).toBe(Result.OK);
    const table = takePart();
    completePart(table, 0);
    expect(poll()).toBe(1);
    const descriptors = ring.descriptors;
    for (let at: u32 = 0; at < 16 * 16; at += 4) memory_write32(descriptors + at, 0xa5a5_a5a5);
    const start = table.table;
    for (let at: u32 = 0; at < 4 * 16; at += 4) memory_write32(start + at, 0x5a5a_5a5a);
    for (let turn: u32 = 0; turn < 16; turn++) {
      expect(read(turn, turn, 512)).toBe(Result.OK);
      const part = takePart();
      expectFraming(part, BlockOperation.READ, turn, 512, WRITE);
      completePart(part, 0);
      expect(poll()).toBe(1);
    }
  });

  it("is asked for after the request was checked", () => {
    newDisk(0, 4);
    read(1, 0, 512);
    expectRefusedOne(BlockOperation.READ, 1000, 512, Result.E_RANGE);
  });
});

describe("arguments of a batch", () => {
  it("have to be in memory", () => {
    newDisk(0);
    expect(submit(0)).toBe(0);
    expect(submit(0x1000_0000)).toBe(Result.E_ARGUMENT);
    expect(handle).toBeGreaterThan(0);
    expect(requests).toBeGreaterThan(0);
  });
});

describe("buffers whose addresses are not remembered", () => {
  /** Pages this far apart share an entry of the table of addresses. */
  const TABLE_BYTES: u32 = 512 * PAGE;
  const FAR: u32 = 0x9000_3000;

  it("are asked for once a page, in one request after another", () => {
    newDisk(INDIRECT_DESC);
    for (let page: u32 = 0; page < 6; page++) memory_translate(FAR + page * PAGE, 0x10_0000 + 2 * page * PAGE);
    forget_translations();
    trace_clear();
    // One more than are submitted.
    for (let index: u32 = 0; index < 3; index++) {
      prepare(index, index, BlockOperation.READ, 0);
      addSegment(index, FAR + 2 * index * PAGE, 2 * PAGE);
    }
    expect(submit(2)).toBe(2);
    expect(trace_count(Trace.TRANSLATE)).toBe(4);
    for (let index: u32 = 0; index < 2; index++) {
      const part = takePart();
      expect(part.count).toBe(4);
      expect(part.addresses[1]).toBe(0x10_0000 + 4 * index * PAGE);
      expect(part.addresses[2]).toBe(0x10_0000 + (4 * index + 2) * PAGE);
    }
  });

  it("may share an entry of the table with each other", () => {
    newDisk(INDIRECT_DESC);
    memory_translate(FAR, 0x10_0000);
    memory_translate(FAR + TABLE_BYTES, 0x20_0000);
    for (let turn: u32 = 0; turn < 3; turn++) {
      prepare(0, turn, BlockOperation.WRITE, 0);
      addSegment(0, FAR, 512);
      addSegment(0, FAR + TABLE_BYTES, 512);
      addSegment(0, FAR + 512, 512);
      expect(submit(1)).toBe(1);
      const part = takePart();
      expect(part.count).toBe(5);
      expect(part.addresses[1]).toBe(0x10_0000);
      expect(part.addresses[2]).toBe(0x20_0000);
      expect(part.addresses[3]).toBe(0x10_0200);
    }
  });
});
