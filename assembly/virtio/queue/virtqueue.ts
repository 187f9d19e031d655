/**
 * The driver's side of a split virtqueue. [virtio-1.2 §2.7]
 *
 * A chain is begun (`begin`), given its buffers (`append`), and then committed or abandoned. What was committed is
 * published by `kick`, which notifies at most once. What the device has used is found by `pending` and taken by `take`,
 * one chain at a time. A loop over many chains does the same with the fields below, and puts back what it changed: `room`,
 * `available` and `outstanding` where chains are added, `room`, `used` and `outstanding` where they are taken.
 *
 * Everything that decides anything is kept in private memory: free descriptors, chains in flight, indices. What the
 * device can write, the used ring, is checked against that state and never followed. After the first broken rule
 * nothing more is taken from the ring.
 *
 * Ring indices are u16 that wrap; they are compared by their distance modulo 2^16 only.
 */
import { Message, Result } from "../../abi/results";
import { mb, now_ns, rmb, wmb } from "../../kernel";
import { physicalAddress } from "../../memory/addresses";
import { allocatePrivate, freePrivate } from "../../memory/arena";
import { allocatePages, freePages } from "../../memory/pages";
import { PAGE_BYTES, read32, zero } from "../../memory/shared";
import { Device } from "../device";
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from "../features";
import {
  deviceIsGone,
  doorbell,
  doorbellSpace,
  findDoorbell,
  notify,
  queueAddressFits,
  queueCanBeSmaller,
  queueIsLive,
  queueSize,
  setQueue,
} from "../transport/transport";
import { CHAIN_IS_OLD, CHAIN_STATE_BYTES, ChainState } from "./chain-state";
import {
  availableOffset,
  DESCRIPTOR_BYTES,
  needEvent,
  readAvailEvent,
  readFlags,
  readIndex,
  ringBytes,
  usedElement,
  usedOffset,
  VIRTQ_AVAIL_F_NO_INTERRUPT,
  VIRTQ_DESC_F_INDIRECT,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_USED_F_NO_NOTIFY,
  writeAvailable,
  writeDescriptor,
  writeFlags,
  writeIndex,
  writeUsedEvent,
} from "./layout";
import { freeAt, releaseAt } from "./run";

/**
 * The parts of a ring begin at pages, or near, and a processor that looks for a store in flight by the lower 12 bits of its
 * address takes one to a slot for one to the ring's indices. With the slots elsewhere in their pages, a request alone
 * takes a tenth less time: see the budget for batches of 1 in `tools/bench`.
 */
const SLOTS_OFFSET: u32 = PAGE_BYTES / 2;

/** One queue. `allocate` and `activate` make it usable. */
@unmanaged
export class Virtqueue {
  device: Device;
  /** The device's number for this queue. */
  index: u32;
  /** Where the device is notified, and how: for `notify`. */
  doorbell: u32;
  doorbellSpace: u32;
  /** Number of descriptors, a power of two. */
  size: u32;
  /** Pointers to the parts of the ring, and the physical address of the first. */
  ringAddress: u64;
  descriptors: u32;
  availableRing: u32;
  usedRing: u32;
  /**
   * A slot of `slotBytes` for each descriptor, where a chain that begins there has what the driver adds to the caller's
   * buffers (`headerBytes`), followed by its indirect table of `tableEntries` descriptors, if there are tables. They begin
   * SLOTS_OFFSET into their pages.
   */
  slotPages: u32;
  slots: u32;
  slotsAddress: u64;
  slotBytes: u32;
  headerBytes: u32;
  tableEntries: u32;
  /** Array of ChainState, CHAIN_STATE_BYTES apart. */
  states: u32;
  eventIndex: bool;
  /** Whether the driver asked for interrupts. */
  callbacks: bool;
  /** The device was reset; what was in flight waits to be drained. */
  draining: bool;
  /** No head below it is still in flight. */
  drained: u32;

  /**
   * Free descriptors, as a stack of u16, and how many they are: none while `draining`. What was taken still stands above
   * the top until something is put back.
   */
  freeStack: u32;
  room: u32;
  /** Chains that the device has. */
  outstanding: u32;
  /** Nanoseconds that a chain may be out; 0: any time. */
  timeout: u64;
  /** When the chains that were out then became old. */
  watchedSince: u64;
  /** Where the next chain goes in the available ring, and what the device was told. */
  available: u32;
  published: u32;
  /** How far the used ring has been taken. */
  used: u32;
  /** Descriptors of the chain taken last. */
  takenCount: u32;

