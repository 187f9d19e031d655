/** A guest that sends and receives frames at random, and checks what it is told. */
import {
  NetInformationLayout,
  NetOptionsLayout,
  NetStatisticsLayout,
  ReceivedBufferLayout,
  Result,
  SegmentLayout,
  TransmitFrameLayout,
} from "../../kernel-shim/javascript/abi.js";
import { readRecord, type RecordOf } from "../../kernel-shim/javascript/records.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import type { NetDevice } from "../../kernel-shim/emulated-pc/net/device.js";
import * as bounds from "./bounds.js";
import { BATCH_RESULTS, BRING_UP_RESULTS, DeviceGuest, UNUSABLE, type GuestContext } from "./device-guest.js";
import { expect } from "./finding.js";
import { type CheckedCall, expectResult } from "./hosted-module.js";
import { Ledger, ReceivedLedger, UNTOUCHED, wasAccepted } from "./oracles.js";
import { frameOf, type TracedNetwork } from "./traced-network.js";

const BUFFER_BYTES = 2048;
const BUFFERS = 12;
/** Before a frame in its buffer: where the stack may write the packet header. */
const ROOM = 64;
const ETHERNET_BYTES = 14;
const LONGEST_FRAME = 1514;

type ControlCall = Extract<CheckedCall, `net_${"set" | "add" | "remove" | "acknowledge"}_${string}`>;

// Features, by their bits. [virtio-1.2 §5.1.3]
const CSUM = 1n << 0n;
const GUEST_CSUM = 1n << 1n;
const MRG_RXBUF = 1n << 15n;
/** GUEST_TSO4, GUEST_TSO6, GUEST_UFO. */
const LARGE_RECEIVE = 0x580n;
const RECEIVE_OFFLOADS = 0x782n;
/** Each segmentation, and the features that frames to send and received ones need for it. */
const SEGMENTATIONS: readonly (readonly [type: number, host: bigint, guest: bigint])[] = [
  [1, 0x800n, 0x80n],
  [0x81, 0x2800n, 0x280n],
  [4, 0x1000n, 0x100n],
  [0x84, 0x3000n, 0x300n],
  [3, 0x4000n, 0x400n],
];
/** Of single frames past everything, which may take the card over first. */
const DEBUG_RESULTS = [Result.E_TIMEOUT, Result.E_UNSUPPORTED, ...BRING_UP_RESULTS, ...UNUSABLE];
const DEBUG_FRAME_BYTES = 1518;

/** Descriptors of an indirect table. */
const TABLE_ENTRIES = 36;

interface SentFrame {
  readonly bytes: number;
  readonly buffer: number;
}

/** What a frame asks the card for, or says of itself. */
type Fields = Pick<
  RecordOf<typeof TransmitFrameLayout>,
  "flags" | "gso_type" | "hdr_len" | "gso_size" | "csum_start" | "csum_offset"
>;

const NO_FIELDS: Fields = { flags: 0, gso_type: 0, hdr_len: 0, gso_size: 0, csum_start: 0, csum_offset: 0 };

/** A frame to be sent: room before it, where its segments end and begin, how often all of them follow each other. */
interface Wish {
  readonly frame: SentFrame;
  readonly room: number;
  readonly split: number;
  readonly copies?: number;
  readonly fields?: Fields;
}

/** One record of a received frame. */
interface ReceivedPart extends Fields {
  readonly pointer: number;
  readonly length: number;
  readonly buffer: number;
}

const REFUSALS: readonly number[] = [Result.E_FULL, Result.E_FRAME_SIZE, Result.E_SEGMENTS];

/** Of commands to the control queue. */
const COMMAND_RESULTS = [
  Result.E_REFUSED,
  Result.E_DEVICE_STATUS,
  Result.E_UNSUPPORTED,
  Result.E_ARGUMENT,
  ...UNUSABLE,
];
/** VLANs that the guest adds, so that a reset has not thousands of them to add again. */
const VLANS = 4;
/** At most: modes, VLANs, address, table, both directions of coalescing. */
const SETTINGS = 6 + VLANS + 4;

