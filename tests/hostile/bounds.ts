/**
 * The most imports that each call of the module may make, whatever devices answer: no loop of the stack is bounded by
 * a number that a device gave.
 *
 * An import is the only thing that a device can make slow, and every loop of the stack over what a device says has one
 * in it. The ported build has an import for every access of shared memory, so its bounds hold for both.
 */

/** How long a reset may take, in turns of its waiting loop: a second, or a million turns. */
function resetImports(relaxTime: number): number {
  const turns = Math.min(Math.ceil(1e9 / relaxTime) + 2, 1_000_000);
  return 3 * turns + 4;
}

/** One read or write of PCI configuration space is two port accesses. */
const CONFIGURATION_ACCESS = 2;
/** Entries of the longest capability list. */
const CAPABILITIES = 48;
/** Finding BAR 0: identification, sizing with what precedes it, the walk to MSI-X, and the command register. */
const CONNECT = CONFIGURATION_ACCESS * (5 + 8 + 16 + CAPABILITIES + 8);
/** Readings of a field that will not stand still, of up to six parts. */
const UNSTABLE_FIELD = 16 * 6;
/** Status bits, features, and the fields that are read once. */
const NEGOTIATION = 2 * 6 + 3 + UNSTABLE_FIELD + 16;

/** Functions of the largest machine there can be. */
const FUNCTIONS = 65_536;

/** What a call's arguments and the device's state say about its bound. */
export interface RingFacts {
  /** Entries of all rings of the device. */
  readonly entries: number;
  /** Descriptors of all rings and indirect tables. */
  readonly descriptors: number;
}

/** Opening lends and clears memory: a write for every four bytes, and per receive buffer what posting it takes. */
export function openImports(lentBytes: number, relaxTime: number): number {
  const perByte = 1 / 4 + 12 / 64 + 1 / 1024;
  // Twice: one that fails is left as it was found.
  return 2 * CONNECT + NEGOTIATION + resetImports(relaxTime) + 64 + Math.ceil(lentBytes * perByte);
}

/** As opening, and the memory is there already; what was received is counted. */
export function deviceResetImports(lentBytes: number, relaxTime: number, ring: RingFacts): number {
  return openImports(lentBytes, relaxTime) + 2 + 4 * ring.entries;
}

/** Looking for the device, a reset, counting frames, leaving the function, and giving back the memory page by page. */
export function closeImports(lentBytes: number, relaxTime: number, ring: RingFacts): number {
  const discard = 2 + 4 * ring.entries;
  return 2 * CONNECT + resetImports(relaxTime) + 16 + discard + Math.ceil(lentBytes / 4096);
}

/**
 * Handing in `count` requests or frames.
 *
 * @param pages of payload, each of which is translated, with one behind every run
 * @param segments of all of them
 */
export function submitImports(ring: RingFacts, count: number, pages: number, segments: number): number {
  const perDescriptor = 8;
  const perChain = 16;
  return 16 + count * 2 * perChain + (perChain + perDescriptor) * ring.descriptors + 4 * (pages + segments);
}

/** The last that comes back to a closed device gives back its memory, page by page. */
function lastOfClosed(lentBytes: number): number {
  return Math.ceil(lentBytes / 4096);
}

/** Taking completions, at most as many as the ring has entries. */
export function takeImports(ring: RingFacts, lentBytes: number): number {
  return 16 + 4 * ring.entries + lastOfClosed(lentBytes);
}

/** Taking frames: header fields, and at worst every buffer goes back to the device. */
export function receiveImports(ring: RingFacts): number {
  return 16 + 24 * ring.entries;
}

export function releaseImports(count: number, lentBytes: number): number {
  return 16 + 12 * count + lastOfClosed(lentBytes);
}

/** One read of the reasons; at most one field that will not stand still; suppression of both rings. */
export const INTERRUPT_IMPORTS = 1 + UNSTABLE_FIELD + 16;
export const SWITCH_INTERRUPTS_IMPORTS = 16;
export const NO_IMPORTS = 0;
export const CAPABILITY_IMPORTS = CONFIGURATION_ACCESS * (4 + CAPABILITIES);
export const BAR_IMPORTS = CONFIGURATION_ACCESS * 24;
/** Identity and header type of every function, and what describes it. */
export const SCAN_IMPORTS = CONFIGURATION_ACCESS * FUNCTIONS * 16;
/** On the way to the processor, behind which there are ports and memory. */
const BRIDGES = 255;
/** Sizing of a base address register, and what it is set to. */
const ASSIGN_REGISTER = 16;
/** What is read and written of every bridge above to let a register's addresses through. */
const OPEN_BRIDGE = 8;
/** Every function is walked past three times, each of its six registers sized and let through by all bridges above. */
export const ASSIGN_IMPORTS =
  CONFIGURATION_ACCESS *
  (FUNCTIONS * (3 * 2 + 6 * (ASSIGN_REGISTER + OPEN_BRIDGE * BRIDGES)) + BRIDGES * (BRIDGES + ASSIGN_REGISTER));
