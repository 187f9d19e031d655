/**
 * Netboot: every network card fetches a file onto the disk of the same number, all at the same time; then all answer
 * pings and echo datagrams until one of them is told to stop.
 *
 * The command line: `file=NAME` is the file; `lossy` makes the cards lose frames.
 */
import { Event } from "../../../assembly/abi/results";
import { findOption, optionLength, optionValue, readCommandLine } from "./command-line";
import { askDevices, cardCount, cards, diskCount, disks, openDevices } from "./devices";
import { Netboot, State } from "./netboot";
import { DIGEST_BYTES } from "./reader";
import { enable_interrupts, events } from "./stack";
import { printCard, printDisk } from "./statistics";
import { Status } from "./status";
import { print, printAddress, printBytes, printMilliseconds, printNumber } from "./text";
import { sleeps, slept_ns, wait } from "./unikernel";

/** The state in which each was when it was last reported. */
const reported = new StaticArray<State>(8);
const boots = new StaticArray<Netboot | null>(8);
let bootCount: u32 = 0;

/** What the kernel calls. Returns a `Status`. */
export function main(): u32 {
  readCommandLine();
  const status = prepare();
  if (status != Status.DONE) return explain(status);
  while (!isOver()) {
    let isBusy = false;
    for (let index: u32 = 0; index < bootCount; index++) {
      const boot = bootAt(index);
      if (boot.work()) isBusy = true;
      report(index, boot);
    }
    if (!isBusy && !isOver()) sleep();
  }
  printStatistics();
  for (let index: u32 = 0; index < bootCount; index++) {
    if (bootAt(index).state == State.FAILED) return bootAt(index).status;
  }
  print("netboot: stopped\n");
  return Status.DONE;
}

function bootAt(index: u32): Netboot {
  return changetype<Netboot>(boots[index]);
}

function prepare(): Status {
  if (!findOption("file") || optionLength == 0) return Status.NO_FILE_NAME;
  const fileName = optionValue;
  const fileNameLength = optionLength;
  if (!openDevices()) return Status.DEVICE;
  if (cardCount == 0) return Status.NO_CARD;
  if (diskCount == 0) return Status.NO_DISK;
  const isLossy = findOption("lossy");
  for (; bootCount < min(cardCount, diskCount); bootCount++) {
    const card = cards[bootCount]!;
    card.isLossy = isLossy;
    boots[bootCount] = new Netboot(card, disks[bootCount]!, fileName, fileNameLength);
  }
  return Status.DONE;
}

/** Whether one was told to stop, or none can go on. */
function isOver(): bool {
  let alive: u32 = 0;
  for (let index: u32 = 0; index < bootCount; index++) {
    if (bootAt(index).isStopped) return true;
    if (bootAt(index).state != State.FAILED) alive++;
  }
  return alive == 0;
}

/**
 * Asks all devices to interrupt when there is something to do, and sleeps unless there is already. Events are looked at
 * before every sleep: they are told once, by the interrupt that they came with.
 */
function sleep(): void {
  let deadline: u64 = u64.MAX_VALUE;
  let isPending = false;
  for (let index: u32 = 0; index < bootCount; index++) {
    const boot = bootAt(index);
    deadline = min(deadline, boot.deadline);
    if (boot.state == State.FAILED) continue;
    if (enable_interrupts(boot.card.handle) != 0) isPending = true;
    if (boot.card.waitsForSent()) isPending = true;
    if (enable_interrupts(boot.disk.handle) != 0) isPending = true;
  }
  if (isPending) return;
  for (let index: u32 = 0; index < cardCount; index++) if (reportEvents(index)) isPending = true;
  for (let index: u32 = 0; index < diskCount; index++) if (events(disks[index]!.handle) > 0) isPending = true;
  // Whatever happened may have made more to do.
  if (isPending) return;
  askDevices(wait(deadline));
}

/**
 * Says whether the cable of a card is in, when that changed. There is nothing to be done about the other events: the
 * next call of a broken device's says so, and all else is looked at in each turn anyway. Returns whether there were any.
 */
function reportEvents(number: u32): bool {
  const bits = events(cards[number]!.handle);
  if (bits <= 0) return false;
  if (bits & Event.LINK) reportCable(number);
  return true;
}

function reportCable(number: u32): void {
  print("netboot: the cable of card ");
  printNumber(number);
  print(cards[number]!.isConnected ? " is in\n" : " is out\n");
}

/** Prints what has been reached since the last time. */
function report(index: u32, boot: Netboot): void {
  const previous = reported[index];
  if (boot.state == previous) return;
  reported[index] = boot.state;
  if (boot.state == State.FAILED) {
    explain(boot.status);
    return;
  }
  if (previous < State.RESOLVE) {
    print("netboot: lease of ");
    printAddress(boot.station.address);
    print(", ");
    printMilliseconds(boot.leasedAt);
    print(" after the kernel's start\n");
  }
  if (previous < State.VERIFY && boot.state >= State.VERIFY) {
    print("netboot: ");
    printNumber(boot.writer.length);
    print(" bytes on the disk after ");
    printMilliseconds(boot.flushedAt - boot.requestedAt);
    print("\n");
  }
  if (boot.state == State.SERVE) {
    print("netboot: sha256 ");
    printBytes(boot.reader.digest, DIGEST_BYTES);
    print("\nnetboot: ready\n");
  }
}

function printStatistics(): void {
  for (let index: u32 = 0; index < bootCount; index++) {
    printCard(bootAt(index).card);
    printDisk(bootAt(index).disk);
  }
  print("netboot: processor: slept ");
  printNumber(sleeps());
  print(" times, ");
  printMilliseconds(slept_ns());
  print(" in all\n");
}

/** Says why there is nothing more to do, and returns it. */
function explain(status: Status): Status {
  print("netboot: ");
  switch (status) {
    case Status.NO_CARD:
      print("there is no network card");
      break;
    case Status.NO_DISK:
      print("there is no disk");
      break;
    case Status.DEVICE:
      print("a device does not work");
      break;
    case Status.NO_LEASE:
      print("no DHCP server answers");
      break;
    case Status.NO_SERVER:
      print("the TFTP server does not answer ARP");
      break;
    case Status.FILE_MISSING:
      print("the TFTP server does not have the file");
      break;
    case Status.FILE_TOO_LARGE:
      print("the file does not fit on the disk");
      break;
    case Status.TRANSFER:
      print("the transfer of the file broke off");
      break;
    case Status.NO_FILE_NAME:
      print("the command line names no file: file=NAME");
      break;
  }
  print("\n");
  return status;
}
