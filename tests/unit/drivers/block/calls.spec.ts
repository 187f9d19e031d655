/** The life of an open disk: opened, reset, broken, closed, and all that goes wrong on the way. */
import { BlockOptions } from "../../../../assembly/drivers/block/abi";
import { Event, Interrupt, Message, Result } from "../../../../assembly/abi/results";
import {
  block_await_all,
  block_information,
  block_open,
  block_poll,
  block_statistics,
  block_submit,
} from "../../../../assembly/drivers/block/calls";
import {
  close,
  disable_interrupts,
  enable_interrupts,
  events,
  interrupt,
  reset,
} from "../../../../assembly/drivers/calls";
import { forget_translations } from "../../../../assembly/memory/addresses";
import { allocatePrivate } from "../../../../assembly/memory/arena";
import { freshArena } from "../../scripted/arena";
import {
  ADDRESS,
  addQueues,
  command,
  commandWritten,
  CONFIGURATION,
  logged,
  opens,
  QUEUE_NOTIFY,
  QUEUE_PFN,
  QUEUE_SEL,
  STATUS,
  writesTo,
  writeTo,
} from "../../scripted/plug";
import { Ring } from "../../scripted/ring";
import {
  clock_set,
  device_accepted,
  device_answer,
  device_interrupt,
  device_offer,
  device_queue,
  device_queue_page,
  device_reset_polls,
  device_status,
  device_status_bits,
  memory_borrowed,
  memory_fail_after,
  memory_pointer,
  memory_scatter,
  memory_write8,
  Trace,
  trace_clear,
  trace_find,
} from "../../scripted/script";
import {
  ANY_LAYOUT,
  askInformation,
  askStatistics,
  buffer,
  completeAll,
  completePart,
  completion,
  completions,
  configure,
  disk,
  EVENT_IDX,
  FLUSH,
  handle,
  INDIRECT_DESC,
  newDisk,
  openDisk,
  options,
  plugDisk,
  poll,
  read,
  requests,
  ring,
  RO,
  SEG_MAX,
  takePart,
} from "./disk";

const NEVER: u32 = 0x7fff_ffff;
const BUS_MASTER: u32 = 4;
const PAGE: u32 = 4096;
const END: u32 = (<u32>memory.size()) << 16;
/** All private memory but one header. */
const ARENA: u32 = 2 * 1024 * 1024 - 16;
const CONFIG_WCE: u32 = 1 << 11;
const FIELDS: u64 = 0xe56;
/** BARRIER, SCSI, DISCARD, WRITE_ZEROES, LIFETIME, SECURE_ERASE. */
const COMMANDS: u64 = 0x1_e081;

/** A device completes one part of another ring than the one the test began with. */
function completePartOf(now: Ring, head: u32, status: u64): void {
  memory_write8(memory_pointer(status), 0);
  now.complete(head, 1);
}

/** Nothing is left of a disk that was opened: no memory, no access to memory, and it can be opened again. */
function expectGone(): void {
  expect(memory_borrowed()).toBe(0);
  expect(command() & BUS_MASTER).toBe(0);
  const all = allocatePrivate(ARENA);
  expect(all).not.toBe(0, "all private memory is back");
  freshArena();
}

function expectOpenFails(result: i32): void {
  expect(openDisk()).toBe(result);
  expect(device_status(disk) & 128).toBe(128, "FAILED was said");
  expect(device_status(disk) & 4).toBe(0, "DRIVER_OK was not");
  expect(logged(Message.DEVICE_FAILED, ADDRESS, <u32>result)).toBe(true);
  expectGone();
}

/** Takes completions and checks that they are resets of tokens 1 to `count`, each once. */
function expectResets(count: u32): void {
  expect(poll()).toBe(count);
  let seen: u64 = 0;
  for (let index: u32 = 0; index < count; index++) {
    expect(completion(index).result).toBe(Result.E_RESET);
    expect(completion(index).length).toBe(0);
    seen |= 1 << completion(index).token;
  }
  expect(seen).toBe((1 << (<u64>count + 1)) - 2);
}

