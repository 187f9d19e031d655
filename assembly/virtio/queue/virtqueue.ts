/**
 * The driver's side of a split virtqueue. [virtio-1.2 §2.7]
 *
 * Five operations: add (`append`, `add`), `kick`, get (`pending`, `take`), `disableCallbacks` and
 * `enableCallbacks`. Adding publishes nothing; `kick` publishes all that was added, and notifies at most once.
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
import { read32, zero } from "../../memory/shared";
import { Device } from "../device";
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from "../features";
import {
  deviceIsGone,
  notify,
  queueAddressFits,
  queueIsLive,
  queueSize,
  setQueueAddress,
} from "../transport/transport";
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
  VIRTQ_USED_F_NO_NOTIFY,
  writeAvailable,
  writeDescriptor,
  writeFlags,
  writeIndex,
  writeUsedEvent,
} from "./layout";

/** In `DescriptorState.writable`: the chain was added in a generation of this parity. */
const GENERATION: u32 = 0x8000_0000;

/** What the driver knows of each descriptor. */
@unmanaged
class DescriptorState {
  /** The driver's name for the chain that begins here. */
  token: u64;
  /** Bytes that the device may write into the chain that begins here, at most 2^31 - 1, and GENERATION. */
  writable: u32;
  /** The next descriptor of the chain, or of the free list. */
  next: u16;
  /** Descriptors of the chain that begins here; 0: no chain in flight begins here. */
  length: u16;
}

/** One queue. `allocate` and `activate` make it usable. */
@unmanaged
export class Virtqueue {
  device: Device;
  /** The device's number for this queue. */
  index: u32;
  /** Number of descriptors, a power of two. */
  size: u32;
  /** Pointers to the parts of the ring. */
  descriptors: u32;
  available: u32;
  used: u32;
  /** Indirect tables, `tableEntries` descriptors for each ring descriptor; 0 when there are none. */
  tables: u32;
  tablesAddress: u64;
  tableEntries: u32;
  /** Array of DescriptorState. */
  states: u32;
  eventIndex: bool;
  /** Whether the driver asked for interrupts. */
  callbacks: bool;
  /** The device was reset; what was in flight waits to be drained. */
  draining: bool;
  /** No head below it is still in flight. */
  drained: u32;

  freeHead: u32;
  /** How many descriptors are free; 0 while `draining`. */
  freeCount: u32;
  /** Chains that the device has. */
  outstanding: u32;
  /** Nanoseconds that a chain may be out; 0: any time. */
  timeout: u64;
  /** When the present generation of chains began, its parity, and how many of the one before are still out. */
  generationStart: u64;
  generation: u32;
  old: u32;
  /** Where the next chain goes in the available ring, and what the device was told. */
  availableIndex: u32;
  publishedIndex: u32;
  /** How far the used ring has been taken. */
  usedIndex: u32;

  /** Writes to the notification register. */
  notifications: u64;


  @inline
  private state(index: u32): DescriptorState {
    return changetype<DescriptorState>(this.states + index * offsetof<DescriptorState>());
  }


  @inline
  private descriptor(index: u32): u32 {
    return this.descriptors + index * DESCRIPTOR_BYTES;
  }

  /**
   * Takes memory for a queue of the size that the device states. The device learns nothing of it yet.
   *
   * @param index the device's number for the queue
   * @param sizeMin fewest descriptors that the driver can work with
   * @param tableEntries descriptors of each indirect table; 0: none
   * @returns OK, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY; after an error `free` is due all the same
   */
  allocate(device: Device, index: u32, sizeMin: u32, tableEntries: u32): i32 {
    const size = queueSize(device, index);
    // A power of two that fits 16 bits is 32768, the largest size there is, or less. [virtio-1.2 §2.7]
    if (size < sizeMin || (size & (size - 1)) != 0) return Result.E_QUEUE_SIZE;
    this.device = device;
    this.index = index;
    this.size = size;
    this.eventIndex = device.accepted(VIRTIO_F_EVENT_IDX);
    this.states = allocatePrivate(size * offsetof<DescriptorState>());
    if (this.states == 0) return Result.E_MEMORY;
    this.descriptors = allocatePages(ringBytes(size));
    if (this.descriptors == 0) return Result.E_DMA_MEMORY;
    this.available = this.descriptors + availableOffset(size);
    this.used = this.descriptors + usedOffset(size);
    if (tableEntries != 0 && device.accepted(VIRTIO_F_INDIRECT_DESC)) {
      // A chain, tables included, is never longer than the queue. [virtio-1.2 §2.7.5.3.1]
      this.tableEntries = min(tableEntries, size);
      // A kernel may have no piece of memory that large; chains then lie in the ring itself.
      this.tables = allocatePages(this.tableBytes);
      if (this.tables != 0) this.tablesAddress = physicalAddress(this.tables);
    }
    return Result.OK;
  }

