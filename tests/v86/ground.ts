/** v86 as a ground for the behaviour cases: its one card, with the case at the other end of the cable. */

import { macToBytes } from "../../kernel-shim/network/addresses.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type { VirtioStack } from "../../kernel-shim/javascript/index.js";
import type { Emulator } from "../../kernel-shim/v86/emulator.js";
import { loadEmulator, type V86Build } from "../../kernel-shim/v86/load-emulator.js";
import { V86Machine } from "../../kernel-shim/v86/machine.js";
import type { Capability, CardDescription, Case, Ground, Setting, TestCard } from "../cases/context.js";
import type { OfferedFeatures } from "../cases/features.js";
import { countLentPages } from "../cases/pages.js";
import { quietly } from "./console.js";

const CARD_ADDRESS = 0x0a << 3;
const DEFAULT_MTU = 1500;
/** Those that cases ask for. */
const MTUS = [DEFAULT_MTU, 9000] as const;
const DEFAULT_MAC = "52:54:00:12:34:56";

const CANNOT: ReadonlyMap<Capability, string> = new Map([
  ["small network rings", "v86's rings have 1024 entries"],
  ["card without address", "v86 gives its card an address"],
  ["offloads", "v86's card has none"],
  ["scattered memory", "pointers are physical addresses here"],
  ["legacy devices", "v86's devices offer VERSION_1"],
  ["power cycle", "v86's devices are reset with its processor, which does not run here"],
]);

/** What v86's card offers of what cases can choose. The header is part of the first buffer anyway. */
const OFFERED: OfferedFeatures = {
  indirect: false,
  eventIndex: false,
  mergeable: false,
  status: true,
  controlQueue: true,
  macAddress: true,
  receiveModes: false,
  extraModes: false,
  vlans: false,
  announce: false,
};

function unofferedFeature({ offers }: CardDescription): string | undefined {
  const names = Object.keys(OFFERED) as (keyof OfferedFeatures)[];
  return names.find((name) => offers?.[name] !== undefined && offers[name] !== OFFERED[name]);
}

class V86Card implements TestCard {
  readonly pciAddress = CARD_ADDRESS;
  private sent: Uint8Array[] = [];

  constructor(
    readonly description: CardDescription,
    private readonly machine: () => V86Machine,
  ) {}

  readonly onSend = (frame: Uint8Array): void => {
    this.sent.push(frame);
  };

  takeSent(): Uint8Array[] {
    const { sent } = this;
    this.sent = [];
    return sent;
  }

  /** v86 says on the console that a frame is lost. */
  deliver(frames: readonly Uint8Array[]): void {
    quietly(() => {
      for (const frame of frames) this.machine().receive(frame);
    });
  }

  setLink(up: boolean): void {
    this.machine().setLink(up);
  }

  announce(): never {
    throw new Error("v86's card offers no GUEST_ANNOUNCE");
  }

  filters(): never {
    throw new Error("v86's card offers no CTRL_RX");
  }
}

class V86Setting implements Setting {
  readonly machine: V86Machine;
  readonly stack: VirtioStack;
  readonly disks = [];
  readonly entropySources = [];
  readonly cards: readonly V86Card[];
  readonly lentPages: () => number;
  private refusalsSeen = 0;

  constructor(emulator: Emulator, { cards = [], arenaBytes }: Case) {
    this.cards = cards.map((description) => new V86Card(description, () => this.machine));
    const [card] = this.cards;
    this.machine = new V86Machine(emulator, card === undefined ? {} : { onSend: card.onSend });
    this.machine.setMac(macToBytes(card?.description.mac ?? DEFAULT_MAC));
    this.machine.setLink(true);
    this.lentPages = countLentPages(this.machine.kernel);
    this.stack = loadStack(this.machine, undefined, arenaBytes === undefined ? {} : { arenaBytes });
    this.stack.scan();
  }

  letDevicesWork(): void {
    this.machine.kernel.relax();
  }

  takeComplaints(): string[] {
    const refusals = this.machine.refusals.slice(this.refusalsSeen);
    this.refusalsSeen += refusals.length;
    return refusals.map(
      ({ kind, address, bytes }) => `refused: ${kind} of ${bytes} bytes at 0x${address.toString(16)}`,
    );
  }
}

export class V86Ground implements Ground {
  readonly name: string;
  readonly cannot = CANNOT;
  /** Virtual time, of which a request takes microseconds. */
  readonly patienceMilliseconds = 200;

  private constructor(
    build: V86Build,
    private readonly emulators: ReadonlyMap<number, Emulator>,
    readonly effort: number,
  ) {
    this.name = `v86, ${build} build`;
  }

  static async start(build: V86Build, effort: number): Promise<V86Ground> {
    const emulators = new Map<number, Emulator>();
    for (const mtu of MTUS) emulators.set(mtu, await loadEmulator({ mtu }, build));
    return new V86Ground(build, emulators, effort);
  }

  lacks({ disks = [], cards = [], entropySources = 0, isUnassigned = false }: Case): string | undefined {
    if (disks.length > 0) return "v86 has no virtio disk";
    if (entropySources > 0) return "v86 has no entropy device";
    if (cards.length > 1) return "v86 has one card";
    if (isUnassigned) return "v86 assigns ports itself";
    const name = cards[0] && unofferedFeature(cards[0]);
    return name && `v86's card has no choice of ${name}`;
  }

  prepare(wanted: Case): Setting {
    const mtu = wanted.cards?.[0]?.mtu ?? DEFAULT_MTU;
    const emulator = this.emulators.get(mtu);
    if (emulator === undefined) throw new RangeError(`no emulator has been started with an MTU of ${mtu}`);
    return new V86Setting(emulator, wanted);
  }

  release(setting: Setting): void {
    setting.machine.close();
  }

  close(): void {
    for (const emulator of this.emulators.values()) void emulator.destroy();
  }
}