/** For frames that no card can send. */
const NONSENSE: readonly number[] = [Result.E_ARGUMENT, Result.E_ADDRESS, Result.E_UNSUPPORTED];

export class CardGuest extends DeviceGuest {
  readonly kind = "net";
  private readonly ledger = new Ledger<SentFrame>();
  private received: ReceivedLedger | undefined;
  private readonly freeBuffers: number[];
  private frameParts = 1;
  private accepted = 0n;
  private arrived = 0;

  constructor(
    context: GuestContext,
    private readonly network: TracedNetwork,
    device: NetDevice,
  ) {
    super(context, device);
    this.freeBuffers = Array.from({ length: BUFFERS }, (_, index) =>
      context.machine.allocateBuffer(BUFFER_BYTES, { scattered: index % 2 === 0 }),
    );
  }

  open(withOptions: boolean): number {
    const { module } = this.context;
    const chosen = withOptions ? this.chooseCardOptions() : this.plainCardOptions();
    const options = withOptions || this.slot !== null ? module.pass(NetOptionsLayout, [chosen]) : 0;
    const handle = this.openWith("net_open", options);
    if (handle > 0) {
      const { header_bytes: headerBytes, receive_buffer_bytes: bufferBytes } = this.inform(true);
      this.received = new ReceivedLedger(this.context.machine, bufferBytes, headerBytes);
    }
    return handle;
  }

  /** As without options: nothing of `ReceiveOffload`. */
  private plainCardOptions(): Partial<RecordOf<typeof NetOptionsLayout>> {
    const options = this.plainOptions();
    return { ...options, features: options.features & ~RECEIVE_OFFLOADS };
  }

  private chooseCardOptions(): Partial<RecordOf<typeof NetOptionsLayout>> {
    const options = { ...this.chooseOptions(), ...this.chooseBuffers() };
    // Without MRG_RXBUF each buffer may have to hold 64 KiB, and the machine has memory for a few.
    const isLarge = this.context.random.below(4) === 0;
    return isLarge ? { ...options, receive_buffers: 2, receive_buffer_bytes: 0 } : options;
  }

  /** Small buffers are taken where the ring is large, a few large ones everywhere. */
  private chooseBuffers(): Partial<RecordOf<typeof NetOptionsLayout>> {
    const { random } = this.context;
    const isSmall = random.below(2) === 0;
    return {
      receive_buffers: isSmall ? 0 : pick(random, [0, 1, 3]),
      receive_buffer_bytes: isSmall ? pick(random, [192, 256]) : pick(random, [0, 0, 0, 2048]),
      debug: random.below(2),
    };
  }

  step(): void {
    const { random } = this.context;
    switch (random.below(22)) {
      case 0:
        this.inform(false);
        return;
      case 1:
        this.statistics();
        return;
      case 2:
      case 3:
      case 4:
        this.transmitSome();
        return;
      case 5:
      case 6:
        this.reclaim(1 + random.below(8));
        return;
      case 7:
      case 8:
        for (let count = random.below(4); count >= 0; count--) {
          this.arrive();
        }
        return;
      case 9:
      case 10:
      case 11:
        this.receive(1 + random.below(random.below(2) === 0 ? 4 : 40));
        return;
      case 12:
        this.release(random.below(8));
        return;
      case 13:
        this.callOnHandle("net_await_all", bounds.SWITCH_INTERRUPTS_IMPORTS, UNUSABLE);
        return;
      case 14:
      case 15:
        this.control();
        return;
      case 16:
        if (random.below(4) === 0) this.debug();
        return;
      default:
        this.commonStep(random.below(8));
    }
  }

