/** From a caller's frame to the chain that a card sees, and back. */
import { Event, Message, Result } from "../../../../assembly/abi/results";
import {
  close,
  disable_interrupts,
  enable_interrupts,
  events,
  interrupt,
  reset,
} from "../../../../assembly/drivers/calls";
import { NO_ADDRESS } from "../../../../assembly/kernel";
import { forget_translations, physicalAddress } from "../../../../assembly/memory/addresses";
import { net_await_all, net_reclaim, net_transmit } from "../../../../assembly/drivers/net/calls";
import { logged, QUEUE_NOTIFY, writesTo } from "../../scripted/plug";
import { Chain, WRITE } from "../../scripted/ring";
import {
  clock_set,
  device_gone,
  device_interrupt,
  memory_lend,
  memory_physical,
  memory_read16,
  memory_read32,
  memory_read8,
  memory_scatter,
  memory_ambush,
  memory_translate,
  memory_write8,
  Trace,
  trace_clear,
} from "../../scripted/script";
import {
  addSegment,
  ANY_LAYOUT,
  askStatistics,
  buffer,
  card,
  completion,
  completions,
  EVENT_IDX,
  frame,
  frames,
  handle,
  MRG_RXBUF,
  newCard,
  openCard,
  options,
  plugCard,
  prepare,
  receive,
  receiveRing,
  reclaim,
  segments,
  send,
  takeFrame,
  transmit,
  transmitRing,
} from "./card";

const PAGE: u32 = 4096;
const END: u32 = (<u32>memory.size()) << 16;

/** Physical address of a byte of the buffer. */
function at(offset: u32): u64 {
  return memory_physical(buffer + offset);
}

function expectHeader(pointer: u32, bytes: u32): void {
  for (let offset: u32 = 0; offset < bytes; offset++) expect(memory_read8(pointer + offset)).toBe(0);
}

/** A frame whose header has a descriptor of its own, and whose bytes are in one more. */
function expectApart(chain: Chain, headerBytes: u32, offset: u32, bytes: u32): void {
  expect(chain.count).toBe(2);
  expect(chain.lengths[0]).toBe(headerBytes);
  expectHeader(chain.pointer(0), headerBytes);
  expect(chain.addresses[1]).toBe(at(offset));
  expect(chain.lengths[1]).toBe(bytes);
  expect((chain.flags[0] | chain.flags[1]) & WRITE).toBe(0);
}

/** Header and frame in one descriptor. */
function expectJoined(chain: Chain, headerBytes: u32, offset: u32, bytes: u32): void {
  expect(chain.count).toBe(1);
  expect(chain.addresses[0]).toBe(at(offset - headerBytes));
  expect(chain.lengths[0]).toBe(headerBytes + bytes);
  expect(chain.flags[0]).toBe(0);
  expectHeader(buffer + offset - headerBytes, headerBytes);
}

function junkBefore(offset: u32): void {
  for (let back: u32 = 16; back != 0; back--) memory_write8(buffer + offset - back, 0xff);
}

/** Refuses the frame prepared, and shows nothing to the device. */
function expectRefused(result: i32): void {
  const refused = askStatistics().transmit_refused;
  trace_clear();
  expect(transmit(1)).toBe(0);
  expect(frame(0).result).toBe(result);
  expect(transmitRing.waiting).toBe(0);
  expect(writesTo(QUEUE_NOTIFY).length).toBe(0);
  expect(askStatistics().transmit_refused).toBe(refused + 1);
}

/** Fills the ring, and runs into its end once. Returns how many frames are under way. */
function fillRing(): u32 {
  let count: u32 = 0;
  while (send(count, 60) == Result.OK) count++;
  assert(frame(0).result == Result.E_FULL);
  return count;
}

