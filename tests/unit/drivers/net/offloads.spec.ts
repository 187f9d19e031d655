/** Which offloads are accepted, what frames may ask for, and what is believed of received headers. */
import { Result } from "../../../../assembly/abi/results";
import { reset } from "../../../../assembly/drivers/calls";
import { ReceivedBuffer, TransmitFrame } from "../../../../assembly/drivers/net/abi";
import { NET_DEVICE_BYTES, NetDevice, ReceiveQueue } from "../../../../assembly/drivers/net/device";
import { headerMakesSense, offloadResult, withoutOrphans } from "../../../../assembly/drivers/net/offloads";
import { forget_translations } from "../../../../assembly/memory/addresses";
import { newMachine, QUEUE_NOTIFY, writesTo } from "../../scripted/plug";
import { Chain, WRITE } from "../../scripted/ring";
import {
  device_accepted,
  device_offer,
  memory_borrowed,
  memory_fail_after,
  memory_lend,
  memory_physical,
  memory_read16,
  memory_read8,
  memory_scatter,
  memory_write16,
  memory_write32,
  trace_clear,
} from "../../scripted/script";
import {
  addSegment,
  ANY_LAYOUT,
  askInformation,
  askStatistics,
  buffer,
  card,
  completion,
  deliverPiece,
  findRings,
  frame,
  handle,
  MRG_RXBUF,
  openCard,
  options,
  plugCard,
  prepare,
  receive,
  received,
  receivedBuffer,
  receiveRing,
  reclaim,
  release,
  send,
  startOf,
  takeBuffer,
  takeFrame,
  transmit,
  transmitRing,
} from "./card";

const CSUM: u64 = 1 << 0;
const GUEST_CSUM: u64 = 1 << 1;
const GUEST_TSO4: u64 = 1 << 7;
const GUEST_TSO6: u64 = 1 << 8;
const GUEST_ECN: u64 = 1 << 9;
const GUEST_UFO: u64 = 1 << 10;
const HOST_TSO4: u64 = 1 << 11;
const HOST_TSO6: u64 = 1 << 12;
const HOST_ECN: u64 = 1 << 13;
const HOST_UFO: u64 = 1 << 14;
const INDIRECT_DESC: u64 = 1 << 28;
const HOST_USO: u64 = 1 << 56;
const HOST: u64 = CSUM | HOST_TSO4 | HOST_TSO6 | HOST_ECN | HOST_UFO;
const GUEST: u64 = GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN | GUEST_UFO;

const PAGE: u32 = 4096;
const RING: u32 = 64;
const NEEDS_CSUM: u32 = 1;
const DATA_VALID: u32 = 2;
const TCPV4: u32 = 1;
const UDP: u32 = 3;
const TCPV6: u32 = 4;
const UDP_L4: u32 = 5;
const ECN: u32 = 0x80;
const LONGEST: u32 = 65593;

/** What the driver accepts of a card that offers this, from a caller that allows everything, or names nothing. */
function accepts(offered: u64, names: bool = true): u64 {
  plugCard(offered);
  assert(openCard(names) > 0);
  return device_accepted(card);
}

/** A card with all offloads that the caller allows. */
function open(offered: u64, allowed: u64 = u64.MAX_VALUE): void {
  plugCard(offered, RING);
  options.features = allowed;
  assert(openCard(true, RING) > 0);
}

/** All header fields but csum_offset as one number. */
function fields(flags: u32, gsoType: u32, hdrLen: u32, gsoSize: u32, csumStart: u32): u64 {
  return (<u64>(flags | (gsoType << 8) | (hdrLen << 16))) | ((<u64>gsoSize) << 32) | ((<u64>csumStart) << 48);
}

function ask(index: u32, asked: u64, csumOffset: u32): void {
  store<u64>(changetype<usize>(frame(index)), asked, offsetof<TransmitFrame>("flags"));
  frame(index).csum_offset = <u16>csumOffset;
}

/** A frame of so many bytes from the first page on. */
function prepareFrame(bytes: u32, asked: u64, csumOffset: u32 = 16, headerRoom: u16 = 0): void {
  prepare(0, 1, headerRoom);
  const first = min(bytes, 15 * PAGE);
  addSegment(0, buffer + 64, first);
  if (first != bytes) addSegment(0, buffer + 64, bytes - first);
  ask(0, asked, csumOffset);
}

