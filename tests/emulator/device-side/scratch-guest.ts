/**
 * A guest of a few lines, to try devices of the emulated PC without the driver stack: it writes rings by hand and can
 * therefore do what the stack never would.
 */
import { CompletionTimes, type Completion } from "../../../kernel-shim/emulated-pc/completion.js";
import { DmaPages } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import { DmaView } from "../../../kernel-shim/emulated-pc/memory/dma-view.js";
import { type Profile, type ProfileName, profiles } from "../../../kernel-shim/emulated-pc/profiles.js";
import { Random } from "../../../kernel-shim/emulated-pc/random.js";
import { VirtualTime } from "../../../kernel-shim/emulated-pc/time.js";
import { VIRTIO_F_VERSION_1 } from "../../../kernel-shim/emulated-pc/virtio/constants.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { featureSet, hasFeature, wordOf } from "../../../kernel-shim/emulated-pc/virtio/feature-sets.js";
import { legacyLayout, ringBytes } from "../../../kernel-shim/emulated-pc/virtio/ring-layout.js";
import { Violations } from "../../../kernel-shim/emulated-pc/violations.js";

const PAGE = 4096;
/** Pages are lent at the addresses by which the guest names them. */
const BASE = 0x10_0000;
const MEMORY_PAGES = 1024;

export interface GuestOptions {
  profile?: ProfileName;
  completion?: Completion;
  seed?: number;
  /** A time shared with other guests and with back ends. */
  time?: VirtualTime;
}

/** One descriptor: bytes for the device to read, or room for it to write. */
export type Part = { read: Uint8Array } | { write: number };

export interface Used {
  id: number;
  length: number;
}

/** Time, random numbers and one device's memory, without a PCI bus. */
export class ScratchGuest {
  readonly time: VirtualTime;
  readonly violations = new Violations();
  readonly profile: Profile;
  interruptPin = false;
  isBusMaster = true;
  private readonly pages: DmaPages;

  constructor(
    readonly device: VirtioDevice,
    options: GuestOptions = {},
  ) {
    this.time = options.time ?? new VirtualTime();
    this.profile = profiles[options.profile ?? "qemu"];
    const memory = new ArrayBuffer(MEMORY_PAGES * PAGE);
    this.pages = new DmaPages({
      buffer: () => memory,
      start: 0,
      end: memory.byteLength,
      pointerBase: BASE,
      identity: true,
      seed: 1,
    });
    const random = new Random(options.seed ?? 1);
    device.attach({
      location: "00:04.0",
      profile: this.profile,
      dma: new DmaView(this.pages, this.violations, "guest"),
      time: this.time,
      completion: new CompletionTimes(options.completion ?? "immediate", random),
      random,
      violations: this.violations,
      interfaces: ["legacy", "modern"],
      hasInterruptPin: true,
      isBusMaster: () => this.isBusMaster,
      isMsixEnabled: () => false,
      sendMessage: () => undefined,
      setInterruptPin: (isAsserted) => (this.interruptPin = isAsserted),
    });
  }

  /** Resets and brings the device up with exactly these features: through its modern interface with VERSION_1. */
  start(features: number): GuestQueue[] {
    const { device } = this;
    const isModern = hasFeature(featureSet(features), VIRTIO_F_VERSION_1);
    device.setStatus(0);
    device.useInterface(isModern ? "modern" : "legacy");
    device.setStatus(1);
    device.setStatus(3);
    if (isModern) for (const word of [0, 1]) device.setDriverFeatureWord(word, wordOf(featureSet(features), word));
    else device.setDriverFeatures(features);
    device.setStatus(3 | 8);
    const queues = device.queues.map((queue) => {
      const address = this.lend(Math.ceil(ringBytes(queue.size) / PAGE));
      device.enableQueue(queue, legacyLayout(address, queue.size));
      return new GuestQueue(this, queue.index, queue.size, address);
    });
    device.setStatus(3 | 8 | 4);
    return queues;
  }

