/**
 * Takes a run of received frames and posts a run of buffers, as fast as it goes. [virtio-1.2 §5.1.6.3, §5.1.6.4]
 *
 * The loops call nothing, see `virtio/queue/run.ts`. What they leave, `receive.ts` judges from the start.
 */
import { NetHeaderFlag, ReceivedBuffer } from "./abi";
import { read16, read32, read64 } from "../../memory/shared";
import {
  DESCRIPTOR_BYTES,
  usedElement,
  VIRTQ_DESC_F_NEXT,
  VIRTQ_DESC_F_WRITE,
  writeAvailable,
  writeDescriptor,
} from "../../virtio/queue/layout";
import { following, freeAt, releaseAt, stateAt } from "../../virtio/queue/run";
import { NetDevice, Owner, ReceiveBuffer, ReceiveQueue } from "./device";
import { headersMatter } from "./offloads";
import { headerApart, lend } from "./receive";
import { ETHERNET_HEADER_BYTES, HEADER_NUM_BUFFERS } from "./wire";

/**
 * Lends frames to the caller, up to the first that has several buffers, whose header says more than that its checksum is
 * right, or that makes no sense. No frame is being put together.
 * Receive buffers wait as long as it takes: there are no time-outs, so none of the chains is ever old.
 *
 * @param records address of an array of ReceivedBuffer
 * @param pending how many chains can be taken, and have room there
 * @returns how many were
 */
@inline
export function receiveRun(device: NetDevice, queue: ReceiveQueue, records: u32, pending: u32): u32 {
  let used = queue.used;
  const usedEnd = used + pending;
  let room = queue.room;
  let bytes: u64 = 0;
  let at = records;
  for (; used != usedEnd; used++) {
    const mask = queue.size - 1;
    const element = usedElement(queue.usedRing, used & mask);
    const head = read32(element);
    if (head > mask) break;
    const state = stateAt(queue.states, head);
    const count = state.count;
    if (count == 0) break;
    const index = <u32>state.token;
    const buffer = changetype<ReceiveBuffer>(queue.buffers + index * offsetof<ReceiveBuffer>());
    const length = min(read32(element + 4), state.bytes);
    if (length < device.headerBytes + ETHERNET_HEADER_BYTES) break;
    if (device.mergeable && read16(buffer.pointer + HEADER_NUM_BUFFERS) != 1) break;
    const readsHeader = !isDefined(WITHOUT_NET_OFFLOADS) && headersMatter(device);
    const fields: u64 = readsHeader ? read64(buffer.pointer) : 0;
    if (fields & ~(<u64>NetHeaderFlag.DATA_VALID)) break;
    state.count = 0;
    room = releaseAt(queue.states, head, count, queue.freeStack, room);
    bytes += lend(buffer, at, index, length, 1, device.headerBytes, fields);
    at += offsetof<ReceivedBuffer>();
  }
  const taken = used - queue.used;
  queue.used = used & 0xffff;
  queue.room = room;
  queue.outstanding -= taken;
  device.statistics.frames_received += taken;
  device.statistics.bytes_received += bytes;
  return taken;
}

/**
 * Posts buffers that the caller gives back, up to the first that is not in its hands. There are never more buffers than
 * the ring has room for. `kick` is the caller's.
 *
 * @param ids address of an array of `count` u32
 * @returns how many were posted
 */
@inline
export function releaseRun(device: NetDevice, queue: ReceiveQueue, ids: u32, count: u32): u32 {
  const apart = headerApart(device);
  let room = queue.room;
  let available = queue.available;
  let released: u32 = 0;
  for (; released != count; released++) {
    const index = load<u32>(ids + released * 4);
    if (index >= queue.bufferCount) break;
    const buffer = changetype<ReceiveBuffer>(queue.buffers + index * offsetof<ReceiveBuffer>());
    if (buffer.owner != Owner.CALLER) break;
    buffer.owner = Owner.DEVICE;
    const head = freeAt(queue.freeStack, room);
    const address = buffer.address;
    let position = head;
    if (apart != 0) {
      room--;
      position = following(false, head, queue.states, queue.freeStack, room);
      const flags = VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE;
      writeDescriptor(queue.descriptors + head * DESCRIPTOR_BYTES, address, apart, flags, position);
    }
    room--;
    const rest = address + apart;
    writeDescriptor(
      queue.descriptors + position * DESCRIPTOR_BYTES,
      rest,
      queue.bufferBytes - apart,
      VIRTQ_DESC_F_WRITE,
      0,
    );
    writeAvailable(queue.availableRing, available & (queue.size - 1), head);
    available++;
    const state = stateAt(queue.states, head);
    state.token = index;
    state.bytes = queue.bufferBytes;
    state.count = apart != 0 ? 2 : 1;
  }
  queue.room = room;
  queue.available = available & 0xffff;
  queue.outstanding += released;
  return released;
}
