/** What the guests of all devices have in common: the place, the handle, resets, and the end. */
import {
  CompletionLayout,
  DeviceInformationLayout,
  type DeviceOptionsLayout,
  Result,
  Transport,
  TransportWanted,
} from "../../kernel-shim/javascript/abi.js";
import { readRecord, type RecordOf } from "../../kernel-shim/javascript/records.js";
import type { HostileMachine } from "../../kernel-shim/emulated-pc/hostile/hostile-machine.js";
import type { Mutations } from "../../kernel-shim/emulated-pc/hostile/mutations.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import type { Random } from "../../kernel-shim/emulated-pc/random.js";
import type { VirtioDevice } from "../../kernel-shim/emulated-pc/virtio/device.js";
import { isMmio } from "../../kernel-shim/emulated-pc/virtio/transport.js";
import type { MmioSlot } from "../../kernel-shim/machine.js";
import * as bounds from "./bounds.js";
import { expect } from "./finding.js";
import { expectResult, type HostedModule } from "./hosted-module.js";
import { Mistakes } from "./mistakes.js";

/** What a guest works with. */
export interface GuestContext {
  readonly module: HostedModule;
  readonly machine: HostileMachine;
  readonly mutations: Mutations;
  /** For what the guest does; independent of what the devices do. */
  readonly random: Random;
  /** As the machine has it. */
  readonly relaxTime: number;
}

/** Where a device is, as its kernel knows it. */
export interface DevicePlace {
  /** What an opening calls it by: the PCI address, or the low half of where its slot begins. */
  readonly address: number;
  /** Null of a PCI function. */
  readonly slot: MmioSlot | null;
  readonly costs: bounds.RegisterCosts;
}

export function placeOf({ pc }: HostileMachine, device: VirtioDevice): DevicePlace {
  const transport = pc.transportOf(device);
  const costs = bounds.registerCosts(transport);
  if (!isMmio(transport)) return { address: pc.addressOf(device), slot: null, costs };
  const slot = pc.slotOf(device);
  return { address: Number(slot.base) % 2 ** 32, slot, costs };
}

type CommonOptions = RecordOf<typeof DeviceOptionsLayout>;
const FEATURES_MAX = 0xffff_ffff_ffff_ffffn;
/** Where lies about registers, functions and configuration space come in. */
const LIES = ["register read", "register lie", "configuration read", "capability"] as const;

/** What can be wrong with a device while it is opened or reset. */
export const BRING_UP_RESULTS = [
  Result.E_RESET_TIMEOUT,
  Result.E_FEATURES,
  Result.E_CONFIGURATION,
  Result.E_QUEUE_SIZE,
  Result.E_QUEUE_LIVE,
  Result.E_DMA_MEMORY,
  Result.E_NOT_VIRTIO,
  Result.E_BAR,
  Result.E_GONE,
];
const SUSPEND_RESULTS = [Result.E_MEMORY, Result.E_RESET_TIMEOUT, Result.E_NOT_VIRTIO, Result.E_BAR, Result.E_GONE];
const OPEN_RESULTS = [...BRING_UP_RESULTS, Result.E_NOT_FOUND, Result.E_MEMORY, Result.E_ARGUMENT];
/** Of a device that takes no work, and has not been closed. */
export const UNUSABLE: readonly number[] = [Result.E_BROKEN, Result.E_GONE];
export const BATCH_RESULTS = [Result.E_HANDLE, Result.E_ARGUMENT, ...UNUSABLE];

/** Turns of waiting in which a device that keeps the rules has done what it was asked. */
const PATIENCE = 2000;
/** Each of them, in nanoseconds. */
const PATIENCE_TIME = 50_000;

export abstract class DeviceGuest {
  /** 0: not open. */
  handle = 0;
  abstract readonly kind: "block" | "net" | "entropy" | "generic";
  protected ring: bounds.RingFacts = { entries: 0, descriptors: 0 };
  protected readonly place: DevicePlace;
  private readonly mistakes: Mistakes;

  constructor(
    protected readonly context: GuestContext,
    private readonly device: VirtioDevice,
  ) {
    this.place = placeOf(context.machine, device);
    this.mistakes = new Mistakes(context);
  }

  /** What an opening calls the device by. */
  get address(): number {
    return this.place.address;
  }

