/** Receive buffers: posted, filled, lent to the caller, given back; and what a card may claim about them. */
import { ReceivedBuffer } from "../../../../assembly/drivers/net/abi";
import { Event, Message, Result } from "../../../../assembly/abi/results";
import { disable_interrupts, enable_interrupts, events, reset } from "../../../../assembly/drivers/calls";
import { net_receive, net_release } from "../../../../assembly/drivers/net/calls";
import { logged, QUEUE_NOTIFY, writesTo } from "../../scripted/plug";
import { random, seedRandom } from "../../scripted/random";
import { Chain, WRITE } from "../../scripted/ring";
import {
  memory_borrowed,
  memory_physical,
  memory_read8,
  memory_write16,
  memory_write32,
  Trace,
  trace_clear,
  trace_count,
} from "../../scripted/script";
import {
  ANY_LAYOUT,
  askInformation,
  askStatistics,
  configure,
  deliver,
  deliverPiece,
  EVENT_IDX,
  findRings,
  handle,
  ids,
  MRG_RXBUF,
  MTU,
  newCard,
  openCard,
  options,
  plugCard,
  QUEUE_SIZE,
  receive,
  received,
  receivedBuffer,
  receiveRing,
  release,
  startOf,
  takeBuffer,
  writeHeader,
} from "./card";

const END: u32 = (<u32>memory.size()) << 16;
/** Buffers of 2048 bytes, and frames over as many of them as it takes. */
const MERGING: u64 = MRG_RXBUF | ANY_LAYOUT;

/** Opens a card with these options; returns what the driver says. */
function openWith(features: u64, buffers: u32, bytes: u32): i32 {
  plugCard(features);
  options.receive_buffers = buffers;
  options.receive_buffer_bytes = bytes;
  return openCard(true);
}

/** All buffers have been taken back and lie in the ring again: as many as in the beginning. */
function expectAllPosted(): void {
  let posted: u32 = 0;
  while (receiveRing.waiting != 0) {
    takeBuffer();
    posted++;
  }
  expect(posted).toBe(askInformation().receive_buffers);
}

function expectBroken(message: u32, detail: u32): void {
  expect(receive()).toBe(Result.E_BROKEN);
  expect(events(handle)).toBe(Event.BROKEN);
  expect(logged(message, handle, detail)).toBe(true);
}