describe("block_open", () => {
  it("takes the steps of the specification, in order", () => {
    plugDisk(INDIRECT_DESC | EVENT_IDX | FLUSH);
    device_status_bits(disk, 0xff, 0);
    expect(opens(block_open(ADDRESS, 0))).toBeGreaterThan(0);
    expect(writesTo(STATUS).join()).toBe("0,1,3,11,15");
    const reset = trace_find(Trace.IN, STATUS, 0);
    const features = writeTo(STATUS, 3);
    const queue = writeTo(QUEUE_PFN, 0);
    expect(commandWritten(BUS_MASTER, true)).toBeGreaterThan(reset);
    expect(trace_find(Trace.IN, CONFIGURATION, 0)).toBeGreaterThan(features, "fields exist with their features");
    expect(queue).toBeGreaterThan(features);
    expect(writeTo(STATUS, 4)).toBeGreaterThan(queue);
    expect(writeTo(QUEUE_NOTIFY, 0)).toBe(-1);
    expect(writesTo(QUEUE_SEL)[0]).toBe(0);
    expect(command() & (BUS_MASTER | 1)).toBe(BUS_MASTER | 1);
  });

  it("accepts what it knows of what is offered", () => {
    plugDisk(0xffff_ffff);
    configure(8, 8, 0x0000_00fe_0001_0000);
    configure(20, 4, 512);
    expect(openDisk()).toBeGreaterThan(0);
    expect(askInformation().features_offered).toBe(0xffff_ffff);
    expect(askInformation().features_accepted).toBe(FIELDS | COMMANDS | RO | ANY_LAYOUT | INDIRECT_DESC | EVENT_IDX);
    expect(device_accepted(disk)).toBe(<u32>askInformation().features_accepted);
  });

  it("works without any feature", () => {
    newDisk(0);
    expect(device_accepted(disk)).toBe(0);
    expect(read(1, 0, 512)).toBe(Result.OK);
    completeAll();
    expect(poll()).toBe(1);
  });

  it("refuses features that the caller does not want", () => {
    plugDisk(INDIRECT_DESC | EVENT_IDX | FLUSH);
    options.features = FLUSH | ANY_LAYOUT;
    expect(openDisk(16, changetype<u32>(options))).toBeGreaterThan(0);
    expect(device_accepted(disk)).toBe(<u32>FLUSH);
  });

  it("checks the place of the options", () => {
    plugDisk(0);
    expect(block_open(ADDRESS, END - offsetof<BlockOptions>() + 1)).toBe(Result.E_ARGUMENT);
    expect(block_open(ADDRESS, 0xffff_fffc)).toBe(Result.E_ARGUMENT);
    expectGone();
  });

  it("opens a disk once", () => {
    newDisk(0);
    expect(block_open(ADDRESS, 0)).toBe(Result.E_IN_USE);
    expect(device_status(disk)).toBe(15, "and does not disturb it");
  });

  it("does not open what is no disk", () => {
    plugDisk(0);
    expect(block_open(ADDRESS + 8, 0)).toBe(Result.E_NOT_FOUND);
    expectGone();
  });

  it("says FAILED and keeps nothing when the queue cannot be used", () => {
    const sizes: u32[] = [0, 1, 2, 3, 48, 0x8001, 0xffff];
    for (let index = 0; index < sizes.length; index++) {
      plugDisk(INDIRECT_DESC, sizes[index]);
      expectOpenFails(Result.E_QUEUE_SIZE);
    }
    plugDisk(0);
    // A device whose registers outlive the reset.
    device_answer(disk, 8, 0x1234);
    expectOpenFails(Result.E_QUEUE_LIVE);
    plugDisk(0);
    device_answer(disk, 12, 16);
    device_queue(disk, 0, 32);
    expectOpenFails(Result.E_QUEUE_SIZE);
  });

  it("says FAILED and keeps nothing when there is no memory", () => {
    // Ring; slots, with tables or at least without.
    for (let given: u32 = 0; given < 2; given++) {
      plugDisk(INDIRECT_DESC, 256);
      memory_fail_after(given);
      expectOpenFails(Result.E_DMA_MEMORY);
    }
  });

  it("says FAILED and keeps nothing when there is no private memory", () => {
    plugDisk(0, 256);
    let failures = 0;
    for (let bytes: u32 = 32; bytes < 16384; bytes += 16) {
      freshArena(bytes);
      const result = openDisk(256);
      if (result > 0) {
        expect(close(result)).toBe(0);
        break;
      }
      failures++;
      expect(result).toBe(Result.E_MEMORY);
      expect(memory_borrowed()).toBe(0);
      expect(allocatePrivate(bytes - 16)).not.toBe(0, "all private memory is back");
    }
    expect(failures).toBeGreaterThan(100);
  });

  it("says FAILED when the device refuses the features", () => {
    plugDisk(0);
    device_status_bits(disk, 0xff, 64);
    expectOpenFails(Result.E_FEATURES);
  });

  it("says FAILED when the device does not reset", () => {
    plugDisk(0);
    device_reset_polls(disk, NEVER);
    clock_set(0, 100_000_000);
    expect(openDisk()).toBe(Result.E_RESET_TIMEOUT);
    expect(writesTo(STATUS).join()).toBe("0,143");
    expectGone();
  });
});