  private get tableBytes(): u32 {
    return this.size * this.tableEntries * DESCRIPTOR_BYTES;
  }

  /** Gives back what `allocate` took from the kernel. The device must be reset or cut off before. */
  freeShared(): void {
    freePages(this.descriptors, ringBytes(this.size));
    freePages(this.tables, this.tableBytes);
    this.descriptors = 0;
    this.tables = 0;
  }

  /** Gives back the private memory. */
  freePrivate(): void {
    freePrivate(this.states);
    this.states = 0;
  }

  /**
   * Empties the ring and tells the device where it lies. [virtio-1.2 §4.1.5.1.3, §4.1.5.1.3.1]
   *
   * The memory is zero before the device knows its address: `setQueueAddress` is an import, behind which no store
   * of ours is left.
   *
   * @returns OK; E_QUEUE_SIZE when the size is not the one memory was taken for; E_QUEUE_LIVE; E_DMA_MEMORY when the
   *   ring lies where the device cannot be pointed to
   */
  activate(): i32 {
    const device = this.device;
    if (queueSize(device, this.index) != this.size) return Result.E_QUEUE_SIZE;
    if (queueIsLive(device)) return Result.E_QUEUE_LIVE;
    const address = physicalAddress(this.descriptors);
    if (!queueAddressFits(address)) return Result.E_DMA_MEMORY;
    zero(this.descriptors, ringBytes(this.size));
    this.availableIndex = 0;
    this.publishedIndex = 0;
    this.usedIndex = 0;
    this.stop();
    if (!this.draining) this.freeAll();
    setQueueAddress(device, address);
    this.disableCallbacks();
    return Result.OK;
  }

  private freeAll(): void {
    for (let index: u32 = 0; index < this.size; index++) {
      const state = this.state(index);
      state.next = <u16>(index + 1);
      state.length = 0;
    }
    this.freeHead = 0;
    this.freeCount = this.size;
    this.outstanding = 0;
    this.old = 0;
    this.draining = false;
  }

  // ── add ────────────────────────────────────────────────────────────────────────────────────────────────────────

  // `tables` says where the next chain goes: `queue.tables` for the indirect table of its head, 0 for the ring itself. A
  // driver that passes the constant 0 gets the code for the ring only.

  /** The descriptors of which some become the next chain: those of the ring, or those of a table. */
  @inline
  chainTable(tables: u32): u32 {
    return tables != 0 ? this.table(tables, this.freeHead) : this.descriptors;
  }

  /** Which of them is the chain's first. */
  @inline
  chainStart(tables: u32): u32 {
    return tables != 0 ? 0 : this.freeHead;
  }

  /** Where the indirect table of a descriptor lies, `tables` being the place of the first. */
  @inline
  table<T>(tables: T, index: u32): T {
    return tables + <T>(index * this.tableEntries * DESCRIPTOR_BYTES);
  }

  /**
   * Writes a descriptor of a chain: in a table at most `tableEntries` of them, in the ring at most `freeCount`. Buffers that the device reads come before those it writes.
   * [virtio-1.2 §2.7.4.2] What is written and not added is forgotten.
   *
   * @param table `chainTable`
   * @param position in that: `chainStart`, then what the last call returned
   * @param address physical
   * @param length bytes, contiguous
   * @param flags VIRTQ_DESC_F_NEXT in all but the last, VIRTQ_DESC_F_WRITE
   * @returns the position of the next one
   */
  @inline
  append(tables: u32, table: u32, position: u32, address: u64, length: u32, flags: u32): u32 {
    const next = tables != 0 ? position + 1 : <u32>this.state(position).next;
    writeDescriptor(table + position * DESCRIPTOR_BYTES, address, length, flags, next);
    return next;
  }