describe("posted buffers", () => {
  it("fill the ring, and are published when the device is live", () => {
    newCard(ANY_LAYOUT);
    expect(askInformation().receive_buffers).toBe(8);
    expect(receiveRing.waiting).toBe(8);
    newCard(0);
    expect(askInformation().receive_buffers).toBe(4, "of two descriptors each");
    expect(receiveRing.waiting).toBe(4);
    expect(askStatistics().receive_notifications).toBe(1);
  });

  it("are one descriptor where header and frame may share one", () => {
    newCard(ANY_LAYOUT);
    const posted = takeBuffer();
    expect(posted.count).toBe(1);
    expect(posted.lengths[0]).toBe(2048);
    expect(posted.flags[0]).toBe(WRITE);
  });

  it("have the header alone in the first of two descriptors elsewhere, the frame behind it", () => {
    for (let mergeable: u32 = 0; mergeable < 2; mergeable++) {
      newCard(mergeable ? MRG_RXBUF : 0);
      const posted = takeBuffer();
      const headerBytes: u32 = mergeable ? 12 : 10;
      expect(posted.count).toBe(2);
      expect(posted.lengths[0]).toBe(headerBytes);
      // With MRG_RXBUF, the four of them hold 69,632 bytes and a header.
      expect(posted.lengths[1]).toBe((mergeable ? 17472 : 2048) - headerBytes);
      expect(posted.addresses[1]).toBe(posted.addresses[0] + headerBytes);
      expect(posted.flags[0] & posted.flags[1] & WRITE).toBe(WRITE);
    }
  });

  it("are apart, and cross no page unless they are larger than one", () => {
    const sizes: u32[] = [1536, 2048, 2112, 4096, 4160];
    for (let size = 0; size < sizes.length; size++) {
      const bytes = sizes[size];
      expect(openWith(ANY_LAYOUT, 0, bytes)).toBeGreaterThan(0);
      expect(askInformation().receive_buffer_bytes).toBe(bytes);
      const starts: u32[] = [];
      let wrong: u32 = 0;
      while (receiveRing.waiting != 0) {
        const start = startOf(takeBuffer());
        if (start % 64 != 0) wrong++;
        if (bytes <= 4096 && start / 4096 != (start + bytes - 1) / 4096) wrong++;
        if (memory_physical(start + bytes - 1) != memory_physical(start) + bytes - 1) wrong++;
        for (let other = 0; other < starts.length; other++) {
          if (start < starts[other] + bytes && starts[other] < start + bytes) wrong++;
        }
        starts.push(start);
      }
      expect(wrong).toBe(0);
      expect(starts.length).toBe(8);
    }
  });

  it("take no more pages than they need", () => {
    const ringPages: u32 = 4;
    const headerPages: u32 = 1;
    openWith(ANY_LAYOUT, 0, 1536);
    expect(memory_borrowed()).toBe(ringPages + headerPages + 4);
    openWith(ANY_LAYOUT, 3, 1536);
    expect(memory_borrowed()).toBe(ringPages + headerPages + 2);
    openWith(ANY_LAYOUT, 0, 4160);
    expect(memory_borrowed()).toBe(ringPages + headerPages + 16);
    openWith(MERGING, 0, 0);
    expect(memory_borrowed()).toBe(ringPages + headerPages + 8 * 3);
  });

  it("are as many as the caller wants, but no more than the ring holds", () => {
    openWith(ANY_LAYOUT, 3, 0);
    expect(askInformation().receive_buffers).toBe(3);
    expect(receiveRing.waiting).toBe(3);
    openWith(ANY_LAYOUT, 9, 0);
    expect(askInformation().receive_buffers).toBe(8);
    openWith(0, 0xffff_ffff, 0);
    expect(askInformation().receive_buffers).toBe(4);
  });

  it("have a size that the device can be given", () => {
    expect(openWith(0, 0, 1472)).toBe(Result.E_ARGUMENT, "less than 1526 bytes");
    expect(openWith(0, 0, 1536)).toBeGreaterThan(0);
    expect(openWith(0, 0, 1537)).toBe(Result.E_ARGUMENT);
    expect(openWith(0, 0, 69696)).toBeGreaterThan(0);
    expect(openWith(0, 0, 69760)).toBe(Result.E_ARGUMENT);
    expect(openWith(MERGING, 0, 8768)).toBeGreaterThan(0);
    expect(openWith(MERGING, 0, 8800)).toBe(Result.E_ARGUMENT);
    expect(openWith(MTU, 0, 1536)).toBeGreaterThan(0);
    expect(memory_borrowed()).not.toBe(0);
    expect(openWith(0, 0, 0xffff_ffc0)).toBe(Result.E_ARGUMENT);
    expect(memory_borrowed()).toBe(0);
  });

  it("hold together the largest frame that a host delivers, or are refused, when frames may span them", () => {
    // 69,632 bytes and a header of 12.
    expect(openWith(MERGING, 8, 8704)).toBe(Result.E_ARGUMENT);
    expect(openWith(MERGING, 8, 8768)).toBeGreaterThan(0);
    expect(openWith(MERGING, 7, 8768)).toBe(Result.E_ARGUMENT);
    expect(openWith(MERGING, 1, 69632)).toBe(Result.E_ARGUMENT);
    expect(openWith(MERGING, 1, 69696)).toBeGreaterThan(0);
    expect(memory_borrowed()).not.toBe(0);
    expect(openWith(MERGING, 0, 2048)).toBe(Result.E_ARGUMENT, "eight are all that the ring holds");
    expect(memory_borrowed()).toBe(0);
    expect(openWith(ANY_LAYOUT, 1, 1536)).toBeGreaterThan(0, "elsewhere, a frame that is too large is dropped");
  });

  it("are as large as it takes where the caller does not say", () => {
    for (let count: u32 = 1; count <= 8; count++) {
      expect(openWith(MERGING, count, 0)).toBeGreaterThan(0);
      expect(askInformation().receive_buffer_bytes * count).toBeGreaterThan(69_632 + 11);
      expect(askInformation().receive_buffer_bytes % 64).toBe(0);
    }
    newCard(MERGING, 64);
    expect(askInformation().receive_buffer_bytes).toBe(2048);
    plugCard(MERGING | MTU);
    configure(10, 2, 65535);
    expect(openCard()).toBeGreaterThan(0);
  });

  it("are enough for the largest frame", () => {
    openWith(MRG_RXBUF | ANY_LAYOUT, 0, 16384);
    expect(askInformation().buffers_per_frame_max).toBe(5, "65,593 bytes in 16,384 each");
    openWith(MRG_RXBUF | ANY_LAYOUT, 1, 0);
    expect(askInformation().buffers_per_frame_max).toBe(1, "all there are");
    openWith(ANY_LAYOUT, 0, 2048);
    expect(askInformation().buffers_per_frame_max).toBe(1);
  });
});

