/** A kernel that enumerates its PCI functions and hands out addresses while they answer nonsense, and then once more. */
import {
  PciBarLayout,
  PciCapabilityLayout,
  PciFunctionLayout,
  PciMsixLayout,
  PciRangesLayout,
  type RecordLayout,
  Result,
} from "../../kernel-shim/javascript/abi.js";
import { readRecord, type RecordOf } from "../../kernel-shim/javascript/records.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import { everything, PciBridge } from "../../kernel-shim/emulated-pc/pci/bus.js";
import { PciFunction } from "../../kernel-shim/emulated-pc/pci/function.js";
import * as bounds from "./bounds.js";
import type { GuestContext } from "./device-guest.js";
import { expect } from "./finding.js";
import { expectResult } from "./hosted-module.js";
import { GUARD } from "./oracles.js";

const FUNCTIONS = 16;
const FUNCTIONS_MAX = 65_536;
const CAPABILITIES = 8;
const CAPABILITIES_MAX = 48;
const BASE_ADDRESSES = 6;
const VECTORS_MAX = 2048;
const PORTS = 0x1_0000;
const MEMORY_END = 2 ** 32;

type Ranges = RecordOf<typeof PciRangesLayout>;

/** The sizes of base addresses of functions that are plugged in beside the usual ones. */
const MEMORY_SIZES = [16, 4096, 2 ** 20, 2 ** 24];
const PORT_SIZES = [4, 32, 256];

export class PciGuest {
  private hasMore = false;

  constructor(private readonly context: GuestContext) {}

  /** Plugs in further functions, bridges among them, which firmware has not seen. */
  plugMore(): void {
    const { random, machine } = this.context;
    const buses = [machine.pc.rootBus, ...(machine.pc.bridge === null ? [] : [machine.pc.bridge.bus])];
    for (let more = random.below(5); more > 0; more--) {
      const bus = pick(random, buses);
      const pciFunction = random.below(2) === 0 ? this.newBridge() : this.newFunction();
      machine.pc.addFunction(pciFunction, bus, bus.freeSlot(0));
      if (pciFunction instanceof PciBridge) buses.push(pciFunction.bus);
      this.hasMore = true;
    }
    machine.rememberFunctions();
  }

  private newBridge(): PciBridge {
    return new PciBridge({ name: "further bridge", vendorId: 0x1b36, deviceId: 0x0001, classCode: 0x06_04_00 });
  }

  private newFunction(): PciFunction {
    const { random } = this.context;
    const port = { kind: "io" as const, size: pick(random, PORT_SIZES) };
    const memory = { kind: pick(random, ["memory", "memory64"] as const), size: pick(random, MEMORY_SIZES) };
    return new PciFunction({
      name: "further function",
      vendorId: 0x10ec,
      deviceId: 0x8139,
      classCode: 0x02_00_00,
      baseAddresses: [
        { index: 0, ...port },
        // The last register has no upper half.
        { index: memory.kind === "memory" && random.below(2) === 0 ? 5 : 2, ...memory },
      ],
    });
  }

  /** What a kernel looks at and sets up before it opens anything, in any order. */
  lookAround(address: number): void {
    const { random } = this.context;
    for (let calls = 1 + random.below(5); calls > 0; calls--) {
      switch (random.below(5)) {
        case 0:
          this.scan(random.below(FUNCTIONS + 1));
          break;
        case 1:
          this.capabilities(address);
          break;
        case 2:
          for (let index = 0; index < BASE_ADDRESSES; index++) this.baseAddress(address, index);
          break;
        case 3:
          this.messages(address);
          break;
        default:
          this.assign(this.chooseRanges());
      }
    }
  }

  /**
   * Everybody tells the truth for a while: the functions are as they were, what nobody assigned is assigned, and all
   * are found. Behind windows that firmware opened there may be no room for more.
   */
  recover(): void {
    const { machine, mutations } = this.context;
    machine.restoreFunctions();
    mutations.isOn = false;
    const result = this.assign(this.granted());
    const mayLackRoom = this.hasMore && result === Result.E_NO_SPACE;
    expect(result === Result.OK || mayLackRoom, "functions that tell the truth are assigned", () => `${result}`);
    machine.rememberFunctions();
    const found = this.scan(FUNCTIONS);
    const there = [...everything(machine.pc.rootBus)].length;
    expect(found === there || mayLackRoom, "functions that tell the truth are found", () => `${found} of ${there}`);
    mutations.isOn = true;
  }

  private granted(): Ranges {
    const { ioBase, ioEnd, memoryBase, memoryLast } = this.context.machine.pciGrant;
    return { io_next: ioBase, io_end: ioEnd, memory_next: memoryBase, memory_last: memoryLast };
  }

