/**
 * The transport seam: what the lifecycle, the queues and the drivers ask of the bus a device sits on.
 *
 * Which transport a device has is decided when it is connected. A build leaves transports out with `WITHOUT_MODERN_PCI` and
 * `WITHOUT_MMIO`; the conditions here are then constants.
 */
import { Interrupt, Message, Result, Transport, TransportWanted } from "../../abi/results";
import { log, mmio_write16, mmio_write32, now_ns, out16, relax } from "../../kernel";
import { disableBusMaster, enableBusMaster } from "../../pci/function";
import { Device } from "../device";
import * as legacy from "./legacy-pci";
import * as mmio from "./mmio";
import * as modern from "./modern-pci";
import { hasVectors, usePin } from "./msix";
import { Space } from "./structure";

/** Bits of the device status. [virtio-1.2 §2.1] */
export const enum Status {
  ACKNOWLEDGE = 1,
  DRIVER = 2,
  DRIVER_OK = 4,
  FEATURES_OK = 8,
  DEVICE_NEEDS_RESET = 64,
  FAILED = 128,
}

/** What an 8-bit register reads where nothing answers. No status or interrupt status is all ones. */
const ALL_ONES: u32 = 0xff;
/** The bits of the interrupt status that mean something. */
const INTERRUPT_BITS: u32 = Interrupt.QUEUE | Interrupt.CONFIGURATION;

/** How long a device may take to reset. */
const RESET_NANOSECONDS: u64 = 1_000_000_000;

/** How often a waiting loop looks, at most, while the clock stands still. */
export const STANDSTILL_POLLS: u32 = 1_000_000;


@inline
function isLegacyPci(device: Device): bool {
  if (isDefined(WITHOUT_MODERN_PCI) && isDefined(WITHOUT_MMIO)) return true;
  return device.transport == Transport.LEGACY_PCI;
}

/** Of a device that is not a legacy PCI device. */
@inline
function isMmio(device: Device): bool {
  if (isDefined(WITHOUT_MMIO)) return false;
  if (isDefined(WITHOUT_MODERN_PCI)) return true;
  return device.transport >= <u32>Transport.MMIO_1;
}


@inline
function isInBarOfMemory(device: Device): bool {
  return !isDefined(WITHOUT_MODERN_PCI) && device.transport == Transport.MODERN_PCI_MEMORY;
}

/** Whether the device must offer VERSION_1, and keeps all that follows from it. */
export function isModern(device: Device): bool {
  return !isLegacyPci(device) && device.transport != Transport.MMIO_1;
}

/**
 * Finds the registers of a device by the transport that is wanted, or sees that they still are where they were, and lets it
 * answer, with interrupts but without access to memory.
 *
 * @returns OK, E_NOT_VIRTIO, E_BAR, E_ARGUMENT, E_MEMORY; E_NOT_FOUND of a device that is being opened, E_GONE of an open one
 */
export function connect(device: Device): i32 {
  const wanted = device.transportWanted;
  if (wanted == TransportWanted.MMIO) {
    return isDefined(WITHOUT_MMIO) ? <i32>Result.E_NOT_VIRTIO : mmio.connectMmio(device);
  }
  if (isDefined(WITHOUT_MODERN_PCI)) {
    return wanted == TransportWanted.MODERN_PCI ? <i32>Result.E_NOT_VIRTIO : legacy.connectLegacy(device);
  }
  // An open device keeps the transport that it has.
  if (device.transport == Transport.LEGACY_PCI || wanted == TransportWanted.LEGACY_PCI) {
    return legacy.connectLegacy(device);
  }
  const isEither = wanted == TransportWanted.PCI;
  let result = modern.connectModern(device, !isEither);
  if (!isEither || device.transport != Transport.NONE) return result;
  // By its ports, a transitional device is much faster than by configuration space.
  result = legacy.connectLegacy(device);
  return result == Result.E_NOT_VIRTIO ? modern.connectModern(device, true) : result;
}

/**
 * Takes the function's access to memory away, leaves it as it was found for the rest, and gives back the grants of its
 * registers, which stay the device's until `disconnect`. A device that was not reset may interrupt for ever: it is
 * silenced, since its line may be shared.
 *
 * @param isReset whether the device said that it was reset
 */
