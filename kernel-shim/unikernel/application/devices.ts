/** Finds and opens the machine's network cards and disks. */
import { PciFunction } from "../../../assembly/abi/records";
import { Card } from "./card";
import { Disk } from "./disk";
import { allocateRecords, recordAt } from "./records";
import { initialize, pci_scan } from "./stack";
import { print, printNumber } from "./text";
import { is_granted } from "./unikernel";

/** The stack's private memory: some 16 KiB a device. */
const ARENA_BYTES: u32 = 512 * 1024;
const FUNCTIONS: u32 = 120;
const DEVICES: u32 = 8;

/** Virtio device types. [virtio-1.2 §5] */
const VIRTIO_ID_NET: u8 = 1;
const VIRTIO_ID_BLOCK: u8 = 2;

export const cards = new StaticArray<Card | null>(DEVICES);
export const disks = new StaticArray<Disk | null>(DEVICES);
export let cardCount: u32 = 0;
export let diskCount: u32 = 0;

/** Opens the first eight of each kind that the kernel granted, in the order of their addresses. Returns whether all that were there opened. */
export function openDevices(): bool {
  const functions = allocateRecords<PciFunction>(FUNCTIONS);
  if (initialize(<u32>heap.alloc(ARENA_BYTES), ARENA_BYTES) != 0) return false;
  const count = min<u32>(pci_scan(functions, FUNCTIONS), FUNCTIONS);
  for (let index: u32 = 0; index < count; index++) {
    const description = recordAt<PciFunction>(functions, index);
    if (description.virtio_legacy && is_granted(description.address) && !openDevice(description)) return false;
  }
  return true;
}

function openDevice(description: PciFunction): bool {
  let handle: i32 = 1;
  if (description.virtio_type == VIRTIO_ID_NET && cardCount < DEVICES) {
    const card = new Card(description.address, description.interrupt_line);
    cards[cardCount++] = card;
    handle = card.handle;
  } else if (description.virtio_type == VIRTIO_ID_BLOCK && diskCount < DEVICES) {
    const disk = new Disk(description.address, description.interrupt_line);
    disks[diskCount++] = disk;
    handle = disk.handle;
  }
  if (handle > 0) return true;
  print("netboot: cannot open the device at PCI address ");
  printNumber(description.address);
  print(": result -");
  printNumber(-handle);
  print("\n");
  return false;
}