/** What becomes of such a frame; where it is refused, the device does not hear of it. */
function result(bytes: u32, asked: u64, csumOffset: u32 = 16): i32 {
  prepareFrame(bytes, asked, csumOffset);
  const waiting = transmitRing.waiting;
  const refused = askStatistics().transmit_refused;
  trace_clear();
  const accepted = transmit(1);
  if (accepted == 0) {
    expect(transmitRing.waiting).toBe(waiting);
    expect(writesTo(QUEUE_NOTIFY).length).toBe(0);
    expect(askStatistics().transmit_refused).toBe(refused + 1);
  } else {
    transmitRing.completeAll();
    expect(reclaim()).toBe(1);
    expect(completion(0).length).toBe(bytes);
  }
  return frame(0).result;
}

const TSO: u64 = fields(NEEDS_CSUM, TCPV4, 54, 1460, 34);

function expectHeader(pointer: u32, asked: u64, csumOffset: u32, bytes: u32): void {
  for (let word: u32 = 0; word < 4; word++) {
    expect(memory_read16(pointer + 2 * word)).toBe((<u32>(asked >> (16 * word))) & 0xffff);
  }
  expect(memory_read16(pointer + 8)).toBe(csumOffset);
  if (bytes == 12) expect(memory_read16(pointer + 10)).toBe(0);
}

describe("the offloads accepted", () => {
  it("are all of transmission by default, and none that changes received frames", () => {
    expect(accepts(HOST | GUEST | INDIRECT_DESC, false)).toBe(HOST | INDIRECT_DESC);
  });

  it("are those of reception as well where the caller names them", () => {
    expect(accepts(HOST | GUEST | INDIRECT_DESC)).toBe(HOST | GUEST | INDIRECT_DESC);
  });

  it("are none without the features that they need [virtio-1.2 §5.1.3.1]", () => {
    expect(accepts(HOST & ~CSUM)).toBe(0);
    expect(accepts(GUEST & ~GUEST_CSUM)).toBe(0);
    expect(accepts((1 << 6) | (1 << 2))).toBe(0, "GSO and CTRL_GUEST_OFFLOADS, as QEMU offers them without CSUM");
    expect(accepts(CSUM)).toBe(CSUM);
    expect(accepts(CSUM | HOST_TSO4)).toBe(CSUM | HOST_TSO4);
    expect(accepts(CSUM | HOST_TSO6 | HOST_ECN)).toBe(CSUM | HOST_TSO6 | HOST_ECN);
    expect(accepts(CSUM | HOST_TSO4 | HOST_ECN)).toBe(CSUM | HOST_TSO4 | HOST_ECN);
    expect(accepts(CSUM | HOST_UFO | HOST_ECN)).toBe(CSUM | HOST_UFO);
    expect(accepts(GUEST_CSUM)).toBe(GUEST_CSUM);
    expect(accepts(GUEST_CSUM | GUEST_TSO6 | GUEST_ECN)).toBe(GUEST_CSUM | GUEST_TSO6 | GUEST_ECN);
    expect(accepts(GUEST_CSUM | GUEST_TSO4 | GUEST_ECN)).toBe(GUEST_CSUM | GUEST_TSO4 | GUEST_ECN);
    expect(accepts(GUEST_CSUM | GUEST_UFO | GUEST_ECN)).toBe(GUEST_CSUM | GUEST_UFO);
  });

  it("are none whose condition the caller does not allow", () => {
    plugCard(HOST | GUEST);
    options.features = ~(CSUM | GUEST_CSUM);
    openCard(true);
    expect(device_accepted(card)).toBe(0);
    plugCard(HOST | GUEST);
    options.features = ~(HOST_TSO4 | HOST_TSO6 | GUEST_TSO4 | GUEST_TSO6);
    openCard(true);
    expect(device_accepted(card)).toBe(<u32>(CSUM | HOST_UFO | GUEST_CSUM | GUEST_UFO));
  });

  it("include indirect descriptors only where frames can be cut", () => {
    expect(accepts(INDIRECT_DESC)).toBe(0);
    expect(accepts(CSUM | INDIRECT_DESC)).toBe(CSUM);
    expect(accepts(CSUM | HOST_UFO | INDIRECT_DESC)).toBe(CSUM | HOST_UFO | INDIRECT_DESC);
  });

  it("include the segmentation of datagrams, of a device above bit 31", () => {
    const device = changetype<NetDevice>(memory.data(4096, 16));
    assert(NET_DEVICE_BYTES <= 4096);
    const all = u64.MAX_VALUE;
    device.featuresOffered = CSUM | HOST_USO | INDIRECT_DESC;
    expect(withoutOrphans(device, all) & device.featuresOffered).toBe(CSUM | HOST_USO | INDIRECT_DESC);
    device.featuresOffered = HOST_USO;
    expect(withoutOrphans(device, all) & device.featuresOffered).toBe(0);
    device.featuresAccepted = CSUM | HOST_USO;
    const asked = fields(NEEDS_CSUM, UDP_L4, 42, 1000, 34);
    expect(offloadResult(device, asked, 6, 3000)).toBe(Result.OK);
    expect(offloadResult(device, asked | (ECN << 8), 6, 3000)).toBe(Result.E_UNSUPPORTED);
    device.featuresAccepted = CSUM | HOST_UFO;
    expect(offloadResult(device, asked, 6, 3000)).toBe(Result.E_UNSUPPORTED);
  });

  it("come back with a reset, and it fails without them", () => {
    open(HOST | GUEST | MRG_RXBUF | INDIRECT_DESC);
    expect(reset(handle)).toBe(Result.OK);
    expect(device_accepted(card)).toBe(<u32>(HOST | GUEST | MRG_RXBUF | INDIRECT_DESC));
    findRings(RING);
    expect(result(9000, TSO)).toBe(Result.OK);
    device_offer(card, <u32>(HOST_TSO4 | GUEST | MRG_RXBUF | INDIRECT_DESC));
    expect(reset(handle)).toBe(Result.E_FEATURES);
  });
});

