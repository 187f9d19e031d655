/**
 * One command to a card's control queue, and its answer. [virtio-1.2 §5.1.6.5]
 *
 * Commands are rare, and their answers come at once from every host that is known, so a call waits for the answer. All of
 * them use the same memory: it is free again when the answer is there, and a device that does not answer is broken, so that
 * the memory is its own until a reset.
 */
import { Message, Result } from "../../abi/results";
import { now_ns, relax } from "../../kernel";
import { physicalAddress } from "../../memory/addresses";
import { allocatePages, freePages } from "../../memory/pages";
import { read8, write16 } from "../../memory/shared";
import { DeviceState, runningResult } from "../../virtio/device";
import { VIRTQ_DESC_F_WRITE } from "../../virtio/queue/layout";
import { Virtqueue } from "../../virtio/queue/virtqueue";
import { deviceIsGone, queueSize, STANDSTILL_POLLS } from "../../virtio/transport/transport";
import { TABLE_ADDRESSES_MAX } from "./control-state";
import { COMMAND_BYTES, CONTROL_QUEUE, VIRTIO_NET_ERR, VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_OK } from "./control-wire";
import { NetDevice } from "./device";

// The memory for a command: the answer, then class and command, followed by the data.
const ANSWER: u32 = 0;
const COMMAND: u32 = 2;
const DATA: u32 = COMMAND + COMMAND_BYTES;
/** The longest is an address table with both its counts. */
const MEMORY_BYTES: u32 = DATA + 8 + TABLE_ADDRESSES_MAX * 6;

/** What is there, in the place of a byte, before the device answers; no answer is that. */
const NO_ANSWER: u32 = 0xff;

/** Descriptors of the longest chain: command, data in two parts, answer. */
const CHAIN_MAX: u32 = 4;
/** Descriptors of each chain where all that the device reads may lie in one. */
const CHAIN_MIN: u32 = 2;

/**
 * Nanoseconds that a device has for an answer. It has them twice, so that it is not broken because the machine stood still
 * once.
 */
const ANSWER_NANOSECONDS: u64 = 1_000_000_000;


@inline
function controlQueue(device: NetDevice): Virtqueue {
  return changetype<Virtqueue>(device.queueState(CONTROL_QUEUE));
}

/** Whether the queue is among those of the open device. */
export function hasControlQueue(device: NetDevice): bool {
  return device.queueCount > CONTROL_QUEUE;
}

/** Descriptors that the queue needs at least. */
function queueSizeMin(device: NetDevice): u32 {
  return device.anyLayout ? CHAIN_MIN : CHAIN_MAX;
}

/**
 * Whether the device, when it is opened, has the queue that was agreed on. A card is no worse for the lack of it than
 * without the feature: commands are E_UNSUPPORTED.
 */
export function offersControlQueue(device: NetDevice): bool {
  if (!device.accepted(VIRTIO_NET_F_CTRL_VQ)) return false;
  const size = queueSize(device, CONTROL_QUEUE);
  return size >= queueSizeMin(device) && (size & (size - 1)) == 0;
}

/** Takes memory for the queue and one command: OK, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY. */
export function allocateControlQueue(device: NetDevice): i32 {
  const control = device.control;
  control.command = allocatePages(MEMORY_BYTES);
  if (control.command == 0) return Result.E_DMA_MEMORY;
  control.commandAddress = physicalAddress(control.command);
  return controlQueue(device).allocate(device, CONTROL_QUEUE, queueSizeMin(device), 0, 0);
}

export function freeCommand(device: NetDevice): void {
  freePages(device.control.command, MEMORY_BYTES);
}

/** The device was reset: a command that it did not answer is not under way any more. */
export function forgetCommand(device: NetDevice): void {
  if (hasControlQueue(device)) controlQueue(device).forget();
}

/** Where the data of the next command goes, a multiple of 4. There is none under way. */
export function commandData(device: NetDevice): u32 {
  return device.control.command + DATA;
}

/**
 * Gives the device a command, the data of which lies at `commandData`, and waits until it has answered.
 *
 * @param command as `control-wire.ts` has them
 * @param first bytes of data, or of its first part; 0: none
 * @param second bytes of its second part; 0: there is one part
 * @returns OK, E_REFUSED, E_DEVICE_STATUS; E_BROKEN also when there is no answer in time; E_GONE
 */
export function command(device: NetDevice, command: u32, first: u32, second: u32): i32 {
  const state = runningResult(device);
  if (state != Result.OK) return state;
  const queue = controlQueue(device);
  const memory = device.control.command;
  write16(memory + COMMAND, command);
  write16(memory + ANSWER, NO_ANSWER);
  addCommand(queue, device.control.commandAddress, first, second);
  queue.kickRarely();
  return awaitAnswer(device, queue) ? readAnswer(device, queue) : runningResult(device);
}

/**
 * Every part has a descriptor of its own, which without ANY_LAYOUT it must have, if the ring has room.
 * [virtio-1.2 §5.1.6.6]
 */
function addCommand(queue: Virtqueue, address: u64, first: u32, second: u32): void {
  queue.begin(false);
  if (queue.size >= CHAIN_MAX) {
    queue.append(address + COMMAND, COMMAND_BYTES, 0);
    if (first != 0) queue.append(address + DATA, first, 0);
    if (second != 0) queue.append(address + DATA + first, second, 0);
  } else {
    queue.append(address + COMMAND, COMMAND_BYTES + first + second, 0);
  }
  queue.append(address + ANSWER, 1, VIRTQ_DESC_F_WRITE);
  queue.commit(0, 1);
}

/** Waits until the device has used the command. False: it did not, and is broken or gone. */
function awaitAnswer(device: NetDevice, queue: Virtqueue): bool {
  return isUsedInTime(device, queue) || isUsedInTime(device, queue) || isSilent(device);
}

/** Waits for so long as a device has for an answer, or until it is broken. */
function isUsedInTime(device: NetDevice, queue: Virtqueue): bool {
  const start = now_ns();
  let before = start;
  let polls: u32 = 0;
  while (device.state == DeviceState.RUNNING && polls < STANDSTILL_POLLS) {
    if (queue.waiting() != 0) return true;
    const now = now_ns();
    if (now - start > ANSWER_NANOSECONDS) break;
    polls = now == before ? polls + 1 : 0;
    before = now;
    relax();
  }
  // Time may have passed since the last look, and the answer with it come.
  return queue.waiting() != 0;
}

/** There is no answer in time. Returns false. */
function isSilent(device: NetDevice): bool {
  if (deviceIsGone(device)) device.vanish();
  else device.break(Message.TIMED_OUT, CONTROL_QUEUE);
  return false;
}

/** Takes the command that was used: it does not matter how many bytes were written into it, only what they are. */
function readAnswer(device: NetDevice, queue: Virtqueue): i32 {
  const head = queue.take();
  if (head < 0) return runningResult(device);
  queue.release(head, queue.takenCount);
  const answer = read8(device.control.command + ANSWER);
  if (answer == VIRTIO_NET_OK) return Result.OK;
  return answer == VIRTIO_NET_ERR ? Result.E_REFUSED : Result.E_DEVICE_STATUS;
}