  /** The chain being made: its descriptors so far, whether they go into a table, and the buffer to be written next. */
  private chainCount: u32;
  private isInTable: bool;
  private lastAddress: u64;
  private lastLength: u32;
  private lastFlags: u32;

  /** Writes to the notification register. */
  notifications: u64;


  @inline
  state(index: u32): ChainState {
    return changetype<ChainState>(this.states + index * CHAIN_STATE_BYTES);
  }

  /** The descriptor that will be taken `ahead` after the next one; any number where there are not so many. */
  private freeDescriptor(ahead: u32): u32 {
    return freeAt(this.freeStack, this.room - ahead);
  }

  /** Head of the chain that is added next. There is room. */
  get nextHead(): u32 {
    return this.freeDescriptor(0);
  }

  /**
   * Takes memory for a queue of the size that the device states, or a smaller one if the caller wants that and the device
   * agrees. The device learns nothing of it yet.
   *
   * @param index the device's number for the queue
   * @param sizeMin fewest descriptors that the driver can work with
   * @param headerBytes what the driver needs beside the caller's buffers for each chain, a multiple of 16
   * @param tableEntries descriptors of each indirect table; 0: none
   * @returns OK, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY; after an error `freeShared` and `freePrivate` are due all the same
   */
  allocate(device: Device, index: u32, sizeMin: u32, headerBytes: u32, tableEntries: u32): i32 {
    let size = queueSize(device, index);
    if (device.queueSizeMax != 0 && queueCanBeSmaller(device)) {
      while (size > device.queueSizeMax) size >>= 1;
    }
    // A power of two that fits 16 bits is 32768, the largest size there is, or less. [virtio-1.2 §2.7]
    if (size < sizeMin || (size & (size - 1)) != 0) return Result.E_QUEUE_SIZE;
    this.device = device;
    this.index = index;
    this.size = size;
    this.eventIndex = device.accepted(VIRTIO_F_EVENT_IDX);
    this.states = allocatePrivate(size * CHAIN_STATE_BYTES);
    const stack = allocatePrivate(2 + size * 2);
    if (this.states == 0 || stack == 0) {
      freePrivate(stack);
      return Result.E_MEMORY;
    }
    // One place below it, see `freeAt`.
    this.freeStack = stack + 2;
    this.descriptors = allocatePages(ringBytes(size));
    if (this.descriptors == 0) return Result.E_DMA_MEMORY;
    this.ringAddress = physicalAddress(this.descriptors);
    this.availableRing = this.descriptors + availableOffset(size);
    this.usedRing = this.descriptors + usedOffset(size);
    this.headerBytes = headerBytes;
    // A chain, tables included, is never longer than the queue. [virtio-1.2 §2.7.5.3.1]
    if (device.accepted(VIRTIO_F_INDIRECT_DESC) && this.allocateSlots(min(tableEntries, size))) return Result.OK;
    // A kernel may have no piece of memory that large; chains then lie in the ring itself.
    return this.allocateSlots(0) ? Result.OK : Result.E_DMA_MEMORY;
  }

  /** Whether there is memory for slots with tables of so many descriptors. */
  private allocateSlots(tableEntries: u32): bool {
    this.tableEntries = tableEntries;
    this.slotBytes = this.headerBytes + tableEntries * DESCRIPTOR_BYTES;
    if (this.slotBytes == 0) return true;
    this.slotPages = allocatePages(SLOTS_OFFSET + this.size * this.slotBytes);
    if (this.slotPages == 0) return false;
    this.slots = this.slotPages + SLOTS_OFFSET;
    this.slotsAddress = physicalAddress(this.slots);
    return true;
  }

  /** Whether chains can go into indirect tables. */
  @inline
  get hasTables(): bool {
    return this.tableEntries != 0;
  }

  /** Pointer to the header of the chain that begins at `head`. */
  @inline
  header(head: u32): u32 {
    return this.slots + head * this.slotBytes;
  }

  /** Its physical address. */
  @inline
  headerAddress(head: u32): u64 {
    return this.slotsAddress + head * this.slotBytes;
  }