  get slot(): MmioSlot | null {
    return this.place.slot;
  }

  get isOpen(): boolean {
    return this.handle !== 0;
  }

  /**
   * Opens the device. Returns the handle or why not.
   *
   * @param withOptions chosen at random
   */
  abstract open(withOptions: boolean): number;
  /** One of the things that a kernel does, at random. */
  abstract step(): void;
  /** Moves data on a device that keeps the rules, and checks it. */
  abstract moveData(): void;
  /** Requests and buffers that the caller has yet to see or give back. */
  protected abstract get out(): number;
  /** Takes completions and gives back buffers, once. Returns how many. */
  protected abstract takeBack(): number;
  /** Calls of the kind's own on a handle that is being closed, at random, beside those that take back. */
  protected abstract callWhileClosing(): void;
  /** What is in flight will not be done any more. */
  protected abstract deviceWasReset(): void;
  /** Hands in something that no device may ever see. */
  protected abstract submitNonsense(): void;

  /** Imports with which a reset or resume makes what the guest has set, in which a device can be found broken. */
  protected settingImports(): number {
    return 0;
  }

  /** What a reset or resume may come to. */
  private get bringUpResults(): readonly number[] {
    return this.settingImports() === 0 ? BRING_UP_RESULTS : [...BRING_UP_RESULTS, Result.E_BROKEN];
  }

  protected get lentBytes(): number {
    return this.context.machine.lent.stackBytes;
  }

  /** None, longer than anything takes, or such that requests which are held back take too long. */
  protected chooseTimeout(): bigint {
    return pick(this.context.random, [0n, 1_000_000n, 2_000_000n, 1_000_000_000n]);
  }

  /** Whether devices ever said of themselves what is not so. */
  protected get wasLiedTo(): boolean {
    return this.context.mutations.appliedAt(...LIES) > 0;
  }

  /** The fields that all records of options begin with: mostly what leads to the device, otherwise anything. */
  protected chooseOptions(): CommonOptions {
    const { random } = this.context;
    const bits = (BigInt(random.next()) << 32n) | BigInt(random.next());
    const options = this.plainOptions();
    const { transport, mmio_bytes: bytes } = options;
    // Rarely by a way that is not there.
    const wanted = [...Array<number>(12).fill(transport), TransportWanted.LEGACY_PCI, TransportWanted.MODERN_PCI];
    return {
      ...options,
      features: pick(random, [bits, FEATURES_MAX]),
      timeout_ns: this.chooseTimeout(),
      mmio_bytes: pick(random, [...Array<number>(6).fill(bytes), 0x100, 0x104, 2 * bytes]),
      transport: pick(random, wanted),
      vectors: pick(random, [0, 0, 1, 1, 2, 3, 4, 0xffff_ffff]),
      queue_size_max: pick(random, [0, 0, 0, 0, 1, 4, 5, 16, 0xffff_ffff]),
    };
  }

  /** What leads to the device, and nothing else. */
  protected plainOptions(): CommonOptions {
    const { slot } = this.place;
    const isMapped = slot !== null;
    return {
      features: FEATURES_MAX,
      timeout_ns: 0n,
      mmio_base: isMapped ? slot.base : 0n,
      mmio_bytes: isMapped ? slot.bytes : 0,
      transport: isMapped ? TransportWanted.MMIO : TransportWanted.PCI,
      vectors: 0,
      queue_size_max: 0,
    };
  }

  /** `open` with the memory that it may borrow as bound. */
  protected openWith(name: "block_open" | "net_open" | "entropy_open" | "generic_open", options: number): number {
    const { module, machine, relaxTime } = this.context;
    machine.chooseLies(this.device);
    // What an open that fails borrowed is given back by its end, so the bound is for all there is.
    const bound = bounds.openImports(this.place.costs, 4 * 1024 * 1024, relaxTime);
    const handle = module.call(name, bound, this.address, options);
    module.records.reset();
    expectResult(name, handle, OPEN_RESULTS);
    expect(handle !== 0, "a handle is greater than 0", () => name);
    if (handle > 0) {
      this.handle = handle;
      this.describe();
    }
    return handle;
  }