describe("a frame", () => {
  it("follows a header of its own, alone in the first descriptor", () => {
    newCard(0);
    expect(send(1, 100, 64, 12)).toBe(Result.OK);
    expectApart(takeFrame(), 10, 64, 100);
    newCard(MRG_RXBUF);
    expect(send(1, 100, 64, 12)).toBe(Result.OK);
    expectApart(takeFrame(), 12, 64, 100);
  });

  it("shares a descriptor with the header where the device and the caller let it", () => {
    newCard(ANY_LAYOUT);
    junkBefore(66);
    expect(send(1, 100, 66, 10)).toBe(Result.OK);
    expectJoined(takeFrame(), 10, 66, 100);
    expect(memory_read16(buffer + 54)).toBe(0xffff, "before the header");
    newCard(ANY_LAYOUT | MRG_RXBUF);
    junkBefore(64);
    expect(send(1, 100, 64, 200)).toBe(Result.OK);
    expectJoined(takeFrame(), 12, 64, 100);
  });

  it("does not share one without enough room before it", () => {
    newCard(ANY_LAYOUT);
    junkBefore(64);
    expect(send(1, 100, 64, 9)).toBe(Result.OK);
    expectApart(takeFrame(), 10, 64, 100);
    expect(memory_read32(buffer + 60)).toBe(0xffff_ffff, "nothing was overwritten");
    newCard(ANY_LAYOUT | MRG_RXBUF);
    expect(send(1, 100, 64, 11)).toBe(Result.OK);
    expectApart(takeFrame(), 12, 64, 100);
  });

  it("does not share one with a header that would begin in another page", () => {
    for (let scattered = 0; scattered < 2; scattered++) {
      newCard(ANY_LAYOUT);
      if (scattered) memory_scatter(buffer, 16);
      forget_translations();
      expect(send(1, 100, PAGE + 2, 10)).toBe(Result.OK);
      expectApart(takeFrame(), 10, PAGE + 2, 100);
      expect(send(1, 100, PAGE + 6, 10)).toBe(Result.OK);
      expectApart(takeFrame(), 10, PAGE + 6, 100);
      expect(send(1, 100, PAGE + 10, 10)).toBe(Result.OK);
      expectJoined(takeFrame(), 10, PAGE + 10, 100);
    }
  });

  it("does not share one with a header out of alignment where memory is written in words", () => {
    for (let offset: u32 = 64; offset < 68; offset++) {
      newCard(ANY_LAYOUT);
      junkBefore(offset);
      expect(send(1, 100, offset, 10)).toBe(Result.OK);
      if (isDefined(PORTED) && offset != 66) expectApart(takeFrame(), 10, offset, 100);
      else expectJoined(takeFrame(), 10, offset, 100);
    }
  });

  it("does not share one with memory that is not lent", () => {
    newCard(ANY_LAYOUT);
    expect(send(1, 100, 0, 10)).toBe(Result.OK);
    expectApart(takeFrame(), 10, 0, 100);
    memory_translate(buffer, NO_ADDRESS);
    forget_translations();
    expect(send(1, 100, PAGE + 2, 10)).toBe(Result.OK);
    expectApart(takeFrame(), 10, PAGE + 2, 100);
  });

  it("is split where its pages lie apart, and keeps the caller's segments", () => {
    newCard(ANY_LAYOUT);
    memory_scatter(buffer, 16);
    forget_translations();
    prepare(0, 1, 10);
    addSegment(0, buffer + PAGE - 18, 50);
    addSegment(0, buffer + 3 * PAGE, 60);
    expect(transmit(1)).toBe(1);
    const chain = takeFrame();
    expect(chain.count).toBe(3);
    expect(chain.addresses[0]).toBe(at(PAGE - 28));
    expect(chain.lengths[0]).toBe(28);
    expect(chain.addresses[1]).toBe(at(PAGE));
    expect(chain.lengths[1]).toBe(32);
    expect(chain.addresses[2]).toBe(at(3 * PAGE));
    expect(chain.lengths[2]).toBe(60);
  });

  it("has its own length, however its pages lie", () => {
    newCard(0);
    memory_scatter(buffer, 2);
    for (let turn = 0; turn < 2; turn++) {
      // Its pages are known the second time.
      if (turn == 0) forget_translations();
      send(1, 1000, PAGE - 500);
      const chain = takeFrame();
      expect(chain.count).toBe(3);
      expect(chain.lengths[1]).toBe(500);
      expect(chain.lengths[2]).toBe(500);
      transmitRing.complete(chain.indices[0], 0);
      expect(reclaim()).toBe(1);
      expect(completion(0).length).toBe(1000);
    }
  });

  it("has a header that no other frame under way has", () => {
    newCard(0);
    send(1, 60);
    send(2, 60);
    expect(takeFrame().addresses[0]).not.toBe(takeFrame().addresses[0]);
  });
});

