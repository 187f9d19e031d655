/**
 * The modern PCI transport: registers in several structures, which vendor capabilities describe. [virtio-1.2 §4.1]
 *
 * Of each structure the first is used that a base address register leads to, by ports or in memory. What cannot be reached
 * so is reached through configuration space, if the caller allows it.
 */
import { Result, Transport } from "../../abi/results";
import { mmio_map, mmio_unmap } from "../../kernel";
import { allocatePrivate, freePrivate } from "../../memory/arena";
import { barBase, barIsIo, barSize, findBar, readBase } from "../../pci/bar";
import { firstCapability, nextCapability } from "../../pci/capabilities";
import { functionExists, isConfigurationPort, readPci32, readPci8 } from "../../pci/configuration-space";
import { changeCommand, disableBusMaster, enableDecoding, readCommand, restoreFunction } from "../../pci/function";
import { Capability, Command } from "../../pci/registers";
import { Device } from "../device";
import { identifyVirtio } from "./identity";
import { chooseInterrupts, rememberInterrupts } from "./msix";
import { Space, Structure } from "./structure";
import { overlap, registersAreTaken } from "./taken";
import { PciWindow } from "./window";

// The capability: id, link, cap_len and cfg_type, a byte each, then these. [virtio-1.2 §4.1.4]
const CAPABILITY_BAR: u32 = 4;
const CAPABILITY_OFFSET: u32 = 8;
const CAPABILITY_LENGTH: u32 = 12;
const NOTIFY_OFF_MULTIPLIER: u32 = 16;
const CAPABILITY_BYTES: u32 = 16;
/** Of those that have one more field. */
const LONGER_CAPABILITY_BYTES: u32 = 20;

/** cfg_type. The first four are structures. */
const enum Type {
  COMMON = 1,
  NOTIFY = 2,
  ISR = 3,
  DEVICE = 4,
  PCI_CFG = 5,
}
const STRUCTURES: u32 = 4;

// The common structure. [virtio-1.2 §4.1.4.3]
const DEVICE_FEATURE_SELECT: u32 = 0x00;
const DEVICE_FEATURE: u32 = 0x04;
const DRIVER_FEATURE_SELECT: u32 = 0x08;
const DRIVER_FEATURE: u32 = 0x0c;
const CONFIG_MSIX_VECTOR: u32 = 0x10;
const DEVICE_STATUS: u32 = 0x14;
const CONFIG_GENERATION: u32 = 0x15;
const QUEUE_SELECT: u32 = 0x16;
const QUEUE_SIZE: u32 = 0x18;
const QUEUE_MSIX_VECTOR: u32 = 0x1a;
const QUEUE_ENABLE: u32 = 0x1c;
const QUEUE_NOTIFY_OFF: u32 = 0x1e;
const QUEUE_DESC: u32 = 0x20;
const QUEUE_DRIVER: u32 = 0x28;
const QUEUE_DEVICE: u32 = 0x30;
/** Without what later features have added. */
const COMMON_BYTES: u32 = 0x38;

/** No structure has more bytes that count. */
const STRUCTURE_BYTES_MAX: u32 = 0x0100_0000;
const PORTS: u64 = 0x1_0000;
const CONFIGURATION_SPACE_BYTES: u32 = 256;

/** What the transport knows of a function, in private memory; its structures follow it. */
@unmanaged
class ModernPci extends PciWindow {
  /** Distance of two queues' notification addresses, unless the device says it otherwise. */
  multiplier: u32;
  /** Bits of Command: what must be decoded for the structures to be reached. */
  spaces: u32;
}

const MODERN_BYTES: u32 = (offsetof<ModernPci>() + 7) & ~7;


@inline
function modernOf(device: Device): ModernPci {
  return changetype<ModernPci>(device.structures);
}

/** @param type COMMON to DEVICE */
@inline
function structureOf(device: Device, type: u32): Structure {
  return changetype<Structure>(device.structures + MODERN_BYTES + (type - 1) * offsetof<Structure>());
}

function read(device: Device, type: u32, offset: u32, width: u32): u32 {
  return structureOf(device, type).read(modernOf(device), offset, width);
}

function write(device: Device, type: u32, offset: u32, width: u32, value: u32): void {
  structureOf(device, type).write(modernOf(device), offset, width, value);
}