  /** Gives back what `allocate` took from the kernel. The device must be reset or cut off before. */
  freeShared(): void {
    freePages(this.descriptors, ringBytes(this.size));
    freePages(this.slotPages, SLOTS_OFFSET + this.size * this.slotBytes);
    this.descriptors = 0;
    this.slotPages = 0;
  }

  /** Gives back the private memory. */
  freePrivate(): void {
    freePrivate(this.states);
    if (this.freeStack != 0) freePrivate(this.freeStack - 2);
    this.states = 0;
    this.freeStack = 0;
  }

  /**
   * Empties the ring and tells the device where it lies. [virtio-1.2 §4.1.5.1.3, §4.1.5.1.3.1]
   *
   * The memory is zero before the device knows its address: `setQueue` calls imports, across which no store of ours is
   * left.
   *
   * @returns OK; E_QUEUE_SIZE when the device would not have a queue of the size that memory was taken for; E_QUEUE_LIVE;
   *   E_DMA_MEMORY when the ring lies where the device cannot be pointed to; E_BAR when there is no way to notify it
   */
  activate(): i32 {
    const device = this.device;
    const index = this.index;
    const offered = queueSize(device, index);
    if (offered != this.size && (offered < this.size || !queueCanBeSmaller(device))) return Result.E_QUEUE_SIZE;
    if (queueIsLive(device)) return Result.E_QUEUE_LIVE;
    const address = this.ringAddress;
    if (!queueAddressFits(device, address)) return Result.E_DMA_MEMORY;
    if (!findDoorbell(device)) return Result.E_BAR;
    this.doorbell = doorbell;
    this.doorbellSpace = doorbellSpace;
    zero(this.descriptors, ringBytes(this.size));
    this.available = 0;
    this.published = 0;
    this.used = 0;
    this.stop();
    if (!this.draining) this.freeAll();
    setQueue(device, index, this.size, address, address + availableOffset(this.size), address + usedOffset(this.size));
    // What was asked for holds after a reset.
    if (this.callbacks) this.enableCallbacks(0);
    else this.disableCallbacks();
    return Result.OK;
  }

  private freeAll(): void {
    for (let index: u32 = 0; index < this.size; index++) {
      this.state(index).count = 0;
      // The lowest on top.
      store<u16>(this.freeStack + index * 2, <u16>(this.size - 1 - index));
    }
    this.room = this.size;
    this.outstanding = 0;
    this.draining = false;
  }

  // ── add ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Begins a chain; there must be room. One that was begun before and not committed is abandoned.
   *
   * @param inTable whether it goes into the indirect table of its head, which there must be, or into the ring itself
   * @returns its head, for what the driver keeps for each chain
   */
  begin(inTable: bool): u32 {
    this.chainCount = 0;
    this.isInTable = inTable;
    return this.freeDescriptor(0);
  }

  /** How many buffers the chain that was begun has room for, including those it already has. */
  get chainMax(): u32 {
    return this.isInTable ? this.tableEntries : this.room;
  }

  /**
   * Adds a buffer to the chain, `chainMax` of them at most. Those that the device reads come before those it writes.
   * [virtio-1.2 §2.7.4.2]
   *
   * @param address physical
   * @param length bytes, contiguous
   * @param flags VIRTQ_DESC_F_WRITE, or 0
   */
  append(address: u64, length: u32, flags: u32): void {
    // The one before is written only now, when it is known not to be the last.
    if (this.chainCount != 0) this.writeLast(VIRTQ_DESC_F_NEXT);
    this.chainCount++;
    this.lastAddress = address;
    this.lastLength = length;
    this.lastFlags = flags;
  }

  private writeLast(flags: u32): void {
    const place = this.chainCount - 1;
    let table = this.descriptors;
    let position = place;
    let next = place + 1;
    if (this.isInTable) {
      table = this.header(this.freeDescriptor(0)) + this.headerBytes;
    } else {
      position = this.freeDescriptor(place);
      next = this.freeDescriptor(next);
      this.state(position).next = <u16>next;
    }
    const descriptor = table + position * DESCRIPTOR_BYTES;
    writeDescriptor(descriptor, this.lastAddress, this.lastLength, this.lastFlags | flags, flags == 0 ? 0 : next);
  }