  /** A command to the control queue, which the device may know or not, at random. */
  private control(): void {
    const { module, random } = this.context;
    const { handle } = this;
    const number = random.below(8);
    pick(random, [
      () => this.command("net_set_receive_mode", handle, number, random.below(2)),
      () => this.command("net_add_vlan", handle, pick(random, [number % VLANS, number % VLANS, 4096])),
      () => this.command("net_remove_vlan", handle, number % VLANS),
      () => this.command("net_acknowledge_announcement", handle),
      () => this.command("net_set_coalescing", handle, random.below(3), number, random.next()),
      () => this.command("net_set_mac", handle, pick(random, [0x12_5452n, 0x12_5452n, 0n, 1n, 1n << 48n])),
      () => {
        const addresses = Array.from({ length: random.below(10) }, (_, index) => BigInt(index) << 8n);
        const array = module.records.take(8 * addresses.length + 8);
        // The first of them are stations', the others groups'; now and then one is of the other kind, or there are too many.
        const stations = random.below(addresses.length + 1);
        const isWrong = random.below(8) === 0;
        addresses.forEach((address, index) => {
          const isGroup = isWrong ? random.below(2) === 0 : index >= stations;
          module.view.setBigUint64(array + 8 * index, address | (isGroup ? 1n : 2n), true);
        });
        module.records.pass(array, 8 * addresses.length + 8, () => false);
        const groups = random.below(16) === 0 ? random.next() : addresses.length - stations;
        this.command("net_set_mac_table", handle, array, stations, array + 8 * stations, groups);
        module.records.reset();
      },
    ])();
  }

  /** A frame each way past everything; the card is its owner's again after the next reset. */
  private debug(): void {
    const { module, random, relaxTime } = this.context;
    const timeout = pick(random, [0, 10, 1000]);
    const bound = bounds.debugImports(this.place.costs, this.lentBytes, relaxTime, 1000 * timeout);
    const bytes = pick(random, [60, LONGEST_FRAME, DEBUG_FRAME_BYTES]);
    const frame = module.records.take(bytes);
    module.records.pass(frame, bytes, () => false);
    const sent = module.call("net_debug_transmit", bound, this.handle, frame, bytes, timeout);
    expectResult("net_debug_transmit", sent, DEBUG_RESULTS);
    module.records.reset();
    const room = module.records.take(DEBUG_FRAME_BYTES);
    module.records.pass(room, DEBUG_FRAME_BYTES, () => true);
    const received = module.call("net_debug_receive", bound, this.handle, room, DEBUG_FRAME_BYTES, timeout);
    expectResult("net_debug_receive", received, DEBUG_RESULTS);
    expect(received <= DEBUG_FRAME_BYTES, "no more is copied than there is room for", () => `${received}`);
    module.records.reset();
  }

  private command(name: ControlCall, ...parameters: (number | bigint)[]): number {
    const { module, relaxTime } = this.context;
    const result = module.call(name, bounds.commandImports(this.place.costs, relaxTime), ...parameters);
    expectResult(name, result, COMMAND_RESULTS);
    expect(result <= 0, "a command is done or refused", () => `${name}: ${result}`);
    return result;
  }

  protected override settingImports(): number {
    return SETTINGS * bounds.commandImports(this.place.costs, this.context.relaxTime);
  }

  moveData(): void {
    // Whatever filters are set: what comes is to come in.
    const result = this.command("net_set_receive_mode", this.handle, 0, 1);
    expect(
      result === Result.OK || result === Result.E_UNSUPPORTED,
      "a card that keeps the rules does what it is told",
      () => `${result}`,
    );
    for (let turn = 0; turn < 2; turn++) {
      this.transmitAndCheck();
      this.receiveAndCheck();
    }
  }

  protected get out(): number {
    return this.ledger.outstanding + (this.received?.ids.length ?? 0);
  }

  protected takeBack(): number {
    if (this.ledger.outstanding > 0) return this.reclaim(3);
    return this.release(1000);
  }

  protected deviceWasReset(): void {
    this.ledger.deviceWasReset();
  }

  protected callWhileClosing(): void {
    switch (this.context.random.below(4)) {
      case 0:
        this.statistics();
        return;
      case 1:
        this.transmitSome();
        return;
      case 2:
        this.receive(1);
        return;
      default:
        // Also when no frame is out, and only received buffers are.
        if (this.ledger.outstanding !== 1) this.reclaim(1);
    }
  }

