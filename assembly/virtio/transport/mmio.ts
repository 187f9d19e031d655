/**
 * The memory-mapped transport, version 1 (legacy) and 2. The kernel names the place; nothing is searched for.
 * [virtio-1.2 §4.2, §4.2.4]
 */
import { MmioIdentity } from "../../abi/records";
import { Result, Transport } from "../../abi/results";
import { mmio_map, mmio_read32, mmio_unmap, mmio_write32 } from "../../kernel";
import { checkRecords } from "../../memory/records";
import { PAGE_BYTES, PAGE_SHIFT } from "../../memory/shared";
import { Device } from "../device";
import { readMemory, writeMemory } from "./access";
import { registersAreTaken } from "./taken";

// All of 32 bits but the device configuration. [virtio-1.2 §4.2.2]
const MAGIC_VALUE: u32 = 0x000;
const VERSION: u32 = 0x004;
const DEVICE_ID: u32 = 0x008;
const VENDOR_ID: u32 = 0x00c;
const DEVICE_FEATURES: u32 = 0x010;
const DEVICE_FEATURES_SEL: u32 = 0x014;
const DRIVER_FEATURES: u32 = 0x020;
const DRIVER_FEATURES_SEL: u32 = 0x024;
const QUEUE_SEL: u32 = 0x030;
const QUEUE_NUM_MAX: u32 = 0x034;
const QUEUE_NUM: u32 = 0x038;
const QUEUE_NOTIFY: u32 = 0x050;
const INTERRUPT_STATUS: u32 = 0x060;
const INTERRUPT_ACK: u32 = 0x064;
const STATUS: u32 = 0x070;
const CONFIG: u32 = 0x100;
// Version 1 only. [virtio-1.2 §4.2.4]
const GUEST_PAGE_SIZE: u32 = 0x028;
const QUEUE_ALIGN: u32 = 0x03c;
const QUEUE_PFN: u32 = 0x040;
// Version 2 only.
const QUEUE_READY: u32 = 0x044;
const QUEUE_DESC: u32 = 0x080;
const QUEUE_DRIVER: u32 = 0x090;
const QUEUE_DEVICE: u32 = 0x0a0;
const CONFIG_GENERATION: u32 = 0x0fc;

/** "virt". */
const MAGIC: u32 = 0x7472_6976;

/** What the registers that `identify` read last say. */
let version: u32 = 0;
let deviceId: u32 = 0;


@inline
function read(device: Device, register: u32): u32 {
  return mmio_read32(device.registers + register);
}


@inline
function write(device: Device, register: u32, value: u32): void {
  mmio_write32(device.registers + register, value);
}

/** What is in a slot: OK, E_NOT_VIRTIO, E_NOT_FOUND when it is empty or nothing answers. */
function identify(window: u32): i32 {
  const magic = mmio_read32(window + MAGIC_VALUE);
  if (magic == u32.MAX_VALUE) return Result.E_NOT_FOUND;
  if (magic != MAGIC) return Result.E_NOT_VIRTIO;
  version = mmio_read32(window + VERSION);
  if (version != 1 && version != 2) return Result.E_NOT_VIRTIO;
  deviceId = mmio_read32(window + DEVICE_ID);
  return deviceId == 0 ? Result.E_NOT_FOUND : Result.OK;
}

/**
 * Says what is in a slot for memory-mapped devices, which may be open. Changes nothing there.
 *
 * @param base physical address of its registers, a multiple of 4
 * @param bytes how many there are, at least 256
 * @param record address of an MmioIdentity to be filled
 * @returns OK; E_NOT_FOUND when the slot is empty, or nothing answers; E_NOT_VIRTIO; E_BAR when the kernel does not grant
 *   the registers; E_ARGUMENT; E_UNSUPPORTED when the module was built without this transport
 */
export function mmio_identify(base: u64, bytes: u32, record: u32): i32 {
  if (isDefined(WITHOUT_MMIO)) return Result.E_UNSUPPORTED;
  if (!checkRecords(record, 1, offsetof<MmioIdentity>()) || !isSlot(base, bytes)) return Result.E_ARGUMENT;
  const window = mmio_map(base, bytes);
  if (window == 0) return Result.E_BAR;
  const result = identify(window);
  if (result == Result.OK) {
    const identity = changetype<MmioIdentity>(record);
    identity.type = deviceId;
    identity.version = version;
    identity.vendor = mmio_read32(window + VENDOR_ID);
  }
  mmio_unmap(window, bytes);
  return result;
}

/** Whether registers can be there. */
function isSlot(base: u64, bytes: u32): bool {
  return bytes >= CONFIG && (base & 3) == 0 && base + bytes > base;
}

/**
 * Takes over the slot that the caller named, or sees that the device still is there.
 *
 * @returns OK, E_ARGUMENT, E_BAR, E_NOT_VIRTIO; E_NOT_FOUND of a device that is being opened, E_GONE of an open one
 */
