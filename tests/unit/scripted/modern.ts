/** A modern virtio device on the mock PCI bus: capabilities, and registers of the scripted machine that only remember. */
import { Transport } from "../../../assembly/abi/results";
import { Device } from "../../../assembly/virtio/device";
import {
  addBar,
  addCapability,
  addDevice,
  IO,
  MEMORY_64_BIT,
  pci_set,
  pci_writable,
  PREFETCHABLE,
} from "../pci/machine";
import { ADDRESS, bareDevice, newMachine } from "./plug";
import { block_add } from "./script";

/** cfg_type. [virtio-1.2 §4.1.4] */
export const enum Type {
  COMMON = 1,
  NOTIFY = 2,
  ISR = 3,
  DEVICE = 4,
  PCI_CFG = 5,
}

/** Where BAR 4 leads, and what is there in a device as QEMU has it. */
export const BASE: u64 = 0x40_0000_0000;
export const COMMON: u64 = BASE;
export const ISR: u64 = BASE + 0x1000;
export const CONFIGURATION: u64 = BASE + 0x2000;
export const NOTIFY: u64 = BASE + 0x3000;
/** Where BAR 0 leads. */
export const PORTS: u32 = 0xd000;

/** The function, as the mock bus calls it. */
export let name: u32 = 0;
let nextCapability: u32 = 0;

/** A function whose BAR 4 leads to 16 KiB of memory, and BAR 0 to 256 ports, but which does not say what is there. */
export function plugModern(type: u32): void {
  newMachine();
  plugFunction(ADDRESS, type, BASE);
  block_add(0, BASE, 0x4000);
  block_add(1, PORTS, 0x100);
}

/** Another function, without registers of its own: its BAR 4 leads to `base`, and BAR 0 to the same ports. */
export function plugFunction(address: u32, type: u32, base: u64): void {
  name = addDevice(0, address, 0x1af4, 0x1040 + type);
  pci_set(name, 0x08, 0x0200_0001);
  pci_set(name, 0x2c, 0x1100_1af4);
  addBar(name, 0, IO, 0x100, PORTS);
  addBar(name, 4, MEMORY_64_BIT | PREFETCHABLE, 0x4000, base);
  nextCapability = 0x40;
  pci_set(name, 0x34, nextCapability);
}

/** Adds a vendor capability, which claims to have `bytes` bytes, behind the others. Returns its offset. */
export function addStructure(type: u32, bar: u32, offset: u32, length: u32, multiplier: u32 = 0, bytes: u32 = 20): u32 {
  const at = nextCapability;
  nextCapability += 20;
  // Behind the last one the list ends with an entry that is all zeroes.
  addCapability(name, at, 0x09, nextCapability, bytes | (type << 8));
  pci_set(name, at + 4, bar);
  pci_set(name, at + 8, offset);
  pci_set(name, at + 12, length);
  pci_set(name, at + 16, multiplier);
  return at;
}

/** Adds the four structures in BAR 4, as QEMU has them. */
export function addStructures(): void {
  addStructure(Type.COMMON, 4, 0, 0x1000);
  addStructure(Type.ISR, 4, 0x1000, 0x1000);
  addStructure(Type.DEVICE, 4, 0x2000, 0x1000);
  addStructure(Type.NOTIFY, 4, 0x3000, 0x1000, 4);
}

/** Adds MSI-X with a table of so many vectors. Returns its offset. */
export function addMsix(vectors: u32): u32 {
  const at = nextCapability;
  nextCapability += 12;
  addCapability(name, at, 0x11, nextCapability, vectors - 1);
  pci_writable(name, at, 0xc000_0000);
  return at;
}

/** A device that is still to be connected. */
export function newModern(type: u32): Device {
  const device = bareDevice(type);
  device.transport = Transport.NONE;
  return device;
}