  /** After a reset, completions come back; received frames stay with the caller until it gives them back. */
  override drain(): void {
    super.drain();
    expect(this.out === 0, "every request comes back after a reset", () => `${this.out}`);
  }

  /** @param isNew right after opening: a device that a reset did not bring back may have told nonsense since */
  private inform(isNew: boolean): { header_bytes: number; receive_buffer_bytes: number } {
    const { result, record } = this.context.module.callForRecord(
      "net_information",
      bounds.NO_IMPORTS,
      this.handle,
      NetInformationLayout,
    );
    expect(result === Result.OK, "net_information describes an open card", () => `${result}`);
    if (isNew) checkInformation(record);
    const entries = record.receive_queue_size + record.transmit_queue_size;
    this.ring = { entries, descriptors: entries + TABLE_ENTRIES * record.transmit_queue_size };
    this.frameParts = record.buffers_per_frame_max;
    this.accepted = record.features_accepted;
    return record;
  }

  private statistics(): void {
    const { result } = this.context.module.callForRecord(
      "net_statistics",
      bounds.NO_IMPORTS,
      this.handle,
      NetStatisticsLayout,
    );
    expect(result === Result.OK, "net_statistics counts for an open card", () => `${result}`);
  }

  private transmitSome(): void {
    const { random, machine } = this.context;
    const frames: Wish[] = [];
    for (let count = 1 + random.below(4); count > 0; count--) {
      const buffer = this.freeBuffers.pop();
      if (buffer === undefined) break;
      const bytes = pick(random, [60, LONGEST_FRAME, ETHERNET_BYTES + random.below(LONGEST_FRAME)]);
      machine.writeBuffer(buffer + ROOM, frameOf(random.below(1000), Math.min(bytes, BUFFER_BYTES - ROOM)));
      const wish = { frame: { bytes, buffer }, room: pick(random, [0, 10, 12, ROOM]), split: random.below(bytes) };
      frames.push((this.accepted & CSUM) !== 0n && random.below(2) === 0 ? this.withOffload(wish) : wish);
    }
    this.transmit(frames);
  }

  /** The same frame with a checksum left out, or, where it is negotiated, larger and to be cut. */
  private withOffload(wish: Wish): Wish {
    const { random } = this.context;
    const { bytes, buffer } = wish.frame;
    const types = SEGMENTATIONS.filter(([, host]) => (this.accepted & host) === host);
    const copies = types.length > 0 && random.below(2) === 0 ? 1 + random.below(random.below(2) === 0 ? 8 : 43) : 0;
    const frame = { bytes: copies === 0 ? bytes : copies * bytes, buffer };
    const csum_start = random.below(Math.min(frame.bytes - 1, 0xffff));
    const csum_offset = random.below(Math.min(frame.bytes - csum_start - 1, 0xffff));
    const hdr_len = random.below(bytes);
    const checksum = { ...NO_FIELDS, flags: 1, hdr_len, csum_start, csum_offset };
    if (copies === 0) return { ...wish, frame, fields: checksum };
    const [gso_type] = pick(random, types);
    const gso_size = pick(random, [1, 536, 1460, 0xffff]);
    return { ...wish, frame, copies, fields: { ...checksum, gso_type, gso_size } };
  }

  /** A frame arrives: as from a wire, or as from a neighbour who left it unfinished. */
  private arrive(): void {
    const { random } = this.context;
    const frame = frameOf(this.arrived++, 60 + random.below(LONGEST_FRAME - 59));
    if (random.below(4) > 0) {
      this.network.arrive(frame);
      return;
    }
    const [gsoType] = pick(random, [...SEGMENTATIONS, [0] as const]);
    const bytes = gsoType === 0 ? frame : frameOf(this.arrived, 60 + random.below(20_000));
    const todo = { gsoType, gsoSize: gsoType === 0 ? 0 : 1000, hdrLen: 54, csumStart: 34, csumOffset: 16 };
    this.network.arriveUnfinished({ bytes, todo });
  }