  /**
   * Puts the chain into the available ring, where `kick` will publish it.
   *
   * @param token comes back with `take`
   * @param end what the last `append` returned
   * @param count descriptors of the chain, at least one
   * @param writable bytes that the device may write in all of them
   * @returns the chain's head, which is the driver's until the chain is taken
   */
  @inline
  add(tables: u32, token: u64, end: u32, count: u32, writable: u32): u32 {
    const head = this.freeHead;
    const state = this.state(head);
    let taken = count;
    if (tables != 0) {
      const table = this.table(this.tablesAddress, head);
      writeDescriptor(this.descriptor(head), table, count * DESCRIPTOR_BYTES, VIRTQ_DESC_F_INDIRECT, 0);
      this.freeHead = state.next;
      taken = 1;
    } else {
      this.freeHead = end;
    }
    state.token = token;
    state.writable = min(writable, ~GENERATION) | this.generation;
    state.length = <u16>taken;
    this.freeCount -= taken;
    this.outstanding++;
    const index = this.availableIndex;
    writeAvailable(this.available, index & (this.size - 1), head);
    this.availableIndex = (index + 1) & 0xffff;
    return head;
  }

  /** How many chains have been added and not published. */
  get unpublished(): u32 {
    return (this.availableIndex - this.publishedIndex) & 0xffff;
  }

  /**
   * Takes back the `count` chains added last, none of them published. The device never learns of them.
   *
   * @param firstHead head of the first of them
   */
  undo(count: u32, firstHead: u32): void {
    let head = firstHead;
    for (let undone: u32 = 0; undone < count; undone++) {
      // Descriptors leave the free list in order, so behind each chain the list leads to the next chain's head.
      const state = this.state(head);
      const last = this.lastOf(state, state.length);
      this.freeCount += state.length;
      state.length = 0;
      head = last.next;
    }
    this.freeHead = firstHead;
    this.outstanding -= count;
    this.availableIndex = (this.availableIndex - count) & 0xffff;
  }

  // ── kick ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Publishes what was added, and tells the device if it wants to be told. [virtio-1.2 §2.7.13.3, §2.7.13.4] */
  @inline
  kick(): void {
    const before = this.publishedIndex;
    const now = this.availableIndex;
    if (now == before) return;
    // Descriptors and ring entries reach the device before the index that makes it look at them; the other side is
    // the device's read of avail.idx before it reads the entries.
    wmb();
    writeIndex(this.available, now);
    this.publishedIndex = now;
    // The index reaches the device before we read whether it sleeps; the other side is the device, which says that
    // it wants notifications and then looks at avail.idx once more. One of the two sees the other's write.
    mb();
    if (this.eventIndex) {
      if (!needEvent(readAvailEvent(this.used, this.size), now, before)) return;
    } else if (readFlags(this.used) & VIRTQ_USED_F_NO_NOTIFY) {
      return;
    }
    this.notifications++;
    notify(this.device, this.index);
  }

  // ── get ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** How many chains can be taken; 0 and a broken device when the index moved further than there are chains. */
  @inline
  pending(): u32 {
    if (this.draining) return this.outstanding;
    const moved = (readIndex(this.used) - this.usedIndex) & 0xffff;
    // The index is read before the elements and the data it announces; the other side is the device's write barrier
    // between those and its used.idx. Also with nothing there, so that a caller's loop reads the index anew.
    rmb();
    if (moved > this.outstanding) {
      this.device.break(Message.BAD_USED_INDEX, this.index);
      return 0;
    }
    return moved;
  }

  /**
   * Takes the next chain that the device has used; at most `pending` times, and not while `draining`. `tokenOf` and
   * `writtenInto` say which and how much, until the next chain is added or taken.
   *
   * @returns the chain's head, or -1 when what the device says makes no sense; the device is then broken
   */
  @inline
  take(): i32 {
    const usedIndex = this.usedIndex;
    const size = this.size;
    const element = usedElement(this.used, usedIndex & (size - 1));
    const head = read32(element);
    if (head >= size) return this.refuse();
    const state = this.state(head);
    const chainLength = <u32>state.length;
    if (chainLength == 0) return this.refuse();
    this.usedIndex = (usedIndex + 1) & 0xffff;
    this.release(head, state, chainLength);
    return head;
  }

