/** From the chains that a disk has used to the completions that the caller gets. */
import { BlockOperation } from "../../../../assembly/drivers/block/abi";
import { Event, Message, Result } from "../../../../assembly/abi/results";
import { block_poll } from "../../../../assembly/drivers/block/calls";
import { events } from "../../../../assembly/drivers/calls";
import { forget_translations } from "../../../../assembly/memory/addresses";
import { logged } from "../../scripted/plug";
import { random, seedRandom } from "../../scripted/random";
import { Chain } from "../../scripted/ring";
import { memory_scatter } from "../../scripted/script";
import {
  askStatistics,
  buffer,
  completeAll,
  completePart,
  completion,
  completions,
  configure,
  FLUSH,
  handle,
  INDIRECT_DESC,
  newDisk,
  openDisk,
  plugDisk,
  poll,
  read,
  ring,
  SEG_MAX,
  submitOne,
  takePart,
  write,
} from "./disk";

const PAGE: u32 = 4096;

/** A disk that takes one page in a part. */
function newOnePageDisk(queueSize: u32, features: u64 = INDIRECT_DESC): void {
  plugDisk(features | SEG_MAX, queueSize);
  configure(12, 4, 1);
  assert(openDisk(queueSize) > 0);
  memory_scatter(buffer, 32);
  forget_translations();
}