  /**
   * Puts the chain, of at least one buffer, into the available ring, where `kick` will publish it.
   *
   * @param token comes back with `take`
   * @param bytes what the driver wants to know of it then; `writtenInto` is never more
   * @returns the chain's head, which is the driver's until the chain is taken
   */
  commit(token: u64, bytes: u32): u32 {
    this.writeLast(0);
    const head = this.freeDescriptor(0);
    let count = this.chainCount;
    if (this.isInTable) {
      const table = this.headerAddress(head) + this.headerBytes;
      const descriptor = this.descriptors + head * DESCRIPTOR_BYTES;
      writeDescriptor(descriptor, table, count * DESCRIPTOR_BYTES, VIRTQ_DESC_F_INDIRECT, 0);
      count = 1;
    }
    const state = this.state(head);
    state.token = token;
    state.bytes = bytes;
    state.count = count;
    this.room -= count;
    this.outstanding++;
    writeAvailable(this.availableRing, this.available & (this.size - 1), head);
    this.available = (this.available + 1) & 0xffff;
    return head;
  }

  /** How many chains have been committed and not published. */
  get unpublished(): u32 {
    return (this.available - this.published) & 0xffff;
  }

  /** Takes back all chains that were committed since there was room for `before`, none of them published. */
  undo(before: u32): void {
    const after = this.room;
    this.room = before;
    for (let ahead: u32 = 0; before - ahead != after;) {
      // They still stand above the top, the head of each chain first.
      const state = this.state(this.freeDescriptor(ahead));
      ahead += state.count;
      state.count = 0;
      this.outstanding--;
      this.available = (this.available - 1) & 0xffff;
    }
  }

  // ── kick ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Publishes what was added, and tells the device if it wants to be told. [virtio-1.2 §2.7.13.3, §2.7.13.4] */
  @inline
  kick(): void {
    const before = this.published;
    const now = this.available;
    if (now == before) return;
    // Descriptors and ring entries reach the device before the index that makes it look at them; the other side is
    // the device's read of avail.idx before it reads the entries.
    wmb();
    writeIndex(this.availableRing, now);
    this.published = now;
    // The index reaches the device before we read whether it sleeps; the other side is the device, which says that
    // it wants notifications and then looks at avail.idx once more. One of the two sees the other's write.
    mb();
    if (this.eventIndex) {
      if (!needEvent(readAvailEvent(this.usedRing, this.size), now, before)) return;
    } else if (readFlags(this.usedRing) & VIRTQ_USED_F_NO_NOTIFY) {
      return;
    }
    this.notifications++;
    notify(this.device, this.doorbellSpace, this.doorbell, this.index);
  }

  /** The same as a call, where it is made too rarely to be worth its size. */
  kickRarely(): void {
    this.kick();
  }

  // ── get ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * How many chains can be taken, while the queue is not `draining`; 0 and a broken device when the index moved further
   * than there are chains.
   */
  @inline
  pending(): u32 {
    const moved = (readIndex(this.usedRing) - this.used) & 0xffff;
    // The index is read before the elements and the data it announces; the other side is the device's write barrier
    // between those and its used.idx. Also with nothing there, so that a caller's loop reads the index anew.
    rmb();
    if (moved > this.outstanding) {
      this.device.break(Message.BAD_USED_INDEX, this.index);
      return 0;
    }
    return moved;
  }

  /** Whether the used ring's index moved further than there are chains. For whoever is not told by a broken device. */
  hasImpossibleIndex(): bool {
    return ((readIndex(this.usedRing) - this.used) & 0xffff) > this.outstanding;
  }

  /** How many chains there are to take, or, while the queue is `draining`, to drain. */
  waiting(): u32 {
    return this.draining ? this.outstanding : this.pending();
  }

  /**
   * Takes the next chain that the device has used; at most `pending` times, and not while `draining`. Its state and
   * `writtenInto` say which and how much. Its `takenCount` descriptors are the driver's until `release`.
   *
   * @returns the chain's head, or -1 when what the device says makes no sense; the device is then broken
   */
  take(): i32 {
    const head = read32(usedElement(this.usedRing, this.used & (this.size - 1)));
    if (head >= this.size || this.state(head).count == 0) {
      this.refuse();
      return -1;
    }
    this.takeHead(head);
    return head;
  }

  /** The same for a caller that has read the ring, and knows that the next chain which the device has used began at `head`. */
  @inline
  takeHead(head: u32): void {
    const state = this.state(head);
    this.takenCount = state.count & ~CHAIN_IS_OLD;
    state.count = 0;
    this.used = (this.used + 1) & 0xffff;
    this.outstanding--;
  }

