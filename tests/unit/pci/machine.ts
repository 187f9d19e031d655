/** The mock PCI bus as the tests in this folder use it. */
import { PciBar, PciCapability, PciFunction, PciRanges } from "../../../assembly/abi/records";
import { pci_scan } from "../../../assembly/virtio/transport/scan";

// Described in tests/mock-pci/bus.ts.
@external("mock", "pci_clear") export declare function pci_clear(): void;


@external("mock", "pci_add") export declare function pci_add(bridge: u32, slot: u32): u32;


@external("mock", "pci_set") export declare function pci_set(name: u32, offset: u32, value: u32): void;


@external("mock", "pci_get") export declare function pci_get(name: u32, offset: u32): u32;


@external("mock", "pci_writable") export declare function pci_writable(name: u32, offset: u32, bits: u32): void;


@external("mock", "pci_answer_always") export declare function pci_answer_always(value: u32): void;


@external("mock", "pci_reads") export declare function pci_reads(): u32;


@external("mock", "pci_writes") export declare function pci_writes(): u32;


@external("mock", "pci_faults") export declare function pci_faults(): u32;

export const IO: u32 = 0x1;
export const MEMORY: u32 = 0x0;
export const MEMORY_64_BIT: u32 = 0x4;
export const PREFETCHABLE: u32 = 0x8;
/** The header type of function 0 in a multi-function device, to be combined with the others. */
export const MULTI_FUNCTION: u32 = 0x80;

/** Room for records of every kind, and one more behind, to see that it stays untouched. */
const FUNCTIONS: u32 = 64;
export const functions: u32 = <u32>memory.data(65 * 52, 8);
export const capabilities: u32 = <u32>memory.data(65 * 4, 8);
export const bar: u32 = <u32>memory.data(24, 8);
export const ranges: u32 = <u32>memory.data(16, 8);

/** Plugs in a function with header type 0. @param slot device × 8 + function */
export function addDevice(bridge: u32, slot: u32, vendor: u32, device: u32): u32 {
  const name = pci_add(bridge, slot);
  pci_set(name, 0x00, vendor | (device << 16));
  pci_writable(name, 0x04, 0x0000_0547);
  pci_writable(name, 0x3c, 0x0000_00ff);
  return name;
}

/** Plugs in a PCI-to-PCI bridge as it is after a reset. */
export function addBridge(bridge: u32, slot: u32): u32 {
  const name = addDevice(bridge, slot, 0x1b36, 0x0001);
  setHeader(name, 1);
  pci_set(name, 0x08, 0x0604_0000);
  pci_writable(name, 0x18, 0xffff_ffff);
  // The low four bits of base and limit say that I/O addresses have 32 bits and prefetchable ones 64.
  pci_set(name, 0x1c, 0x0000_0101);
  pci_writable(name, 0x1c, 0x0000_f0f0);
  pci_writable(name, 0x20, 0xfff0_fff0);
  pci_set(name, 0x24, 0x0001_0001);
  pci_writable(name, 0x24, 0xfff0_fff0);
  pci_writable(name, 0x28, 0xffff_ffff);
  pci_writable(name, 0x2c, 0xffff_ffff);
  pci_writable(name, 0x30, 0xffff_ffff);
  return name;
}

/** Numbers a bridge as firmware does. */
export function numberBridge(name: u32, primary: u32, secondary: u32, subordinate: u32): void {
  pci_set(name, 0x18, primary | (secondary << 8) | (subordinate << 16));
}

export function setHeader(name: u32, header: u32): void {
  pci_set(name, 0x0c, header << 16);
}

/** Gives a function a base address register of `size` bytes. */
export function addBar(name: u32, index: u32, flags: u32, size: u64, base: u64 = 0): void {
  const bits = 0 - size;
  const register = 0x10 + index * 4;
  pci_set(name, register, (<u32>base) | flags);
  pci_writable(name, register, (<u32>bits) & (flags & IO ? 0xffff_fffc : 0xffff_fff0));
  if (flags & MEMORY_64_BIT) {
    pci_set(name, register + 4, <u32>(base >> 32));
    pci_writable(name, register + 4, <u32>(bits >> 32));
  }
}

export function barOf(name: u32, index: u32): u32 {
  return pci_get(name, 0x10 + index * 4);
}

/** Plugs in a transitional virtio device like QEMU's. */
export function addVirtio(bridge: u32, slot: u32, type: u32): u32 {
  const name = addDevice(bridge, slot, 0x1af4, 0x0fff + type);
  pci_set(name, 0x2c, 0x1af4 | (type << 16));
  addBar(name, 0, IO, 32);
  addBar(name, 1, MEMORY, 4096);
  addBar(name, 4, MEMORY_64_BIT | PREFETCHABLE, 16384);
  return name;
}

/** Adds an entry to a function's capability list. @param link what the entry names as the next */
export function addCapability(name: u32, offset: u32, id: u32, link: u32, value: u32): void {
  pci_set(name, 0x04, 0x0010_0000);
  pci_set(name, offset, id | (link << 8) | (value << 16));
}

/** Scans and returns how many functions there are. */
export function scan(): i32 {
  return pci_scan(functions, FUNCTIONS);
}

export function functionRecord(index: u32): PciFunction {
  return changetype<PciFunction>(functions + index * offsetof<PciFunction>());
}

export function capabilityRecord(index: u32): PciCapability {
  return changetype<PciCapability>(capabilities + index * offsetof<PciCapability>());
}

export function barRecord(): PciBar {
  return changetype<PciBar>(bar);
}

/** Grants ports and memory; `_end` is behind the last. */
export function grant(ioNext: u32, ioEnd: u32, memoryNext: u32, memoryLast: u32): void {
  const record = granted();
  record.io_next = ioNext;
  record.io_end = ioEnd;
  record.memory_next = memoryNext;
  record.memory_last = memoryLast;
}

export function granted(): PciRanges {
  return changetype<PciRanges>(ranges);
}