describe("a refused frame", () => {
  it("is shorter than an Ethernet header or longer than the MTU allows", () => {
    newCard(0);
    prepare(0, 1);
    addSegment(0, buffer, 13);
    expectRefused(Result.E_FRAME_SIZE);
    prepare(0, 1);
    addSegment(0, buffer, 1500 + 19);
    expectRefused(Result.E_FRAME_SIZE);
    prepare(0, 1);
    addSegment(0, buffer, 1000);
    addSegment(0, buffer, 519);
    expectRefused(Result.E_FRAME_SIZE);
    expect(send(1, 14)).toBe(Result.OK);
    expect(send(1, 1500 + 18)).toBe(Result.OK);
  });

  it("wants an offload that was not negotiated", () => {
    newCard(0);
    for (let field = 0; field < 6; field++) {
      prepare(0, 1);
      addSegment(0, buffer, 60);
      const record = frame(0);
      if (field == 0) record.flags = 1;
      else if (field == 1) record.gso_type = 1;
      else if (field == 2) record.hdr_len = 1;
      else if (field == 3) record.gso_size = 0x100;
      else if (field == 4) record.csum_start = 0x8000;
      else record.csum_offset = 1;
      expectRefused(Result.E_UNSUPPORTED);
    }
  });

  it("has no bytes, or an empty segment, or one behind the last pointer", () => {
    newCard(0);
    prepare(0, 1);
    expectRefused(Result.E_SEGMENTS);
    frame(0).segments = 0;
    expectRefused(Result.E_SEGMENTS);
    prepare(0, 1);
    addSegment(0, buffer, 60);
    addSegment(0, buffer, 0);
    expectRefused(Result.E_SEGMENTS);
    prepare(0, 1);
    addSegment(0, 0xffff_fff0, 60);
    expectRefused(Result.E_SEGMENTS);
  });

  it("is found out to be one although there is no room", () => {
    newCard(0);
    fillRing();
    const lengths: u32[] = [0, 60, 13, 1519];
    const results: i32[] = [Result.E_SEGMENTS, Result.E_FULL, Result.E_FRAME_SIZE, Result.E_FRAME_SIZE];
    for (let index = 0; index < lengths.length; index++) {
      prepare(0, 1);
      addSegment(0, buffer, lengths[index]);
      expect(transmit(1)).toBe(0);
      expect(frame(0).result).toBe(results[index]);
    }
    prepare(0, 1);
    addSegment(0, buffer, 30);
    addSegment(0, 0xffff_fff0, 17);
    expect(transmit(1)).toBe(0);
    expect(frame(0).result).toBe(Result.E_SEGMENTS);
  });

  it("goes on behind the last pointer, where the first pages are known", () => {
    newCard(ANY_LAYOUT);
    memory_translate(0xffff_f000, 0x10_0000);
    memory_translate(0, 0x10_1000);
    physicalAddress(0xffff_f000);
    physicalAddress(0);
    physicalAddress(buffer);
    prepare(0, 1);
    addSegment(0, 0xffff_ff00, 512);
    expectRefused(Result.E_SEGMENTS);
    prepare(0, 1);
    addSegment(0, buffer, 60);
    addSegment(0, 0xffff_ff00, 512);
    expectRefused(Result.E_SEGMENTS);
  });

  it("has segments outside of memory", () => {
    newCard(0);
    prepare(0, 1);
    frame(0).segments = 0;
    frame(0).segment_count = 1;
    expectRefused(Result.E_ARGUMENT);
    frame(0).segments = END - 7;
    frame(0).segment_count = 1;
    expectRefused(Result.E_ARGUMENT);
    frame(0).segments = segments;
    frame(0).segment_count = 0x2000_0001;
    expectRefused(Result.E_ARGUMENT);
  });

  it("has a byte that is not lent to devices, and leaves nothing behind", () => {
    newCard(ANY_LAYOUT);
    memory_translate(buffer + PAGE, NO_ADDRESS);
    forget_translations();
    prepare(0, 1, 10);
    addSegment(0, buffer + PAGE - 62, 63);
    expectRefused(Result.E_ADDRESS);
    prepare(0, 1, 10);
    addSegment(0, buffer + PAGE + 5, 60);
    expectRefused(Result.E_ADDRESS);
    prepare(0, 1, 10);
    addSegment(0, buffer + PAGE + 66, 60);
    junkBefore(PAGE + 66);
    expectRefused(Result.E_ADDRESS);
    for (let back: u32 = 16; back != 0; back--) expect(memory_read8(buffer + PAGE + 66 - back)).toBe(0xff);
    let sent: u32 = 0;
    while (send(sent, 60, 66, 10) == Result.OK) sent++;
    expect(sent).toBe(8, "all descriptors are there");
  });

  it("has more pieces than the ring has descriptors", () => {
    newCard(0);
    prepare(0, 1);
    for (let count: u32 = 0; count < 8; count++) addSegment(0, buffer + 200 * count, 20);
    expectRefused(Result.E_SEGMENTS);
    expect(send(1, 60)).toBe(Result.OK);
    prepare(0, 1);
    for (let count: u32 = 0; count < 7; count++) addSegment(0, buffer + 200 * count, 20);
    expect(transmit(1)).toBe(0);
    expect(frame(0).result).toBe(Result.E_FULL, "there may be more room later");
    transmitRing.completeAll();
    reclaim();
    expect(transmit(1)).toBe(1);
    expect(takeFrame().count).toBe(8);
  });

  it("stops the batch, whose earlier frames are published with one notification", () => {
    newCard(0);
    for (let index: u32 = 0; index < 4; index++) {
      prepare(index, index);
      addSegment(index, buffer + 64, index == 2 ? 5 : 60);
    }
    expect(transmit(4)).toBe(2);
    expect(frame(0).result).toBe(Result.OK);
    expect(frame(1).result).toBe(Result.OK);
    expect(frame(2).result).toBe(Result.E_FRAME_SIZE);
    expect(frame(3).result).toBe(77, "not looked at");
    expect(transmitRing.waiting).toBe(2);
    expect(writesTo(QUEUE_NOTIFY).join()).toBe("1");
  });
});