  /** What was agreed with the device, and how it is reached. */
  private describe(): void {
    const { result, record } = this.context.module.callForRecord(
      "device_information",
      bounds.NO_IMPORTS,
      this.handle,
      DeviceInformationLayout,
    );
    expect(result === Result.OK, "device_information describes an open device", () => `${result}`);
    expect(
      (record.features_accepted & ~record.features_offered) === 0n,
      "only offered features are accepted",
      () => `0x${record.features_accepted.toString(16)}`,
    );
    const { transport } = record;
    const isMapped = transport === Transport.MMIO_1 || transport === Transport.MMIO_2;
    const isReached = transport !== Transport.NONE && isMapped === (this.slot !== null);
    expect(isReached, "an open device is reached by a transport that it has", () => `${transport}`);
  }

  /** A call on the handle alone. */
  protected callOnHandle(
    name: "events" | "enable_interrupts" | "disable_interrupts" | "block_await_all" | "net_await_all",
    bound: number,
    allowed: readonly number[],
  ): number {
    const result = this.context.module.call(name, bound, this.handle);
    expectResult(name, result, allowed);
    return result;
  }

  /**
   * Takes up to `capacity` completions, each of which `complete` is told of. Returns how many, or the negative result.
   *
   * @param queue where the call asks for one
   */
  protected takeCompletions(
    name: "block_poll" | "net_reclaim" | "entropy_poll" | "generic_poll",
    capacity: number,
    complete: (token: bigint, result: number, length: number) => void,
    ...queue: number[]
  ): number {
    const { module } = this.context;
    const array = module.passRoom(CompletionLayout, capacity);
    const bound = bounds.takeImports(this.place.costs, this.ring, this.lentBytes);
    const taken = module.call(name, bound, this.handle, ...queue, array, capacity);
    expectResult(name, taken, BATCH_RESULTS);
    expect(taken <= capacity, "no more is taken than there is room for", () => `${taken}`);
    for (let index = 0; index < taken; index++) {
      const record = readRecord(module.view, CompletionLayout, array + index * CompletionLayout.size);
      complete(record.token, record.result, record.length);
    }
    module.records.reset();
    return taken;
  }

  /** Steps that every device has. */
  protected commonStep(choice: number): void {
    const { random, machine } = this.context;
    switch (choice) {
      case 0:
        this.interrupt();
        return;
      case 1:
        expect(this.callOnHandle("events", bounds.NO_IMPORTS, []) <= 255, "there are eight events", () => "");
        return;
      case 2:
        this.callOnHandle("enable_interrupts", bounds.SWITCH_INTERRUPTS_IMPORTS, UNUSABLE);
        return;
      case 3:
        this.callOnHandle("disable_interrupts", bounds.SWITCH_INTERRUPTS_IMPORTS, UNUSABLE);
        return;
      case 4:
        machine.letDevicesWork(random.below(500_000));
        return;
      case 5:
        switch (random.below(8)) {
          case 0:
          case 1:
            this.reset();
            return;
          case 2:
            this.sleep();
        }
        return;
      case 6:
        if (random.below(2) === 0) this.submitNonsense();
        else this.mistakes.make(this);
        return;
      default:
        if (random.below(8) === 0) this.close();
    }
  }

  /** The line was asserted, or a message came, or neither. */
  private interrupt(): void {
    const { module, random } = this.context;
    const bound = bounds.interruptImports(this.place.costs);
    const isMessage = random.below(2) === 0;
    const vector = pick(random, [0, 0, 1, 2, 3, 63, 64, 0xffff_ffff]);
    const bits = isMessage
      ? module.call("interrupt_vector", bound, this.handle, vector)
      : module.call("interrupt", bound, this.handle);
    expectResult("interrupt", bits, [Result.E_GONE]);
    expect(bits <= 3, "an interrupt has two reasons", () => `${bits}`);
  }

  /** Resets the device. Returns the result. */
  reset(): number {
    const { module, relaxTime } = this.context;
    const bound = bounds.deviceResetImports(this.place.costs, this.lentBytes, relaxTime, this.ring);
    const result = module.call("reset", bound + this.settingImports(), this.handle);
    expectResult("reset", result, this.bringUpResults);
    expect(result <= 0, "reset returns OK or an error", () => `${result}`);
    this.deviceWasReset();
    return result;
  }

