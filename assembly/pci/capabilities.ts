/**
 * The capability list: entries of at least four bytes that say what a function can do, each naming the next by its
 * offset. [PCI 3.0 §6.7]
 *
 * A link is followed if it leads past the header to a place where the list has not been yet. So a list is at most
 * 48 entries long, whatever the device answers.
 */
import { PciCapability } from "../abi/records";
import { Result } from "../abi/results";
import { checkRecords } from "../memory/records";
import { functionExists, readPci32, readPci8 } from "./configuration-space";
import { Register, Status } from "./registers";

/** The header ends here. */
const FIRST_OFFSET: u32 = 0x40;

/**
 * Lists a function's capabilities, in the order of the list.
 *
 * @param address PCI address of the function
 * @param records address of an array of PciCapability to be filled; may be 0 when `capacity` is
 * @param capacity how many of them there are; 0 just counts
 * @returns how many capabilities there are, 48 at most, which may be more than were written; E_ARGUMENT; E_NOT_FOUND
 */
export function pci_capabilities(address: u32, records: u32, capacity: u32): i32 {
  if (capacity && !checkRecords(records, capacity, offsetof<PciCapability>())) return Result.E_ARGUMENT;
  if (!functionExists(address)) return Result.E_NOT_FOUND;
  let found: u32 = 0;
  for (let offset = firstCapability(address); offset != 0;) {
    const entry = readPci32(address, offset);
    if (found < capacity) {
      const record = changetype<PciCapability>(records + found * offsetof<PciCapability>());
      record.id = <u8>entry;
      record.offset = <u8>offset;
      record.value = <u16>(entry >> 16);
    }
    found++;
    offset = nextCapability(offset, entry);
  }
  return found;
}

/** Offset of the first capability with this ID in an existing function's configuration space, 0 if there is none. */
export function findCapability(address: u32, id: u32): u32 {
  let offset = firstCapability(address);
  while (offset) {
    const entry = readPci32(address, offset);
    if ((entry & 0xff) == id) break;
    offset = nextCapability(offset, entry);
  }
  return offset;
}

/** Where the list has been, a bit for each of the 64 doublewords of configuration space. One walk at a time. */
let visited: u64 = 0;

/** Begins a walk over the capabilities of an existing function. Returns the offset of the first, 0 without any. */
export function firstCapability(address: u32): u32 {
  visited = 0;
  const status = readPci32(address, Register.COMMAND) >> 16;
  return status & Status.CAPABILITIES_LIST ? follow(readPci8(address, Register.CAPABILITIES_POINTER)) : 0;
}

/** Offset of the capability after the one at `offset`, whose first doubleword is `entry`; 0 at the end of the list. */
export function nextCapability(offset: u32, entry: u32): u32 {
  visited |= dwordBit(offset);
  return follow(entry >> 8);
}

/** The offset that the low byte of `link` leads to, 0 at the end of the list. The two lowest bits mean nothing. */
function follow(link: u32): u32 {
  const offset = link & 0xfc;
  return offset >= FIRST_OFFSET && (visited & dwordBit(offset)) == 0 ? offset : 0;
}

function dwordBit(offset: u32): u64 {
  return (<u64>1) << (offset >> 2);
}
