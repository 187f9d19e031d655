/**
 * Mutants that no test can miss, or need miss, each with the reason. One is known by the function's name and by the
 * condition as it is written there, in one line; so it is good for all conditions of that text in functions of that name,
 * unless `place` says which of them.
 */

import type { Mutant, Never } from "./mutants.js";

export interface Acceptance {
  readonly function: string;
  readonly condition: string;
  readonly never: readonly Never[];
  /** Which of those in the function that are written alike, from 1 on; all of them when left out. */
  readonly place?: number;
  /** Why it makes no difference that matters. */
  readonly why: string;
}

/** Of the loops that handle what is common: whatever they leave, the function behind them judges from the start. */
const ONLY_SLOWER = "what the loop leaves is handled one at a time: the same comes of it, only slower";

const ASKED_AGAIN = "an interrupt that was asked for is asked for again, with no event in between that would be missed";
const SHIFT = "WebAssembly counts shifts modulo 32";
const NO_STRUCTURES = "only a modern PCI device has structures, and of any other nothing is given back";
const NO_MMIO = "a legacy PCI device is taken for a memory-mapped one in builds without modern PCI only";

function leftByRun(name: string, conditions: Readonly<Record<string, Never | readonly Never[]>>): Acceptance[] {
  return Object.entries(conditions).map(([condition, never]) => ({
    function: name,
    condition,
    never: typeof never === "string" ? [never] : never,
    why: ONLY_SLOWER,
  }));
}