  /** What the device says it has used is not what it was given. */
  refuse(): void {
    this.device.break(Message.BAD_USED_ID, this.index);
  }

  /**
   * Bytes that the device says it wrote into the chain taken last, which began at `head`; never more than the chain was
   * committed with. Call it once: the device can still write what it says.
   */
  writtenInto(head: u32): u32 {
    const written = read32(usedElement(this.usedRing, (this.used - 1) & (this.size - 1)) + 4);
    return min(written, this.state(head).bytes);
  }

  /** Makes the `count` descriptors free again of the chain that began at `head`, which was taken and not drained. */
  release(head: u32, count: u32): void {
    this.room = releaseAt(this.states, head, count, this.freeStack, this.room);
  }

  /**
   * Breaks the device when a chain has been out for too long; to be called when `pending` found nothing to take.
   *
   * Chains carry no time, so that adding one reads no clock, and taking one neither. When the time-out has passed and none
   * of the outstanding chains is old, all of them are marked old.
   */
  watch(): void {
    if (this.timeout == 0 || this.outstanding == 0) return;
    const now = now_ns();
    if (now - this.watchedSince < this.timeout) return;
    if (!this.hasOldChain()) {
      this.makeChainsOld();
      this.watchedSince = now;
      return;
    }
    // Time may have passed since the caller looked, and the chain with it come back.
    if (this.waiting() != 0) return;
    if (deviceIsGone(this.device)) this.device.vanish();
    else this.device.break(Message.TIMED_OUT, this.index);
  }

  private hasOldChain(): bool {
    for (let index: u32 = 0; index < this.size; index++) {
      if (this.state(index).count & CHAIN_IS_OLD) return true;
    }
    return false;
  }

  private makeChainsOld(): void {
    for (let index: u32 = 0; index < this.size; index++) {
      const state = this.state(index);
      if (state.count != 0) state.count |= CHAIN_IS_OLD;
    }
  }

  /**
   * In the place of `take` and `release` while `draining`: takes the lowest chain still in flight when the device was
   * reset. With the last of them the queue is usable again.
   *
   * @returns the chain's head
   */
  drain(): u32 {
    let head = this.drained;
    while (this.state(head).count == 0) head++;
    this.drained = head;
    this.state(head).count = 0;
    this.outstanding--;
    if (this.outstanding == 0) this.freeAll();
    return head;
  }

  /** The device has been reset: what is in flight comes back through `drain`, and nothing is added until then. */
  stop(): void {
    this.outstanding = this.countChains();
    this.draining = this.outstanding != 0;
    this.drained = 0;
    if (this.draining) this.room = 0;
  }

  /** Not what was counted: a call that was interrupted for good may not have come so far as to count. */
  private countChains(): u32 {
    let count: u32 = 0;
    for (let index: u32 = 0; index < this.size; index++) count += <u32>(this.state(index).count != 0);
    return count;
  }

  /** The device has been reset, and what it had is of no interest. `activate` is next. */
  forget(): void {
    this.freeAll();
  }

  // ── callbacks ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Asks the device for no more interrupts, without a guarantee that none comes. [virtio-1.2 §2.7.7.1]
   *
   * With EVENT_IDX, flags stay 0; the event index is put as far ahead as it can be, 65,535 completions.
   */
  disableCallbacks(): void {
    this.callbacks = false;
    if (this.eventIndex) writeUsedEvent(this.availableRing, this.size, (this.used - 1) & 0xffff);
    else writeFlags(this.availableRing, VIRTQ_AVAIL_F_NO_INTERRUPT);
  }

  /**
   * Asks the device for an interrupt with its next completion, or, with EVENT_IDX, once `delay` further ones are
   * there.
   *
   * @param delay completions to wait for beyond the first
   * @returns whether that many can be taken already, so that no interrupt may come for them
   */
  enableCallbacks(delay: u32): bool {
    this.callbacks = true;
    if (this.eventIndex) writeUsedEvent(this.availableRing, this.size, (this.used + delay) & 0xffff);
    else writeFlags(this.availableRing, 0);
    // Our wish reaches the device before we look whether it has completed anything; the other side is the device,
    // which writes used.idx and then looks whether we want to hear of it. One of the two sees the other's write.
    mb();
    return this.draining || ((readIndex(this.usedRing) - this.used) & 0xffff) > (this.eventIndex ? delay : 0);
  }
}