  /** Sends frames, each from one buffer in one or two segments. */
  private transmit(frames: readonly Wish[]): number {
    const { module } = this.context;
    const tokens = frames.map(() => this.ledger.token());
    const array = module.pass(
      TransmitFrameLayout,
      frames.map(({ frame, room, split, copies = 1, fields = NO_FIELDS }, index) => {
        const { buffer } = frame;
        const bytes = frame.bytes / copies;
        const first = { pointer: buffer + ROOM, length: split };
        const second = { pointer: buffer + ROOM + split, length: bytes - split };
        const once = [first, second].filter(({ length }) => length > 0);
        const segments = Array.from({ length: copies }, () => once).flat();
        return {
          ...fields,
          token: tokens[index] ?? 0n,
          segments: module.pass(SegmentLayout, segments),
          segment_count: segments.length,
          header_room: room,
          result: UNTOUCHED,
        };
      }),
      "result",
    );
    const copies = frames.reduce((sum, wish) => sum + (wish.copies ?? 1), 0);
    const bound = bounds.submitImports(this.place.costs, this.ring, frames.length, 4 * copies, 2 * copies);
    for (const { frame, room } of frames) module.lendRoom(frame.buffer + ROOM - room, room);
    const accepted = module.call("net_transmit", bound, this.handle, array, frames.length);
    expectResult("net_transmit", accepted, BATCH_RESULTS);
    expect(accepted <= frames.length, "no more is accepted than was given", () => `${accepted}`);
    frames.forEach(({ frame }, index) => {
      const { result } = readRecord(module.view, TransmitFrameLayout, array + index * TransmitFrameLayout.size);
      if (wasAccepted("frame", index, accepted, result, REFUSALS)) this.ledger.accept(tokens[index] ?? 0n, frame);
      else this.freeBuffers.push(frame.buffer);
    });
    module.records.reset();
    return accepted;
  }

  protected submitNonsense(): void {
    const { module, machine, random } = this.context;
    const buffer = this.freeBuffers[0];
    if (buffer === undefined) return;
    const frame = { pointer: buffer + ROOM, length: 60 };
    const segments = pick(random, [
      [],
      [{ ...frame, length: 0 }, frame],
      [frame, { ...frame, length: 0 }],
      [{ ...frame, length: 13 }],
      [
        { ...frame, length: 0xffff_ffff },
        { ...frame, length: 0xffff_ffff },
      ],
      // Not lent: nobody's, and the page behind a buffer's last.
      [{ pointer: 4096, length: 60 }],
      [frame, { pointer: machine.lent.endOf(buffer), length: 60 }],
      [{ pointer: 0xffff_fff0, length: 60 }],
    ]);
    const isPastRecords = random.below(8) === 0;
    const wantsOffload = random.below(8) === 0;
    const array = module.pass(
      TransmitFrameLayout,
      [
        {
          token: 0xbadn,
          segments: isPastRecords ? module.view.byteLength - 4 : module.pass(SegmentLayout, segments),
          segment_count: isPastRecords ? 1 : segments.length,
          header_room: pick(random, [0, ROOM, 0xffff_ffff]),
          flags: wantsOffload ? 1 : 0,
        },
      ],
      "result",
    );
    // The place of the header may have been written before the frame was found to be none.
    module.lendRoom(buffer, ROOM);
    const bound = bounds.submitImports(this.place.costs, this.ring, 1, 2 ** 20, segments.length);
    const accepted = module.call("net_transmit", bound, this.handle, array, 1);
    const { result } = readRecord(module.view, TransmitFrameLayout, array);
    expect(
      UNUSABLE.includes(accepted) || (accepted === 0 && [...REFUSALS, ...NONSENSE].includes(result)),
      "a frame that makes no sense is refused",
      () => `${JSON.stringify(segments)}: ${accepted}, ${result}`,
    );
    module.records.reset();
  }