describe("a received frame", () => {
  it("is lent to the caller where the device wrote it", () => {
    for (let features = 0; features < 4; features++) {
      newCard((features & 1 ? MRG_RXBUF : 0) | (features & 2 ? ANY_LAYOUT : 0));
      const headerBytes = askInformation().header_bytes;
      expect(receive()).toBe(0);
      const posted = deliver(60, 0xab);
      expect(receive()).toBe(1);
      const record = receivedBuffer(0);
      expect(record.pointer).toBe(startOf(posted) + headerBytes);
      expect(record.length).toBe(60);
      expect(record.buffer_count).toBe(1);
      expect(memory_read8(record.pointer)).toBe(0xab);
      expect(receive()).toBe(0);
      expect(askStatistics().frames_received).toBe(1);
      expect(askStatistics().bytes_received).toBe(60);
      expect(receiveRing.waiting).toBe(askInformation().receive_buffers - 1, "the buffer is not posted again");
    }
  });

  it("has no fields of its header where no offload was accepted, whatever the device writes there", () => {
    for (let features = 0; features < 2; features++) {
      newCard(features ? MERGING : ANY_LAYOUT);
      const posted = takeBuffer();
      memory_write32(startOf(posted), 0x0403_8201);
      memory_write32(startOf(posted) + 4, 0x8807_0605);
      memory_write32(startOf(posted) + 8, 0x0001_0a09);
      receiveRing.complete(posted.indices[0], 70);
      memory.fill(received, 0xff, 24);
      expect(receive()).toBe(1);
      const record = receivedBuffer(0);
      expect(load<u64>(changetype<usize>(record), offsetof<ReceivedBuffer>("flags"))).toBe(0);
      expect(record.csum_offset).toBe(0);
      expect(record.buffer_count).toBe(1);
    }
  });

  it("comes in the order of the device", () => {
    newCard(ANY_LAYOUT);
    const first = takeBuffer();
    const second = takeBuffer();
    writeHeader(first, 10, 0);
    writeHeader(second, 10, 0);
    receiveRing.complete(second.indices[0], 100);
    receiveRing.complete(first.indices[0], 80);
    expect(receive(1)).toBe(1);
    expect(receivedBuffer(0).length).toBe(90);
    expect(receive(1)).toBe(1);
    expect(receivedBuffer(0).length).toBe(70);
  });

  it("is no longer than its buffer, whatever the device says", () => {
    newCard(ANY_LAYOUT);
    const claims: u32[] = [2048, 2049, 0xffff_ffff];
    for (let index = 0; index < claims.length; index++) {
      const posted = takeBuffer();
      receiveRing.complete(posted.indices[0], claims[index]);
      expect(receive()).toBe(1);
      expect(receivedBuffer(0).length).toBe(2038);
      release(receivedBuffer(0).buffer);
    }
  });

  it("that is shorter than an Ethernet header is dropped, and its buffer posted again", () => {
    for (let mergeable: u32 = 0; mergeable < 2; mergeable++) {
      newCard(mergeable ? MERGING : ANY_LAYOUT);
      const headerBytes: u32 = mergeable ? 12 : 10;
      const lengths: u32[] = [0, 1, headerBytes - 1, headerBytes, headerBytes + 13];
      for (let index = 0; index < lengths.length; index++) {
        trace_clear();
        const posted = deliver(0);
        receiveRing.put(receiveRing.usedIndex - 1, posted.indices[0], lengths[index]);
        expect(receive()).toBe(0);
        expect(askStatistics().receive_errors).toBe(index + 1);
        expect(receiveRing.waiting).toBe(8);
        expect(writesTo(QUEUE_NOTIFY).join()).toBe("0");
      }
      deliver(14);
      expect(receive()).toBe(1);
      expect(receivedBuffer(0).length).toBe(14);
      expect(askStatistics().frames_received).toBe(1);
    }
  });

  it("behind dropped ones is found at once", () => {
    newCard(ANY_LAYOUT);
    deliver(3);
    deliver(60);
    deliver(13);
    deliver(61);
    expect(receive()).toBe(2);
    expect(receivedBuffer(0).length).toBe(60);
    expect(receivedBuffer(1).length).toBe(61);
    expect(askStatistics().receive_errors).toBe(2);
  });
});

