/** What the devices did, in numbers. */
import { BlockStatistics } from "../../../assembly/drivers/block/abi";
import { NetStatistics } from "../../../assembly/drivers/net/abi";
import { Card } from "./card";
import { Disk } from "./disk";
import { allocateRecords, recordAt } from "./records";
import { print, printNumber, printRatio } from "./text";

function printCount(number: u64, what: string): void {
  printNumber(number);
  print(what);
}

function printPer(number: u64, what: string, count: u64): void {
  printNumber(number);
  print(what);
  print(" (");
  printRatio(number, count);
  print(" each)");
}

/** Prints the counters of a card. */
export function printCard(card: Card): void {
  const counters = recordAt<NetStatistics>(allocateRecords<NetStatistics>(1), 0);
  card.statistics(counters);
  const frames = counters.frames_received + counters.frames_transmitted;
  print("netboot: card: ");
  printCount(counters.frames_received, " frames received, ");
  printCount(counters.frames_transmitted, " sent\nnetboot: card: ");
  printPer(counters.transmit_notifications + counters.receive_notifications, " notifications", frames);
  print(", ");
  printPer(counters.interrupts, " interrupts", frames);
  print("\n");
}

/** Prints the counters of a disk. */
export function printDisk(disk: Disk): void {
  const counters = recordAt<BlockStatistics>(allocateRecords<BlockStatistics>(1), 0);
  disk.statistics(counters);
  print("netboot: disk: ");
  printCount(counters.writes, " writes, ");
  printCount(counters.reads, " reads, ");
  printCount(counters.flushes, counters.flushes == 1 ? " flush" : " flushes");
  print("\nnetboot: disk: ");
  printPer(counters.notifications, " notifications", counters.requests);
  print(", ");
  printPer(counters.interrupts, " interrupts", counters.requests);
  print("\n");
}