export const acceptances: readonly Acceptance[] = [
  ...leftByRun("completeRun", {
    "used != usedEnd": "true",
    "head > mask": "false",
    "count == 0": "false",
    "state.parts | (operation & ~(<u32>BlockOperation.WRITE))": "false",
    "operation & ~(<u32>BlockOperation.WRITE)": "cut",
    "read8(queue.slots + head * queue.slotBytes + STATUS_OFFSET) != VIRTIO_BLK_S_OK": "false",
  }),
  ...leftByRun("submitRun", {
    "queue.hasTables": "true",
    "at != end": "true",
    "operation > operationMax": "false",
    "segmentCount - 1 >= dataMax": "false",
    "room == 0": "false",
    "recordsFit(segment, segmentCount, offsetof<Segment>())": "true",
    "length - 1 >= min(PAGE_BYTES - (pointer & (PAGE_BYTES - 1)), sizeMax)": "false",
    "isRemembered(pointer)": "true",
    "rest - 1 >= sizeMax": "false",
    "pointerRangeFits(pointer, rest)": "true",
    "descriptor != descriptorsEnd": "true",
    "rest == 0": "false",
    "rest != 0": "false",
    "bytes > REQUEST_BYTES_MAX": "false",
    "(((<u32>sector) << SECTOR_SHIFT) | (<u32>bytes)) & (device.blockSize - 1)": "false",
    "isOnDisk(device.capacity, sector, bytes >> SECTOR_SHIFT)": "true",
  }),
  {
    function: "submitRun",
    condition: "bytes > REQUEST_BYTES_MAX",
    never: ["true"],
    why: "what fits a table of pages that are remembered is far below it",
  },
  // Where a loop ends elsewhere than where the segments do, the request is left.
  { function: "submitRun", condition: "segment != segmentsEnd", never: ["true"], place: 1, why: ONLY_SLOWER },
  { function: "submitRun", condition: "segment != segmentsEnd", never: ["true", "false"], place: 2, why: ONLY_SLOWER },
  { function: "submitRun", condition: "segment != segmentsEnd", never: ["true", "false"], place: 3, why: ONLY_SLOWER },
  { function: "submitRun", condition: "segment != segmentsEnd", never: ["false"], place: 4, why: ONLY_SLOWER },
  {
    function: "submitRun",
    condition: "queue.hasTables",
    never: ["false"],
    why: "without tables there is room for no segment in one, and the loop leaves the first request",
  },
  ...leftByRun("block_submit", {
    "at != retried": "true",
    "rememberRequests(queue, at, end)": ["true", "false"],
  }),
  ...leftByRun("rememberRequests", {
    "queue.hasTables": ["true", "false"],
    "at != end": "true",
    "pages < PAGES_REMEMBERED": ["true", "false"],
    "recordsFit(segments, count, offsetof<Segment>())": "true",
    "asked < 0": ["true", "false"],
    "pages == 0": ["true", "false"],
    "at != requests": ["true", "false"],
  }),
  {
    function: "addRequest",
    condition: "word != operation",
    never: ["false"],
    why: "the headers are written once more, as they are",
  },
  {
    function: "addRequest",
    condition: "isOther",
    never: ["true"],
    place: 3,
    why: "of any number of bytes that other operations have, there is nothing to say",
  },
  {
    function: "addScsiCommand",
    condition: "queue.hasTables",
    never: ["false"],
    why: "what the ring had no room for, it still has none for",
  },
  {
    function: "addScsiCommand",
    condition: "result == Result.OK",
    never: ["false"],
    why: "what is noted of a chain that is not in the ring is not read, and is noted anew with the next chain",
  },
  {
    function: "completeDrained",
    condition: "isComplete",
    never: ["false"],
    why: "what is not complete counts as nothing, executed or not",
  },
  {
    function: "setWriteback",
    condition: "now != writeback",
    never: ["false"],
    why: "a device that gives the right answer is there, so its status is read for nothing",
  },
  {
    function: "block_poll",
    condition: "found == 0",
    never: ["false"],
    why: "a request that has been out for too long is noticed one call earlier",
  },
  ...leftByRun("receiveRun", {
    "used != usedEnd": "true",
    "head > mask": "false",
    "count == 0": "false",
    "length < device.headerBytes + ETHERNET_HEADER_BYTES": "false",
    "read16(buffer.pointer + HEADER_NUM_BUFFERS) != 1": "false",
    "fields & ~(<u64>NetHeaderFlag.DATA_VALID)": "false",
  }),
  { function: "receiveFrames", condition: "queue.pieceCount == 0", never: ["true"], place: 1, why: ONLY_SLOWER },
  {
    function: "receiveFrames",
    condition: "written == capacity",
    never: ["true"],
    why: "the next frame is taken from the ring now and held back, and the next call finds it all the same",
  },
  {
    function: "receiveFrames",
    condition: "addPiece(device, queue, index, length)",
    never: ["true"],
    why: "a whole frame is found held back at the next turn",
  },
  {
    function: "addBuffers",
    condition: "queue.room == 0",
    never: ["true"],
    why: "the first segment finds no room either; one that makes no sense is refused for that, and now",
  },
  {
    function: "pollBuffers",
    condition: "pending == 0",
    never: ["false"],
    why: "a chain that has been out for too long is noticed one call earlier",
  },
  {
    function: "pollBuffers",
    condition: "isIdle",
    never: ["false"],
    why: "a chain that has been out for too long is noticed one call earlier",
  },
  {
    function: "interrupted",
    condition: "queue.wishes == 0",
    never: ["true"],
    why: "where nothing is waited for, there is nothing to settle",
  },
  {
    function: "reclaimFrames",
    condition: "queue.wishes != 0",
    never: ["false"],
    why: "where nothing is waited for, there is nothing to settle",
  },
  {
    function: "reclaimFrames",
    condition: "pending == 0",
    never: ["false"],
    why: "a frame that has been out for too long is noticed one call earlier",
  },
  {
    function: "enableInterrupts",
    condition: "this.transmitQueue.wishes & TransmitWish.ROOM",
    never: ["false"],
    why: ASKED_AGAIN,
  },
  { function: "settleWishes", condition: "queue.wishes & TransmitWish.ROOM", never: ["cut"], why: ASKED_AGAIN },
  { function: "settleWishes", condition: "hasMoved", never: ["false"], why: ASKED_AGAIN },
  { function: "settleWishes", condition: "queue.wishes == 0", never: ["false"], why: ASKED_AGAIN },
  {
    function: "contiguousBytes",
    condition: "length - bytes <= PAGE_BYTES",
    never: ["true"],
    why: "only in a piece of all 2^32 bytes that pointers can name would the count wrap",
  },
  { function: "readPci8", condition: "offset & 3", never: ["cut"], why: SHIFT },
  { function: "readPci16", condition: "offset & 2", never: ["cut"], why: SHIFT },
  {
    function: "nextOnBus",
    condition: "(readPci32(address, Register.CACHE_LINE_SIZE) >> 16) & 0xff",
    never: ["cut"],
    why: "all who look at the header mask a bit of it",
  },
  {
    function: "readMsixControl",
    condition: "capability",
    never: ["false"],
    why: "where there is no MSI-X, nothing is put back",
  },
  {
    function: "restoreFunction",
    condition: "msixControl & MSI_X_SWITCHES",
    never: ["cut"],
    why: "the other bits cannot be written, and are what they were",
  },
  {
    function: "findStructures",
    condition: "device.commandFound & Command.MEMORY_SPACE",
    never: ["cut"],
    why: "the other bits that were found are all still set",
  },
  {
    function: "connect",
    condition: "wanted == TransportWanted.MODERN_PCI",
    never: ["true", "false"],
    why: "it is compiled into builds without modern PCI only",
  },
  { function: "disconnect", condition: "isLegacyPci(device)", never: ["true"], why: NO_STRUCTURES },
  { function: "disconnect", condition: "isMmio(device)", never: ["true"], why: NO_STRUCTURES },
  { function: "allowMemoryAccess", condition: "isLegacyPci(device)", never: ["true"], why: NO_MMIO },
  { function: "forbidMemoryAccess", condition: "isLegacyPci(device)", never: ["true"], why: NO_MMIO },
  {
    function: "headerJoins",
    condition: "(pointer - headerBytes) & 3",
    never: ["false"],
    why: "a header with a descriptor of its own goes the same way",
  },
  ...leftByRun("transmitRun", {
    "at != end": "true",
    "room == 0": "false",
    "rest - 1 >= device.frameBytesMax": "false",
    "pointerRangeFits(pointer, rest)": "true",
    "count != room": "true",
    "isRemembered(pointer)": "true",
    "rest != 0": "false",
    "rest - 1 >= device.frameBytesMax - bytes": "false",
    "bytes < ETHERNET_HEADER_BYTES": "false",
  }),
  {
    function: "awaitAnswer",
    condition: "isUsedInTime(device, queue)",
    never: ["true"],
    place: 1,
    why: "what the first wait found is there still, so the second one finds it at once",
  },
];

/** Why a mutant is accepted; undefined when it is not. */
export function acceptanceOf(mutant: Mutant): Acceptance | undefined {
  return acceptances.find((acceptance) => isOf(acceptance, mutant));
}

/** Those that name no mutant: the condition has been changed, or is gone. */
export function outdatedAcceptances(mutants: readonly Mutant[]): Acceptance[] {
  return acceptances.filter((acceptance) => !mutants.some((mutant) => isOf(acceptance, mutant)));
}

function isOf(acceptance: Acceptance, mutant: Mutant): boolean {
  return (
    acceptance.function === mutant.function &&
    acceptance.condition === mutant.condition &&
    acceptance.never.includes(mutant.never) &&
    (acceptance.place === undefined || acceptance.place === mutant.place)
  );
}