describe("net_transmit and net_reclaim", () => {
  it("check their arguments", () => {
    newCard(0);
    expect(net_transmit(handle, 0, 1)).toBe(Result.E_ARGUMENT);
    expect(net_transmit(handle, frames, 0x1000_0000)).toBe(Result.E_ARGUMENT);
    expect(net_transmit(handle, frames, 0)).toBe(0);
    expect(net_transmit(handle + 1, frames, 0)).toBe(Result.E_HANDLE);
    expect(net_reclaim(handle, END - 15, 1)).toBe(Result.E_ARGUMENT);
    expect(net_reclaim(handle + 256, completions, 1)).toBe(Result.E_HANDLE);
  });

  it("give frames back in the order of the device, with their own lengths", () => {
    newCard(0, 16);
    const heads: u32[] = [];
    for (let index: u32 = 0; index < 4; index++) {
      send(100 + index, 60 + index);
      heads.push(transmitRing.take());
    }
    expect(reclaim()).toBe(0);
    const order: u32[] = [2, 0, 3, 1];
    // What the device says it wrote means nothing here.
    for (let index = 0; index < 4; index++) transmitRing.complete(heads[order[index]], 0xffff_ffff);
    expect(reclaim(1)).toBe(1);
    expect(completion(0).token).toBe(102);
    expect(completion(0).length).toBe(62);
    expect(completion(0).result).toBe(Result.OK);
    expect(reclaim()).toBe(3);
    expect(completion(0).token).toBe(100);
    expect(completion(1).token).toBe(103);
    expect(completion(1).length).toBe(63);
    expect(completion(2).token).toBe(101);
    expect(askStatistics().frames_transmitted).toBe(4);
    expect(askStatistics().bytes_transmitted).toBe(60 + 61 + 62 + 63);
    expect(askStatistics().transmit_notifications).toBe(4);
  });

  it("notice a device that breaks the rules", () => {
    newCard(0);
    send(7, 60);
    transmitRing.complete(transmitRing.take(), 0);
    transmitRing.complete(0x8000_0000, 0);
    expect(reclaim()).toBe(Result.E_BROKEN, "two for one");
    expect(logged(Message.BAD_USED_INDEX, handle, 1)).toBe(true);
    expect(send(8, 60)).toBe(Result.E_BROKEN);
    expect(events(handle)).toBe(Event.BROKEN);
    newCard(0);
    send(7, 60);
    send(8, 60);
    const head = transmitRing.take();
    transmitRing.complete(head, 0);
    transmitRing.complete(head, 0);
    expect(reclaim()).toBe(1);
    expect(reclaim()).toBe(Result.E_BROKEN, "the same twice");
    expect(logged(Message.BAD_USED_ID, handle, 1)).toBe(true);
  });
});

