/** The calls of the generic device, which drives what no other driver knows; and what there is to know of any device. */
import { Completion, Segment } from "../../abi/records";
import { Result } from "../../abi/results";
import { checkRecords } from "../../memory/records";
import { deviceOf, deviceOfType, GENERIC, registerDevice, runningResult } from "../../virtio/device";
import { finishClosing, open } from "../../virtio/lifecycle";
import { addBuffers, pollBuffers } from "../../virtio/queue/buffers";
import { Virtqueue } from "../../virtio/queue/virtqueue";
import { writeConfiguration } from "../../virtio/transport/transport";
import { DeviceInformation, GenericChain, GenericOptions } from "./abi";
import { checkFields, readFields } from "./configuration";
import { GenericDriver, MINIMAL, OPTIONAL } from "./driver";
import { QUEUES_MAX } from "./wire";

/**
 * Opens any virtio device at a PCI address, or in the MMIO slot that the options name. Its registers must be granted;
 * interrupts are off until `enable_interrupts`. The device is live with empty queues when this returns.
 *
 * @param address of the function, as `PciFunction.address`; 0 with MMIO
 * @param options address of a GenericOptions; read during the call only
 * @returns a handle greater than 0, or E_ARGUMENT, E_INITIALIZE, E_IN_USE, E_MEMORY, E_NOT_FOUND, E_NOT_VIRTIO, E_BAR,
 *   E_RESET_TIMEOUT, E_FEATURES, E_QUEUE_SIZE, E_QUEUE_LIVE, E_DMA_MEMORY, E_GONE
 */
export function generic_open(address: u32, options: u32): i32 {
  if (!checkRecords(options, 1, offsetof<GenericOptions>())) return Result.E_ARGUMENT;
  const given = changetype<GenericOptions>(options);
  const type = given.type;
  const count = given.queue_count;
  if (type == 0 || count == 0 || count > QUEUES_MAX) return Result.E_ARGUMENT;
  const features = given.features;
  const handle = registerDevice(address, type, offsetof<GenericDriver>(), options);
  if (handle < 0) return handle;
  const device = changetype<GenericDriver>(deviceOf(handle));
  device.driver = GENERIC;
  device.queuesWanted = count;
  return open<GenericDriver>(device, MINIMAL, OPTIONAL & features);
}

/**
 * Reads `count` fields of the device configuration that follow each other, as they were at one moment. Accesses have the
 * width of the fields, which must be that of the specification; a field of 64 bits is two of 32.
 *
 * @param offset of the first, a multiple of `width`
 * @param width bytes of each: 1, 2 or 4
 * @param values address of `count` × `width` bytes, where they are written little-endian
 * @returns OK; E_HANDLE, E_BROKEN, E_GONE, E_SUSPENDED; E_ARGUMENT; E_RANGE when the fields reach past the end of the
 *   configuration; E_CONFIGURATION when it kept changing while it was read
 */
export function generic_read_configuration(handle: u32, offset: u32, width: u32, count: u32, values: u32): i32 {
  const device = genericDevice(handle);
  let result = runningResult(device);
  if (result != Result.OK) return result;
  if (!checkRecords(values, count, width)) return Result.E_ARGUMENT;
  const bytes = count * width;
  result = checkFields(device, offset, width, bytes);
  return result == Result.OK ? readFields(device, offset, width, bytes, values) : result;
}

/**
 * Writes a field of the device configuration, with an access of its width.
 *
 * @param offset a multiple of `width`
 * @param width bytes: 1, 2 or 4
 * @returns OK; E_HANDLE, E_BROKEN, E_GONE, E_SUSPENDED; E_ARGUMENT; E_RANGE when the field reaches past the
 *   end of the configuration
 */
export function generic_write_configuration(handle: u32, offset: u32, width: u32, value: u32): i32 {
  const device = genericDevice(handle);
  let result = runningResult(device);
  if (result == Result.OK) result = checkFields(device, offset, width, width);
  // Imports take values that fit.
  if (result == Result.OK) writeConfiguration(device, offset, width, value & (u32.MAX_VALUE >> (32 - 8 * width)));
  return result;
}

/**
 * Gives chains to a queue, in order, up to the first that is not accepted; its `result` says why. The accepted ones are
 * published together, with one notification at most. Their buffers are the device's until they complete.
 *
 * @param queue the device's number for it, less than `queue_count`
 * @param chains address of an array of GenericChain
 * @returns number accepted, or E_HANDLE, E_ARGUMENT, E_BROKEN, E_GONE, E_SUSPENDED
 */
export function generic_submit(handle: u32, queue: u32, chains: u32, count: u32): i32 {
  const device = genericDevice(handle);
  const state = runningResult(device);
  if (state != Result.OK) return state;
  if (queue >= device.queueCount || !checkRecords(chains, count, offsetof<GenericChain>())) return Result.E_ARGUMENT;
  const virtqueue = device.queue(queue);
  let accepted: u32 = 0;
  for (; accepted < count; accepted++) {
    const chain = changetype<GenericChain>(chains + accepted * offsetof<GenericChain>());
    const result = addChain(virtqueue, chain);
    chain.result = result;
    if (result != Result.OK) break;
  }
  virtqueue.kickRarely();
  return accepted;
}

/** OK, E_ARGUMENT, E_SEGMENTS, E_FULL, E_ADDRESS. */
function addChain(queue: Virtqueue, chain: GenericChain): i32 {
  const segments = chain.segments;
  const readable = chain.readable;
  const writable = chain.writable;
  const count = readable + writable;
  if (count == 0) return Result.E_SEGMENTS;
  if (count < readable || !checkRecords(segments, count, offsetof<Segment>())) return Result.E_ARGUMENT;
  return addBuffers(queue, chain.token, segments, readable, writable);
}

/**
 * Takes completions of a queue, in the order in which the device finished. `length` of each is the number of bytes that the
 * device says it wrote into the writable segments, from the first byte of the first on; never more than they have.
 *
 * @param queue the device's number for it, less than `queue_count`
 * @param completions address of an array of Completion with room for `capacity`
 * @returns number taken; E_HANDLE, E_ARGUMENT; with nothing to take E_BROKEN, E_GONE, E_SUSPENDED
 */
export function generic_poll(handle: u32, queue: u32, completions: u32, capacity: u32): i32 {
  const device = genericDevice(handle);
  if (!device) return Result.E_HANDLE;
  if (queue >= device.queueCount) return Result.E_ARGUMENT;
  if (!checkRecords(completions, capacity, offsetof<Completion>())) return Result.E_ARGUMENT;
  const taken = pollBuffers(device, device.queue(queue), completions, capacity);
  finishClosing<GenericDriver>(device);
  return taken;
}

/**
 * Says how a device is reached and what was agreed with it. Works for every handle, whichever call opened the device, and
 * in every state.
 *
 * @param record address of a DeviceInformation
 * @returns OK, E_HANDLE, E_ARGUMENT
 */
export function device_information(handle: u32, record: u32): i32 {
  const device = deviceOf(handle);
  if (!device) return Result.E_HANDLE;
  if (!checkRecords(record, 1, offsetof<DeviceInformation>())) return Result.E_ARGUMENT;
  const information = changetype<DeviceInformation>(record);
  information.features_offered = device.featuresOffered;
  information.features_accepted = device.featuresAccepted;
  information.type = device.type;
  information.transport = device.transport;
  information.vectors = device.vectors;
  information.queue_count = device.queueCount;
  return Result.OK;
}

function genericDevice(handle: u32): GenericDriver {
  return changetype<GenericDriver>(deviceOfType(handle, GENERIC));
}
