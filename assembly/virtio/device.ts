/**
 * A virtio device that the stack drives: what every driver's own state begins with, and the table of open ones.
 *
 * All of it is private memory. [virtio-1.2 §2]
 */
import { DeviceOptions } from "../abi/records";
import { Event, Message, Result, TransportWanted } from "../abi/results";
import { log } from "../kernel";
import { allocatePrivate, arenaIsSet, freePrivate } from "../memory/arena";

/** Devices that can be open at the same time. Costs four bytes each. A power of two. */
export const MAXIMUM_OPEN_DEVICES: u32 = 256;

/** Bytes of a queue's state, whatever a driver adds to it. */
export const QUEUE_BYTES: u32 = 256;

/** Of the driver for devices of any type, in the place of the type that a driver is for. */
export const GENERIC: u32 = 0;

/** What can be done with a device. */
export const enum DeviceState {
  /** DRIVER_OK is set and the device has kept the rules. */
  RUNNING = 0,
  /** The device broke the rules, or did not come back from a reset. Only reset and close help. */
  BROKEN = 1,
  /** Closed, while the caller still has completions to take or buffers to give back. */
  CLOSING = 2,
  /** Removed. Its registers are not touched: something else may answer there. */
  GONE = 3,
  /** Reset, and out of reach until it is resumed. Its registers are still its own. */
  SUSPENDED = 4,
}

/** What every open device has, whatever its type. */
@unmanaged
export class Device {
  /** The name that the kernel knows it by, greater than 0. */
  handle: u32;
  /** One of DeviceState. */
  state: u32;
  /** virtio device type: 1 net, 2 block, … [virtio-1.2 §5] */
  type: u32;
  /** The device type that its driver is for, or GENERIC. */
  driver: u32;
  /** PCI address of its function; of a memory-mapped device, the low half of where its registers lie. */
  pciAddress: u32;

  /** What the caller asked for: one of TransportWanted, message vectors, largest size of a queue; 0 each: nothing special. */
  transportWanted: u32;
  vectorsWanted: u32;
  queueSizeMax: u32;
  /** Of a PCI device that was suspended: what `pci/kept.ts` kept. */
  kept: u32;
  /** How many of its queues, the last ones, interrupt nobody and have no message vector. */
  quietQueues: u32;
  /** Nanoseconds that a request may take; 0: any time. */
  timeout: u64;
  /** Memory-mapped devices: physical address of the registers, and how many bytes of them there are. */
  mmioBase: u64;
  mmioBytes: u32;

  /** How its registers are reached, one of Transport; NONE until they were found. */
  transport: u32;
  /** Legacy PCI: port of the first register. Memory-mapped: window that they are accessed in. */
  registers: u32;
  /** How many ports the BAR covers, or bytes the window. */
  registerBytes: u32;
  /** Modern PCI: where its structures are. */
  structures: u32;
  /** MSI-X: how many message vectors are in use; 0: interrupts come by the interrupt pin. */
  vectors: u32;
  /** A bit for each vector that tells of used buffers. */
  queueVectors: u64;
  /** The configuration's, when a vector that may tell of either was asked about last. */
  generation: u32;
  /** Command register of the function and MSI-X Message Control, 0 without one, as they were before it was opened. */
  commandFound: u16;
  msixFound: u16;
  featuresOffered: u64;
  featuresAccepted: u64;
  /** Array of its queues, QUEUE_BYTES apart; 0 until they are known. */
  queues: u32;
  queueCount: u32;
  /** Bits of Event that the kernel has not fetched yet. */
  events: u32;
  /** Interrupts that were this device's. */
  interrupts: u64;
  resets: u64;

  /** The queue's state, of a class that extends Virtqueue. */
  @inline
  queueState(index: u32): usize {
    return this.queues + index * QUEUE_BYTES;
  }


  @inline
  accepted(feature: u64): bool {
    return (this.featuresAccepted & feature) != 0;
  }

  raise(event: u32): void {
    this.events |= event;
  }

  /** Refuses further work: the device, or what stands between it and us, can no longer be believed. */
  break(message: u32, detail: u32): void {
    if (this.state == DeviceState.RUNNING) {
      this.state = DeviceState.BROKEN;
      this.raise(Event.BROKEN);
      log(message, this.handle, detail);
    }
  }

  /** Refuses further work: the device is not there any more. */
  vanish(): void {
    if (this.state == DeviceState.GONE) return;
    this.state = DeviceState.GONE;
    this.raise(Event.GONE);
    log(Message.DEVICE_GONE, this.handle, this.pciAddress);
  }
}

/** Open devices, as addresses of their Device; 0 where there is none. */
const openDevices = memory.data(256 * 4, 4);

/** Makes every handle differ from the ones that named the same slot before. */
let generation: u32 = 0;


@inline
function slot(index: u32): u32 {
  return <u32>openDevices + (index & (MAXIMUM_OPEN_DEVICES - 1)) * 4;
}

/** The open device that `handle` names, or null. */
export function deviceOf(handle: u32): Device | null {
  const device = deviceInSlot(handle);
  return device && device.handle == handle ? device : null;
}

