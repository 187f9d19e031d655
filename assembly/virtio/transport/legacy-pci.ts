/**
 * The legacy PCI transport: virtio registers in the I/O BAR 0. [virtio-1.2 §4.1.4.10, §4.1.5]
 *
 * Nothing above this file knows a register. MSI-X stays off, so the device configuration begins at 20.
 */
import { Interrupt, Message, Result } from "../../abi/results";
import { PciBar } from "../../abi/records";
import { in16, in32, in8, log, now_ns, out16, out32, out8, relax } from "../../kernel";
import { PAGE_SHIFT } from "../../memory/shared";
import { pci_bar } from "../../pci/bar";
import { functionExists, isConfigurationPort, read32 } from "../../pci/configuration";
import {
  disableBusMaster,
  disableMsix,
  enableBusMaster,
  enablePorts,
  readCommand,
  readMsixControl,
  restoreFunction,
} from "../../pci/function";
import { BaseAddress, Register } from "../../pci/registers";
import { identifyVirtio } from "./identity";
import { Device, portsAreTaken } from "../device";

// Offset, width, direction. [virtio-1.2 §4.1.4.10]
/** 32 bits, read: features 0 to 31 that the device offers. */
const VIRTIO_PCI_HOST_FEATURES: u32 = 0;
/** 32 bits, read and write: features that the driver accepts. */
const VIRTIO_PCI_GUEST_FEATURES: u32 = 4;
/** 32 bits, read and write: page number of the selected queue; 0: not in use. */
const VIRTIO_PCI_QUEUE_PFN: u32 = 8;
/** 16 bits, read: size of the selected queue; 0: there is no such queue. */
const VIRTIO_PCI_QUEUE_NUM: u32 = 12;
/** 16 bits, read and write: selects the queue that the two registers above speak of. */
const VIRTIO_PCI_QUEUE_SEL: u32 = 14;
/** 16 bits, write: the queue that has new buffers. */
const VIRTIO_PCI_QUEUE_NOTIFY: u32 = 16;
/** 8 bits, read and write. */
const VIRTIO_PCI_STATUS: u32 = 18;
/** 8 bits, read; reading clears it and takes the interrupt line back. */
const VIRTIO_PCI_ISR: u32 = 19;
/** Device configuration, while MSI-X is disabled. */
const VIRTIO_PCI_CONFIG: u32 = 20;

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

/** How long a device may take to reset, and how often it is asked in case the clock stands still. */
const RESET_NANOSECONDS: u64 = 1_000_000_000;
const RESET_POLLS: u32 = 1_000_000;

/** What `BAR 0` turned out to be; used only while a device is opened. */
const registersBar = memory.data(24, 8);

/** One byte from a port, of which a kernel may have made a negative number or more. */
function readPort8(port: u32): u32 {
  return in8(port) & 0xff;
}

/** The same for two bytes. */
function readPort16(port: u32): u32 {
  return in16(port) & 0xffff;
}

/**
 * Finds the registers of the function, or sees that they still are where they were, and lets it answer, with interrupts
 * but without access to memory.
 *
 * @returns OK, E_NOT_VIRTIO, E_BAR; E_NOT_FOUND of a device that is being opened, E_GONE of an open one
 */
export function connect(device: Device): i32 {
  const address = device.pciAddress;
  const isKnown = device.registers != 0;
  if (!functionExists(address)) return isKnown ? Result.E_GONE : Result.E_NOT_FOUND;
  if (identifyVirtio(address) != device.type) return Result.E_NOT_VIRTIO;
  if (isKnown) {
    if ((read32(address, Register.BASE_ADDRESS_0) & ~BaseAddress.IO_FLAGS) != device.registers) return Result.E_BAR;
  } else {
    const result = findRegisters(device);
    if (result != Result.OK) return result;
    device.commandFound = <u16>readCommand(address);
    device.msixFound = <u16>readMsixControl(address);
  }
  disableMsix(address);
  enablePorts(address);
  return Result.OK;
}

/** Sizes BAR 0 and takes its ports for the device's registers: OK, E_BAR, E_NOT_FOUND. */
function findRegisters(device: Device): i32 {
  const result = pci_bar(device.pciAddress, 0, <u32>registersBar);
  if (result != Result.OK) return result;
  const bar = changetype<PciBar>(registersBar);
  if (!bar.is_io || bar.base == 0 || bar.size < VIRTIO_PCI_CONFIG || bar.base + bar.size > 0x1_0000)
    return Result.E_BAR;
  const first = <u32>bar.base;
  const bytes = <u32>bar.size;
  // The function alone says where its registers are, and could name those of another one.
  if (isConfigurationPort(first, bytes) || portsAreTaken(device, first, bytes)) return Result.E_BAR;
  device.registers = first;
  device.registerBytes = bytes;
  return Result.OK;
}