/** 64-bit registers are written as two halves. [virtio-1.2 §4.1.3.1] */
function writeAddress(device: Device, offset: u32, address: u64): void {
  write(device, Type.COMMON, offset, 4, <u32>address);
  write(device, Type.COMMON, offset + 4, 4, <u32>(address >> 32));
}

/**
 * Finds the structures of the function, or sees that they still are where they were, and lets it answer, with interrupts
 * but without access to memory.
 *
 * @param mayUseWindow whether structures may be reached by configuration space
 * @returns OK, E_NOT_VIRTIO, E_BAR, E_MEMORY; E_NOT_FOUND of a device that is being opened, E_GONE of an open one
 */
export function connectModern(device: Device, mayUseWindow: bool): i32 {
  const address = device.pciAddress;
  const isKnown = device.transport != Transport.NONE;
  if (!functionExists(address)) return isKnown ? Result.E_GONE : Result.E_NOT_FOUND;
  if (identifyVirtio(address) != device.type) return Result.E_NOT_VIRTIO;
  if (isKnown) {
    if (!structuresAreInPlace(device) || !mapStructures(device)) return Result.E_BAR;
    modernOf(device).forget();
  } else {
    const result = findStructures(device, mayUseWindow);
    if (result != Result.OK) return result;
    rememberInterrupts(device);
  }
  chooseInterrupts(device);
  enableDecoding(address, modernOf(device).spaces);
  return Result.OK;
}

/** Whether the base address registers lead where they did. */
function structuresAreInPlace(device: Device): bool {
  for (let type: u32 = Type.COMMON; type <= STRUCTURES; type++) {
    const structure = structureOf(device, type);
    if (structure.space != Space.PORTS && structure.space != Space.MEMORY) continue;
    if (readBase(device.pciAddress, structure.bar) + structure.offset != structure.address) return false;
  }
  return true;
}

/** Walks the capability list: OK, E_NOT_VIRTIO, E_BAR, E_MEMORY. */
function findStructures(device: Device, mayUseWindow: bool): i32 {
  const address = device.pciAddress;
  device.structures = allocatePrivate(MODERN_BYTES + STRUCTURES * offsetof<Structure>());
  if (device.structures == 0) return Result.E_MEMORY;
  const modern = modernOf(device);
  modern.pciAddress = address;
  device.commandFound = <u16>readCommand(address);
  let isModern = false;
  for (let at = firstCapability(address); at != 0;) {
    const entry = readPci32(address, at);
    const type = entry >> 24;
    if ((entry & 0xff) == Capability.VENDOR_SPECIFIC) {
      const bytes = (entry >> 16) & 0xff;
      const needed = type == Type.NOTIFY || type == Type.PCI_CFG ? LONGER_CAPABILITY_BYTES : CAPABILITY_BYTES;
      if (bytes >= needed && at + needed <= CONFIGURATION_SPACE_BYTES) {
        if (type == Type.COMMON) isModern = true;
        if (type == Type.PCI_CFG && modern.capability == 0) modern.capability = at;
        if (type - 1 < STRUCTURES) findStructure(device, type, at);
      }
    }
    at = nextCapability(at, entry);
  }
  if (!mayUseWindow || modern.capability == 0) closeWindow(device);
  const common = structureOf(device, Type.COMMON).space;
  if (common != Space.NONE && structureOf(device, Type.NOTIFY).space != Space.NONE) {
    device.transport = Transport.MODERN_PCI_PORTS - Space.PORTS + common;
    return Result.OK;
  }
  unmapStructures(device);
  forgetStructures(device);
  changeCommand(address, Command.MEMORY_SPACE, device.commandFound & Command.MEMORY_SPACE);
  return isModern ? Result.E_BAR : Result.E_NOT_VIRTIO;
}

/** There is no way to structures that no base address register leads to. */
function closeWindow(device: Device): void {
  for (let type: u32 = Type.COMMON; type <= STRUCTURES; type++) {
    const structure = structureOf(device, type);
    if (structure.space == Space.WINDOW) structure.space = Space.NONE;
  }
}

