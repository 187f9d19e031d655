/**
 * One input of the campaign: a machine, its devices, what they do and what their guests do, all of it from one seed.
 */
import { BlockDevice, type BlockDeviceOptions } from "../../kernel-shim/emulated-pc/block/device.js";
import type { RangeLimits } from "../../kernel-shim/emulated-pc/block/ranges.js";
import type { Completion } from "../../kernel-shim/emulated-pc/completion.js";
import { EntropyDevice } from "../../kernel-shim/emulated-pc/entropy/device.js";
import { hostileControlFaults, hostileReceiveFaults } from "../../kernel-shim/emulated-pc/hostile/hostile-device.js";
import { HostileMachine } from "../../kernel-shim/emulated-pc/hostile/hostile-machine.js";
import {
  type Mutation,
  Mutations,
  type Rarity,
  rarityOf,
  type Site,
  SITES,
} from "../../kernel-shim/emulated-pc/hostile/mutations.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import { NetDevice } from "../../kernel-shim/emulated-pc/net/device.js";
import type { Profile } from "../../kernel-shim/emulated-pc/profiles.js";
import { Random } from "../../kernel-shim/emulated-pc/random.js";
import type { VirtioDevice } from "../../kernel-shim/emulated-pc/virtio/device.js";
import { isMmio, type Transport } from "../../kernel-shim/emulated-pc/virtio/transport.js";
import type { Build } from "../../kernel-shim/machine.js";
import type { InstrumentedModule } from "../../tools/fuzz/coverage/coverage.js";
import { CardGuest } from "./card-guest.js";
import type { DeviceGuest, GuestContext } from "./device-guest.js";
import { DiskGuest } from "./disk-guest.js";
import { EntropyGuest } from "./entropy-guest.js";
import { expect, Finding } from "./finding.js";
import { GenericGuest } from "./generic-guest.js";
import { HostedModule } from "./hosted-module.js";
import { chooseProfile, chooseTransport, QUEUE_SIZES } from "./hosts.js";
import { PciGuest } from "./pci-guest.js";
import { SlotGuest } from "./slot-guest.js";
import { TracedDisk } from "./traced-disk.js";
import { TracedEntropy } from "./traced-entropy.js";
import { TracedNetwork } from "./traced-network.js";

const MEMORY_BYTES = 2 * 1024 * 1024;
const POOL_START = MEMORY_BYTES / 4;
const WASM_PAGE_BYTES = 65_536;
const DISK_SECTORS = 512;
/** One turn of a waiting loop: long, so that a device that does not reset is given up on after a hundred. */
const RELAX_TIME = 10_000_000;
/** One in how many machines is enumerated by its kernel, one in how many of those has no firmware that did it. */
const ENUMERATED = 4;
const WITHOUT_FIRMWARE = 2;
/** One in how many disks is driven by a guest that has a driver of its own. */
const WITHOUT_DRIVER = 4;
/** One in how many cards offers offloads, some or all of them. */
const WITH_OFFLOADS = 2;
/** CSUM, GUEST_CSUM, and all of TSO4, TSO6, ECN, UFO. */
const OFFLOADS = 0x7f83;
/** One in how many machines is asked what is in its slots. */
const ASKED_ABOUT_SLOTS = 4;
/** The first that devices can have. */
const FIRST_PORT = 0x1000;
/** Longer than a request is held back, in nanoseconds. */
const LATEST_WORK = 100_000_000;

export interface Outcome {
  readonly finding: Finding | undefined;
  /** What the devices did. */
  readonly mutations: readonly Mutation[];
  readonly imports: number;
  /** Calls of the stack, by what became of opening: for people who wonder whether devices ever come up. */
  readonly opened: number;
  /** Exports that were called. */
  readonly called: ReadonlySet<string>;
}

export interface ScenarioOptions {
  build: Build;
  seed: number;
  /** Numbers of the mutations to repeat; all that the seed asks for unless given. */
  only?: ReadonlySet<number>;
  isThorough?: boolean;
  /** The module of this build that tells which branches it reaches, in place of the one that is to be tested. */
  instrumented?: InstrumentedModule;
}

/** One linear memory for all runs of the mapped build: making one is dear. */
let mappedMemory: WebAssembly.Memory | undefined;

function memoryOfMapped(): WebAssembly.Memory {
  const pages = MEMORY_BYTES / WASM_PAGE_BYTES;
  mappedMemory ??= new WebAssembly.Memory({ initial: pages, maximum: pages });
  new Uint8Array(mappedMemory.buffer).fill(0);
  return mappedMemory;
}

/** What a disk takes of operations on ranges, if it has any. */
function chooseCommands(random: Random): Partial<BlockDeviceOptions> {
  if (random.below(4) === 0) return {};
  const limits = (): RangeLimits => ({
    sectors: pick(random, [0, 1, 8, 64, 0xffff_ffff]),
    ranges: pick(random, [0, 1, 2, 40]),
    alignment: pick(random, [0, 1, 7, 8, 64]),
  });
  return { discard: limits(), writeZeroes: limits(), secureErase: limits(), lifetime: [1, 2, 3], barrier: true };
}

/** The host's features of cards with offloads, as a rule all of them. */
function chooseOffloads(random: Random, { net, ringFeatures }: Profile): number {
  const chosen = random.below(4) > 0 ? OFFLOADS : OFFLOADS & random.next();
  return Number(BigInt(net.features + ringFeatures) | BigInt(chosen));
}