export function release(device: Device, isReset: bool): void {
  if (isLegacyPci(device)) legacy.releaseLegacy(device, isReset);
  else if (isMmio(device)) mmio.releaseMmio(device);
  else modern.releaseModern(device, isReset);
}

/** Forgets the registers of a device that was released. */
export function disconnect(device: Device): void {
  if (!isLegacyPci(device) && !isMmio(device)) modern.forgetStructures(device);
  device.transport = Transport.NONE;
}

/** Lets the device read and write memory. */
export function allowMemoryAccess(device: Device): void {
  if (isLegacyPci(device) || !isMmio(device)) enableBusMaster(device.pciAddress);
}

/** Takes away its access to memory: whatever it still has in mind, it cannot write it any more. Not possible with MMIO. */
export function forbidMemoryAccess(device: Device): void {
  if (isLegacyPci(device) || !isMmio(device)) disableBusMaster(device.pciAddress);
}

/**
 * Resets the device and waits until it says that it has. [virtio-1.2 §2.4.2]
 *
 * @returns OK; E_RESET_TIMEOUT when its status did not come back to 0 in time; E_GONE
 */
export function resetDevice(device: Device): i32 {
  writeStatus(device, 0);
  const start = now_ns();
  let status: u32 = 0;
  for (let polls: u32 = 0; polls < STANDSTILL_POLLS; polls++) {
    status = deviceStatus(device);
    if (status == 0) return Result.OK;
    if (status == ALL_ONES) return Result.E_GONE;
    if (now_ns() - start > RESET_NANOSECONDS) break;
    relax();
  }
  log(Message.DEVICE_STUCK, device.pciAddress, status);
  return Result.E_RESET_TIMEOUT;
}

export function deviceStatus(device: Device): u32 {
  if (isLegacyPci(device)) return legacy.readStatus(device);
  return isMmio(device) ? mmio.readStatus(device) : modern.readStatus(device);
}

function writeStatus(device: Device, status: u32): void {
  if (isLegacyPci(device)) legacy.writeStatus(device, status);
  else if (isMmio(device)) mmio.writeStatus(device, status);
  else modern.writeStatus(device, status);
}

/** Whether nothing answers where the device was. */
export function deviceIsGone(device: Device): bool {
  return meansGone(device, deviceStatus(device));
}

/**
 * Whether a status says that nothing answers. All ones do; and 0, which no device in use has, where no function answers:
 * hosts read that from memory that is nobody's.
 */
function meansGone(device: Device, status: u32): bool {
  return status == ALL_ONES || (status == 0 && isInBarOfMemory(device) && modern.isAway(device));
}

/** The status of a device that can say that it needs a reset; 0 of a legacy device, without asking. */
export function modernStatus(device: Device): u32 {
  return isModern(device) ? deviceStatus(device) : 0;
}

/** Adds bits to the device status: apart from a reset, the only thing that ever happens to it. */
export function addStatus(device: Device, bits: u32): void {
  writeStatus(device, deviceStatus(device) | bits);
}

/** Features that the device offers; those from 32 on are 0 where the transport has no room for them. */
export function offeredFeatures(device: Device): u64 {
  if (isLegacyPci(device)) return legacy.offeredFeatures(device);
  return isMmio(device) ? mmio.offeredFeatures(device) : modern.offeredFeatures(device);
}

export function acceptFeatures(device: Device, features: u64): void {
  if (isLegacyPci(device)) legacy.acceptFeatures(device, features);
  else if (isMmio(device)) mmio.acceptFeatures(device, features);
  else modern.acceptFeatures(device, features);
}

/**
 * Selects a queue and asks for the size that the device would give it.
 *
 * @returns number of descriptors, not checked; 0: no such queue
 */
export function queueSize(device: Device, index: u32): u32 {
  if (isLegacyPci(device)) return legacy.queueSize(device, index);
  return isMmio(device) ? mmio.queueSize(device, index) : modern.queueSize(device, index);
}

/** Whether the driver may make a queue smaller than the device would. */
export function queueCanBeSmaller(device: Device): bool {
  return !isLegacyPci(device);
}

/** Whether the selected queue is in use already. */
export function queueIsLive(device: Device): bool {
  if (isLegacyPci(device)) return legacy.queueIsLive(device);
  return isMmio(device) ? mmio.queueIsLive(device) : modern.queueIsLive(device);
}

