/** A device and a queue of it, without any driver, for the tests of the queue. */
import { Transport } from "../../../../assembly/abi/results";
import { forget_translations } from "../../../../assembly/memory/addresses";
import { Device } from "../../../../assembly/virtio/device";
import { Virtqueue } from "../../../../assembly/virtio/queue/virtqueue";
import { freshArena } from "../../scripted/arena";
import { Chain, Ring, WRITE } from "../../scripted/ring";
import { device_add, device_queue, script_clear, trace_clear } from "../../scripted/script";

export const REGISTERS: u32 = 0xc000;
export const QUEUE_NOTIFY: u32 = REGISTERS + 16;
export const QUEUE_PFN: u32 = REGISTERS + 8;
/** The device's number for the queue, and the driver's handle of the device. */
export const QUEUE: u32 = 3;
export const HANDLE: u32 = 0x777;

export const device = changetype<Device>(memory.data(256, 16));
export const queue = changetype<Virtqueue>(memory.data(256, 16));

/** The scripted device behind `device`. */
export let registers: u32 = 0;
export let ring: Ring = changetype<Ring>(0);

/** A device with accepted features, and a queue of which nothing is set up yet. */
export function newDevice(size: u32, features: u64): void {
  script_clear();
  forget_translations();
  freshArena();
  memory.fill(changetype<usize>(device), 0, 256);
  memory.fill(changetype<usize>(queue), 0, 256);
  device.handle = HANDLE;
  device.transport = Transport.LEGACY_PCI;
  device.registers = REGISTERS;
  device.featuresAccepted = features;
  registers = device_add(REGISTERS, 32, <u32>features);
  device_queue(registers, QUEUE, size);
}

/** A queue that works; `ring` is the device's side of it. */
export function newQueue(size: u32, features: u64, tableEntries: u32 = 0): void {
  newDevice(size, features);
  assert(queue.allocate(device, QUEUE, 1, 0, tableEntries) == 0);
  assert(queue.activate() == 0);
  ring = new Ring(registers, QUEUE, size);
  trace_clear();
}

/**
 * Adds a chain of buffers of 16 bytes each.
 *
 * @returns its head
 */
export function addChain(token: u64, readable: u32, writable: u32): u32 {
  queue.begin(queue.hasTables);
  const count = readable + writable;
  for (let at: u32 = 0; at < count; at++) queue.append((token << 20) + at * 16, 16, at < readable ? 0 : WRITE);
  return queue.commit(token, writable * 16);
}

/** Whether a chain is what `addChain` made of these numbers. */
export function isChain(chain: Chain, token: u64, readable: u32, writable: u32): bool {
  if (chain.count != readable + writable) return false;
  for (let at: u32 = 0; at < chain.count; at++) {
    if (chain.addresses[at] != (token << 20) + at * 16 || chain.lengths[at] != 16) return false;
    if ((chain.flags[at] & WRITE) != (at < readable ? 0 : WRITE)) return false;
  }
  return true;
}

/** Most descriptors that a chain can have at the moment, 0 when none can be added. */
export function room(): u32 {
  return queue.hasTables && queue.room != 0 ? queue.tableEntries : queue.room;
}

/** Adds single descriptors until the queue is full, and returns their heads in order. */
export function fill(): u32[] {
  const heads: u32[] = [];
  while (room() != 0) heads.push(addChain(heads.length, 1, 0));
  return heads;
}

/** Takes the next chain and makes its descriptors free; returns its head, or -1. */
export function takeChain(): i32 {
  const head = queue.take();
  if (head >= 0) queue.release(head, queue.takenCount);
  return head;
}