/** Takes the structure that the capability at offset `at` describes, if it makes sense and there is none that is better. */
function findStructure(device: Device, type: u32, at: u32): void {
  const structure = structureOf(device, type);
  if (structure.space == Space.PORTS || structure.space == Space.MEMORY) return;
  const address = device.pciAddress;
  const bar = readPci8(address, at + CAPABILITY_BAR);
  const offset = readPci32(address, at + CAPABILITY_OFFSET);
  const length = min(readPci32(address, at + CAPABILITY_LENGTH), STRUCTURE_BYTES_MAX);
  if (length < bytesMin(type) || offset & (widthMax(type) - 1)) return;
  if (findBar(address, bar) != Result.OK || <u64>offset + length > barSize) return;
  const first = barBase + offset;
  const base = reach(device, first, length);
  if (base == 0 && structure.space == Space.WINDOW) return;
  structure.space = base == 0 ? Space.WINDOW : barIsIo ? Space.PORTS : Space.MEMORY;
  structure.bar = bar;
  structure.offset = offset;
  structure.length = length;
  structure.base = base == 0 ? offset : base;
  structure.address = first;
  if (type == Type.NOTIFY) modernOf(device).multiplier = readPci32(address, at + NOTIFY_OFF_MULTIPLIER);
}

/** Bytes without which a structure is of no use. */
function bytesMin(type: u32): u32 {
  return type == Type.COMMON ? COMMON_BYTES : type == Type.NOTIFY ? 2 : 1;
}

/** Bytes of the widest access; the structure is aligned to it. [virtio-1.2 §4.1.4] */
function widthMax(type: u32): u32 {
  return type == Type.ISR ? 1 : type == Type.NOTIFY ? 2 : 4;
}

/** Where the `length` bytes from `first` on, behind the base address register found last, are accessed; 0: nowhere. */
function reach(device: Device, first: u64, length: u32): u32 {
  if (barBase == 0 || registersAreTaken(barIsIo, first, length)) return 0;
  const modern = modernOf(device);
  if (barIsIo) {
    if (barBase + barSize > PORTS || isConfigurationPort(<u32>first, length)) return 0;
    modern.spaces |= Command.IO_SPACE;
    return <u32>first;
  }
  const base = mapWindow(device, first, length);
  if (base != 0) modern.spaces |= Command.MEMORY_SPACE;
  return base;
}

/** Whether the kernel grants all structures in memory: again, where `unmapStructures` gave them back. */
function mapStructures(device: Device): bool {
  for (let type: u32 = Type.COMMON; type <= STRUCTURES; type++) {
    const structure = structureOf(device, type);
    if (structure.space != Space.MEMORY || structure.base != 0) continue;
    structure.base = mapWindow(device, structure.address, structure.length);
    if (structure.base == 0) {
      unmapStructures(device);
      return false;
    }
  }
  return true;
}

/** Asks for registers in memory, of a function that answers there. Returns where they are accessed, or 0. */
function mapWindow(device: Device, first: u64, length: u32): u32 {
  // A kernel may grant only what the function answers to.
  changeCommand(device.pciAddress, 0, Command.MEMORY_SPACE);
  const unaligned = (<u32>first) & 3;
  const window = mmio_map(first - unaligned, length + unaligned);
  return window == 0 ? 0 : window + unaligned;
}

/** Gives back what the kernel granted in memory. */
function unmapStructures(device: Device): void {
  for (let type: u32 = Type.COMMON; type <= STRUCTURES; type++) {
    const structure = structureOf(device, type);
    if (structure.space != Space.MEMORY || structure.base == 0) continue;
    const unaligned = (<u32>structure.address) & 3;
    mmio_unmap(structure.base - unaligned, structure.length + unaligned);
    structure.base = 0;
  }
}

/** Gives back what `findStructures` took, but for the grants. */
export function forgetStructures(device: Device): void {
  freePrivate(device.structures);
  device.structures = 0;
}

/** Whether a structure of an open modern device has any of these ports or bytes. */
export function structuresOverlap(device: Device, isIo: bool, first: u64, bytes: u64): bool {
  for (let type: u32 = Type.COMMON; type <= STRUCTURES; type++) {
    const structure = structureOf(device, type);
    if (structure.space != (isIo ? Space.PORTS : Space.MEMORY)) continue;
    if (overlap(first, bytes, structure.address, structure.length)) return true;
  }
  return false;
}

/** As `release` of the seam. */
export function releaseModern(device: Device, isReset: bool): void {
  const address = device.pciAddress;
  unmapStructures(device);
  // Whatever answers there: it may be the device, and lie, and its memory goes back to the kernel.
  disableBusMaster(address);
  if (identifyVirtio(address) == device.type) restoreFunction(address, device.commandFound, device.msixFound, isReset);
}