/** Whether the device can be told of a ring at this physical address. */
export function queueAddressFits(device: Device, physical: u64): bool {
  return isModern(device) || legacy.queueAddressFits(physical);
}

/**
 * Tells the device where the selected queue lies, and how it shall interrupt; from here on it may read and write there.
 * The ring is one piece in which every part lies where legacy devices look for it.
 *
 * @param index of the queue
 * @param size as `queueSize` said, or less where `queueCanBeSmaller`
 * @param available physical addresses of the parts
 */
export function setQueue(device: Device, index: u32, size: u32, descriptors: u64, available: u64, used: u64): void {
  if (isLegacyPci(device)) {
    setQueueVector(device, index);
    legacy.setQueueAddress(device, descriptors);
  } else if (isMmio(device)) {
    mmio.setQueue(device, size, descriptors, available, used);
  } else {
    modern.setQueue(device, size, descriptors, available, used);
    setQueueVector(device, index);
    modern.enableQueue(device);
  }
}

/**
 * How the selected queue is notified of: `doorbell` and `doorbellSpace` of `notify`.
 *
 * @returns false when the device says that this is somewhere else than in its registers
 */
export function findDoorbell(device: Device): bool {
  doorbellSpace = Space.PORTS;
  if (isLegacyPci(device)) {
    doorbell = legacy.doorbell(device);
  } else if (isMmio(device)) {
    doorbell = mmio.doorbell(device);
    doorbellSpace = MMIO_DOORBELL;
  } else {
    if (!modern.findDoorbell(device)) return false;
    doorbell = modern.doorbell;
    doorbellSpace = modern.doorbellSpace(device);
  }
  return true;
}

/** What `findDoorbell` found last. Written by this file only. */
export let doorbell: u32 = 0;
export let doorbellSpace: u32 = 0;

/** In the place of a Space: in memory, 32 bits. */
const MMIO_DOORBELL: u32 = Space.WINDOW + 1;

/** Tells the device that queue `index` has new buffers: an exit to the hypervisor, by one store or one `out`. */
@inline
export function notify(device: Device, space: u32, doorbell: u32, index: u32): void {
  if (isDefined(WITHOUT_MODERN_PCI) && isDefined(WITHOUT_MMIO)) out16(doorbell, index);
  else if (space == Space.PORTS) out16(doorbell, index);
  else notifyInMemory(device, space, doorbell, index);
}

function notifyInMemory(device: Device, space: u32, doorbell: u32, index: u32): void {
  if (!isDefined(WITHOUT_MMIO) && space == MMIO_DOORBELL) {
    mmio_write32(doorbell, index);
  } else if (!isDefined(WITHOUT_MODERN_PCI)) {
    if (space == Space.MEMORY) mmio_write16(doorbell, index);
    else modern.notifyByWindow(device, doorbell, index);
  }
}

/**
 * With message vectors, assigns that of configuration changes: vector 0. A device that does not take it is used with its
 * interrupt pin. To be called after the reset, before the configuration is read. [virtio-1.2 §4.1.5.1.2]
 */
export function setConfigurationVector(device: Device): void {
  if (!hasVectors(device)) return;
  if (setVector(device, false, 0)) device.generation = configurationGeneration(device);
  else usePin(device);
}

/**
 * With message vectors, assigns that of the selected queue: 1 + its index if there are enough for all queues; otherwise, or
 * when the device does not take that, 1, which other queues have, too, and then 0. A legacy device could not say what a
 * message of vector 0 means then; it is used with its interrupt pin, as is one that takes none of these. A quiet queue keeps
 * what it has after a reset: none. [virtio-1.2 §4.1.5.1.2]
 */
function setQueueVector(device: Device, index: u32): void {
  if (!hasVectors(device)) return;
  const telling = device.queueCount - device.quietQueues;
  if (index >= telling) return;
  let vector = telling < device.vectors ? index + 1 : min(1, device.vectors - 1);
  while (vector != 0 && !setVector(device, true, vector)) vector = vector > 1 ? 1 : 0;
  if (vector != 0 || (isModern(device) && setVector(device, true, 0))) device.queueVectors |= (<u64>1) << vector;
  else usePin(device);
}

function setVector(device: Device, isOfQueue: bool, vector: u32): bool {
  if (isLegacyPci(device)) return legacy.setVector(device, isOfQueue, vector);
  if (isDefined(WITHOUT_MODERN_PCI)) return false;
  return modern.setVector(device, isOfQueue, vector);
}