describe("a frame", () => {
  it("has the header that it asks for", () => {
    for (let features = 0; features < 4; features++) {
      open(HOST | (features & 1 ? MRG_RXBUF : 0) | (features & 2 ? ANY_LAYOUT : 0));
      const headerBytes = askInformation().header_bytes;
      for (let round = 0; round < 2; round++) {
        prepareFrame(1000, fields(NEEDS_CSUM, 0, 42, 0, 34), 6, <u16>(round == 0 ? 0 : 64));
        expect(transmit(1)).toBe(1);
        const chain = takeFrame();
        expectHeader(chain.pointer(0), fields(NEEDS_CSUM, 0, 42, 0, 34), 6, headerBytes);
        const isJoined = (features & 2) != 0 && round == 1 && (!isDefined(PORTED) || headerBytes % 4 == 0);
        expect(chain.count).toBe(isJoined ? 1 : 2);
        expect(chain.lengths[0]).toBe(headerBytes + (isJoined ? 1000 : 0));
      }
    }
  });

  it("that asks for nothing has a header of zeroes again", () => {
    open(HOST);
    for (let index = 0; index < <i32>RING; index++) {
      expect(result(100, fields(NEEDS_CSUM, 0, 0, 0, 34))).toBe(Result.OK);
    }
    for (let index = 0; index < <i32>RING / 2; index++) {
      expect(send(2, 100)).toBe(Result.OK);
      expectHeader(takeFrame().pointer(0), 0, 0, 10);
    }
  });

  it("keeps its place between frames that ask for nothing", () => {
    open(HOST | ANY_LAYOUT);
    for (let index: u32 = 0; index < 3; index++) {
      prepare(index, index, 10);
      addSegment(index, buffer + 66 + index * PAGE, 100 + index);
    }
    ask(1, fields(NEEDS_CSUM, 0, 0, 0, 34), 16);
    expect(transmit(3)).toBe(3);
    for (let index: u32 = 0; index < 3; index++) {
      const chain = takeFrame();
      expect(chain.lengths[0]).toBe(110 + index);
      expect(memory_read8(chain.pointer(0))).toBe(index == 1 ? 1 : 0);
    }
  });

  it("may end with its checksum, and no earlier", () => {
    open(HOST);
    expect(result(60, fields(NEEDS_CSUM, 0, 0, 0, 34), 24)).toBe(Result.OK);
    expect(result(60, fields(NEEDS_CSUM, 0, 0, 0, 34), 25)).toBe(Result.E_ARGUMENT);
    expect(result(60, fields(NEEDS_CSUM, 0, 0, 0, 58), 0)).toBe(Result.OK);
    expect(result(60, fields(NEEDS_CSUM, 0, 0, 0, 59), 0)).toBe(Result.E_ARGUMENT);
    expect(result(60, fields(NEEDS_CSUM, 0, 0, 0, 0xffff), 0xffff)).toBe(Result.E_ARGUMENT);
    expect(result(60, fields(NEEDS_CSUM, 0, 60, 0, 34))).toBe(Result.OK);
    expect(result(60, fields(NEEDS_CSUM, 0, 61, 0, 34))).toBe(Result.E_ARGUMENT, "hdr_len");
  });

  it("is refused when its fields contradict each other", () => {
    open(HOST);
    expect(result(60, fields(0, 0, 54, 0, 0), 0)).toBe(Result.E_ARGUMENT, "hdr_len alone");
    expect(result(60, fields(0, 0, 0, 0, 34), 0)).toBe(Result.E_ARGUMENT, "csum_start alone");
    expect(result(60, 0, 16)).toBe(Result.E_ARGUMENT, "csum_offset alone");
    expect(result(60, fields(0, TCPV4, 54, 1460, 34))).toBe(Result.E_ARGUMENT, "segmentation alone");
    expect(result(60, fields(NEEDS_CSUM, TCPV4, 54, 0, 34))).toBe(Result.E_ARGUMENT, "no gso_size");
    expect(result(60, fields(NEEDS_CSUM, 0, 54, 1460, 34))).toBe(Result.E_ARGUMENT, "gso_size alone");
    expect(result(60, fields(NEEDS_CSUM, TCPV4, 54, 1, 34))).toBe(Result.OK);
  });

  it("is refused when it asks for what was not accepted", () => {
    const types: u32[] = [TCPV4, TCPV6, UDP, TCPV4 | ECN, TCPV6 | ECN, UDP | ECN, UDP_L4, ECN, 2, 6, 0x41, 0x7f, 0xff];
    const needed: u64[] = [HOST_TSO4, HOST_TSO6, HOST_UFO, HOST_TSO4 | HOST_ECN, HOST_TSO6 | HOST_ECN];
    for (let index = 0; index < types.length; index++) {
      const asked = fields(NEEDS_CSUM, types[index], 54, 1000, 34);
      open(HOST);
      const known = index < needed.length;
      expect(result(60, asked)).toBe(known ? Result.OK : <i32>Result.E_UNSUPPORTED);
      if (!known) continue;
      for (let bit = 11; bit < 15; bit++) {
        if (!(needed[index] & (1 << bit))) continue;
        // Of ECN one of the two must be there, or none is accepted.
        open(HOST, ~((<u64>1) << bit));
        expect(result(60, asked)).toBe(Result.E_UNSUPPORTED);
      }
    }
    open(HOST);
    const flags: u32[] = [DATA_VALID, DATA_VALID | NEEDS_CSUM, 4, 5, 0x80];
    for (let index = 0; index < flags.length; index++) {
      expect(result(60, fields(flags[index], 0, 0, 0, 34))).toBe(Result.E_UNSUPPORTED);
    }
    open(HOST & ~CSUM);
    expect(result(60, fields(NEEDS_CSUM, 0, 0, 0, 34))).toBe(Result.E_UNSUPPORTED);
    expect(result(60, 0, 16)).toBe(Result.E_UNSUPPORTED);
  });

  it("may be larger than the MTU allows only where it is cut", () => {
    open(HOST);
    expect(result(1518, fields(NEEDS_CSUM, 0, 0, 0, 34))).toBe(Result.OK);
    expect(result(1519, fields(NEEDS_CSUM, 0, 0, 0, 34))).toBe(Result.E_FRAME_SIZE);
    expect(result(LONGEST, TSO)).toBe(Result.OK);
    expect(result(LONGEST + 1, TSO)).toBe(Result.E_FRAME_SIZE);
    expect(result(13, fields(NEEDS_CSUM, TCPV4, 0, 1, 0), 0)).toBe(Result.E_FRAME_SIZE);
    expect(askStatistics().bytes_transmitted).toBe(1518 + LONGEST);
  });

  it("that will never be accepted is refused at once also with a full ring", () => {
    open(HOST);
    for (let count: u32 = 0; count < RING / 2; count++) expect(send(1, 60)).toBe(Result.OK);
    expect(send(1, 60)).toBe(Result.E_FULL);
    expect(result(60, fields(NEEDS_CSUM, 0, 0, 0, 59))).toBe(Result.E_ARGUMENT);
    expect(result(60, fields(4, 0, 0, 0, 0))).toBe(Result.E_UNSUPPORTED);
    expect(result(LONGEST + 1, TSO)).toBe(Result.E_FRAME_SIZE);
    prepareFrame(LONGEST, TSO);
    expect(transmit(1)).toBe(0);
    expect(frame(0).result).toBe(Result.E_FULL);
  });
});

