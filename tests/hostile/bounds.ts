/**
 * The most imports that each call of the module may make, whatever devices answer: no loop of the stack is bounded by
 * a number that a device gave.
 *
 * An import is the only thing that a device can make slow, and every loop of the stack over what a device says has one
 * in it. The ported build has an import for every access of shared memory, so its bounds hold for both.
 */
import { isMmio, type Transport } from "../../kernel-shim/emulated-pc/virtio/transport.js";

/** One read or write of PCI configuration space is two port accesses. */
const CONFIGURATION_ACCESS = 2;
/** Entries of the longest capability list. */
const CAPABILITIES = 48;
/** The way along the list to one entry, and what is done there. */
const CAPABILITY_WALK = CAPABILITIES + 4;
/** What is read and written to find the size of a base address register, and how wide the ones before it are. */
const SIZING = 20;
/** Queues of the largest device. */
const QUEUES = 3;

/** What it takes to reach a device's registers. */
export interface RegisterCosts {
  /** To find them, or see that they are where they were, and to leave the function as it was found. */
  readonly connect: number;
  /** To read or write one. */
  readonly access: number;
}

/** Whether and how messages come: found out and switched, for every queue, too. */
const INTERRUPTS = CONFIGURATION_ACCESS * CAPABILITY_WALK * (4 + QUEUES);
/** Finding BAR 0: identification, sizing, and the command register. */
const CONNECT_LEGACY = CONFIGURATION_ACCESS * (13 + SIZING) + INTERRUPTS;
/** Four fields of each capability, the base address register that it names, memory decoding, and a window. */
const STRUCTURE = CONFIGURATION_ACCESS * (4 + SIZING + 2) + 2;
const CONNECT_MODERN = CONFIGURATION_ACCESS * (13 + CAPABILITIES) + CAPABILITIES * STRUCTURE + INTERRUPTS;
/** Where the window of configuration space leads, how wide it is, and the register. */
const WINDOW_ACCESS = CONFIGURATION_ACCESS * 4;

/** What it takes at worst, however the device can be reached. */
export function registerCosts(transport: Transport): RegisterCosts {
  if (transport === "legacy") return { connect: CONNECT_LEGACY, access: 1 };
  if (isMmio(transport)) return { connect: 8, access: 1 };
  // By base addresses, by legacy registers, and then once more by configuration space.
  return { connect: 2 * CONNECT_MODERN + CONNECT_LEGACY, access: WINDOW_ACCESS };
}

/** How long a reset may take, in turns of its waiting loop: a second, or a million turns. */
function resetImports({ access }: RegisterCosts, relaxTime: number): number {
  const turns = Math.min(Math.ceil(1e9 / relaxTime) + 2, 1_000_000);
  return (access + 2) * turns + access + 4;
}

/** Readings of a field that will not stand still, of up to six parts, and of the generation each time. */
const UNSTABLE_FIELD = 16 * 7 + 1;
/** Registers of one queue: its size, whether it is in use, where it is notified of, its addresses and vectors. */
const QUEUE_SETUP = 32;
/** Status bits, features, the fields that are read once, one that is written, and the queues. */
const NEGOTIATION = 2 * 6 + 10 + UNSTABLE_FIELD + 26 + QUEUES * QUEUE_SETUP;

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
export function openImports(costs: RegisterCosts, lentBytes: number, relaxTime: number): number {
  const perByte = 1 / 4 + 12 / 64 + 1 / 1024;
  const registers = NEGOTIATION * costs.access + resetImports(costs, relaxTime);
  // Twice: one that fails is left as it was found.
  return 2 * costs.connect + registers + 64 + Math.ceil(lentBytes * perByte);
}

/** As opening, and the memory is there already; what was received is counted. */
export function deviceResetImports(
  costs: RegisterCosts,
  lentBytes: number,
  relaxTime: number,
  ring: RingFacts,
): number {
  return openImports(costs, lentBytes, relaxTime) + 2 + 4 * ring.entries;
}

/** Looking for the device, a reset, counting frames, leaving the function, and giving back the memory page by page. */
export function closeImports(costs: RegisterCosts, lentBytes: number, relaxTime: number, ring: RingFacts): number {
  const discard = 2 + 4 * ring.entries;
  return 2 * costs.connect + resetImports(costs, relaxTime) + 16 + discard + Math.ceil(lentBytes / 4096);
}

