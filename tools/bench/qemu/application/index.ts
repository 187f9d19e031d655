/**
 * What the unikernel does to be measured: requests to its disk, frames to and from its network card, whichever it has.
 *
 * The command line: `single=N` and `batched=N` requests for each point of the disk, `frames=N` for each of the card.
 */
import {
  findOption,
  optionLength,
  optionValue,
  readCommandLine,
} from "../../../../kernel-shim/unikernel/application/command-line";
import { cardCount, cards, diskCount, disks, openDevices } from "../../../../kernel-shim/unikernel/application/devices";
import { print } from "../../../../kernel-shim/unikernel/application/text";
import { measureDisk } from "./block";
import { measureCard } from "./network";

const FAILED: u32 = 1;
const DIGIT_ZERO: u8 = 48;

/** The number that an option has; 0 without it. */
function numberOf(name: string): u32 {
  if (!findOption(name)) return 0;
  let number: u32 = 0;
  for (let index: u32 = 0; index < optionLength; index++) {
    number = number * 10 + (load<u8>(optionValue + index) - DIGIT_ZERO);
  }
  return number;
}

/** What the kernel calls. */
export function main(): u32 {
  print("started\n");
  readCommandLine();
  if (!openDevices()) return FAILED;
  if (cardCount != 0 && !measureCard(cards[0]!, numberOf("frames"))) return FAILED;
  if (diskCount != 0 && !measureDisk(disks[0]!, numberOf("single"), numberOf("batched"))) return FAILED;
  print("done\n");
  return 0;
}
