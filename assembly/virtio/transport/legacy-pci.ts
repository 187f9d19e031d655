/**
 * The legacy PCI transport: virtio registers in the I/O BAR 0. [virtio-1.2 §4.1.4.10, §4.1.5]
 *
 * Nothing above this file knows a register.
 */
import { Result, Transport } from "../../abi/results";
import { in16, in32, in8, out16, out32, out8 } from "../../kernel";
import { PAGE_SHIFT } from "../../memory/shared";
import { barBase, barIsIo, barSize, findBar } from "../../pci/bar";
import { functionExists, isConfigurationPort, readPci32 } from "../../pci/configuration-space";
import { disableBusMaster, enableDecoding, readCommand, restoreFunction } from "../../pci/function";
import { BaseAddress, Command, Register } from "../../pci/registers";
import { Device } from "../device";
import { readPorts, writePorts } from "./access";
import { identifyLegacy } from "./identity";
import { chooseInterrupts, hasVectors, rememberInterrupts } from "./msix";
import { registersAreTaken } from "./taken";

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
/** 16 bits each, read and write, only while MSI-X is enabled: vector of configuration changes, and of the selected queue. */
const VIRTIO_MSI_CONFIG_VECTOR: u32 = 20;
const VIRTIO_MSI_QUEUE_VECTOR: u32 = 22;
/** Device configuration, after the vectors if they are there. */
const VIRTIO_PCI_CONFIG: u32 = 20;
const VECTOR_BYTES: u32 = 4;

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
export function connectLegacy(device: Device): i32 {
  const address = device.pciAddress;
  const isKnown = device.transport != Transport.NONE;
  if (!functionExists(address)) return isKnown ? Result.E_GONE : Result.E_NOT_FOUND;
  if (identifyLegacy(address) != device.type) return Result.E_NOT_VIRTIO;
  if (isKnown) {
    if ((readPci32(address, Register.BASE_ADDRESS_0) & ~BaseAddress.IO_FLAGS) != device.registers) return Result.E_BAR;
  } else {
    const result = findRegisters(device);
    if (result != Result.OK) return result;
    device.commandFound = <u16>readCommand(address);
    rememberInterrupts(device);
  }
  chooseInterrupts(device);
  enableDecoding(address, Command.IO_SPACE);
  return Result.OK;
}

/** Sizes BAR 0 and takes its ports for the device's registers: OK, E_BAR, E_NOT_FOUND. */
function findRegisters(device: Device): i32 {
  const result = findBar(device.pciAddress, 0);
  if (result != Result.OK) return result;
  if (!barIsIo || barBase == 0 || barSize < VIRTIO_PCI_CONFIG || barBase + barSize > 0x1_0000) return Result.E_BAR;
  const first = <u32>barBase;
  const bytes = <u32>barSize;
  // The function alone says where its registers are, and could name those of another one.
  if (isConfigurationPort(first, bytes) || registersAreTaken(true, first, bytes)) return Result.E_BAR;
  device.transport = Transport.LEGACY_PCI;
  device.registers = first;
  device.registerBytes = bytes;
  return Result.OK;
}

/** As `release` of the seam. */
export function releaseLegacy(device: Device, isReset: bool): void {
  const address = device.pciAddress;
  // Whatever answers there: it may be the device, and lie, and its memory goes back to the kernel.
  disableBusMaster(address);
  if (identifyLegacy(address) == device.type) restoreFunction(address, device.commandFound, device.msixFound, isReset);
}

export function readStatus(device: Device): u32 {
  return readPort8(device.registers + VIRTIO_PCI_STATUS);
}

export function writeStatus(device: Device, status: u32): void {
  out8(device.registers + VIRTIO_PCI_STATUS, status);
}

/** A legacy device has 32 features. */
export function offeredFeatures(device: Device): u64 {
  return <u64>in32(device.registers + VIRTIO_PCI_HOST_FEATURES);
}

export function acceptFeatures(device: Device, features: u64): void {
  out32(device.registers + VIRTIO_PCI_GUEST_FEATURES, <u32>features);
}

/** A legacy device alone decides the size of a queue. [virtio-1.2 §4.1.5.1.3, §4.1.5.1.3.1] */
export function queueSize(device: Device, index: u32): u32 {
  out16(device.registers + VIRTIO_PCI_QUEUE_SEL, index);
  return readPort16(device.registers + VIRTIO_PCI_QUEUE_NUM);
}

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

/** The port where queues are notified of. */
export function doorbell(device: Device): u32 {
  return device.registers + VIRTIO_PCI_QUEUE_NOTIFY;
}

/** Tries a vector for the configuration, or for the selected queue. Returns whether the device has the means for it. */
export function setVector(device: Device, isOfQueue: bool, vector: u32): bool {
  const port = device.registers + (isOfQueue ? VIRTIO_MSI_QUEUE_VECTOR : VIRTIO_MSI_CONFIG_VECTOR);
  out16(port, vector);
  return readPort16(port) == vector;
}

export function readIsr(device: Device): u32 {
  return readPort8(device.registers + VIRTIO_PCI_ISR);
}

/** Where the device configuration begins, from the first register on. */
function configurationOffset(device: Device): u32 {
  return hasVectors(device) ? VIRTIO_PCI_CONFIG + VECTOR_BYTES : VIRTIO_PCI_CONFIG;
}

/** Bytes of the device configuration, as far as the BAR covers it. */
export function configurationBytes(device: Device): u32 {
  return device.registerBytes - configurationOffset(device);
}

export function configuration8(device: Device, offset: u32): u32 {
  return readPort8(device.registers + configurationOffset(device) + offset);
}

export function configuration16(device: Device, offset: u32): u32 {
  return readPort16(device.registers + configurationOffset(device) + offset);
}

export function configuration32(device: Device, offset: u32): u32 {
  return in32(device.registers + configurationOffset(device) + offset);
}

/** For a width that is only known when the field is read. */
export function configuration(device: Device, offset: u32, width: u32): u32 {
  return readPorts(device.registers + configurationOffset(device) + offset, width);
}

export function writeConfiguration(device: Device, offset: u32, width: u32, value: u32): void {
  writePorts(device.registers + configurationOffset(device) + offset, width, value);
}
