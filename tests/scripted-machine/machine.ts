/**
 * A machine in which nothing happens by itself: registers of virtio devices that only remember, lent memory, a clock
 * that the test moves, and a trace of all that the stack did. The unit tests play the devices.
 *
 * `tests/unit/scripted/script.ts` declares what they call.
 */
import type { Build, KernelImports, MmioImports } from "../../kernel-shim/machine.js";
import { ScriptedBlocks } from "./blocks.js";
import { LentMemory } from "./memory.js";
import { ScriptedRegisters } from "./registers.js";
import { Trace, TraceKind } from "./trace.js";

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const CONFIG_END = 0xd00;

/** A store that the machine does at the next barrier of a kind, as a device might at that moment. */
interface Ambush {
  readonly kind: number;
  readonly pointer: number;
  readonly value: number;
}

type Width = 1 | 2 | 4;

/** Whether a port belongs to PCI configuration mechanism 1. */
function isConfiguration(port: number): boolean {
  return port >= CONFIG_ADDRESS && port < CONFIG_END;
}

export class ScriptedMachine {
  private readonly trace = new Trace();
  private readonly memory: LentMemory;
  private devices: ScriptedRegisters[] = [];
  private readonly blocks = new ScriptedBlocks();
  private ambush: Ambush | undefined;
  private selected = 0;
  private clock = 0n;
  private clockStep = 0n;

  constructor(memory: WebAssembly.Memory, build: Build) {
    const ported = build === "ported";
    this.memory = new LentMemory(ported ? new ArrayBuffer(LentMemory.portedBytes) : memory.buffer, ported);
  }

  private isPluggedIn = false;

  private readonly kernel: KernelImports & MmioImports = {
    in8: (port) => this.in(port, 1),
    in16: (port) => this.in(port, 2),
    in32: (port) => this.in(port, 4),
    out8: (port, value) => this.out(port, value, 1),
    out16: (port, value) => this.out(port, value, 2),
    out32: (port, value) => this.out(port, value, 4),
    dma_alloc: (pages) => {
      const pointer = this.memory.allocate(pages >>> 0);
      this.trace.add(TraceKind.allocate, pages, pointer);
      return pointer;
    },
    dma_free: (pointer, pages) => {
      this.trace.add(TraceKind.free, pages, pointer);
      this.memory.free(pointer >>> 0, pages >>> 0);
    },
    dma_address: (pointer) => {
      this.trace.add(TraceKind.translate, pointer);
      return this.memory.physical(pointer >>> 0);
    },
    wmb: () => this.barrier(TraceKind.wmb),
    rmb: () => this.barrier(TraceKind.rmb),
    mb: () => this.barrier(TraceKind.mb),
    relax: () => this.trace.add(TraceKind.relax),
    now_ns: () => {
      const now = this.clock;
      this.clock += this.clockStep;
      return now;
    },
    log: (message, first, second) => this.trace.add(TraceKind.log, message, first, second),
    phys_read8: (pointer) => this.memory.read(pointer >>> 0, 1),
    phys_read16: (pointer) => this.memory.read(pointer >>> 0, 2),
    phys_read32: (pointer) => this.memory.read(pointer >>> 0, 4),
    phys_write8: (pointer, value) => this.memory.write(pointer >>> 0, 1, value),
    phys_write16: (pointer, value) => this.memory.write(pointer >>> 0, 2, value),
    phys_write32: (pointer, value) => this.memory.write(pointer >>> 0, 4, value),
    mmio_map: (address, bytes) => {
      const window = this.blocks.map(BigInt.asUintN(64, address), bytes >>> 0);
      this.trace.add(TraceKind.map, window, bytes);
      return window;
    },
    mmio_unmap: (window, bytes) => {
      this.trace.add(TraceKind.unmap, window, bytes);
      this.blocks.unmap(window >>> 0, bytes >>> 0);
    },
    mmio_read8: (pointer) => this.readBlock(pointer >>> 0, 1),
    mmio_read16: (pointer) => this.readBlock(pointer >>> 0, 2),
    mmio_read32: (pointer) => this.readBlock(pointer >>> 0, 4),
    mmio_write8: (pointer, value) => this.writeBlock(pointer >>> 0, 1, value),
    mmio_write16: (pointer, value) => this.writeBlock(pointer >>> 0, 2, value),
    mmio_write32: (pointer, value) => this.writeBlock(pointer >>> 0, 4, value),
  };