describe("a frame over several buffers", () => {
  it("has a record for each, the first with their number", () => {
    newCard(MERGING);
    const first = deliverPiece(2048, 3);
    const second = deliverPiece(2048, 0);
    const third = deliverPiece(100, 0);
    memory.fill(received, 0xff, 72);
    expect(receive()).toBe(3);
    expect(receivedBuffer(0).pointer).toBe(startOf(first) + 12);
    expect(receivedBuffer(0).length).toBe(2036);
    expect(receivedBuffer(0).buffer_count).toBe(3);
    expect(receivedBuffer(1).pointer).toBe(startOf(second));
    expect(receivedBuffer(1).length).toBe(2048);
    expect(receivedBuffer(1).buffer_count).toBe(0);
    expect(receivedBuffer(1).flags).toBe(0);
    expect(receivedBuffer(1).csum_offset).toBe(0);
    expect(receivedBuffer(2).pointer).toBe(startOf(third));
    expect(receivedBuffer(2).length).toBe(100);
    expect(askStatistics().frames_received).toBe(1);
    expect(askStatistics().bytes_received).toBe(2036 + 2048 + 100);
  });

  it("is handed out when all of it is there, and not before", () => {
    newCard(MERGING);
    deliverPiece(2048, 3);
    expect(receive()).toBe(0);
    deliverPiece(2048, 0);
    expect(receive()).toBe(0);
    deliverPiece(1, 0);
    expect(receive()).toBe(3);
  });

  it("is handed out whole or not at all", () => {
    newCard(MERGING);
    deliver(60);
    deliverPiece(2048, 3);
    deliverPiece(2048, 0);
    deliverPiece(50, 0);
    deliver(61);
    expect(receive(3)).toBe(1, "the next one has three");
    expect(receive(2)).toBe(Result.E_ARGUMENT);
    expect(receive(2)).toBe(Result.E_ARGUMENT, "nothing is lost");
    expect(receive(3)).toBe(3);
    expect(receivedBuffer(0).buffer_count).toBe(3);
    expect(receive(3)).toBe(1);
    expect(receivedBuffer(0).length).toBe(61);
  });

  it("that is held back is something to poll", () => {
    newCard(MERGING);
    deliver(60);
    deliverPiece(2048, 2);
    deliverPiece(50, 0);
    expect(receive(2)).toBe(1);
    expect(enable_interrupts(handle)).toBe(1, "no interrupt comes for it");
    expect(receive(2)).toBe(2);
    expect(enable_interrupts(handle)).toBe(0);
    deliverPiece(2048, 2);
    expect(receive()).toBe(0);
    expect(enable_interrupts(handle)).toBe(0, "an interrupt comes with the rest of it");
  });

  it("is no error where there is room for none", () => {
    newCard(MERGING);
    deliverPiece(2048, 2);
    deliverPiece(50, 0);
    expect(receive(0)).toBe(0);
    expect(receive(1)).toBe(Result.E_ARGUMENT);
    expect(receive(0)).toBe(0, "it is held back now");
  });

  it("has the fields of a header in its first record only", () => {
    newCard(MERGING);
    deliverPiece(2048, 2);
    const second = deliverPiece(50, 0);
    memory_write32(startOf(second), 0xffff_ffff);
    memory_write32(startOf(second) + 4, 0xffff_ffff);
    memory_write32(startOf(second) + 8, 0xffff_ffff);
    expect(receive()).toBe(2);
    expect(receivedBuffer(1).flags).toBe(0);
    expect(receivedBuffer(1).gso_type).toBe(0);
    expect(receivedBuffer(1).csum_start).toBe(0);
    expect(receivedBuffer(1).csum_offset).toBe(0);
  });

  it("is dropped as a whole when a buffer of it is empty, or all are too short", () => {
    newCard(MERGING);
    deliverPiece(2048, 3);
    deliverPiece(0, 0);
    deliverPiece(2048, 0);
    expect(receive()).toBe(0);
    expect(askStatistics().receive_errors).toBe(1);
    deliverPiece(12, 2);
    deliverPiece(13, 0);
    expect(receive()).toBe(0);
    expect(askStatistics().receive_errors).toBe(2);
    deliverPiece(12, 2);
    deliverPiece(14, 0);
    expect(receive()).toBe(2);
    expect(receivedBuffer(0).length).toBe(0);
    expect(receivedBuffer(1).length).toBe(14);
    release(receivedBuffer(0).buffer);
    release(receivedBuffer(1).buffer);
    expectAllPosted();
  });

  it("cannot have no buffers, or more than there are", () => {
    openWith(MERGING, 0, 16384);
    deliverPiece(60, 0);
    writeHeader(receiveRing.chain(receiveRing.head(0)), 12, 0);
    expectBroken(Message.BAD_BUFFER_COUNT, 0);
    openWith(MERGING, 0, 16384);
    deliverPiece(60, 9);
    expectBroken(Message.BAD_BUFFER_COUNT, 9);
    openWith(MERGING, 0, 16384);
    deliverPiece(60, 0xffff);
    expectBroken(Message.BAD_BUFFER_COUNT, 0xffff);
    openWith(MERGING, 0, 16384);
    for (let piece: u32 = 0; piece < 5; piece++) deliverPiece(1000, piece == 0 ? 5 : 0);
    expect(receive()).toBe(5);
  });

  it("is dropped and counted when it is larger than the largest, and its buffers are posted again", () => {
    openWith(MERGING, 0, 16384);
    for (let piece: u32 = 0; piece < 4; piece++) deliverPiece(1000, piece == 0 ? 6 : 0);
    expect(receive()).toBe(0, "not whole yet");
    for (let piece: u32 = 0; piece < 2; piece++) deliverPiece(1000, 0);
    deliver(60);
    expect(receive()).toBe(1, "the one behind it");
    expect(askStatistics().receive_errors).toBe(1);
    expect(events(handle)).toBe(0);
    expect(release(receivedBuffer(0).buffer)).toBe(1);
    expectAllPosted();
  });

  it("that makes no sense gives no buffer back to the device before the last one is taken", () => {
    newCard(ANY_LAYOUT);
    const posted = takeBuffer();
    // Twice the same buffer in one go, too short the first time.
    receiveRing.complete(posted.indices[0], 5);
    receiveRing.complete(posted.indices[0], 70);
    expect(receive()).toBe(Result.E_BROKEN);
    expect(logged(Message.BAD_USED_ID, handle, 0)).toBe(true);
  });

  it("is not asked for the number of its buffers where it has no header, or none with that field", () => {
    newCard(MERGING);
    const posted = takeBuffer();
    writeHeader(posted, 12, 7);
    receiveRing.complete(posted.indices[0], 11);
    expect(receive()).toBe(0);
    expect(askStatistics().receive_errors).toBe(1);
    newCard(ANY_LAYOUT);
    const plain = takeBuffer();
    writeHeader(plain, 12, 0xffff);
    receiveRing.complete(plain.indices[0], 70);
    expect(receive()).toBe(1);
    expect(receivedBuffer(0).buffer_count).toBe(1);
  });

  it("is found behind what came before the device broke, and not before what comes after", () => {
    newCard(MERGING);
    deliver(60);
    deliverPiece(60, 99);
    deliver(61);
    expect(receive()).toBe(1);
    expect(events(handle)).toBe(Event.BROKEN);
    expect(receive()).toBe(Result.E_BROKEN);
  });
});

