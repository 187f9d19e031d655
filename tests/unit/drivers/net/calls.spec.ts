/** The life of an open network card: opened, reset, broken, closed, and all that goes wrong on the way. */
import { NetOptions } from "../../../../assembly/drivers/net/abi";
import { Event, Message, Result } from "../../../../assembly/abi/results";
import { block_information, block_open, block_poll } from "../../../../assembly/drivers/block/calls";
import { close, enable_interrupts, events, interrupt, reset } from "../../../../assembly/drivers/calls";
import { allocatePrivate } from "../../../../assembly/memory/arena";
import { net_information, net_open, net_statistics } from "../../../../assembly/drivers/net/calls";
import { freshArena } from "../../scripted/arena";
import {
  ADDRESS,
  command,
  commandWritten,
  logged,
  opens,
  QUEUE_NOTIFY,
  QUEUE_PFN,
  QUEUE_SEL,
  STATUS,
  writesTo,
  writeTo,
} from "../../scripted/plug";
import {
  clock_set,
  device_accepted,
  device_answer,
  device_offer,
  device_reset_polls,
  device_status,
  device_status_bits,
  memory_borrowed,
  memory_fail_after,
  Trace,
  trace_clear,
  trace_count,
  trace_find,
  trace_number,
  trace_watch,
  trace_watched,
} from "../../scripted/script";
import {
  ANY_LAYOUT,
  askInformation,
  askStatistics,
  card,
  completion,
  completions,
  configure,
  deliver,
  EVENT_IDX,
  findRings,
  frame,
  handle,
  MAC,
  MRG_RXBUF,
  MTU,
  newCard,
  openCard,
  options,
  plugCard,
  receive,
  receivedBuffer,
  receiveRing,
  reclaim,
  release,
  resizeQueue,
  send,
  STATUS as LINK_STATUS,
  transmitRing,
} from "./card";

const NEVER: u32 = 0x7fff_ffff;
const BUS_MASTER: u32 = 4;
const END: u32 = (<u32>memory.size()) << 16;
/** All private memory but one header. */
const ARENA: u32 = 2 * 1024 * 1024 - 16;
const CTRL_VQ: u64 = 1 << 17;
/** CTRL_RX, CTRL_VLAN, CTRL_RX_EXTRA, GUEST_ANNOUNCE, CTRL_MAC_ADDR. */
const COMMANDS: u64 = 0x00bc_0000;
const ALL: u64 = MTU | MAC | MRG_RXBUF | LINK_STATUS | ANY_LAYOUT | EVENT_IDX;
/** CSUM, what needs it, and what large frames to be cut are put into; nothing that changes received frames. */
const OFFLOADS: u64 = 0x7801 | (1 << 28);

/** Nothing is left of a card that was opened: no memory, no access to memory. */
function expectGone(): void {
  expect(memory_borrowed()).toBe(0);
  expect(command() & BUS_MASTER).toBe(0);
  const all = allocatePrivate(ARENA);
  expect(all).not.toBe(0, "all private memory is back");
  freshArena();
}

function expectOpenFails(result: i32): void {
  expect(openCard()).toBe(result);
  expect(device_status(card) & 128).toBe(128, "FAILED was said");
  expect(device_status(card) & 4).toBe(0, "DRIVER_OK was not");
  expect(logged(Message.DEVICE_FAILED, ADDRESS, <u32>result)).toBe(true);
  expectGone();
}