  /**
   * A kernel with this machine in the place of its own, from the first `script_clear` on. PCI configuration space stays
   * the other kernel's; writes to it are traced.
   */
  before(kernel: KernelImports & MmioImports): KernelImports & MmioImports {
    const mine = (): KernelImports & MmioImports => (this.isPluggedIn ? this.kernel : kernel);
    const ports = (port: number): KernelImports => (isConfiguration(port) ? kernel : mine());
    return {
      in8: (port) => ports(port).in8(port),
      in16: (port) => ports(port).in16(port),
      in32: (port) => ports(port).in32(port),
      out8: (port, value) => {
        this.traceConfiguration(port, value, 1);
        ports(port).out8(port, value);
      },
      out16: (port, value) => {
        this.traceConfiguration(port, value, 2);
        ports(port).out16(port, value);
      },
      out32: (port, value) => {
        this.traceConfiguration(port, value, 4);
        ports(port).out32(port, value);
      },
      dma_alloc: (pages) => mine().dma_alloc(pages),
      dma_free: (pointer, pages) => mine().dma_free(pointer, pages),
      dma_address: (pointer) => mine().dma_address(pointer),
      wmb: () => mine().wmb(),
      rmb: () => mine().rmb(),
      mb: () => mine().mb(),
      relax: () => mine().relax(),
      now_ns: () => mine().now_ns(),
      log: (message, first, second) => mine().log(message, first, second),
      phys_read8: (pointer) => mine().phys_read8(pointer),
      phys_read16: (pointer) => mine().phys_read16(pointer),
      phys_read32: (pointer) => mine().phys_read32(pointer),
      phys_write8: (pointer, value) => mine().phys_write8(pointer, value),
      phys_write16: (pointer, value) => mine().phys_write16(pointer, value),
      phys_write32: (pointer, value) => mine().phys_write32(pointer, value),
      mmio_map: (address, bytes) => mine().mmio_map(address, bytes),
      mmio_unmap: (window, bytes) => mine().mmio_unmap(window, bytes),
      mmio_read8: (pointer) => mine().mmio_read8(pointer),
      mmio_read16: (pointer) => mine().mmio_read16(pointer),
      mmio_read32: (pointer) => mine().mmio_read32(pointer),
      mmio_write8: (pointer, value) => mine().mmio_write8(pointer, value),
      mmio_write16: (pointer, value) => mine().mmio_write16(pointer, value),
      mmio_write32: (pointer, value) => mine().mmio_write32(pointer, value),
    };
  }

  /** What tests call. */
  readonly controls = {
    /** A machine without devices and loans; the trace is empty, and the clock stands at 1 s. */
    script_clear: (): undefined => {
      this.isPluggedIn = true;
      this.devices = [];
      this.blocks.clear();
      this.ambush = undefined;
      this.memory.reset();
      this.clock = 1_000_000_000n;
      this.clockStep = 0n;
      this.trace.watchWith(() => 0);
      this.trace.clear();
    },
    /** Sets the clock; every time it is read it moves on by `step` nanoseconds. */
    clock_set: (now: bigint, step: bigint): undefined => {
      this.clock = now;
      this.clockStep = step;
    },

    /** Puts the registers of a device at ports `base` to `base + bytes - 1`. Returns the device's name. */
    device_add: (base: number, bytes: number, features: number): number => {
      return this.devices.push(new ScriptedRegisters(base, bytes, features)) - 1;
    },
    device_offer: (name: number, features: number): undefined => {
      this.device(name).offeredFeatures = features;
    },
    device_queue: (name: number, index: number, size: number): undefined => {
      this.device(name).setQueueSize(index, size);
    },
    /** Writes the queue's page register, as an earlier driver might have. */
    device_set_queue_page: (name: number, index: number, page: number): undefined => {
      this.device(name).setQueuePage(index, page);
    },
    device_queue_page: (name: number, index: number): number => this.device(name).queuePage(index),
    device_configuration: (name: number, offset: number, value: number): undefined => {
      this.device(name).setConfiguration(offset, value);
    },
    /** The next read of the register at `offset` answers `value`, once; several such answers wait in line. */
    device_answer: (name: number, offset: number, value: number): undefined => {
      this.device(name).answer(offset, value);
    },
    device_status: (name: number): number => this.device(name).currentStatus(),
    device_accepted: (name: number): number => this.device(name).acceptedFeatures,
    device_interrupt: (name: number, bits: number): undefined => {
      this.device(name).interruptStatus = bits;
    },
    /** Which bits of the status the device remembers, and which it adds to any status but 0. */
    device_status_bits: (name: number, remembered: number, added: number): undefined => {
      this.device(name).statusMask = remembered;
      this.device(name).statusAdded = added;
    },
    /** How often the status is something else than 0 after a reset. */
    device_reset_polls: (name: number, polls: number): undefined => {
      this.device(name).resetPolls = polls >>> 0;
    },
    device_gone: (name: number, gone: number): undefined => {
      this.device(name).gone = gone !== 0;
    },

    /** Puts registers that only remember at ports, or in memory. */
    block_add: (isIo: number, address: bigint, bytes: number): undefined => {
      this.blocks.add(isIo !== 0, BigInt.asUintN(64, address), bytes);
    },
    block_set: (isIo: number, address: bigint, width: number, value: number): undefined => {
      this.blocks.write(isIo !== 0, BigInt.asUintN(64, address), width, value);
    },
    block_get: (isIo: number, address: bigint, width: number): number =>
      this.blocks.read(isIo !== 0, BigInt.asUintN(64, address), width),
    /** The next read at `address` answers `value`, once; several such answers wait in line. */
    block_answer: (isIo: number, address: bigint, value: number): undefined => {
      this.blocks.answer(isIo !== 0, BigInt.asUintN(64, address), value);
    },
    /** Windows that the stack has mapped and not given back. */
    block_windows: (): number => this.blocks.openWindows,

    /** Lends memory to the test. */
    memory_lend: (pages: number): number => this.memory.lend(pages),
    memory_take_back: (pointer: number): undefined => {
      this.memory.takeBack(pointer >>> 0);
    },
    memory_scatter: (pointer: number, pages: number): undefined => {
      this.memory.scatter(pointer >>> 0, pages);
    },
    /** Says where any page lies; all ones: nowhere. */
    memory_translate: (pointer: number, physical: bigint): undefined => {
      this.memory.translate(pointer >>> 0, BigInt.asUintN(64, physical));
    },
    memory_physical: (pointer: number): bigint => this.memory.physical(pointer >>> 0),
    memory_pointer: (physical: bigint): number => this.memory.pointer(BigInt.asUintN(64, physical)),
    /** Pages that the stack has borrowed. */
    memory_borrowed: (): number => this.memory.borrowed,
    memory_fail_after: (count: number): undefined => {
      this.memory.failAfter(count >>> 0);
    },
    memory_answer: (pointer: number): undefined => {
      this.memory.answer(pointer >>> 0);
    },
    memory_read8: (pointer: number): number => this.memory.read(pointer >>> 0, 1),
    memory_read16: (pointer: number): number => this.memory.read(pointer >>> 0, 2),
    memory_read32: (pointer: number): number => this.memory.read(pointer >>> 0, 4),
    memory_write8: (pointer: number, value: number): undefined => {
      this.memory.write(pointer >>> 0, 1, value);
    },
    memory_write16: (pointer: number, value: number): undefined => {
      this.memory.write(pointer >>> 0, 2, value);
    },
    memory_write32: (pointer: number, value: number): undefined => {
      this.memory.write(pointer >>> 0, 4, value);
    },
    /** At the next barrier of that kind, `value` is stored as 16 bits at `pointer`. */
    memory_ambush: (kind: number, pointer: number, value: number): undefined => {
      this.ambush = { kind, pointer: pointer >>> 0, value };
    },

    trace_clear: (): undefined => {
      this.trace.clear();
    },
    trace_count: (kind: number): number => this.trace.count(kind),
    trace_find: (kind: number, first: number, from: number): number => this.trace.find(kind, first, from),
    /** Place of the next entry of that kind, from `from` on; -1: there is none. */
    trace_next: (kind: number, from: number): number => this.trace.next(kind, from),
    trace_number: (place: number, which: number): number => this.trace.number(place, which),
    /** Notes the 16 bits at `pointer` with every entry from now on. */
    trace_watch: (pointer: number): undefined => {
      this.trace.watchWith(() => this.memory.read(pointer >>> 0, 2));
    },
    trace_watched: (place: number): number => this.trace.watched(place),
  };