/** What message `vector` of a device tells: bits of Interrupt. Costs two reads where that may be either. */
export function meaningOfVector(device: Device, vector: u32): u32 {
  if (isDefined(WITHOUT_MSIX) || vector >= device.vectors) return 0;
  const ofQueues = (<u32>(device.queueVectors >> vector)) & Interrupt.QUEUE;
  if (vector != 0) return ofQueues;
  if (ofQueues == 0) return Interrupt.CONFIGURATION;
  const before = device.generation;
  device.generation = configurationGeneration(device);
  const isNews = device.generation != before || (deviceStatus(device) & Status.DEVICE_NEEDS_RESET) != 0;
  return isNews ? Interrupt.QUEUE | Interrupt.CONFIGURATION : Interrupt.QUEUE;
}

/**
 * Why the device interrupts: bits of Interrupt, which it forgets; E_GONE. Where messages tell, or the device has no such
 * register, only whether it needs a reset is found out.
 */
export function readInterruptStatus(device: Device): i32 {
  let status: u32 = 0;
  if (isLegacyPci(device)) {
    if (hasVectors(device)) return readError(device);
    status = legacy.readIsr(device);
  } else if (isMmio(device)) {
    status = mmio.readIsr(device) & ALL_ONES;
  } else {
    if (hasVectors(device) || !modern.hasInterruptStatus(device)) return readError(device);
    status = modern.readIsr(device);
    // Another device on the line interrupts, or this one is gone.
    if (status == 0 && isInBarOfMemory(device)) return deviceIsGone(device) ? <i32>Result.E_GONE : 0;
  }
  return status == ALL_ONES ? <i32>Result.E_GONE : status & INTERRUPT_BITS;
}

function readError(device: Device): i32 {
  const status = deviceStatus(device);
  if (meansGone(device, status)) return Result.E_GONE;
  return status & Status.DEVICE_NEEDS_RESET ? Interrupt.CONFIGURATION : 0;
}

/** Whether the device configuration, as far as there is room for it, is large enough to have a field of `bytes` at `offset`. */
export function hasConfiguration(device: Device, offset: u32, bytes: u32): bool {
  return offset + bytes <= configurationBytes(device);
}

/** Bytes of the device configuration, as far as there is room for it. */
export function configurationBytes(device: Device): u32 {
  if (isLegacyPci(device)) return legacy.configurationBytes(device);
  return isMmio(device) ? mmio.configurationBytes(device) : modern.configurationBytes(device);
}

// The device configuration, each field with its own width.

export function configuration8(device: Device, offset: u32): u32 {
  if (isLegacyPci(device)) return legacy.configuration8(device, offset);
  return otherConfiguration(device, offset, 1);
}

export function configuration16(device: Device, offset: u32): u32 {
  if (isLegacyPci(device)) return legacy.configuration16(device, offset);
  return otherConfiguration(device, offset, 2);
}

export function configuration32(device: Device, offset: u32): u32 {
  if (isLegacyPci(device)) return legacy.configuration32(device, offset);
  return otherConfiguration(device, offset, 4);
}

/** Of a device that is not a legacy PCI device. */
function otherConfiguration(device: Device, offset: u32, width: u32): u32 {
  if (isMmio(device)) return mmio.configuration(device, offset, width);
  return modern.configuration(device, offset, width);
}

/** A field whose width, 1, 2 or 4 bytes, is only known when it is read. */
export function configuration(device: Device, offset: u32, width: u32): u32 {
  if (isLegacyPci(device)) return legacy.configuration(device, offset, width);
  return otherConfiguration(device, offset, width);
}

export function writeConfiguration(device: Device, offset: u32, width: u32, value: u32): void {
  if (isLegacyPci(device)) legacy.writeConfiguration(device, offset, width, value);
  else if (isMmio(device)) mmio.writeConfiguration(device, offset, width, value);
  else modern.writeConfiguration(device, offset, width, value);
}

/** A number that is another one when the device configuration is; always 0 of legacy devices, which have none. */
export function configurationGeneration(device: Device): u32 {
  if (!isModern(device)) return 0;
  return isMmio(device) ? mmio.generation(device) : modern.generation(device);
}