describe("net_open", () => {
  it("takes the steps of the specification, in order", () => {
    plugCard(ALL);
    expect(opens(net_open(ADDRESS, 0))).toBeGreaterThan(0);
    expect(writesTo(STATUS).join()).toBe("0,1,3,11,15");
    expect(commandWritten(BUS_MASTER, true)).toBeGreaterThan(trace_find(Trace.IN, STATUS, 0));
    expect(writeTo(QUEUE_PFN, 0)).toBeGreaterThan(writeTo(STATUS, 3));
    expect(writesTo(QUEUE_PFN).length).toBe(2);
    expect(writeTo(STATUS, 4)).toBeGreaterThan(writeTo(QUEUE_PFN, 1));
    // The receive buffers are announced to a device that is live.
    expect(writesTo(QUEUE_NOTIFY).join()).toBe("0");
    expect(writeTo(QUEUE_NOTIFY, 0)).toBeGreaterThan(writeTo(STATUS, 4));
    expect(trace_find(Trace.WMB, 0, 0)).toBeGreaterThan(writeTo(STATUS, 4));
    expect(writesTo(QUEUE_SEL).length).toBeGreaterThan(1);
  });

  it("accepts what it knows of what is offered", () => {
    plugCard(0xffff_ffff);
    expect(openCard()).toBeGreaterThan(0);
    expect(askInformation().features_offered).toBe(0xffff_ffff);
    expect(askInformation().features_accepted).toBe(ALL | CTRL_VQ | COMMANDS | OFFLOADS);
    expect(device_accepted(card)).toBe(<u32>(ALL | CTRL_VQ | COMMANDS | OFFLOADS));
  });

  it("refuses features that the caller does not want", () => {
    plugCard(0xffff_ffff);
    options.features = MAC | 4;
    expect(openCard(true)).toBeGreaterThan(0);
    expect(device_accepted(card)).toBe(<u32>MAC);
  });

  it("accepts nothing of a control queue without what it needs and what it is for", () => {
    plugCard(CTRL_VQ);
    expect(openCard()).toBeGreaterThan(0);
    expect(device_accepted(card)).toBe(0);
    plugCard(COMMANDS | LINK_STATUS);
    expect(openCard()).toBeGreaterThan(0);
    expect(device_accepted(card)).toBe(<u32>LINK_STATUS);
    const announce: u64 = 1 << 21;
    plugCard(CTRL_VQ | announce);
    expect(openCard()).toBeGreaterThan(0);
    expect(device_accepted(card)).toBe(0, "the status field is where the announcement is asked for");
    plugCard(CTRL_VQ | announce | LINK_STATUS);
    expect(openCard()).toBeGreaterThan(0);
    expect(device_accepted(card)).toBe(<u32>(CTRL_VQ | announce | LINK_STATUS));
  });

  it("checks the place of the options", () => {
    plugCard(0);
    expect(net_open(ADDRESS, END - offsetof<NetOptions>() + 1)).toBe(Result.E_ARGUMENT);
    expect(trace_count(Trace.OUT)).toBe(0);
    expectGone();
  });

  it("opens a card once, and nothing else", () => {
    newCard(0);
    expect(net_open(ADDRESS, 0)).toBe(Result.E_IN_USE);
    expect(block_open(ADDRESS, 0)).toBe(Result.E_IN_USE);
    close(handle);
    expect(block_open(ADDRESS, 0)).toBe(Result.E_NOT_VIRTIO);
    expectGone();
  });

  it("says FAILED and keeps nothing when a queue cannot be used", () => {
    for (let index: u32 = 0; index < 2; index++) {
      const sizes: u32[] = [0, 3, 0xffff];
      for (let at = 0; at < sizes.length; at++) {
        plugCard(ALL);
        resizeQueue(index, sizes[at]);
        expectOpenFails(Result.E_QUEUE_SIZE);
      }
      plugCard(0);
      resizeQueue(index, 1);
      expectOpenFails(Result.E_QUEUE_SIZE);
    }
    plugCard(ALL);
    device_answer(card, 8, 1);
    expectOpenFails(Result.E_QUEUE_LIVE);
    plugCard(ALL);
    device_answer(card, 8, 0);
    device_answer(card, 8, 1);
    expectOpenFails(Result.E_QUEUE_LIVE);
  });

  it("works with the smallest queues", () => {
    newCard(ANY_LAYOUT, 2);
    resizeQueue(0, 1);
    close(handle);
    expect(openCard()).toBeGreaterThan(0);
    expect(askInformation().receive_buffers).toBe(1);
    close(handle);
  });

  it("says FAILED and keeps nothing when there is no memory", () => {
    let failures: u32 = 0;
    for (let given: u32 = 0; given < 50; given++) {
      plugCard(ALL);
      memory_fail_after(given);
      const result = openCard();
      if (result > 0) break;
      failures++;
      expect(result).toBe(Result.E_DMA_MEMORY);
      expect(device_status(card) & 128).toBe(128);
      expectGone();
    }
    // Two rings, headers, eight receive buffers of more than a page.
    expect(failures).toBe(11);
  });

  it("says FAILED and keeps nothing when there is no private memory", () => {
    plugCard(ALL);
    let failures = 0;
    for (let bytes: u32 = 32; bytes < 16384; bytes += 16) {
      freshArena(bytes);
      const result = openCard();
      if (result > 0) {
        expect(close(result)).toBe(0);
        break;
      }
      failures++;
      expect(result).toBe(Result.E_MEMORY);
      expect(memory_borrowed()).toBe(0);
      expect(allocatePrivate(bytes - 16)).not.toBe(0, "all private memory is back");
    }
    expect(failures).toBeGreaterThan(50);
  });

  it("says FAILED when the device refuses the features, or does not reset", () => {
    plugCard(ALL);
    device_status_bits(card, 0xff, 128);
    expectOpenFails(Result.E_FEATURES);
    plugCard(ALL);
    device_reset_polls(card, NEVER);
    clock_set(0, 100_000_000);
    expect(openCard()).toBe(Result.E_RESET_TIMEOUT);
    expect(device_status(card) & 128).toBe(128);
    expectGone();
  });
});