describe("a completion", () => {
  it("has the caller's token, the result and the bytes", () => {
    newDisk(0);
    read(0xfedc_ba98_7654_3210, 0, 1536);
    expect(poll()).toBe(0, "not before the device is done");
    completeAll();
    expect(poll()).toBe(1);
    expect(completion(0).token).toBe(0xfedc_ba98_7654_3210);
    expect(completion(0).result).toBe(Result.OK);
    expect(completion(0).length).toBe(1536);
    expect(poll()).toBe(0);
  });

  it("has the result that the status byte means", () => {
    const statuses: u32[] = [0, 1, 2, 3, 0x80, 0xfe, 0xff];
    const results: i32[] = [
      Result.OK,
      Result.E_IO,
      Result.E_UNSUPPORTED,
      Result.E_DEVICE_STATUS,
      Result.E_DEVICE_STATUS,
      Result.E_DEVICE_STATUS,
      Result.E_DEVICE_STATUS,
    ];
    newDisk(0);
    for (let index = 0; index < statuses.length; index++) {
      write(index, 0, 512);
      completeAll(statuses[index]);
      expect(poll()).toBe(1);
      expect(completion(0).result).toBe(results[index]);
      expect(completion(0).length).toBe(index == 0 ? 512 : 0);
    }
    expect(askStatistics().errors).toBe(6);
    expect(askStatistics().writes).toBe(1);
  });

  it("has its own result, whatever came of the request before", () => {
    newDisk(INDIRECT_DESC);
    for (let status: u32 = 0; status < 6; status++) {
      read(status, 0, 512);
      completeAll(1 + (status & 1));
      expect(poll()).toBe(1);
      expect(completion(0).result).toBe(status & 1 ? Result.E_UNSUPPORTED : Result.E_IO);
    }
  });

  it("is an error when the device wrote no status, also where an earlier request's was", () => {
    newDisk(0);
    read(1, 0, 512);
    completeAll();
    poll();
    read(2, 0, 512);
    ring.complete(ring.take(), 513);
    expect(poll()).toBe(1);
    expect(completion(0).result).toBe(Result.E_DEVICE_STATUS);
  });

  it("does not depend on the length that the device states", () => {
    newDisk(0);
    const lengths: u32[] = [0, 1, 512, 0xffff_ffff];
    for (let index = 0; index < lengths.length; index++) {
      read(1, 0, 512);
      const part = takePart();
      completePart(part, 0);
      ring.put(ring.usedIndex - 1, part.indices[0], lengths[index]);
      expect(poll()).toBe(1);
      expect(completion(0).result).toBe(Result.OK);
      expect(completion(0).length).toBe(512);
    }
  });

  it("comes in the order of the device", () => {
    newDisk(0);
    const parts: Chain[] = [];
    for (let token: u64 = 0; token < 5; token++) {
      read(token, token, 512);
      parts.push(takePart());
    }
    const order: u32[] = [3, 0, 4, 1, 2];
    for (let index = 0; index < 5; index++) completePart(parts[order[index]], 0);
    expect(poll(2)).toBe(2, "no more than there is room for");
    expect(completion(0).token).toBe(3);
    expect(completion(1).token).toBe(0);
    expect(poll(64)).toBe(3);
    expect(completion(0).token).toBe(4);
    expect(completion(1).token).toBe(1);
    expect(completion(2).token).toBe(2);
  });

  it("of a request in parts comes once, with the last part", () => {
    newOnePageDisk(16);
    read(42, 0, 3 * PAGE);
    const parts: Chain[] = [takePart(), takePart(), takePart()];
    completePart(parts[1], 0);
    expect(poll()).toBe(0);
    completePart(parts[2], 0);
    expect(poll()).toBe(0);
    completePart(parts[0], 0);
    expect(poll()).toBe(1);
    expect(completion(0).token).toBe(42);
    expect(completion(0).length).toBe(3 * PAGE);
    expect(completion(0).result).toBe(Result.OK);
    expect(askStatistics().reads).toBe(1);
    expect(askStatistics().bytes_read).toBe(3 * PAGE);
  });

  it("of the first part makes room for the next request, though the others are out", () => {
    // Each part takes three descriptors of the ring. Its head stays with the request.
    newOnePageDisk(8, 0);
    expect(read(42, 0, 2 * PAGE)).toBe(Result.OK);
    const parts: Chain[] = [takePart(), takePart()];
    expect(read(43, 0, 512)).toBe(Result.E_FULL, "two descriptors are left");
    completePart(parts[0], 0);
    expect(poll()).toBe(0);
    expect(read(44, 0, 512)).toBe(Result.OK);
    completePart(takePart(), 0);
    expect(poll()).toBe(1);
    expect(completion(0).token).toBe(44);
    completePart(parts[1], 0);
    expect(poll()).toBe(1);
    expect(completion(0).token).toBe(42);
    expect(completion(0).length).toBe(2 * PAGE);
    // All are free again.
    expect(read(45, 0, 2 * PAGE)).toBe(Result.OK);
  });

  it("of a request in parts has the first error among them", () => {
    newOnePageDisk(16);
    read(42, 0, 3 * PAGE);
    const parts: Chain[] = [takePart(), takePart(), takePart()];
    completePart(parts[1], 2);
    completePart(parts[0], 1);
    completePart(parts[2], 0);
    expect(poll()).toBe(1);
    expect(completion(0).result).toBe(Result.E_UNSUPPORTED);
    expect(completion(0).length).toBe(0);
    expect(askStatistics().errors).toBe(1);
    expect(askStatistics().reads).toBe(0);
    // The next request in the same place has no error of its own.
    read(43, 0, PAGE);
    completeAll();
    poll();
    expect(completion(0).result).toBe(Result.OK);
  });

  it("does not take room in the caller's array from parts that complete nothing", () => {
    newOnePageDisk(16);
    read(1, 0, 3 * PAGE);
    read(2, 0, 2 * PAGE);
    completeAll();
    expect(poll(1)).toBe(1);
    expect(completion(0).token).toBe(1);
    expect(poll(1)).toBe(1);
    expect(completion(0).token).toBe(2);
  });

  it("is written once for each of thousands of requests, whatever the order", () => {
    seedRandom(5);
    newOnePageDisk(64);
    const inFlight: Chain[] = [];
    const states = new StaticArray<u8>(4000);
    const sizes = new StaticArray<u32>(4000);
    let wrong: u32 = 0;
    let full: u32 = 0;
    let next: u32 = 0;
    let done: u32 = 0;
    while (done < 3000) {
      if (next < 3000 && random(3) != 0) {
        const pages = 1 + random(6);
        const result = read(next, random(900), pages * PAGE);
        if (result == Result.OK) {
          states[next] = 1;
          sizes[next++] = pages * PAGE;
          while (ring.waiting != 0) inFlight.push(takePart());
        } else if (result == Result.E_FULL) {
          full++;
        } else {
          wrong++;
        }
      }
      for (let count = random(6); count != 0 && inFlight.length != 0; count--) {
        const index = random(inFlight.length);
        completePart(inFlight[index], 0);
        inFlight[index] = inFlight[inFlight.length - 1];
        inFlight.pop();
      }
      const taken = <u32>poll(1 + random(8));
      for (let index: u32 = 0; index < taken; index++) {
        const record = completion(index);
        const token = <u32>record.token;
        if (token >= next || states[token] != 1 || record.length != sizes[token] || record.result != 0) wrong++;
        else states[token] = 2;
        done++;
      }
    }
    expect(wrong).toBe(0);
    expect(full).toBeGreaterThan(0);
    expect(inFlight.length).toBe(0);
    expect(askStatistics().reads).toBe(3000);
    expect(askStatistics().requests).toBe(3000);
  });
});