describe("room", () => {
  it("that is missing is counted, and announced when frames are taken back", () => {
    newCard(0);
    expect(fillRing()).toBe(4);
    expect(askStatistics().transmit_full).toBe(1);
    expect(askStatistics().transmit_refused).toBe(0);
    expect(events(handle)).toBe(0);
    expect(reclaim()).toBe(0);
    expect(events(handle)).toBe(0, "nothing was done yet");
    transmitRing.completeAll();
    expect(reclaim(1)).toBe(1);
    expect(events(handle)).toBe(Event.ROOM);
    expect(reclaim(1)).toBe(1);
    expect(events(handle)).toBe(0, "once");
    expect(send(9, 60)).toBe(Result.OK);
  });

  it("that was never missing is not announced", () => {
    newCard(0);
    send(1, 60);
    transmitRing.completeAll();
    device_interrupt(card, 1);
    interrupt(handle);
    reclaim();
    expect(events(handle)).toBe(0);
  });

  it("is announced by an interrupt, as soon as something is done", () => {
    newCard(0);
    fillRing();
    device_interrupt(card, 1);
    interrupt(handle);
    expect(events(handle)).toBe(0);
    transmitRing.complete(transmitRing.take(), 0);
    device_interrupt(card, 1);
    interrupt(handle);
    expect(events(handle)).toBe(Event.ROOM);
  });

  it("makes the driver ask for an interrupt only while the caller waits for one", () => {
    newCard(0);
    expect(enable_interrupts(handle)).toBe(0);
    expect(transmitRing.availableFlags).toBe(1, "frames are sent without interrupts");
    fillRing();
    expect(transmitRing.availableFlags).toBe(0);
    transmitRing.complete(transmitRing.take(), 0);
    device_interrupt(card, 1);
    interrupt(handle);
    expect(events(handle)).toBe(Event.ROOM);
    expect(transmitRing.availableFlags).toBe(1);
  });

  it("is not announced once the card is broken", () => {
    newCard(0);
    fillRing();
    receiveRing.complete(0xffff, 0);
    expect(receive()).toBe(Result.E_BROKEN);
    expect(events(handle)).toBe(Event.BROKEN);
    transmitRing.complete(transmitRing.take(), 0);
    device_interrupt(card, 1);
    interrupt(handle);
    expect(events(handle)).toBe(0);
  });

  it("is waited for across a reset, and in vain once the card is closed", () => {
    newCard(0);
    fillRing();
    expect(reset(handle)).toBe(Result.OK);
    expect(events(handle)).toBe(0);
    expect(reclaim(1)).toBe(1);
    expect(events(handle)).toBe(Event.ROOM);
    newCard(0);
    fillRing();
    expect(close(handle)).toBeGreaterThan(1);
    expect(reclaim(1)).toBe(1);
    expect(events(handle)).toBe(0);
  });

  it("asks for an interrupt when most of the ring is done, with the event index", () => {
    newCard(EVENT_IDX, 32);
    enable_interrupts(handle);
    expect(transmitRing.usedEvent).toBe(0xffff);
    expect(fillRing()).toBe(16);
    // Behind 12 of 16.
    expect(transmitRing.usedEvent).toBe(11);
    reclaim();
    expect(events(handle)).toBe(0);
  });

  it("that came while the driver asked for it is announced at once", () => {
    newCard(0);
    let count: u32 = 0;
    while (count < 4 && send(count, 60) == Result.OK) count++;
    transmitRing.completeAll();
    enable_interrupts(handle);
    expect(send(9, 60)).toBe(Result.E_FULL, "not taken back yet");
    expect(events(handle)).toBe(Event.ROOM);
    expect(transmitRing.availableFlags).toBe(1);
  });

  it("that the caller waits for is asked for when interrupts are enabled later", () => {
    newCard(0);
    fillRing();
    expect(transmitRing.availableFlags).toBe(1);
    expect(enable_interrupts(handle)).toBe(0);
    expect(transmitRing.availableFlags).toBe(0);
    transmitRing.complete(transmitRing.take(), 0);
    expect(enable_interrupts(handle)).toBe(0, "there is nothing to receive");
    expect(events(handle)).toBe(Event.ROOM);
    expect(enable_interrupts(handle)).toBe(0);
    expect(events(handle)).toBe(0);
  });
});