/** Whether the function is not there any more, or answers no accesses of memory. */
export function isAway(device: Device): bool {
  const address = device.pciAddress;
  return !functionExists(address) || !(readCommand(address) & Command.MEMORY_SPACE);
}

export function readStatus(device: Device): u32 {
  return read(device, Type.COMMON, DEVICE_STATUS, 1);
}

export function writeStatus(device: Device, status: u32): void {
  write(device, Type.COMMON, DEVICE_STATUS, 1, status);
}

export function offeredFeatures(device: Device): u64 {
  write(device, Type.COMMON, DEVICE_FEATURE_SELECT, 4, 1);
  const high: u64 = read(device, Type.COMMON, DEVICE_FEATURE, 4);
  write(device, Type.COMMON, DEVICE_FEATURE_SELECT, 4, 0);
  return (high << 32) | read(device, Type.COMMON, DEVICE_FEATURE, 4);
}

export function acceptFeatures(device: Device, features: u64): void {
  write(device, Type.COMMON, DRIVER_FEATURE_SELECT, 4, 0);
  write(device, Type.COMMON, DRIVER_FEATURE, 4, <u32>features);
  write(device, Type.COMMON, DRIVER_FEATURE_SELECT, 4, 1);
  write(device, Type.COMMON, DRIVER_FEATURE, 4, <u32>(features >> 32));
}

export function queueSize(device: Device, index: u32): u32 {
  write(device, Type.COMMON, QUEUE_SELECT, 2, index);
  return read(device, Type.COMMON, QUEUE_SIZE, 2);
}

export function queueIsLive(device: Device): bool {
  return read(device, Type.COMMON, QUEUE_ENABLE, 2) != 0;
}

export function setQueue(device: Device, size: u32, descriptors: u64, available: u64, used: u64): void {
  write(device, Type.COMMON, QUEUE_SIZE, 2, size);
  writeAddress(device, QUEUE_DESC, descriptors);
  writeAddress(device, QUEUE_DRIVER, available);
  writeAddress(device, QUEUE_DEVICE, used);
}

/** What makes the selected queue live. Never 0: a queue is only disabled by a reset. [virtio-1.2 §4.1.4.3.2] */
export function enableQueue(device: Device): void {
  write(device, Type.COMMON, QUEUE_ENABLE, 2, 1);
}

/** Space and place in one of the selected queue's notification address, false: it lies outside of the structure. */
export function findDoorbell(device: Device): bool {
  const structure = structureOf(device, Type.NOTIFY);
  const at = <u64>read(device, Type.COMMON, QUEUE_NOTIFY_OFF, 2) * modernOf(device).multiplier;
  if (at + 2 > structure.length || at & 1) return false;
  doorbell = structure.base + <u32>at;
  return true;
}

/** What `findDoorbell` found last: where the queue is notified, as the space of the structure says. */
export let doorbell: u32 = 0;

export function doorbellSpace(device: Device): u32 {
  return structureOf(device, Type.NOTIFY).space;
}

/** A notification by configuration space, for a device that knows no other way. */
export function notifyByWindow(device: Device, at: u32, index: u32): void {
  modernOf(device).write(structureOf(device, Type.NOTIFY).bar, at, 2, index);
}

/** Tries a vector for the configuration, or for the selected queue. Returns whether the device has the means for it. */
export function setVector(device: Device, isOfQueue: bool, vector: u32): bool {
  const register = isOfQueue ? QUEUE_MSIX_VECTOR : CONFIG_MSIX_VECTOR;
  write(device, Type.COMMON, register, 2, vector);
  return read(device, Type.COMMON, register, 2) == vector;
}

/** Whether the device says by a register why it interrupts; those with MSI-X only may not. */
export function hasInterruptStatus(device: Device): bool {
  return structureOf(device, Type.ISR).space != Space.NONE;
}

export function readIsr(device: Device): u32 {
  return read(device, Type.ISR, 0, 1);
}

/** Bytes of the device configuration. */
export function configurationBytes(device: Device): u32 {
  const structure = structureOf(device, Type.DEVICE);
  return structure.space == Space.NONE ? 0 : structure.length;
}

export function configuration(device: Device, offset: u32, width: u32): u32 {
  return read(device, Type.DEVICE, offset, width);
}

export function writeConfiguration(device: Device, offset: u32, width: u32, value: u32): void {
  write(device, Type.DEVICE, offset, width, value);
}

export function generation(device: Device): u32 {
  return read(device, Type.COMMON, CONFIG_GENERATION, 1);
}