  private reclaim(capacity: number): number {
    return this.takeCompletions("net_reclaim", capacity, (token, result, length) => {
      const frame = this.ledger.complete(token, result === Result.OK);
      this.freeBuffers.push(frame.buffer);
      expect(
        result === Result.OK || result === Result.E_RESET,
        "a frame is sent, or was caught by a reset",
        () => `${result}`,
      );
      const expected = result === Result.OK ? frame.bytes : 0;
      expect(length === expected, "a completion's length is what was moved", () => `${length}, not ${expected}`);
    });
  }

  /** Takes frames; returns their parts, frame by frame. */
  private receive(capacity: number): ReceivedPart[][] {
    const { module } = this.context;
    const array = module.passRoom(ReceivedBufferLayout, capacity);
    const written = module.call(
      "net_receive",
      bounds.receiveImports(this.place.costs, this.ring),
      this.handle,
      array,
      capacity,
    );
    expectResult("net_receive", written, BATCH_RESULTS);
    expect(written <= capacity, "no more is written than there is room for", () => `${written}`);
    expect(
      written !== Result.E_ARGUMENT || capacity < this.frameParts,
      "buffers_per_frame_max records are enough for every frame",
      () => `${capacity} of ${this.frameParts}`,
    );
    const frames: ReceivedPart[][] = [];
    let left = 0;
    for (let index = 0; index < written; index++) {
      const record = readRecord(module.view, ReceivedBufferLayout, array + index * ReceivedBufferLayout.size);
      const isFirst = left === 0;
      if (isFirst) {
        left = record.buffer_count;
        expect(left > 0 && left <= this.frameParts, "a frame has as many buffers as it can have", () => `${left}`);
        frames.push([]);
      } else {
        expect(
          record.buffer_count === 0,
          "only the first record counts a frame's buffers",
          () => `${record.buffer_count}`,
        );
      }
      left--;
      this.received?.receive(record.buffer, record.pointer, record.length, isFirst);
      if (!isFirst) expectFields(record, NO_FIELDS);
      frames.at(-1)?.push(record);
    }
    expect(left === 0, "a frame is handed over whole", () => `${left} buffers are missing`);
    for (const parts of frames) {
      const bytes = parts.reduce((sum, { length }) => sum + length, 0);
      expect(bytes >= ETHERNET_BYTES, "a received frame has an Ethernet header", () => `${bytes} bytes`);
      const [first] = parts;
      if (first !== undefined) this.checkFields(first, bytes);
    }
    module.records.reset();
    return frames;
  }

  /** What is said of a frame was negotiated, and fits it. */
  private checkFields(record: ReceivedPart, bytes: number): void {
    const { flags, gso_type, hdr_len, gso_size, csum_start, csum_offset } = record;
    const told = (): string => JSON.stringify({ flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, bytes });
    if ((this.accepted & GUEST_CSUM) === 0n) {
      expectFields(record, NO_FIELDS);
      return;
    }
    expect(flags <= 3, "only flags are handed out that are known", told);
    const hasPlace = (flags & 1) !== 0;
    const fits = hasPlace ? csum_start + csum_offset + 2 <= bytes : csum_start + csum_offset === 0;
    expect(fits, "a checksum that is missing belongs into the frame", told);
    if (gso_type === 0) {
      expect(gso_size + hdr_len === 0, "a frame that is not to be cut has no segment size", told);
      return;
    }
    const guest = SEGMENTATIONS.find(([type]) => type === gso_type)?.[2];
    const isAccepted = guest !== undefined && (this.accepted & guest) === guest;
    expect(isAccepted, "a frame is only to be cut as was negotiated", told);
    expect(gso_size > 0 && hdr_len <= bytes, "a frame that is to be cut says into what", told);
  }