/** Runs one input. Never throws because of the stack. */
export function runScenario(options: ScenarioOptions): Outcome {
  const { build, seed, only } = options;
  const random = new Random(seed);
  const mutations = new Mutations(seed, chooseRarity(random, build), only);
  const profile = chooseProfile(random);
  const disk = new TracedDisk(DISK_SECTORS);
  const network = new TracedNetwork();
  const block = new BlockDevice({ backEnd: disk, serial: "a serial of 20 chars", ...chooseCommands(random) });
  const net = new NetDevice({
    backend: network,
    receiveFaults: hostileReceiveFaults(mutations),
    controlFaults: hostileControlFaults(mutations),
    ...(random.below(WITH_OFFLOADS) === 0 ? { features: chooseOffloads(random, profile) } : {}),
  });
  const entropy = new TracedEntropy();
  const rng = new EntropyDevice({ source: entropy.source, queueSizes: [pick(random, QUEUE_SIZES)] });
  const devices: VirtioDevice[] = pick(random, [[block], [net], [rng], [block, net], [rng, block], [net, rng, block]]);
  const transports = new Map(devices.map((device) => [device, chooseTransport(random, profile)]));
  const transportOf = (device: VirtioDevice): Transport => transports.get(device) ?? profile.transport;
  const functions = devices.filter((device) => !isMmio(transportOf(device)));
  const memory =
    build === "mapped" ? { memory: memoryOfMapped(), poolStart: POOL_START, poolEnd: MEMORY_BYTES } : undefined;
  const isEnumerated = random.below(ENUMERATED) === 0;
  const firmware = !isEnumerated || random.below(WITHOUT_FIRMWARE) > 0;
  const machine = new HostileMachine({
    mutations,
    devices,
    transportOf,
    profile,
    build,
    seed,
    memoryBytes: MEMORY_BYTES,
    layout: isEnumerated ? pick(random, ["bare", "standard"]) : "bare",
    firmware,
    completion: pick<Completion>(random, ["immediate", "deferred", "shuffled"]),
    relaxTime: RELAX_TIME,
    ...(memory === undefined ? {} : { memory }),
  });
  let opened = 0;
  let called: ReadonlySet<string> = new Set();
  let finding: Finding | undefined;
  try {
    const module = new HostedModule(machine, {
      ...(memory === undefined ? {} : { pool: { start: POOL_START, end: MEMORY_BYTES } }),
      isThorough: options.isThorough ?? false,
      ...(options.instrumented === undefined ? {} : { instrumented: options.instrumented }),
    });
    ({ called } = module);
    const context: GuestContext = { module, machine, mutations, random, relaxTime: RELAX_TIME };
    if (isEnumerated) {
      const kernel = new PciGuest(context);
      kernel.plugMore();
      kernel.lookAround(functions[0] === undefined ? 0 : machine.pc.addressOf(functions[0]));
      kernel.recover();
    }
    if (random.below(ASKED_ABOUT_SLOTS) === 0) new SlotGuest(context).lookAround();
    for (const device of functions) grantPorts(machine, device);
    const guests = devices.map((device): DeviceGuest => {
      if (device === block) {
        const isKnown = random.below(WITHOUT_DRIVER) > 0;
        return isKnown ? new DiskGuest(context, disk, block) : new GenericGuest(context, disk, block);
      }
      return device === net ? new CardGuest(context, network, net) : new EntropyGuest(context, entropy, rng);
    });
    const steps = 20 + random.below(180);
    for (let step = 0; step < steps; step++) {
      const guest = pick(random, guests);
      if (guest.isOpen) guest.step();
      else if (guest.open(random.below(2) === 0) > 0) opened++;
    }
    machine.behave();
    for (const guest of guests) guest.makePeace();
    // What ignored that it was reset ends what it still has to do.
    machine.letDevicesWork(LATEST_WORK);
    for (const guest of guests) guest.startAgain();
    const left = machine.lent.stackBytes;
    expect(left === 0, "closed devices leave no memory lent", () => `${left} bytes`);
    const { mappingCount } = machine.pc;
    expect(mappingCount === 0, "closed devices leave no registers mapped", () => `${mappingCount} windows`);
    module.checkMemory();
  } catch (error) {
    finding =
      error instanceof Finding ? error : new Finding("the machine itself failed", String((error as Error).stack));
  }
  machine.close();
  return { finding, mutations: mutations.applied, imports: machine.imports, opened, called };
}

/** Every run is hostile in some ways and correct in others: what always breaks at once hides what breaks later. */
function chooseRarity(random: Random, build: Build): Rarity {
  const rarity: Partial<Record<Site, number>> = {};
  // A ported stack comes to many more places for the same work.
  const scale = build === "mapped" ? 1 : 4;
  for (const site of SITES) {
    if (random.below(2) === 0) continue;
    if (site === "register lie" || site === "capability" || site === "vector") {
      // There are few places of these.
      rarity[site] = pick(random, [1, 2, 4, 16]);
      continue;
    }
    const isBetween = site === "forgery" || site === "memory write" || site === "behaviour" || site === "work";
    const base = isBetween || site === "memory read" ? 8 * scale : 4;
    rarity[site] = base * pick(random, [1, 4, 16, 64]);
  }
  return rarityOf(rarity);
}

/** The ports of a function. Lies about bridges and base addresses can leave it without, and no kernel grants any then. */
function grantPorts(machine: HostileMachine, device: VirtioDevice): void {
  const pciFunction = machine.pc.functionOf(device);
  for (const bar of pciFunction.baseAddresses) {
    const base = bar.kind === "io" ? pciFunction.baseAddress(bar) : 0;
    if (base >= FIRST_PORT) machine.grantPorts(base, bar.size);
  }
}