/** The pieces that a frame was cut into for the device, header apart. */
function expectPieces(chain: Chain, headerBytes: u32, bytes: u32): void {
  let sum: u32 = 0;
  for (let index: u32 = 0; index < chain.count; index++) {
    expect(chain.flags[index] & WRITE).toBe(0);
    sum += chain.lengths[index];
  }
  expect(sum).toBe(headerBytes + bytes);
}

describe("a table", () => {
  it("takes a large frame in many pieces, and one descriptor of the ring", () => {
    open(HOST | INDIRECT_DESC | ANY_LAYOUT);
    memory_scatter(buffer, 16);
    forget_translations();
    for (let round = 0; round < 100; round++) {
      prepareFrame(LONGEST, TSO, 16, <u16>(round % 2 == 0 ? 0 : 64));
      expect(transmit(1)).toBe(1);
      const chain = takeFrame();
      expect(chain.isIndirect).toBe(true);
      expect(chain.indices.length).toBe(1);
      // 15 pages not from their beginning, and two again; with room, the header is in the first piece.
      const hasRoom = round % 2 == 1 && !isDefined(PORTED);
      expect(chain.count).toBe(hasRoom ? 18 : 19);
      expectPieces(chain, 10, LONGEST);
      expectHeader(chain.pointer(0), TSO, 16, 10);
      transmitRing.complete(chain.indices[0], 0);
      expect(reclaim()).toBe(1);
      expect(completion(0).length).toBe(LONGEST);
    }
  });

  it("is as full as it can be with 36 descriptors; more go into the ring", () => {
    for (let pieces: u32 = 34; pieces < 38; pieces++) {
      open(HOST | INDIRECT_DESC);
      prepare(0, 1);
      for (let index: u32 = 1; index < pieces; index++) addSegment(0, buffer + (index % 16) * PAGE, 100);
      ask(0, TSO, 16);
      expect(transmit(1)).toBe(1);
      const chain = takeFrame();
      expect(chain.isIndirect).toBe(pieces <= 36);
      expect(chain.count).toBe(pieces);
      expectPieces(chain, 10, 100 * (pieces - 1));
    }
  });

  it("is of no use to frames that are not cut", () => {
    open(HOST | INDIRECT_DESC);
    prepareFrame(1000, fields(NEEDS_CSUM, 0, 0, 0, 34));
    transmit(1);
    expect(takeFrame().isIndirect).toBe(false);
  });

  it("lets as many large frames under way as there are descriptors", () => {
    open(HOST | INDIRECT_DESC);
    for (let count: u32 = 0; count < RING; count++) {
      prepareFrame(20_000, TSO);
      expect(transmit(1)).toBe(1);
    }
    prepareFrame(20_000, TSO);
    expect(transmit(1)).toBe(0);
    expect(frame(0).result).toBe(Result.E_FULL);
  });

  it("is never longer than the queue", () => {
    plugCard(HOST | INDIRECT_DESC);
    openCard(true);
    for (let pieces: u32 = 7; pieces < 10; pieces++) {
      prepare(0, 1);
      for (let index: u32 = 1; index < pieces; index++) addSegment(0, buffer + index * PAGE, 100);
      ask(0, TSO, 16);
      const accepted = transmit(1);
      expect(accepted).toBe(pieces <= 8 ? 1 : 0);
      if (accepted == 1) expect(takeFrame().isIndirect).toBe(true);
      else expect(frame(0).result).toBe(Result.E_FULL, "in the ring there would be room, were it empty");
    }
  });

  it("is left out where there is no memory for it, and costs none where no frame is cut", () => {
    open(CSUM | INDIRECT_DESC);
    const without = memory_borrowed();
    open(HOST | INDIRECT_DESC);
    expect(memory_borrowed()).toBe(without + 9, "64 times 16 + 36 * 16 bytes in 10 pages, in the place of one");
    plugCard(HOST | INDIRECT_DESC, RING);
    options.receive_buffers = 1;
    options.receive_buffer_bytes = 1536;
    // Two rings and one buffer; not the tables.
    memory_fail_after(3);
    expect(openCard(true, RING)).toBe(Result.E_DMA_MEMORY);
  });
});