  /** Address of zeroed memory that the device may reach. */
  lend(pages: number): number {
    const address = this.pages.lend(pages, false);
    if (address === 0) throw new Error("the scratch guest is out of memory");
    return address;
  }

  get bytes(): Uint8Array {
    return this.pages.bytes;
  }

  get view(): DataView {
    return this.pages.data;
  }

  /** Where an address lies in `bytes`. */
  offset(address: number): number {
    return address - BASE;
  }

  /** The names of the rules broken so far, each once. */
  get brokenRules(): string[] {
    return [...new Set(this.violations.list.map(({ rule }) => rule.id))];
  }

  /** Lets everything happen that is due within a second. */
  settle(): void {
    this.time.advanceTo(this.time.now + 1_000_000_000);
  }
}

/** The driver's side of a queue: descriptors are used once each, in order, and never freed. */
export class GuestQueue {
  private nextDescriptor = 0;
  private available = 0;
  private seen = 0;
  private readonly used: number;

  constructor(
    private readonly guest: ScratchGuest,
    readonly index: number,
    readonly size: number,
    readonly address: number,
  ) {
    this.used = Math.ceil((16 * size + 2 * (3 + size)) / PAGE) * PAGE;
  }

  /** Makes a chain available without notifying. Returns the addresses of its parts; its head is their `head`. */
  post(...parts: readonly Part[]): { head: number; addresses: number[] } {
    const { guest } = this;
    const head = this.nextDescriptor % this.size;
    const addresses = parts.map((part) => {
      const length = "read" in part ? part.read.length : part.write;
      const address = guest.lend(Math.max(1, Math.ceil(length / PAGE)));
      if ("read" in part) guest.bytes.set(part.read, guest.offset(address));
      return address;
    });
    for (const [position, part] of parts.entries()) {
      const descriptor = this.nextDescriptor % this.size;
      this.nextDescriptor += 1;
      const at = guest.offset(this.address) + 16 * descriptor;
      const isLast = position === parts.length - 1;
      guest.view.setBigUint64(at, BigInt(addresses[position] ?? 0), true);
      guest.view.setUint32(at + 8, "read" in part ? part.read.length : part.write, true);
      guest.view.setUint16(at + 12, ("read" in part ? 0 : 2) | (isLast ? 0 : 1), true);
      guest.view.setUint16(at + 14, isLast ? 0 : this.nextDescriptor % this.size, true);
    }
    const ring = guest.offset(this.address) + 16 * this.size;
    guest.view.setUint16(ring + 4 + 2 * (this.available % this.size), head, true);
    this.available += 1;
    guest.view.setUint16(ring + 2, this.available, true);
    return { head, addresses };
  }

  /** Notifies unless the device asked not to be (by flag: EVENT_IDX is not for this guest). Returns whether it did. */
  kick(): boolean {
    if (this.notificationsAreSuppressed) return false;
    this.guest.device.notify(this.index);
    return true;
  }

  get notificationsAreSuppressed(): boolean {
    return this.guest.view.getUint16(this.guest.offset(this.address) + this.used, true) !== 0;
  }

  /** What came back since the last call. */
  take(): Used[] {
    const { guest } = this;
    const ring = guest.offset(this.address) + this.used;
    const taken: Used[] = [];
    while (this.seen !== guest.view.getUint16(ring + 2, true)) {
      const at = ring + 4 + 8 * (this.seen % this.size);
      taken.push({ id: guest.view.getUint32(at, true), length: guest.view.getUint32(at + 4, true) });
      this.seen = (this.seen + 1) & 0xffff;
    }
    return taken;
  }

  /** A copy of memory at an address. */
  read(address: number, length: number): Uint8Array {
    const offset = this.guest.offset(address);
    return this.guest.bytes.slice(offset, offset + length);
  }
}