describe("statistics", () => {
  it("count by operation", () => {
    newDisk(FLUSH);
    read(1, 0, 1024);
    write(2, 0, 512);
    write(3, 0, 1536);
    submitOne(4, BlockOperation.FLUSH, 0, 0);
    completeAll();
    submitOne(5, BlockOperation.GET_ID, 0, 20);
    completeAll();
    expect(poll()).toBe(5);
    expect(completion(3).length).toBe(0);
    expect(completion(4).length).toBe(20);
    const counters = askStatistics();
    expect(counters.reads).toBe(1);
    expect(counters.bytes_read).toBe(1024);
    expect(counters.writes).toBe(2);
    expect(counters.bytes_written).toBe(2048);
    expect(counters.flushes).toBe(1);
    expect(counters.requests).toBe(5);
    expect(counters.errors).toBe(0);
    expect(counters.refused).toBe(0);
    expect(counters.notifications).toBe(5);
    expect(counters.interrupts).toBe(0);
    expect(counters.resets).toBe(0);
  });
});

describe("a device that breaks the rules", () => {
  it("is noticed behind what it did properly", () => {
    newDisk(0);
    read(1, 0, 512);
    read(2, 0, 512);
    completePart(takePart(), 0);
    ring.complete(77, 0);
    expect(poll()).toBe(1);
    expect(completion(0).token).toBe(1);
    expect(events(handle)).toBe(Event.BROKEN);
    expect(logged(Message.BAD_USED_ID, handle, 0)).toBe(true);
    expect(poll()).toBe(Result.E_BROKEN);
    expect(read(3, 0, 512)).toBe(Result.E_BROKEN);
    ring.setUsedIndex(1);
    expect(poll()).toBe(Result.E_BROKEN, "and stays so");
  });

  it("is noticed when it completes more than there is", () => {
    newDisk(0);
    read(1, 0, 512);
    ring.setUsedIndex(2);
    expect(poll()).toBe(Result.E_BROKEN);
    expect(logged(Message.BAD_USED_INDEX, handle, 0)).toBe(true);
  });
});

describe("block_poll", () => {
  it("checks its arguments", () => {
    newDisk(0);
    expect(block_poll(handle, 0, 1)).toBe(Result.E_ARGUMENT);
    expect(block_poll(handle, completions, 0x1000_0000)).toBe(Result.E_ARGUMENT);
    expect(block_poll(handle + 1, completions, 1)).toBe(Result.E_HANDLE);
    expect(poll(0)).toBe(0);
    read(1, 0, 512);
    completeAll();
    expect(poll(0)).toBe(0, "nothing is lost");
    expect(poll(1)).toBe(1);
  });
});
