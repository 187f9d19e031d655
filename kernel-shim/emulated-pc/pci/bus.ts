/**
 * A bus and what is plugged into it, and the bridge that leads to a further one.
 * [PCI 3.0 §3.2.2.3; PCI-to-PCI Bridge 1.2 §3, §4]
 */
import { type FunctionDescription, PciFunction } from "./function.js";
import * as registers from "./registers.js";

/** Devices on a bus. */
const SLOTS = 32;
const FUNCTIONS = 8;

/** An address range that a bridge passes on; empty when `last` is below `base`. */
export interface Window {
  base: number;
  last: number;
}

export class PciBus {
  private readonly functions = new Map<number, PciFunction>();

  /** @param bridge the bridge above, null for the bus of the host bridge */
  constructor(readonly bridge: PciBridge | null) {}

  /** Its number as the configuration of the bridge above says; 0 also while nobody has numbered it. */
  get number(): number {
    return this.bridge === null ? 0 : this.bridge.secondaryBus;
  }

  /** Whether every bridge from here up to the processor passes DMA on. */
  get forwardsDma(): boolean {
    return this.bridge === null || (this.bridge.forwardsDma && (this.bridge.parent?.forwardsDma ?? false));
  }

  /** Plugs a function in. The place must be free. */
  plug(pciFunction: PciFunction, slot: number, index: number): void {
    const key = slot * FUNCTIONS + index;
    if (slot < 0 || slot >= SLOTS || index < 0 || index >= FUNCTIONS) throw new Error(`no slot ${slot}.${index}`);
    if (this.functions.has(key)) throw new Error(`slot ${slot}.${index} is taken`);
    this.functions.set(key, pciFunction);
    if (pciFunction instanceof PciBridge) pciFunction.parent = this;
    this.markMultiFunction(slot);
  }

  unplug(pciFunction: PciFunction): void {
    for (const [key, candidate] of this.functions) {
      if (candidate !== pciFunction) continue;
      this.functions.delete(key);
      this.markMultiFunction(key >> 3);
    }
  }

  functionAt(slot: number, index: number): PciFunction | undefined {
    return this.functions.get(slot * FUNCTIONS + index);
  }

  /** The lowest slot from `first` on with nothing in it. */
  freeSlot(first: number): number {
    for (let slot = first; slot < SLOTS; slot++) {
      if (![...this.functions.keys()].some((key) => key >> 3 === slot)) return slot;
    }
    throw new Error("all slots of the bus are taken");
  }

  /** Everything on this bus in the order of slots, not what is behind its bridges. */
  *entries(): Generator<{ slot: number; index: number; pciFunction: PciFunction }> {
    for (const key of [...this.functions.keys()].sort((left, right) => left - right)) {
      const pciFunction = this.functions.get(key);
      if (pciFunction !== undefined) yield { slot: key >> 3, index: key & 7, pciFunction };
    }
  }

  /** Lets the first function of a slot tell whether there are others. */
  private markMultiFunction(slot: number): void {
    const first = this.functions.get(slot * FUNCTIONS);
    if (first === undefined) return;
    const isMultiple = [...this.functions.keys()].some((other) => other >> 3 === slot && (other & 7) !== 0);
    const headerType = (first.configuration[registers.HEADER_TYPE] ?? 0) & ~registers.MULTI_FUNCTION;
    first.poke(registers.HEADER_TYPE, [isMultiple ? headerType | registers.MULTI_FUNCTION : headerType]);
  }

  /** The bus of that number as configuration cycles reach it, from here downwards. */
  find(number: number): PciBus | null {
    if (number === this.number) return this;
    for (const { pciFunction } of this.entries()) {
      if (!(pciFunction instanceof PciBridge) || !pciFunction.leadsTo(number)) continue;
      return pciFunction.bus.find(number);
    }
    return null;
  }
}

export class PciBridge extends PciFunction {
  /** The bus behind. */
  readonly bus: PciBus;
  /** The bus that the bridge is plugged into. */
  parent: PciBus | null = null;

  constructor(description: FunctionDescription) {
    super(description, 1);
    this.bus = new PciBus(this);
    this.allow(registers.PRIMARY_BUS, 3, 0xff_ffff);
    this.allow(registers.IO_BASE, 2, 0xf0f0);
    this.allow(registers.MEMORY_BASE, 4, 0xfff0_fff0);
    this.allow(registers.PREFETCHABLE_BASE, 4, 0xfff0_fff0);
    this.allow(registers.BRIDGE_CONTROL, 2, 0x0fff);
  }

  get secondaryBus(): number {
    return this.view.getUint8(registers.SECONDARY_BUS);
  }

  get subordinateBus(): number {
    return this.view.getUint8(registers.SUBORDINATE_BUS);
  }

  leadsTo(bus: number): boolean {
    return this.secondaryBus !== 0 && bus >= this.secondaryBus && bus <= this.subordinateBus;
  }

  /** The ports that are passed on, none while I/O space is disabled. 16-bit decoding, 4 KiB steps. */
  get ioWindow(): Window {
    if ((this.command & registers.COMMAND_IO) === 0) return { base: 1, last: 0 };
    const base = (this.view.getUint8(registers.IO_BASE) & 0xf0) << 8;
    const last = ((this.view.getUint8(registers.IO_LIMIT) & 0xf0) << 8) | 0xfff;
    return { base, last };
  }

  /** The memory that is passed on, none while memory space is disabled: 1 MiB steps, both windows below 4 GiB. */
  get memoryWindows(): readonly Window[] {
    if ((this.command & registers.COMMAND_MEMORY) === 0) return [];
    return [registers.MEMORY_BASE, registers.PREFETCHABLE_BASE].map((offset) => ({
      base: (this.view.getUint16(offset, true) & 0xfff0) * 0x1_0000,
      last: (this.view.getUint16(offset + 2, true) & 0xfff0) * 0x1_0000 + 0xf_ffff,
    }));
  }

  /** Whether DMA from behind is passed on. */
  get forwardsDma(): boolean {
    return (this.command & registers.COMMAND_BUS_MASTER) !== 0;
  }
}

/** A function and the bridges between it and the processor, the nearest to the function first. */
export interface Place {
  readonly pciFunction: PciFunction;
  readonly bus: PciBus;
  readonly slot: number;
  readonly index: number;
  readonly bridges: readonly PciBridge[];
}

/** Everything on a bus and behind its bridges, bridges before what is behind them. */
export function* everything(bus: PciBus, above: readonly PciBridge[] = []): Generator<Place> {
  for (const { slot, index, pciFunction } of bus.entries()) {
    yield { pciFunction, bus, slot, index, bridges: above };
    if (pciFunction instanceof PciBridge) yield* everything(pciFunction.bus, [pciFunction, ...above]);
  }
}

/** bus × 256 + device × 8 + function, with the bus number of the moment. */
export function addressOf(place: Place): number {
  return place.bus.number * 256 + place.slot * 8 + place.index;
}

/** "00:04.0" */
export function describePlace(place: Place): string {
  const hex = (value: number): string => value.toString(16).padStart(2, "0");
  return `${hex(place.bus.number)}:${hex(place.slot)}.${place.index}`;
}