export function connectMmio(device: Device): i32 {
  const isKnown = device.transport != Transport.NONE;
  const base = device.mmioBase;
  const bytes = device.mmioBytes;
  if (!isKnown) {
    if (!isSlot(base, bytes)) return Result.E_ARGUMENT;
    if (registersAreTaken(false, base, bytes)) return Result.E_BAR;
    device.registerBytes = bytes;
  }
  const hadWindow = device.registers != 0;
  if (!hadWindow) device.registers = mmio_map(base, bytes);
  if (device.registers == 0) return Result.E_BAR;
  let result = identify(device.registers);
  if (result == Result.OK && deviceId != device.type) result = Result.E_NOT_VIRTIO;
  const transport = Transport.MMIO_1 - 1 + version;
  if (isKnown) {
    if (result == Result.E_NOT_FOUND) result = Result.E_GONE;
    if (result == Result.OK && transport != device.transport) result = Result.E_NOT_VIRTIO;
  }
  if (result == Result.OK) device.transport = transport;
  else if (!hadWindow) releaseMmio(device);
  return result;
}

/** As `release` of the seam. There is no way to take access to memory from a device that did not reset. */
export function releaseMmio(device: Device): void {
  mmio_unmap(device.registers, device.registerBytes);
  device.registers = 0;
}


@inline
function isLegacy(device: Device): bool {
  return device.transport == Transport.MMIO_1;
}

export function readStatus(device: Device): u32 {
  return read(device, STATUS) & 0xff;
}

export function writeStatus(device: Device, status: u32): void {
  write(device, STATUS, status);
}

export function offeredFeatures(device: Device): u64 {
  let high: u64 = 0;
  if (!isLegacy(device)) {
    write(device, DEVICE_FEATURES_SEL, 1);
    high = read(device, DEVICE_FEATURES);
  }
  write(device, DEVICE_FEATURES_SEL, 0);
  return (high << 32) | read(device, DEVICE_FEATURES);
}

export function acceptFeatures(device: Device, features: u64): void {
  write(device, DRIVER_FEATURES_SEL, 0);
  write(device, DRIVER_FEATURES, <u32>features);
  if (isLegacy(device)) {
    // Before any queue is used.
    write(device, GUEST_PAGE_SIZE, PAGE_BYTES);
  } else {
    write(device, DRIVER_FEATURES_SEL, 1);
    write(device, DRIVER_FEATURES, <u32>(features >> 32));
  }
}

/** A register of 32 bits, for a number that has 16. [virtio-1.2 §2.7] */
export function queueSize(device: Device, index: u32): u32 {
  write(device, QUEUE_SEL, index);
  const size = read(device, QUEUE_NUM_MAX);
  return size <= 0xffff ? size : 0;
}

export function queueIsLive(device: Device): bool {
  return read(device, isLegacy(device) ? QUEUE_PFN : QUEUE_READY) != 0;
}

/** Tells the device of the selected queue, which is live from here on. */
export function setQueue(device: Device, size: u32, descriptors: u64, available: u64, used: u64): void {
  write(device, QUEUE_NUM, size);
  if (isLegacy(device)) {
    write(device, QUEUE_ALIGN, PAGE_BYTES);
    write(device, QUEUE_PFN, <u32>(descriptors >> PAGE_SHIFT));
    return;
  }
  writeAddress(device, QUEUE_DESC, descriptors);
  writeAddress(device, QUEUE_DRIVER, available);
  writeAddress(device, QUEUE_DEVICE, used);
  write(device, QUEUE_READY, 1);
}

function writeAddress(device: Device, register: u32, address: u64): void {
  write(device, register, <u32>address);
  write(device, register + 4, <u32>(address >> 32));
}

/** Where queues are notified of. */
export function doorbell(device: Device): u32 {
  return device.registers + QUEUE_NOTIFY;
}

/** Why the device interrupts. What it does not forget by itself, it is told that we know; nothing where it is gone. */
export function readIsr(device: Device): u32 {
  const status = read(device, INTERRUPT_STATUS);
  if (status != 0 && status != u32.MAX_VALUE) write(device, INTERRUPT_ACK, status);
  return status;
}

/** Bytes of the device configuration that the slot has room for. */
export function configurationBytes(device: Device): u32 {
  return device.registerBytes - CONFIG;
}

export function configuration(device: Device, offset: u32, width: u32): u32 {
  return readMemory(device.registers + CONFIG + offset, width);
}

export function writeConfiguration(device: Device, offset: u32, width: u32, value: u32): void {
  writeMemory(device.registers + CONFIG + offset, width, value);
}

export function generation(device: Device): u32 {
  return read(device, CONFIG_GENERATION);
}