describe("calls", () => {
  it("need a handle of an open card", () => {
    newCard(0);
    expect(block_poll(handle, completions, 1)).toBe(Result.E_HANDLE, "a card is no disk");
    expect(block_information(handle, completions)).toBe(Result.E_HANDLE);
    expect(net_information(handle + 1, completions)).toBe(Result.E_HANDLE);
    expect(net_statistics(0, completions)).toBe(Result.E_HANDLE);
  });

  it("need records in memory", () => {
    newCard(0);
    expect(net_information(handle, 0)).toBe(Result.E_ARGUMENT);
    expect(net_information(handle, END - 59)).toBe(Result.E_ARGUMENT);
    expect(net_statistics(handle, END - 95)).toBe(Result.E_ARGUMENT);
  });
});

describe("reset", () => {
  it("goes through all steps again, with the features accepted before", () => {
    newCard(ALL);
    device_offer(card, 0xffff_ffff);
    const borrowed = memory_borrowed();
    expect(reset(handle)).toBe(Result.OK);
    expect(writesTo(STATUS).join()).toBe("0,1,3,11,15");
    expect(device_accepted(card)).toBe(<u32>ALL);
    expect(writesTo(QUEUE_NOTIFY).join()).toBe("0");
    expect(memory_borrowed()).toBe(borrowed);
    expect(askStatistics().resets).toBe(1);
    findRings();
    expect(receiveRing.waiting).toBe(8);
    deliver(60);
    expect(receive()).toBe(1);
    expect(send(1, 60)).toBe(Result.OK);
  });

  it("fails without them, and works again with them", () => {
    newCard(ALL);
    send(1, 60);
    device_offer(card, <u32>(ALL & ~ANY_LAYOUT));
    expect(reset(handle)).toBe(Result.E_FEATURES);
    expect(command() & BUS_MASTER).toBe(0);
    expect(device_status(card) & 128).toBe(128);
    expect(receive()).toBe(Result.E_BROKEN);
    expect(reclaim()).toBe(1);
    expect(completion(0).result).toBe(Result.E_RESET);
    expect(reclaim()).toBe(Result.E_BROKEN);
    device_offer(card, <u32>ALL);
    expect(reset(handle)).toBe(Result.OK);
    findRings();
    expect(receiveRing.waiting).toBe(8);
    expect(send(2, 60)).toBe(Result.OK);
  });

  it("fails when a queue is not what it was", () => {
    for (let index: u32 = 0; index < 2; index++) {
      newCard(ALL);
      resizeQueue(index, 16);
      expect(reset(handle)).toBe(Result.E_QUEUE_SIZE);
      resizeQueue(index, 8);
      expect(reset(handle)).toBe(Result.OK);
      findRings();
      expect(receiveRing.waiting).toBe(8);
    }
  });

  it("fails when the receive buffers are too small for the new MTU", () => {
    newCard(MTU | ANY_LAYOUT);
    configure(10, 2, 9000);
    expect(reset(handle)).toBe(Result.E_CONFIGURATION);
    expect(device_status(card) & 128).toBe(128);
    configure(10, 2, 1500);
    expect(reset(handle)).toBe(Result.OK);
    expect(askInformation().mtu).toBe(1500);
  });

  it("says that the link may have changed: the device has forgotten the interrupt that would have told", () => {
    newCard(LINK_STATUS);
    configure(6, 2, 0);
    expect(reset(handle)).toBe(Result.OK);
    expect(askInformation().link_up).toBe(0);
    expect(events(handle)).toBe(Event.LINK);
    expect(reset(handle)).toBe(Result.OK);
    expect(events(handle)).toBe(Event.LINK, "up and down again");
    newCard(0);
    expect(reset(handle)).toBe(Result.OK);
    expect(events(handle)).toBe(0, "a card that knows no link");
  });

  it("asks for the interrupt of a frame that comes as soon as the device is live", () => {
    newCard(0);
    enable_interrupts(handle);
    trace_clear();
    trace_watch(receiveRing.available);
    reset(handle);
    expect(trace_watched(writeTo(STATUS, 4))).toBe(0, "the flags, when DRIVER_OK is set");
  });

  it("asks for interrupts again where they were asked for", () => {
    newCard(0);
    reset(handle);
    expect(receiveRing.availableFlags).toBe(1);
    enable_interrupts(handle);
    reset(handle);
    expect(receiveRing.availableFlags).toBe(0);
    expect(transmitRing.availableFlags).toBe(1);
  });

  it("asks for interrupts again after one that failed half way", () => {
    newCard(0);
    enable_interrupts(handle);
    resizeQueue(1, 4);
    expect(reset(handle)).toBe(Result.E_QUEUE_SIZE, "the receive queue was set up by then");
    resizeQueue(1, 8);
    expect(reset(handle)).toBe(Result.OK);
    findRings();
    expect(receiveRing.availableFlags).toBe(0);
  });

  it("loses no buffer and no frame, however often", () => {
    newCard(ALL, 16);
    for (let count: u64 = 0; count < 20; count++) {
      expect(send(count, 60)).toBe(Result.OK);
      deliver(60);
      expect(receive()).toBe(1);
      expect(reset(handle)).toBe(Result.OK);
      findRings(16);
      expect(receiveRing.waiting).toBe(15);
      expect(reclaim()).toBe(1);
      expect(completion(0).token).toBe(count);
      expect(release(receivedBuffer(0).buffer)).toBe(1);
      expect(receiveRing.waiting).toBe(16);
    }
  });
});