  /** What is granted, little of it, or nonsense. */
  private chooseRanges(): Ranges {
    const { random } = this.context;
    const granted = this.granted();
    const { io_next: io, memory_next: memory } = granted;
    return pick(random, [
      granted,
      granted,
      { ...granted, io_next: 0 },
      { ...granted, memory_next: 0 },
      {
        io_next: io,
        io_end: io + random.below(0x2000),
        memory_next: memory,
        memory_last: memory + random.below(2 ** 22),
      },
      { io_next: 0xffff_ffff, io_end: PORTS, memory_next: 0xffff_fff0, memory_last: 0xffff_ffff },
      { io_next: io, io_end: PORTS + 1, memory_next: random.next(), memory_last: random.next() },
    ]);
  }

  private scan(capacity: number): number {
    const found = this.list(PciFunctionLayout, capacity, "functions", (array) =>
      this.context.module.call("pci_scan", bounds.SCAN_IMPORTS, array, capacity),
    );
    expect(found >= 0 && found <= FUNCTIONS_MAX, "a scan finds as many functions as there can be", () => `${found}`);
    return found;
  }

  private capabilities(address: number): void {
    const listed = this.list(PciCapabilityLayout, CAPABILITIES, "capabilities", (array) =>
      this.context.module.call("pci_capabilities", bounds.CAPABILITY_IMPORTS, address, array, CAPABILITIES),
    );
    expectResult("pci_capabilities", listed, [Result.E_NOT_FOUND]);
    expect(listed <= CAPABILITIES_MAX, "there are at most 48 capabilities", () => `${listed}`);
  }

  private messages(address: number): void {
    const { module } = this.context;
    const pointer = module.passRoom(PciMsixLayout, 1);
    const result = module.call("pci_msix", bounds.MSIX_IMPORTS, address, pointer);
    expectResult("pci_msix", result, [Result.E_NOT_FOUND, Result.E_UNSUPPORTED]);
    if (result === Result.OK) {
      const { vectors, table_bar: bar, table_offset: offset } = readRecord(module.view, PciMsixLayout, pointer);
      const isTable = vectors >= 1 && vectors <= VECTORS_MAX && bar <= 7 && offset % 8 === 0;
      expect(isTable, "a message table has 1 to 2048 entries", () => `${vectors} at ${offset} behind ${bar}`);
    }
    module.records.reset();
  }

  /** Fills an array. Records behind those found stay as they are. Returns what the call returned. */
  private list(layout: RecordLayout, capacity: number, what: string, call: (array: number) => number): number {
    const { module } = this.context;
    const array = module.passRoom(layout, capacity);
    const found = call(array);
    const written = Math.min(Math.max(found, 0), capacity);
    const rest = new Uint8Array(module.view.buffer, array + written * layout.size, (capacity - written) * layout.size);
    expect(
      rest.every((byte) => byte === GUARD),
      "a list is as long as the call says",
      () => `${found} ${what}`,
    );
    module.records.reset();
    return found;
  }

  private baseAddress(address: number, index: number): void {
    const { module } = this.context;
    const pointer = module.passRoom(PciBarLayout, 1);
    const result = module.call("pci_bar", bounds.BAR_IMPORTS, address, index, pointer);
    expectResult("pci_bar", result, [Result.E_ARGUMENT, Result.E_NOT_FOUND]);
    if (result === Result.OK) {
      const { base, size } = readRecord(module.view, PciBarLayout, pointer);
      const isSize = (size & (size - 1n)) === 0n;
      expect(
        isSize && (size === 0n ? base === 0n : base % size === 0n),
        "a base address fits its size",
        () => `${size} bytes at ${base}`,
      );
    }
    module.records.reset();
  }

  private assign(ranges: Ranges): number {
    const { module } = this.context;
    const pointer = module.pass(PciRangesLayout, [ranges], "io_next", "memory_next");
    const result = module.call("pci_assign", bounds.ASSIGN_IMPORTS, pointer);
    expectResult("pci_assign", result, [Result.E_ARGUMENT, Result.E_NO_SPACE]);
    const left = readRecord(module.view, PciRangesLayout, pointer);
    for (const [before, after, end] of [
      [ranges.io_next, left.io_next, ranges.io_end],
      [ranges.memory_next, left.memory_next, ranges.memory_last + 1],
    ] as const) {
      // 0 says that all is used: of memory, that is what follows its last byte.
      const next = after === 0 && before !== 0 ? MEMORY_END : after;
      const isInside = next === before || (before !== 0 && next > before && next <= end);
      expect(isInside, "no more is assigned than was granted", () => `${before} to ${after} of ${end}`);
    }
    module.records.reset();
    return result;
  }
}