describe("calls", () => {
  it("need a handle of an open disk", () => {
    newDisk(0);
    const wrong: u32[] = [0, handle + 1, handle + 256, 0xffff_ffff];
    for (let index = 0; index < wrong.length; index++) {
      expect(block_submit(wrong[index], requests, 0)).toBe(Result.E_HANDLE);
      expect(block_poll(wrong[index], completions, 1)).toBe(Result.E_HANDLE);
      expect(block_information(wrong[index], completions)).toBe(Result.E_HANDLE);
      expect(block_statistics(wrong[index], completions)).toBe(Result.E_HANDLE);
    }
  });

  it("need records in memory", () => {
    newDisk(0);
    expect(block_information(handle, 0)).toBe(Result.E_ARGUMENT);
    expect(block_information(handle, END - 55)).toBe(Result.E_ARGUMENT);
    expect(block_statistics(handle, 0)).toBe(Result.E_ARGUMENT);
    expect(block_statistics(handle, END - 87)).toBe(Result.E_ARGUMENT);
    expect(block_submit(handle, 0, 1)).toBe(Result.E_ARGUMENT);
    expect(block_submit(handle, END - 31, 1)).toBe(Result.E_ARGUMENT);
  });

  it("describe the queue", () => {
    newDisk(0, 64);
    expect(askInformation().queue_size).toBe(64);
  });
});

describe("interrupts", () => {
  it("are asked for and counted", () => {
    newDisk(0);
    expect(ring.availableFlags).toBe(1);
    expect(enable_interrupts(handle)).toBe(0);
    expect(ring.availableFlags).toBe(0);
    read(1, 0, 512);
    completeAll();
    expect(enable_interrupts(handle)).toBe(1, "there is something to poll");
    device_interrupt(disk, 1);
    expect(interrupt(handle)).toBe(Interrupt.QUEUE);
    expect(interrupt(handle)).toBe(0, "not its own");
    expect(askStatistics().interrupts).toBe(1);
    expect(disable_interrupts(handle)).toBe(Result.OK);
    expect(ring.availableFlags).toBe(1);
  });
});

describe("waiting for all that is in flight", () => {
  it("asks for an interrupt behind the last completion", () => {
    newDisk(EVENT_IDX);
    expect(block_await_all(handle)).toBe(0, "nothing is in flight");
    expect(ring.usedEvent).toBe(0, "the next completion");
    for (let token: u64 = 1; token <= 3; token++) read(token, 0, 512);
    expect(block_await_all(handle)).toBe(0);
    expect(ring.usedEvent).toBe(2);
    completePart(takePart(), 0);
    completePart(takePart(), 0);
    expect(block_await_all(handle)).toBe(0, "one of them is still out");
    completePart(takePart(), 0);
    expect(block_await_all(handle)).toBe(1, "no interrupt may come for them");
    expect(poll()).toBe(3);
    expect(block_await_all(handle)).toBe(0);
    expect(ring.usedEvent).toBe(3);
  });

  it("asks for every interrupt where the device counts no completions", () => {
    newDisk(0);
    read(1, 0, 512);
    read(2, 0, 512);
    expect(block_await_all(handle)).toBe(0);
    expect(ring.availableFlags).toBe(0);
    completePart(takePart(), 0);
    expect(block_await_all(handle)).toBe(1, "there is something to poll");
  });

  it("is refused where nothing can be waited for", () => {
    expect(block_await_all(0)).toBe(Result.E_HANDLE);
    newDisk(0);
    ring.complete(0x77, 0);
    poll();
    expect(block_await_all(handle)).toBe(Result.E_BROKEN);
  });
});