/** The open device that the driver for that type has, or null. */
export function deviceOfType(handle: u32, type: u32): Device | null {
  const device = deviceOf(handle);
  return device && device.driver == type ? device : null;
}

// The data path does the same with as few branches as can be: null first, then `isAnother`.

/** The open device that `handle` names if it names any, otherwise another one or null. */
@inline
export function deviceInSlot(handle: u32): Device | null {
  return changetype<Device | null>(load<u32>(slot(handle)));
}

/** Not 0: the device is another than the one that `handle` names, or has another driver than the one for that type. */
@inline
export function isAnother(device: Device, handle: u32, type: u32): u32 {
  return (device.handle ^ handle) | (device.driver ^ type);
}

/** The open device in place `index` of MAXIMUM_OPEN_DEVICES that has registers, or null. */
export function connectedDevice(index: u32): Device | null {
  const device = deviceInSlot(index);
  return device && device.state != DeviceState.CLOSING ? device : null;
}

/**
 * Takes a place in the table and private memory for a device that is about to be opened, and notes what the caller wants
 * of it.
 *
 * @param pciAddress of its function; of no meaning with MMIO
 * @param bytes size of the driver's state, which begins with a Device
 * @param options address of a record that begins with a DeviceOptions, or 0
 * @returns the handle, E_INITIALIZE, E_IN_USE or E_MEMORY
 */
export function registerDevice(pciAddress: u32, type: u32, bytes: u32, options: u32 = 0): i32 {
  if (!arenaIsSet()) return Result.E_INITIALIZE;
  // Each is read once: a device may be able to write there.
  const transport = options == 0 ? 0 : changetype<DeviceOptions>(options).transport;
  const isInSlot = transport == TransportWanted.MMIO;
  const place = isInSlot ? changetype<DeviceOptions>(options).mmio_base : pciAddress;
  let free: u32 = MAXIMUM_OPEN_DEVICES;
  for (let index: u32 = 0; index < MAXIMUM_OPEN_DEVICES; index++) {
    const address = load<u32>(slot(index));
    if (address == 0) free = min(free, index);
    else if (isAt(changetype<Device>(address), isInSlot, place)) return Result.E_IN_USE;
  }
  if (free == MAXIMUM_OPEN_DEVICES) return Result.E_IN_USE;
  const address = allocatePrivate(bytes);
  if (address == 0) return Result.E_MEMORY;
  generation = (generation % 0x3f_ffff) + 1;
  const device = changetype<Device>(address);
  device.handle = generation * MAXIMUM_OPEN_DEVICES + free;
  device.type = type;
  device.driver = type;
  device.pciAddress = <u32>place;
  device.transportWanted = transport;
  if (isInSlot) device.mmioBase = place;
  if (options != 0) takeOptions(device, changetype<DeviceOptions>(options));
  store<u32>(slot(free), address);
  return device.handle;
}

/** Whether an open device has the MMIO slot at an address, or the PCI function. */
function isAt(device: Device, isInSlot: bool, place: u64): bool {
  if ((device.transportWanted == TransportWanted.MMIO) != isInSlot) return false;
  return place == (isInSlot ? device.mmioBase : device.pciAddress);
}

function takeOptions(device: Device, options: DeviceOptions): void {
  device.timeout = options.timeout_ns;
  device.vectorsWanted = options.vectors;
  device.queueSizeMax = options.queue_size_max;
  device.mmioBytes = options.mmio_bytes;
}

/** Whether it is out of reach until `resume`. A build leaves that out with `WITHOUT_SUSPEND`. */
@inline
export function isSuspended(device: Device): bool {
  return !isDefined(WITHOUT_SUSPEND) && device.state == DeviceState.SUSPENDED;
}

/** Gives back the device's place and memory. Its handle names nothing from here on. */
export function unregisterDevice(device: Device): void {
  store<u32>(slot(device.handle), 0);
  freePrivate(changetype<u32>(device));
}

/** Whether a device takes work: OK, E_HANDLE when there is none or it is being closed, E_BROKEN, E_GONE, E_SUSPENDED. */
export function runningResult(device: Device | null): i32 {
  if (!device) return Result.E_HANDLE;
  switch (device.state) {
    case DeviceState.RUNNING:
      return Result.OK;
    case DeviceState.BROKEN:
      return Result.E_BROKEN;
    case DeviceState.GONE:
      return Result.E_GONE;
    case DeviceState.SUSPENDED:
      return isDefined(WITHOUT_SUSPEND) ? Result.E_HANDLE : Result.E_SUSPENDED;
    default:
      return Result.E_HANDLE;
  }
}

/** What a call that takes things back answers when there was nothing to take: 0, E_BROKEN, E_GONE, E_SUSPENDED. */
export function nothingTaken(device: Device): i32 {
  return device.state == DeviceState.CLOSING ? 0 : runningResult(device);
}

/** Why a handle names no device that the driver for that type has and that takes work: E_HANDLE, E_BROKEN, E_GONE, E_SUSPENDED. */
export function refusal(handle: u32, type: u32): i32 {
  return runningResult(deviceOfType(handle, type));
}