describe("close", () => {
  it("of an idle card is all there is to do", () => {
    newCard(ALL);
    deliver(60);
    expect(close(handle)).toBe(0, "a frame that was not fetched holds nothing up");
    expect(writesTo(STATUS).join()).toBe("0");
    let freed: u32 = 0;
    for (let pages: u32 = 1; pages < 4; pages++) {
      for (let place = -1; (place = trace_find(Trace.FREE, pages, place + 1)) >= 0;) {
        expect(place).toBeGreaterThan(commandWritten(BUS_MASTER, false));
        freed += trace_number(place, 0);
      }
    }
    expect(freed).toBe(2 + 2 + 1 + 8 * 3);
    expect(receive()).toBe(Result.E_HANDLE);
    expect(close(handle)).toBe(Result.E_HANDLE);
    expectGone();
  });

  it("waits for frames under way and buffers lent, in whatever order they come back", () => {
    for (let order = 0; order < 2; order++) {
      newCard(ALL);
      deliver(60);
      deliver(61);
      expect(receive()).toBe(2);
      send(7, 60);
      trace_clear();
      expect(close(handle)).toBe(3);
      expect(memory_borrowed()).toBe(8 * 3, "receive buffers alone");
      expect(command() & BUS_MASTER).toBe(0);
      expect(send(8, 60)).toBe(Result.E_HANDLE);
      expect(receive()).toBe(Result.E_HANDLE);
      expect(reset(handle)).toBe(Result.E_HANDLE);
      expect(interrupt(handle)).toBe(Result.E_HANDLE);
      if (order == 0) {
        expect(reclaim()).toBe(1);
        expect(completion(0).token).toBe(7);
        expect(completion(0).result).toBe(Result.E_RESET);
        expect(reclaim()).toBe(0);
        expect(reclaim()).toBe(0, "the ring is gone, and not looked at");
      }
      expect(release(receivedBuffer(1).buffer)).toBe(1);
      expect(release(receivedBuffer(1).buffer)).toBe(Result.E_BUFFER);
      expect(release(receivedBuffer(0).buffer)).toBe(1);
      if (order == 1) expect(reclaim()).toBe(1);
      expect(reclaim()).toBe(Result.E_HANDLE);
      expect(release(receivedBuffer(0).buffer)).toBe(Result.E_HANDLE);
      expectGone();
    }
  });

  it("writes nothing into a ring that is gone, for a caller that waits for room", () => {
    newCard(0);
    enable_interrupts(handle);
    while (send(1, 60) == Result.OK) continue;
    expect(frame(0).result).toBe(Result.E_FULL);
    expect(close(handle)).toBe(4);
    expect(reclaim()).toBe(4);
    expect(events(handle)).toBe(Result.E_HANDLE);
    expectGone();
  });

  it("of a broken card gives back what was under way", () => {
    newCard(0);
    send(1, 60);
    transmitRing.complete(77, 0);
    expect(reclaim()).toBe(Result.E_BROKEN);
    expect(events(handle)).toBe(Event.BROKEN);
    expect(close(handle)).toBe(1);
    expect(reclaim()).toBe(1);
    expectGone();
  });

  it("lets the card be opened again", () => {
    newCard(ALL);
    const before = handle;
    close(handle);
    expect(openCard()).toBeGreaterThan(0);
    expect(handle).not.toBe(before);
    deliver(60);
    expect(receive()).toBe(1);
    close(handle);
    release(receivedBuffer(0).buffer);
  });
});