describe("waiting until all has been sent", () => {
  it("asks for an interrupt behind the last frame in flight, with the event index", () => {
    newCard(EVENT_IDX, 32);
    for (let token: u32 = 0; token < 5; token++) send(token, 60);
    expect(net_await_all(handle)).toBe(0);
    expect(transmitRing.usedEvent).toBe(4);
    transmitRing.complete(transmitRing.take(), 0);
    expect(reclaim()).toBe(1);
    expect(transmitRing.usedEvent).toBe(4, "the wish stands");
    transmitRing.completeAll();
    expect(net_await_all(handle)).toBe(1);
    expect(reclaim()).toBe(4);
    expect(net_await_all(handle)).toBe(0);
    expect(transmitRing.usedEvent).toBe(5, "the next one");
  });

  it("asks for interrupts until all has been sent, without it", () => {
    newCard(0);
    send(1, 60);
    send(2, 60);
    expect(net_await_all(handle)).toBe(0);
    expect(transmitRing.availableFlags).toBe(0);
    transmitRing.complete(transmitRing.take(), 0);
    expect(net_await_all(handle)).toBe(1, "one can be reclaimed");
    device_interrupt(card, 1);
    interrupt(handle);
    expect(transmitRing.availableFlags).toBe(0, "the other is still out");
    transmitRing.completeAll();
    device_interrupt(card, 1);
    interrupt(handle);
    expect(transmitRing.availableFlags).toBe(1);
    expect(reclaim()).toBe(2);
    expect(events(handle)).toBe(0);
  });

  it("goes on when room was waited for as well", () => {
    newCard(EVENT_IDX, 32);
    enable_interrupts(handle);
    send(1, 60);
    expect(net_await_all(handle)).toBe(0);
    expect(transmitRing.usedEvent).toBe(0);
    fillRing();
    expect(transmitRing.usedEvent).toBe(11, "room comes first");
    for (let count = 0; count < 12; count++) transmitRing.complete(transmitRing.take(), 0);
    device_interrupt(card, 1);
    interrupt(handle);
    expect(events(handle)).toBe(Event.ROOM);
    expect(transmitRing.usedEvent).toBe(15, "then all");
  });

  it("ends with the wish for no interrupts", () => {
    newCard(0);
    send(1, 60);
    net_await_all(handle);
    disable_interrupts(handle);
    expect(transmitRing.availableFlags).toBe(1);
    enable_interrupts(handle);
    expect(transmitRing.availableFlags).toBe(1, "received frames are another matter");
  });

  it("is no matter of a device that does not run", () => {
    newCard(0);
    expect(net_await_all(handle + 256)).toBe(Result.E_HANDLE);
    device_gone(card, 1);
    interrupt(handle);
    expect(net_await_all(handle)).toBe(Result.E_GONE);
    close(handle);
    expect(net_await_all(handle)).toBe(Result.E_HANDLE);
  });
});