describe("reset", () => {
  it("gives back what was in flight, once, and then goes on", () => {
    for (let indirect = 0; indirect < 2; indirect++) {
      newDisk(indirect ? INDIRECT_DESC : 0);
      read(1, 0, 512);
      read(2, 0, 512);
      completeAll();
      read(3, 0, 512);
      expect(reset(handle)).toBe(Result.OK);
      expect(writesTo(STATUS).join()).toBe("0,1,3,11,15");
      expect(read(9, 0, 512)).toBe(Result.E_FULL, "not before they are taken");
      // What was completed and not taken is lost with the ring.
      expectResets(3);
      expect(poll()).toBe(0);
      const now = new Ring(disk, 0, 16);
      expect(read(10, 0, 512)).toBe(Result.OK);
      const part = now.chain(now.take());
      expect(part.lengths[1]).toBe(512);
      completePartOf(now, part.indices[0], part.addresses[2]);
      expect(poll()).toBe(1);
      expect(completion(0).token).toBe(10);
      expect(completion(0).result).toBe(Result.OK);
      expect(askStatistics().resets).toBe(1);
      expect(askStatistics().errors).toBe(3);
      expect(close(handle)).toBe(0);
      expectGone();
    }
  });

  it("gives back a request in parts once, whatever came of its first parts", () => {
    plugDisk(INDIRECT_DESC | SEG_MAX);
    configure(12, 4, 1);
    openDisk();
    memory_scatter(buffer, 32);
    forget_translations();
    read(1, 0, 4 * PAGE);
    read(2, 0, 3 * PAGE);
    read(3, 0, PAGE);
    completePart(takePart(), 0);
    completePart(takePart(), 1);
    expect(poll()).toBe(0);
    expect(reset(handle)).toBe(Result.OK);
    expect(poll()).toBe(3);
    for (let index: u32 = 0; index < 3; index++) {
      const failed = completion(index).token == 1;
      expect(completion(index).result).toBe(failed ? Result.E_IO : Result.E_RESET);
    }
    expect(poll()).toBe(0);
  });

  it("keeps the features that were accepted, and fails without them", () => {
    newDisk(FLUSH | EVENT_IDX);
    device_offer(disk, ~CONFIG_WCE);
    expect(reset(handle)).toBe(Result.OK);
    expect(device_accepted(disk)).toBe(<u32>(FLUSH | EVENT_IDX));
    device_offer(disk, 0xffff_ffff);
    expect(reset(handle)).toBe(Result.E_FEATURES, "FLUSH alone would make it a write-back disk now");
    device_offer(disk, <u32>FLUSH);
    expect(reset(handle)).toBe(Result.E_FEATURES);
    expect(device_status(disk) & 128).toBe(128);
    expect(read(1, 0, 512)).toBe(Result.E_BROKEN);
    expect(poll()).toBe(Result.E_BROKEN);
    device_offer(disk, <u32>(FLUSH | EVENT_IDX));
    expect(reset(handle)).toBe(Result.OK);
    expect(read(1, 0, 512)).toBe(Result.OK);
  });

  it("fails when the queue is not what it was, and gives back what was in flight all the same", () => {
    newDisk(0);
    read(1, 0, 512);
    read(2, 0, 512);
    addQueues(disk, 1, 32);
    expect(reset(handle)).toBe(Result.E_QUEUE_SIZE);
    expect(command() & BUS_MASTER).toBe(0);
    expectResets(2);
    expect(poll()).toBe(Result.E_BROKEN);
    addQueues(disk, 1, 16);
    expect(reset(handle)).toBe(Result.OK);
    expect(command() & BUS_MASTER).toBe(BUS_MASTER);
    expect(read(3, 0, 512)).toBe(Result.OK);
  });

  it("fails when the device does not, and gives back what was in flight all the same", () => {
    newDisk(0);
    read(1, 0, 512);
    device_reset_polls(disk, NEVER);
    clock_set(0, 100_000_000);
    expect(reset(handle)).toBe(Result.E_RESET_TIMEOUT);
    expect(command() & BUS_MASTER).toBe(0, "it cannot write into memory any more");
    expectResets(1);
    device_reset_polls(disk, 0);
    expect(reset(handle)).toBe(Result.OK);
  });

  it("brings back a broken disk", () => {
    newDisk(INDIRECT_DESC);
    read(1, 0, 512);
    ring.complete(99, 0);
    expect(poll()).toBe(Result.E_BROKEN);
    expect(events(handle)).toBe(Event.BROKEN);
    expect(reset(handle)).toBe(Result.OK);
    expectResets(1);
    expect(read(2, 0, 512)).toBe(Result.OK);
  });

  it("asks for interrupts again where they were asked for", () => {
    newDisk(0);
    reset(handle);
    expect(ring.availableFlags).toBe(1);
    enable_interrupts(handle);
    reset(handle);
    expect(ring.availableFlags).toBe(0);
  });

  it("reads the configuration anew", () => {
    newDisk(0);
    configure(0, 8, 4);
    expect(reset(handle)).toBe(Result.OK);
    expect(askInformation().capacity).toBe(4);
    expect(read(1, 4, 512)).toBe(Result.E_RANGE);
    expect(events(handle)).toBe(Event.CAPACITY, "no interrupt will tell");
    expect(reset(handle)).toBe(Result.OK);
    expect(events(handle)).toBe(0);
  });

  it("borrows and keeps no more memory, however often", () => {
    newDisk(INDIRECT_DESC);
    const borrowed = memory_borrowed();
    for (let count = 0; count < 20; count++) {
      read(1, 0, 512);
      read(2, 0, 512);
      expect(reset(handle)).toBe(Result.OK);
      expect(reset(handle)).toBe(Result.OK);
      expectResets(2);
    }
    expect(memory_borrowed()).toBe(borrowed);
    close(handle);
    expectGone();
  });
});