/** The device fills a buffer with a frame of so many bytes, with such a header. */
function arrive(bytes: u32, header: u64, csumOffset: u32): void {
  const posted = takeBuffer();
  const start = startOf(posted);
  memory_write32(start, <u32>header);
  memory_write32(start + 4, <u32>(header >> 32));
  memory_write16(start + 8, csumOffset);
  if (askInformation().header_bytes == 12) memory_write16(start + 10, 1);
  receiveRing.complete(posted.indices[0], askInformation().header_bytes + bytes);
}

/** Receives a frame with such a header, and checks what is told of it; release it. */
function expectTold(header: u64, csumOffset: u32, told: u64, toldOffset: u32): void {
  arrive(100, header, csumOffset);
  memory.fill(received, 0xff, 24);
  const errors = askStatistics().receive_errors;
  expect(receive()).toBe(1);
  const record = receivedBuffer(0);
  expect(load<u64>(changetype<usize>(record), offsetof<ReceivedBuffer>("flags"))).toBe(told);
  expect(record.csum_offset).toBe(<u16>toldOffset);
  expect(record.buffer_count).toBe(1);
  expect(record.length).toBe(100);
  expect(askStatistics().receive_errors).toBe(errors);
  release(record.buffer);
}

function expectDropped(header: u64, csumOffset: u32): void {
  const errors = askStatistics().receive_errors;
  arrive(100, header, csumOffset);
  expect(receive()).toBe(0);
  expect(askStatistics().receive_errors).toBe(errors + 1);
}

