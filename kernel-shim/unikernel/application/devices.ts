/** Opens the machine's network cards and disks, and asks them why they interrupt. */
import { Card } from "./card";
import { askDevice, DeviceDescription } from "./device";
import { Disk } from "./disk";
import { allocateRecords, recordAt } from "./records";
import { initialize } from "./stack";
import { print, printNumber } from "./text";
import { device } from "./unikernel";

/** The stack's private memory: some 16 KiB a device. */
const ARENA_BYTES: u32 = 512 * 1024;
const DEVICES: u32 = 8;

/** Virtio device types. [virtio-1.2 §5] */
const VIRTIO_ID_NET: u32 = 1;
const VIRTIO_ID_BLOCK: u32 = 2;

export const cards = new StaticArray<Card | null>(DEVICES);
export const disks = new StaticArray<Disk | null>(DEVICES);
export let cardCount: u32 = 0;
export let diskCount: u32 = 0;

/** Opens the first eight of each kind, in the kernel's order. Returns whether all that were there opened. */
export function openDevices(): bool {
  if (initialize(<u32>heap.alloc(ARENA_BYTES), ARENA_BYTES) != 0) return false;
  let description = describe(0);
  for (let index: u32 = 1; description !== null; index++) {
    if (!openDevice(description)) return false;
    description = describe(index);
  }
  return true;
}

/** The device with that number; null when there are not so many. */
function describe(index: u32): DeviceDescription | null {
  const description = recordAt<DeviceDescription>(allocateRecords<DeviceDescription>(1), 0);
  return device(index, changetype<u32>(description)) ? description : null;
}

function openDevice(description: DeviceDescription): bool {
  if (description.type == VIRTIO_ID_NET && cardCount < DEVICES) {
    const card = new Card(description);
    cards[cardCount] = card;
    return reportOpening("card ", cardCount++, card.handle);
  }
  if (description.type == VIRTIO_ID_BLOCK && diskCount < DEVICES) {
    const disk = new Disk(description);
    disks[diskCount] = disk;
    return reportOpening("disk ", diskCount++, disk.handle);
  }
  return true;
}

/** Says that a device did not open. Returns whether it did. */
function reportOpening(kind: string, number: u32, handle: i32): bool {
  if (handle > 0) return true;
  print("netboot: cannot open ");
  print(kind);
  printNumber(number);
  print(": result -");
  printNumber(-handle);
  print("\n");
  return false;
}

/** Asks all devices whose interrupts `wait` returned: whichever holds a line must be asked, or it is never quiet. */
export function askDevices(interrupts: u64): void {
  for (let index: u32 = 0; index < cardCount; index++)
    askDevice(cards[index]!.handle, cards[index]!.description, interrupts);
  for (let index: u32 = 0; index < diskCount; index++)
    askDevice(disks[index]!.handle, disks[index]!.description, interrupts);
}