describe("close", () => {
  it("of an idle disk is all there is to do", () => {
    newDisk(INDIRECT_DESC);
    trace_clear();
    expect(close(handle)).toBe(0);
    expect(writesTo(STATUS).join()).toBe("0");
    expect(commandWritten(BUS_MASTER, false)).toBeGreaterThan(trace_find(Trace.IN, STATUS, 0));
    expect(trace_find(Trace.FREE, 2, 0)).toBeGreaterThan(commandWritten(BUS_MASTER, false), "memory goes back last");
    expect(device_queue_page(disk, 0)).toBe(0);
    expect(poll()).toBe(Result.E_HANDLE);
    expect(close(handle)).toBe(Result.E_HANDLE);
    expectGone();
  });

  it("gives back what was in flight, and the handle goes with the last of it", () => {
    newDisk(INDIRECT_DESC);
    for (let token: u64 = 1; token <= 3; token++) read(token, 0, 512);
    expect(close(handle)).toBe(3);
    expect(memory_borrowed()).toBe(0, "the device's memory goes at once");
    expect(read(9, 0, 512)).toBe(Result.E_HANDLE);
    expect(interrupt(handle)).toBe(Result.E_HANDLE);
    expect(enable_interrupts(handle)).toBe(Result.E_HANDLE);
    expect(reset(handle)).toBe(Result.E_HANDLE);
    expect(close(handle)).toBe(Result.E_HANDLE);
    expect(block_open(ADDRESS, 0)).toBe(Result.E_IN_USE);
    expect(poll(0)).toBe(0);
    expectResets(3);
    expect(poll()).toBe(Result.E_HANDLE);
    expectGone();
  });

  it("of a broken disk gives back what was in flight", () => {
    newDisk(0);
    read(1, 0, 512);
    read(2, 0, 512);
    ring.complete(99, 0);
    poll();
    expect(close(handle)).toBe(2);
    expectResets(2);
    expectGone();
  });

  it("of a disk that does not listen any more takes its access to memory", () => {
    newDisk(0);
    read(1, 0, 512);
    device_reset_polls(disk, NEVER);
    clock_set(0, 100_000_000);
    expect(close(handle)).toBe(1);
    expect(command() & BUS_MASTER).toBe(0);
    expectResets(1);
    expectGone();
  });

  it("while an earlier reset is being drained gives the rest back", () => {
    newDisk(0);
    for (let token: u64 = 1; token <= 3; token++) read(token, 0, 512);
    reset(handle);
    expect(poll(1)).toBe(1);
    const first = completion(0).token;
    expect(close(handle)).toBe(2);
    expect(poll()).toBe(2);
    expect(first + completion(0).token + completion(1).token).toBe(6);
    expectGone();
  });

  it("lets the disk be opened again", () => {
    newDisk(0);
    const before = handle;
    close(handle);
    expect(openDisk()).toBeGreaterThan(0);
    expect(handle).not.toBe(before);
    expect(read(1, 0, 512)).toBe(Result.OK);
    completeAll();
    expect(poll()).toBe(1);
    expect(block_poll(before, completions, 1)).toBe(Result.E_HANDLE);
  });
});