/** What every batch does once: the clock, whether the device is still there, the ring's indices, a notification. */
function batch({ access }: RegisterCosts): number {
  return 14 + 2 * access;
}

/**
 * Handing in `count` requests or frames.
 *
 * @param pages of payload, each of which is translated, with one behind every run
 * @param segments of all of them
 */
export function submitImports(
  costs: RegisterCosts,
  ring: RingFacts,
  count: number,
  pages: number,
  segments: number,
): number {
  const perDescriptor = 8;
  const perChain = 16;
  return batch(costs) + count * 2 * perChain + (perChain + perDescriptor) * ring.descriptors + 4 * (pages + segments);
}

/**
 * Handing in one request and looking for it so many times, with every entry of the ring looked at once, and taken at the
 * beginning and the end; at last, whether the device is there at all.
 */
export function executeImports(
  costs: RegisterCosts,
  ring: RingFacts,
  pages: number,
  segments: number,
  turns: number,
): number {
  return submitImports(costs, ring, 1, pages, segments) + 5 * (turns + 2) + 3 * ring.entries + costs.access;
}

/** The last that comes back to a closed device gives back its memory, page by page. */
function lastOfClosed(lentBytes: number): number {
  return Math.ceil(lentBytes / 4096);
}

/** Taking completions, at most as many as the ring has entries. */
export function takeImports(costs: RegisterCosts, ring: RingFacts, lentBytes: number): number {
  return batch(costs) + 4 * ring.entries + lastOfClosed(lentBytes);
}

/** Taking frames: header fields, and at worst every buffer goes back to the device. */
export function receiveImports(costs: RegisterCosts, ring: RingFacts): number {
  return batch(costs) + 24 * ring.entries;
}

export function releaseImports(costs: RegisterCosts, count: number, lentBytes: number): number {
  return batch(costs) + 12 * count + lastOfClosed(lentBytes);
}

/** The reasons, the status; at most one field that will not stand still, and one more; suppression of both rings. */
export function interruptImports({ access }: RegisterCosts): number {
  return (4 + UNSTABLE_FIELD) * access + 16;
}

/** So many fields that will not stand still, and whether the device is there at all. */
export function configurationImports({ access }: RegisterCosts, fields: number): number {
  return (16 * (fields + 2) + 1) * access;
}

/** What is written of a command: an address table with both its counts, and the chain. */
const COMMAND_WRITES = 3 * 64 + 8 + 32;
/** A turn of waiting for its answer: the used index, the clock, a pause. */
const COMMAND_TURN = 4;

/** A command to a card's control queue, which waits for its answer two seconds at most. */
export function commandImports({ access }: RegisterCosts, relaxTime: number): number {
  const turns = 2 * (Math.ceil(1e9 / relaxTime) + 2);
  return COMMAND_WRITES + COMMAND_TURN * turns + 3 * access + 16 + 12 * access;
}

/** A frame of 1,518 bytes that is copied, in the ported build byte by byte, behind a header. */
const DEBUG_COPY = 1518 + 8;
/** Buffers to receive in, each of which may be dropped and posted again. */
const DEBUG_BUFFERS = 8;

/** Taking a card over as opening does, and a frame, once the one before has left. */
export function debugImports(costs: RegisterCosts, lentBytes: number, relaxTime: number, timeout: number): number {
  const turns = 2 * (Math.ceil(timeout / relaxTime) + 2);
  const chains = DEBUG_BUFFERS * (DEBUG_COPY + 24 + batch(costs));
  return openImports(costs, lentBytes, relaxTime) + chains + COMMAND_TURN * (turns + DEBUG_BUFFERS);
}

/** A field that is written and read, and whether the device is there at all. */
export function writebackImports({ access }: RegisterCosts): number {
  return 4 * access + 4;
}

export const SWITCH_INTERRUPTS_IMPORTS = 16;
export const NO_IMPORTS = 0;
export const CAPABILITY_IMPORTS = CONFIGURATION_ACCESS * (4 + CAPABILITIES);
export const MSIX_IMPORTS = CONFIGURATION_ACCESS * (4 + CAPABILITY_WALK);
/** A window, four registers there, and its end. */
export const IDENTIFY_IMPORTS = 6;
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