  /** Gives back up to so many buffers, now and then one that is not the caller's. Returns how many. */
  private release(count: number): number {
    const { module, random } = this.context;
    const mine = (this.received?.ids ?? []).slice(0, count);
    const ids = [...mine];
    const hasWrong = count < 1000 && random.below(4) === 0;
    if (hasWrong) ids.splice(random.below(ids.length + 1), 0, pick(random, [0xffff_ffff, 0x8000, random.next()]));
    const array = module.records.take(4 * ids.length);
    ids.forEach((id, index) => module.view.setUint32(array + 4 * index, id, true));
    module.records.pass(array, 4 * ids.length, () => false);
    const wrong = ids.findIndex((id) => !mine.includes(id));
    const taken = wrong < 0 ? ids : ids.slice(0, wrong);
    // From here on these are not the caller's any more.
    for (const id of taken) this.received?.release(id);
    const released = module.call(
      "net_release",
      bounds.releaseImports(this.place.costs, ids.length, this.lentBytes),
      this.handle,
      array,
      ids.length,
    );
    module.records.reset();
    const expected = wrong === 0 ? Result.E_BUFFER : taken.length;
    expect(released === expected, "net_release takes back what the caller has, and nothing else", () => `${released}`);
    return released;
  }

  private transmitAndCheck(): void {
    const buffer = this.freeBuffers.pop();
    expect(buffer !== undefined, "buffers come back", () => "");
    const frame = frameOf(this.arrived++, 100);
    this.context.machine.writeBuffer(buffer + ROOM, frame);
    this.network.takeSent();
    const accepted = this.transmit([{ frame: { bytes: frame.length, buffer }, room: ROOM, split: 40 }]);
    expect(accepted === 1, "a device that keeps the rules again works again", () => "transmit");
    this.waitFor("transmit", () => this.reclaim(1) === 1);
    const sent = this.network.takeSent();
    const isSame = sent !== null && Buffer.compare(sent, frame) === 0;
    expect(isSame, "a frame sent to a card that keeps the rules arrives", () => `${sent?.length ?? "no"} bytes`);
  }

  private receiveAndCheck(): void {
    const { machine } = this.context;
    const frame = frameOf(this.arrived++, 60);
    this.network.arrive(frame);
    let frames: ReceivedPart[][] = [];
    this.waitFor("receive", () => {
      frames = this.receive(Math.max(this.frameParts, 1));
      return frames.length > 0;
    });
    const parts = frames[0] ?? [];
    const bytes = Buffer.concat(parts.map(({ pointer, length }) => machine.readBuffer(pointer, length)));
    const released = this.release(1000);
    expect(released === parts.length, "every received buffer can be given back", () => `${released}`);
    expect(bytes.equals(frame), "a frame received from a card that keeps the rules is whole", () =>
      bytes.toString("hex"),
    );
  }
}

function expectFields(record: Fields, expected: Fields): void {
  for (const name of Object.keys(expected) as (keyof Fields)[]) {
    expect(
      record[name] === expected[name],
      "nothing is said where there is nothing to say",
      () => `${name} ${record[name]}`,
    );
  }
}

function checkInformation(record: RecordOf<typeof NetInformationLayout>): void {
  expect(
    (record.features_accepted & ~record.features_offered) === 0n,
    "only offered features are accepted",
    () => `0x${record.features_accepted.toString(16)}`,
  );
  expect(
    (record.mac & 1n) === 0n && record.mac !== 0n && record.mac < 1n << 48n,
    "a card has an address of its own",
    () => `${record.mac}`,
  );
  const isSound =
    ((record.features_accepted & 0x7800n) === 0n || (record.features_accepted & CSUM) !== 0n) &&
    ((record.features_accepted & 0x780n) === 0n || (record.features_accepted & GUEST_CSUM) !== 0n);
  expect(isSound, "no offload is accepted without checksums", () => `0x${record.features_accepted.toString(16)}`);
  const isLarge = (record.features_accepted & LARGE_RECEIVE) !== 0n && (record.features_accepted & MRG_RXBUF) === 0n;
  expect(
    !isLarge || record.receive_buffer_bytes >= 65_601,
    "each buffer holds a frame that is not cut, where none are merged",
    () => `${record.receive_buffer_bytes}`,
  );
  expect(record.mtu >= 68 && record.mtu <= 65535, "an MTU is one that can be", () => `${record.mtu}`);
}