  /** Suspends the device and resumes it. One that does not come back is closed. */
  private sleep(): void {
    const { module, random, relaxTime } = this.context;
    const { lentBytes, ring } = this;
    const { costs } = this.place;
    const bound = bounds.SCAN_IMPORTS + bounds.closeImports(costs, lentBytes, relaxTime, ring);
    const suspended = module.call("suspend", bound, this.handle, random.below(2));
    if (suspended > 0) {
      expect(suspended === this.out, "suspend says how much is still out", () => `${suspended}, not ${this.out}`);
      return;
    }
    expectResult("suspend", suspended, SUSPEND_RESULTS);
    if (suspended !== Result.OK && suspended !== Result.E_RESET_TIMEOUT) return;
    this.deviceWasReset();
    if (random.below(2) === 0) this.drain();
    for (const name of ["reset", "enable_interrupts", "disable_interrupts"] as const) {
      const result = module.call(name, bounds.NO_IMPORTS, this.handle);
      expect(result === Result.E_SUSPENDED, "a suspended device takes no work", () => `${name}: ${result}`);
    }
    for (const name of ["interrupt", "interrupt_vector"] as const) {
      const result = module.call(name, bounds.NO_IMPORTS, this.handle, 0);
      expect(result === 0, "a suspended device does not interrupt", () => `${name}: ${result}`);
    }
    const wakeBound = 2 * bounds.deviceResetImports(costs, lentBytes, relaxTime, ring);
    const resumed = module.call("resume", wakeBound + this.settingImports(), this.handle);
    expectResult("resume", resumed, this.bringUpResults);
    if (resumed !== Result.OK) this.close();
  }

  /** Closes the device, and takes back all that was out. */
  close(): void {
    const { module, relaxTime } = this.context;
    const bound = bounds.closeImports(this.place.costs, this.lentBytes, relaxTime, this.ring);
    const left = module.call("close", bound, this.handle);
    expect(left === this.out, "close says how much is still out", () => `${left}, not ${this.out}`);
    this.deviceWasReset();
    while (this.out > 0) {
      this.tryWhileClosing();
      if (this.takeBack() <= 0) break;
    }
    expect(this.out === 0, "everything comes back after a close", () => `${this.out} are still out`);
    const after = module.call("events", bounds.NO_IMPORTS, this.handle);
    expect(after === Result.E_HANDLE, "the handle goes with the last that was out", () => `events: ${after}`);
    this.handle = 0;
  }

  /** A handle that is being closed is good for taking back, and for nothing else. */
  private tryWhileClosing(): void {
    const { module, random } = this.context;
    if (random.below(2) === 0) return;
    this.callWhileClosing();
    const name = pick(random, [
      "interrupt",
      "interrupt_vector",
      "enable_interrupts",
      "disable_interrupts",
      "reset",
      "close",
    ] as const);
    const result = module.call(name, bounds.NO_IMPORTS, this.handle, 0);
    expect(result === Result.E_HANDLE, "a handle that is being closed takes no work", () => `${name}: ${result}`);
  }

  /** After a reset: takes what was in flight. */
  drain(): void {
    while (this.out > 0) {
      const taken = this.takeBack();
      expect(taken > 0, "every request comes back after a reset", () => `${this.out} are still out`);
    }
  }

  /** Waits until `isDone`, on a device that keeps the rules. */
  protected waitFor(what: string, isDone: () => boolean): void {
    for (let turn = 0; turn < PATIENCE; turn++) {
      if (isDone()) return;
      this.context.machine.letDevicesWork(PATIENCE_TIME);
    }
    expect(false, "a device that keeps the rules again works again", () => what);
  }

  /** Ends hostilities: a reset brings the device back, or it is closed as it is. */
  makePeace(): void {
    const { mutations, random } = this.context;
    if (this.isOpen && random.below(2) === 0) {
      const wasDeceived = this.wasLiedTo || mutations.appliedAt("register write") > 0;
      const result = this.reset();
      expect(result === Result.OK || wasDeceived, "reset brings a device back", () => `${result}`);
      this.drain();
      if (!wasDeceived) this.moveData();
    }
    if (this.isOpen) this.close();
  }

  /** The device can be opened and works. No other is open that may have been told that its ports are these. */
  startAgain(): void {
    const handle = this.open(false);
    expect(handle > 0, "a device can be opened again", () => `${handle}`);
    this.moveData();
    this.close();
  }
}