const PLAIN: u64 = 0;

describe("a received header", () => {
  it("is told as far as it was negotiated and fits the frame", () => {
    for (let features = 0; features < 4; features++) {
      const layout = (features & 1 ? MRG_RXBUF : 0) | (features & 2 ? ANY_LAYOUT : 0);
      open(GUEST | layout);
      expectTold(PLAIN, 0, 0, 0);
      expectTold(fields(DATA_VALID, 0, 0, 0, 0), 0, DATA_VALID, 0);
      expectTold(fields(NEEDS_CSUM, 0, 0, 0, 34), 16, fields(NEEDS_CSUM, 0, 0, 0, 34), 16);
      const large = fields(NEEDS_CSUM, TCPV4 | ECN, 54, 1460, 34);
      expectTold(large, 16, large, 16);
      const ipv6 = fields(NEEDS_CSUM, TCPV6, 74, 1440, 54);
      expectTold(ipv6, 16, ipv6, 16);
      const fragments = fields(NEEDS_CSUM, UDP, 42, 1480, 34);
      expectTold(fragments, 6, fragments, 6);
    }
  });

  it("has no meaning where flags give it none", () => {
    open(GUEST);
    expectTold(fields(0, 0, 54, 1460, 34), 16, 0, 0);
    expectTold(fields(DATA_VALID, 0, 54, 1460, 34), 16, DATA_VALID, 0);
    expectTold(fields(0xf8, 0, 0, 0, 0), 0, 0, 0);
    expectTold(fields(0xff, 0, 9, 9, 34), 16, fields(3, 0, 0, 0, 34), 16);
    // Hosts that receive large frames from hardware have verified them.
    expectTold(fields(DATA_VALID, TCPV4, 54, 1460, 34), 16, fields(DATA_VALID, TCPV4, 54, 1460, 0), 0);
  });

  it("has a length of headers only where it is one", () => {
    open(GUEST);
    expectTold(fields(NEEDS_CSUM, TCPV4, 100, 9, 34), 16, fields(NEEDS_CSUM, TCPV4, 100, 9, 34), 16);
    expectTold(fields(NEEDS_CSUM, TCPV4, 101, 9, 34), 16, fields(NEEDS_CSUM, TCPV4, 0, 9, 34), 16);
  });

  it("that puts the checksum beyond the frame drops it", () => {
    open(GUEST);
    expectTold(fields(NEEDS_CSUM, 0, 0, 0, 34), 64, fields(NEEDS_CSUM, 0, 0, 0, 34), 64);
    expectDropped(fields(NEEDS_CSUM, 0, 0, 0, 34), 65);
    expectDropped(fields(NEEDS_CSUM, 0, 0, 0, 99), 0);
    expectDropped(fields(NEEDS_CSUM, 0, 0, 0, 0xffff), 0xffff);
  });

  it("with a segmentation that was not negotiated, or without its size, drops the frame", () => {
    open(GUEST);
    const types: u32[] = [2, UDP_L4, 6, ECN, UDP | ECN, 0x41, 0xff];
    for (let index = 0; index < types.length; index++) expectDropped(fields(NEEDS_CSUM, types[index], 54, 99, 34), 16);
    expectDropped(fields(NEEDS_CSUM, TCPV4, 54, 0, 34), 16);
    open(GUEST & ~GUEST_TSO4);
    expectDropped(fields(NEEDS_CSUM, TCPV4, 54, 99, 34), 16);
    expectTold(fields(NEEDS_CSUM, TCPV6, 54, 99, 34), 16, fields(NEEDS_CSUM, TCPV6, 54, 99, 34), 16);
    open(GUEST & ~GUEST_ECN);
    expectDropped(fields(NEEDS_CSUM, TCPV4 | ECN, 54, 99, 34), 16);
    open(GUEST_CSUM);
    expectDropped(fields(NEEDS_CSUM, UDP, 54, 99, 34), 16);
  });

  it("with datagrams to be cut drops the frame, whatever feature is as far below HOST_USO as the others are", () => {
    newMachine();
    const device = changetype<NetDevice>(memory.data(4096, 16));
    const queue = changetype<ReceiveQueue>(memory.data(512, 16));
    const header = memory_lend(1);
    device.featuresAccepted = u64.MAX_VALUE;
    memory_write16(header, NEEDS_CSUM | (UDP << 8));
    memory_write16(header + 4, 100);
    expect(headerMakesSense(device, queue, header, 100)).toBe(true);
    memory_write16(header, NEEDS_CSUM | (UDP_L4 << 8));
    expect(headerMakesSense(device, queue, header, 100)).toBe(false);
  });

  it("of a frame that is dropped spoils no other", () => {
    open(GUEST | MRG_RXBUF);
    arrive(100, fields(NEEDS_CSUM, 0, 0, 0, 34), 16);
    arrive(100, fields(NEEDS_CSUM, 0, 0, 0, 99), 16);
    arrive(100, PLAIN, 0);
    expect(receive()).toBe(2);
    expect(receivedBuffer(0).flags).toBe(<u8>NEEDS_CSUM);
    expect(receivedBuffer(1).flags).toBe(0);
    expect(receivedBuffer(1).csum_start).toBe(0);
    expect(receivedBuffer(1).csum_offset).toBe(0);
  });

  it("counts for all buffers of the frame, and is kept while the caller has no room", () => {
    open(GUEST | MRG_RXBUF);
    const bytes = askInformation().receive_buffer_bytes;
    for (let round = 0; round < 2; round++) {
      const posted = deliverPiece(bytes, 2);
      const start = startOf(posted);
      // The checksum's two bytes are the frame's last.
      memory_write32(start, NEEDS_CSUM);
      memory_write16(start + 6, bytes - 12 + 50 - 2 - 6 + round);
      memory_write16(start + 8, 6);
      deliverPiece(50, 0);
      if (round == 1) {
        expect(receive()).toBe(0, "one further is beyond it");
        break;
      }
      expect(receive(1)).toBe(Result.E_ARGUMENT);
      // What the device writes meanwhile is not read again.
      memory_write32(start, 0xffff_ffff);
      memory_write16(start + 6, 0xffff);
      expect(receive()).toBe(2);
      expect(receivedBuffer(0).flags).toBe(<u8>NEEDS_CSUM);
      expect(receivedBuffer(0).gso_type).toBe(0);
      expect(receivedBuffer(0).csum_start).toBe(<u16>(bytes - 12 + 50 - 2 - 6));
      expect(receivedBuffer(0).csum_offset).toBe(6);
      expect(receivedBuffer(1).flags).toBe(0);
      expect(receivedBuffer(1).csum_start).toBe(0);
    }
  });
});