describe("a buffer that does not exist", () => {
  it("breaks the card, whatever lies behind what the driver knows of its chains", () => {
    const heads: u32[] = [QUEUE_SIZE, 9, 20, 100, 0x1000, 0x7fff, 0x8000_0000];
    for (let at = 0; at < heads.length; at++) {
      newCard(MERGING);
      receiveRing.complete(heads[at], 100);
      expectBroken(Message.BAD_USED_ID, 0);
    }
  });
});

describe("net_release", () => {
  it("posts buffers again, with one publish and one notification", () => {
    newCard(ANY_LAYOUT);
    for (let count = 0; count < 3; count++) deliver(60);
    expect(receive()).toBe(3);
    for (let index: u32 = 0; index < 3; index++) store<u32>(ids + index * 4, receivedBuffer(index).buffer);
    const waiting = receiveRing.waiting;
    trace_clear();
    expect(net_release(handle, ids, 3)).toBe(3);
    expect(receiveRing.waiting).toBe(waiting + 3);
    expect(trace_count(Trace.WMB)).toBe(1);
    expect(writesTo(QUEUE_NOTIFY).join()).toBe("0");
    expectAllPosted();
  });

  it("takes only what is in the caller's hands", () => {
    newCard(ANY_LAYOUT);
    deliver(60);
    deliver(60);
    expect(receive(1)).toBe(1);
    const mine = receivedBuffer(0).buffer;
    for (let id: u32 = 0; id < 12; id++) {
      if (id != mine) expect(release(id)).toBe(Result.E_BUFFER);
    }
    expect(release(0xffff_ffff)).toBe(Result.E_BUFFER);
    expect(release(0x8000_0000 | mine)).toBe(Result.E_BUFFER);
    expect(release(mine)).toBe(1);
    expect(release(mine)).toBe(Result.E_BUFFER, "once");
  });

  it("stops at the first that is not", () => {
    newCard(ANY_LAYOUT);
    deliver(60);
    deliver(60);
    receive();
    const first = receivedBuffer(0).buffer;
    const second = receivedBuffer(1).buffer;
    store<u32>(ids, first);
    store<u32>(ids + 4, first);
    store<u32>(ids + 8, second);
    expect(net_release(handle, ids, 3)).toBe(1);
    expect(release(second)).toBe(1);
    expect(net_release(handle, ids, 0)).toBe(0);
    expectAllPosted();
  });

  it("checks its arguments", () => {
    newCard(ANY_LAYOUT);
    expect(net_release(handle, 0, 1)).toBe(Result.E_ARGUMENT);
    expect(net_release(handle, END - 3, 1)).toBe(Result.E_ARGUMENT);
    expect(net_release(handle + 1, ids, 1)).toBe(Result.E_HANDLE);
    expect(net_receive(handle, END - 23, 1)).toBe(Result.E_ARGUMENT);
    expect(net_receive(handle + 1, received, 1)).toBe(Result.E_HANDLE);
    expect(net_receive(handle, received, 0)).toBe(0);
  });

  it("loses no buffer and lends none twice, whatever the order", () => {
    seedRandom(9);
    newCard(MERGING | EVENT_IDX, 32);
    findRings(32);
    const lent: u32[] = [];
    const taken: Chain[] = [];
    let frames: u64 = 0;
    let wrong: u32 = 0;
    for (let step = 0; step < 3000; step++) {
      while (receiveRing.waiting != 0) taken.push(takeBuffer());
      const pieces: u32 = 1 + random(3);
      if (<u32>taken.length >= pieces && random(3) != 0) {
        for (let piece: u32 = 0; piece < pieces; piece++) {
          const index = random(taken.length);
          const posted = taken[index];
          taken[index] = taken[taken.length - 1];
          taken.pop();
          if (piece == 0) writeHeader(posted, 12, pieces);
          receiveRing.put(receiveRing.usedIndex + piece, posted.indices[0], 100 + pieces);
        }
        receiveRing.setUsedIndex(receiveRing.usedIndex + pieces);
        frames++;
      }
      const count = <u32>receive(random(3) + 3);
      for (let index: u32 = 0; index < count; index++) {
        const id = receivedBuffer(index).buffer;
        if (lent.includes(id) || id >= 32) wrong++;
        lent.push(id);
      }
      for (let given = random(5); given != 0 && lent.length != 0; given--) {
        const index = random(lent.length);
        if (release(lent[index]) != 1) wrong++;
        lent[index] = lent[lent.length - 1];
        lent.pop();
      }
    }
    for (let count = receive(); count > 0; count = receive()) {
      for (let index = 0; index < count; index++) lent.push(receivedBuffer(index).buffer);
    }
    expect(wrong).toBe(0);
    expect(frames).toBeGreaterThan(1000);
    expect(askStatistics().frames_received).toBe(frames);
    expect(askStatistics().receive_errors).toBe(0);
    while (receiveRing.waiting != 0) taken.push(takeBuffer());
    expect(taken.length + lent.length).toBe(32);
  });
});