  private barrier(kind: number): void {
    this.trace.add(kind);
    if (this.ambush?.kind !== kind) return;
    this.memory.write(this.ambush.pointer, 2, this.ambush.value);
    this.ambush = undefined;
  }

  private readBlock(pointer: number, width: Width): number {
    const address = this.blocks.addressOf(pointer, width);
    const value = this.blocks.read(false, address, width);
    this.trace.add(TraceKind.in, Number(BigInt.asUintN(32, address)), value, width);
    return value;
  }

  private writeBlock(pointer: number, width: Width, value: number): void {
    const address = this.blocks.addressOf(pointer, width);
    this.blocks.write(false, address, width, value);
    this.trace.add(TraceKind.out, Number(BigInt.asUintN(32, address)), value, width);
  }

  private in(port: number, width: Width): number {
    const isBlock = this.blocks.hasPort(port);
    const value = isBlock ? this.blocks.read(true, BigInt(port), width) : this.registers(port).read(port, width);
    this.trace.add(TraceKind.in, port, value, width);
    // What a test has a block answer may have more bits than there are.
    return width === 4 || isBlock ? value : value & (width === 1 ? 0xff : 0xffff);
  }

  private out(port: number, value: number, width: Width): void {
    if (this.blocks.hasPort(port)) this.blocks.write(true, BigInt(port), width, value);
    else this.registers(port).write(port, value >>> 0, width);
    this.trace.add(TraceKind.out, port, value, width);
  }

  private traceConfiguration(port: number, value: number, width: Width): void {
    if (port === CONFIG_ADDRESS) {
      this.selected = value;
    } else if (port >= CONFIG_DATA && isConfiguration(port)) {
      const offset = (this.selected & 0xfc) + (port - CONFIG_DATA);
      this.trace.add(TraceKind.configurationWrite, (this.selected & 0xff_ff00) | offset, value, width);
    }
  }

  private registers(port: number): ScriptedRegisters {
    const found = this.devices.find((device) => device.covers(port));
    if (!found) throw new RangeError(`no device at port 0x${port.toString(16)}`);
    return found;
  }

  private device(name: number): ScriptedRegisters {
    const found = this.devices[name];
    if (!found) throw new RangeError(`no device ${String(name)}`);
    return found;
  }
}