  /** The driver's name for the chain that began at `head`, until a chain is added. */
  @inline
  tokenOf(head: u32): u64 {
    return this.state(head).token;
  }

  /**
   * Bytes that the device says it wrote into the chain taken last, which began at `head`; never more than it had room
   * for, and 0 of one that it never finished. To be asked for once: the device can still write what it says.
   */
  @inline
  writtenInto(head: u32): u32 {
    const element = usedElement(this.used, (this.usedIndex - 1) & (this.size - 1));
    const writable = this.state(head).writable & ~GENERATION;
    return writable == 0 ? 0 : min(read32(element + 4), writable);
  }

  /** What the device says it has used is not what it was given. */
  private refuse(): i32 {
    this.device.break(Message.BAD_USED_ID, this.index);
    return -1;
  }

  /** Puts a chain's descriptors back onto the free list. */
  @inline
  private release(head: u32, state: DescriptorState, length: u32): void {
    const last = length == 1 ? state : this.lastOf(state, length);
    last.next = <u16>this.freeHead;
    this.freeHead = head;
    this.freeCount += length;
    state.length = 0;
    this.outstanding--;
    if ((state.writable ^ this.generation) & GENERATION) this.old--;
  }

  /**
   * Breaks the device when a chain has been out for too long; to be called when `pending` found nothing to take.
   *
   * Chains carry no time, so that adding one reads no clock. They belong to generations, of which one begins whenever
   * the time-out is over and none of the one before the last is out any more.
   */
  watch(): void {
    if (this.timeout == 0 || this.outstanding == 0) return;
    const now = now_ns();
    if (now - this.generationStart < this.timeout) return;
    if (this.old != 0) {
      // Time may have passed since the caller looked, and the chain with it come back.
      if (this.pending() != 0) return;
      if (deviceIsGone(this.device)) this.device.vanish();
      else this.device.break(Message.TIMED_OUT, this.index);
    } else {
      this.generation ^= GENERATION;
      this.generationStart = now;
      this.old = this.outstanding;
    }
  }

  /** The last descriptor of a chain of `length`. */
  @inline
  private lastOf(head: DescriptorState, length: u32): DescriptorState {
    let last = head;
    for (let step: u32 = 1; step < length; step++) last = this.state(last.next);
    return last;
  }

  /**
   * In the place of `take` while `draining`: takes the lowest chain still in flight when the device was reset. With the
   * last of them the queue is usable again.
   *
   * @returns the chain's head
   */
  drain(): u32 {
    let head = this.drained;
    while (this.state(head).length == 0) head++;
    const state = this.state(head);
    this.drained = head;
    state.writable = 0;
    this.release(head, state, state.length);
    this.freeCount = 0;
    if (this.outstanding == 0) this.freeAll();
    return head;
  }

  /** The device has been reset: what is in flight comes back through `drain`, and nothing is added until then. */
  stop(): void {
    this.draining = this.outstanding != 0;
    this.drained = 0;
    if (this.draining) this.freeCount = 0;
  }

  /** The device has been reset, and what it had is of no interest. `activate` is next. */
  forget(): void {
    this.outstanding = 0;
  }

  // ── callbacks ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Asks the device for no more interrupts, without a guarantee that none comes. [virtio-1.2 §2.7.7.1]
   *
   * With EVENT_IDX, flags stay 0; the event index is put as far ahead as it can be, 65,535 completions.
   */
  disableCallbacks(): void {
    this.callbacks = false;
    if (this.eventIndex) writeUsedEvent(this.available, this.size, (this.usedIndex - 1) & 0xffff);
    else writeFlags(this.available, VIRTQ_AVAIL_F_NO_INTERRUPT);
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
    if (this.eventIndex) writeUsedEvent(this.available, this.size, (this.usedIndex + delay) & 0xffff);
    else writeFlags(this.available, 0);
    // Our wish reaches the device before we look whether it has completed anything; the other side is the device,
    // which writes used.idx and then looks whether we want to hear of it. One of the two sees the other's write.
    mb();
    return this.draining || ((readIndex(this.used) - this.usedIndex) & 0xffff) > (this.eventIndex ? delay : 0);
  }
}