describe("receiving with interrupts", () => {
  it("asks for one with the next frame", () => {
    newCard(ANY_LAYOUT);
    expect(receiveRing.availableFlags).toBe(1);
    expect(enable_interrupts(handle)).toBe(0);
    expect(receiveRing.availableFlags).toBe(0);
    deliver(60);
    expect(enable_interrupts(handle)).toBe(1);
    expect(disable_interrupts(handle)).toBe(Result.OK);
    expect(receiveRing.availableFlags).toBe(1);
  });
});

describe("a reset", () => {
  it("leaves frames in the caller's hands, and posts all other buffers", () => {
    newCard(ANY_LAYOUT);
    deliver(60);
    deliver(61);
    receive(1);
    const mine = receivedBuffer(0).buffer;
    expect(reset(handle)).toBe(Result.OK);
    findRings();
    expect(receiveRing.waiting).toBe(7);
    for (let count = 0; count < 7; count++) {
      expect(startOf(takeBuffer()) + 10).not.toBe(receivedBuffer(0).pointer);
    }
    expect(receive()).toBe(0, "what was not fetched is lost");
    expect(release(mine)).toBe(1);
    expect(receiveRing.waiting).toBe(1);
    expect(startOf(takeBuffer()) + 10).toBe(receivedBuffer(0).pointer);
  });

  it("drops a frame that is not yet whole, or not yet fetched", () => {
    newCard(MERGING);
    deliverPiece(2048, 2);
    expect(receive()).toBe(0);
    reset(handle);
    findRings();
    deliver(60);
    expect(receive()).toBe(1);
    expect(receivedBuffer(0).length).toBe(60);
    deliverPiece(2048, 2);
    deliverPiece(10, 0);
    expect(receive(1)).toBe(Result.E_ARGUMENT);
    reset(handle);
    findRings();
    expect(enable_interrupts(handle)).toBe(0);
    expect(receiveRing.waiting).toBe(7);
  });

  it("counts the whole frames that it drops, and nothing else", () => {
    newCard(MERGING);
    expect(reset(handle)).toBe(Result.OK);
    expect(askStatistics().receive_discarded).toBe(0);
    findRings();
    deliver(60);
    deliverPiece(2048, 2);
    const second = deliverPiece(50, 0);
    // Where the first buffer of a frame has the number of its buffers.
    memory_write16(startOf(second) + 10, 9);
    deliver(61);
    deliverPiece(2048, 2);
    expect(reset(handle)).toBe(Result.OK);
    expect(askStatistics().receive_discarded).toBe(3);
    findRings();
    deliverPiece(2048, 2);
    deliverPiece(50, 0);
    deliver(60);
    expect(receive(1)).toBe(Result.E_ARGUMENT);
    expect(reset(handle)).toBe(Result.OK);
    expect(askStatistics().receive_discarded).toBe(5, "the one held back, and the one behind it");
    findRings();
    expectAllPosted();
  });

  it("counts them up to what makes no sense, and forgives that", () => {
    newCard(MERGING);
    deliver(60);
    deliverPiece(60, 0xffff);
    deliver(61);
    expect(reset(handle)).toBe(Result.OK);
    expect(askStatistics().receive_discarded).toBe(1);
    findRings();
    deliver(60);
    receiveRing.complete(0xffff, 70);
    receiveRing.complete(0xffff, 70);
    expect(reset(handle)).toBe(Result.OK);
    expect(askStatistics().receive_discarded).toBe(2);
    expect(events(handle)).toBe(0);
    findRings();
    expectAllPosted();
  });

  it("brings back a broken card, to which buffers were given back meanwhile", () => {
    newCard(ANY_LAYOUT);
    deliver(60);
    receive();
    receiveRing.complete(0xffff, 0);
    expect(receive()).toBe(Result.E_BROKEN);
    const waiting = receiveRing.waiting;
    expect(release(receivedBuffer(0).buffer)).toBe(1);
    expect(receiveRing.waiting).toBe(waiting, "a broken device gets nothing");
    expect(release(receivedBuffer(0).buffer)).toBe(Result.E_BUFFER);
    expect(reset(handle)).toBe(Result.OK);
    findRings();
    expectAllPosted();
  });
});