/**
 * Takes the function's access to memory away, and leaves it as it was found for the rest. A device that was not reset may
 * interrupt for ever: it is silenced, since its line may be shared.
 *
 * @param isReset whether the device said that it was reset
 */
export function disconnect(device: Device, isReset: bool): void {
  const address = device.pciAddress;
  // Whatever answers there: it may be the device, and lie, and its memory goes back to the kernel.
  disableBusMaster(address);
  if (identifyVirtio(address) == device.type) restoreFunction(address, device.commandFound, device.msixFound, isReset);
}

/** Lets the function read and write memory. */
export function allowMemoryAccess(device: Device): void {
  enableBusMaster(device.pciAddress);
}

/** Takes away the function's access to memory: whatever it still has in mind, it cannot write it any more. */
export function forbidMemoryAccess(device: Device): void {
  disableBusMaster(device.pciAddress);
}

/**
 * Resets the device and waits until it says that it has. [virtio-1.2 §2.4.2]
 *
 * @returns OK; E_RESET_TIMEOUT when its status did not come back to 0 in time; E_GONE
 */
export function resetDevice(device: Device): i32 {
  const port = device.registers + VIRTIO_PCI_STATUS;
  out8(port, 0);
  const start = now_ns();
  let status: u32 = 0;
  for (let polls: u32 = 0; polls < RESET_POLLS; polls++) {
    status = readPort8(port);
    if (status == 0) return Result.OK;
    if (status == ALL_ONES) return Result.E_GONE;
    if (now_ns() - start > RESET_NANOSECONDS) break;
    relax();
  }
  log(Message.DEVICE_STUCK, device.pciAddress, status);
  return Result.E_RESET_TIMEOUT;
}

export function deviceStatus(device: Device): u32 {
  return readPort8(device.registers + VIRTIO_PCI_STATUS);
}

/** Whether nothing answers where the device was. */
export function deviceIsGone(device: Device): bool {
  return deviceStatus(device) == ALL_ONES;
}

/** Adds bits to the device status: apart from a reset, the only thing that ever happens to it. */
export function addStatus(device: Device, bits: u32): void {
  out8(device.registers + VIRTIO_PCI_STATUS, deviceStatus(device) | bits);
}

/** Features that the device offers. A legacy device has 32 of them. */
export function offeredFeatures(device: Device): u64 {
  return <u64>in32(device.registers + VIRTIO_PCI_HOST_FEATURES);
}

export function acceptFeatures(device: Device, features: u64): void {
  out32(device.registers + VIRTIO_PCI_GUEST_FEATURES, <u32>features);
}

/**
 * Selects a queue and asks for its size, which a legacy device alone decides. [virtio-1.2 §4.1.5.1.3, §4.1.5.1.3.1]
 *
 * @returns number of descriptors, not checked; 0: no such queue
 */
export function queueSize(device: Device, index: u32): u32 {
  out16(device.registers + VIRTIO_PCI_QUEUE_SEL, index);
  return readPort16(device.registers + VIRTIO_PCI_QUEUE_NUM);
}

/** Whether the selected queue is in use already. */
export function queueIsLive(device: Device): bool {
  return in32(device.registers + VIRTIO_PCI_QUEUE_PFN) != 0;
}

/** Whether a legacy device can be told of a ring at this physical address: the register holds 32 bits of pages. */
export function queueAddressFits(physical: u64): bool {
  return physical >> PAGE_SHIFT <= <u64>u32.MAX_VALUE;
}

/** Tells the device where the selected queue lies; from here on it may read and write there. */
export function setQueueAddress(device: Device, physical: u64): void {
  out32(device.registers + VIRTIO_PCI_QUEUE_PFN, <u32>(physical >> PAGE_SHIFT));
}

/** Tells the device that queue `index` has new buffers: an exit to the hypervisor. */
export function notify(device: Device, index: u32): void {
  out16(device.registers + VIRTIO_PCI_QUEUE_NOTIFY, index);
}

/** Why the device interrupts: bits of Interrupt, which it forgets; E_GONE. */
export function readInterruptStatus(device: Device): i32 {
  const status = readPort8(device.registers + VIRTIO_PCI_ISR);
  return status == ALL_ONES ? <i32>Result.E_GONE : status & INTERRUPT_BITS;
}

/** Whether the device configuration, as far as the BAR covers it, is large enough to have a field of `bytes` at `offset`. */
export function hasConfiguration(device: Device, offset: u32, bytes: u32): bool {
  return VIRTIO_PCI_CONFIG + offset + bytes <= device.registerBytes;
}

export function configuration8(device: Device, offset: u32): u32 {
  return readPort8(device.registers + VIRTIO_PCI_CONFIG + offset);
}

export function configuration16(device: Device, offset: u32): u32 {
  return readPort16(device.registers + VIRTIO_PCI_CONFIG + offset);
}

export function configuration32(device: Device, offset: u32): u32 {
  return in32(device.registers + VIRTIO_PCI_CONFIG + offset);
}