describe("a reset", () => {
  it("gives frames under way back once, as errors", () => {
    newCard(0);
    send(1, 60);
    send(2, 70);
    expect(reset(handle)).toBe(Result.OK);
    expect(send(3, 60)).toBe(Result.E_FULL);
    expect(reclaim()).toBe(2);
    for (let index: u32 = 0; index < 2; index++) {
      expect(completion(index).result).toBe(Result.E_RESET);
      expect(completion(index).length).toBe(0);
    }
    expect(completion(0).token + completion(1).token).toBe(3);
    expect(reclaim()).toBe(0);
    expect(askStatistics().transmit_errors).toBe(2);
    expect(askStatistics().frames_transmitted).toBe(0);
    expect(events(handle)).toBe(Event.ROOM);
    expect(send(4, 60)).toBe(Result.OK);
  });
});

describe("a time-out", () => {
  it("is no matter of frames that came back, however old they were", () => {
    plugCard(0);
    options.timeout_ns = 1000;
    assert(openCard(true) > 0);
    clock_set(10_000, 0);
    send(1, 60);
    expect(reclaim()).toBe(0);
    clock_set(12_000, 0);
    send(2, 60);
    transmitRing.complete(transmitRing.take(), 0);
    expect(reclaim()).toBe(1);
    expect(reclaim()).toBe(0, "the second one is young");
    clock_set(14_000, 0);
    transmitRing.complete(transmitRing.take(), 0);
    expect(reclaim()).toBe(1);
    send(3, 60);
    expect(reclaim()).toBe(0, "a generation begins");
    clock_set(14_500, 0);
    expect(reclaim()).toBe(0);
    clock_set(15_100, 0);
    expect(reclaim()).toBe(Result.E_BROKEN);
  });

  it("is none when the frame comes back while the driver looks at the clock", () => {
    plugCard(0);
    options.timeout_ns = 1000;
    assert(openCard(true) > 0);
    clock_set(10_000, 0);
    send(1, 60);
    expect(reclaim()).toBe(0);
    clock_set(12_000, 0);
    transmitRing.put(0, transmitRing.take(), 0);
    memory_ambush(Trace.RMB, transmitRing.used + 2, 1);
    expect(reclaim()).toBe(0, "it was not there yet");
    expect(reclaim()).toBe(1);
  });
});

describe("memory for frames", () => {
  it("may be any that is lent, at any pointer", () => {
    newCard(ANY_LAYOUT);
    const page = memory_lend(1);
    prepare(0, 1, 10);
    addSegment(0, page + 10, 60);
    expect(transmit(1)).toBe(1);
    expect(takeFrame().addresses[0]).toBe(memory_physical(page));
  });
});