/** Opens a card of which each buffer holds an unsegmented frame. */
function openLarge(offered: u64, count: u32, bytes: u32): i32 {
  plugCard(offered, RING);
  options.receive_buffers = count;
  options.receive_buffer_bytes = bytes;
  return openCard(true, RING);
}

describe("receive buffers", () => {
  it("hold an unsegmented frame each where nothing merges them [virtio-1.2 §5.1.6.3.1]", () => {
    const large: u64[] = [GUEST_TSO4, GUEST_TSO6, GUEST_UFO];
    for (let index = 0; index < large.length; index++) {
      expect(openLarge(GUEST_CSUM | large[index], 2, 0)).toBeGreaterThan(0);
      expect(askInformation().receive_buffer_bytes).toBe(65664);
      expect(takeBuffer().writable).toBe(65664);
      expect(openLarge(GUEST_CSUM | large[index], 2, 65600)).toBe(Result.E_ARGUMENT);
      expect(openLarge(GUEST_CSUM | large[index], 2, 2048)).toBe(Result.E_ARGUMENT);
    }
  });

  it("are as small as ever where they are merged, or nothing large comes", () => {
    expect(openLarge(GUEST | MRG_RXBUF | ANY_LAYOUT, 0, 0)).toBeGreaterThan(0);
    expect(askInformation().receive_buffer_bytes).toBe(2048);
    expect(askInformation().receive_buffers).toBe(RING);
    expect(askInformation().buffers_per_frame_max).toBe(33);
    expect(openLarge(GUEST_CSUM, 0, 0)).toBeGreaterThan(0);
    expect(askInformation().receive_buffer_bytes).toBe(2048);
  });

  it("that are so large are 32 unless the caller wants another number", () => {
    expect(openLarge(GUEST | ANY_LAYOUT, 0, 0)).toBeGreaterThan(0);
    expect(askInformation().receive_buffers).toBe(32);
    expect(openLarge(GUEST | ANY_LAYOUT, 40, 0)).toBeGreaterThan(0);
    expect(askInformation().receive_buffers).toBe(40);
    plugCard(GUEST, 16);
    expect(openCard(true, 16)).toBeGreaterThan(0);
    expect(askInformation().receive_buffers).toBe(8, "all that a small ring holds");
  });

  it("take in the largest frame whole", () => {
    expect(openLarge(GUEST, 2, 0)).toBeGreaterThan(0);
    arrive(LONGEST, fields(NEEDS_CSUM, TCPV6, 74, 1440, 54), 16);
    expect(receive()).toBe(1);
    expect(receivedBuffer(0).length).toBe(LONGEST);
    expect(receivedBuffer(0).gso_type).toBe(<u8>TCPV6);
    expect(memory_physical(receivedBuffer(0).pointer)).not.toBe(0);
  });
});
