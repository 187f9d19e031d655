/**
 * The emulated PC as unit tests use it: started afresh as often as a test likes, over the memory that the test itself
 * runs in. `tests/unit/machine/machine.ts` declares what tests call.
 */

import { BlockDevice } from "../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../kernel-shim/emulated-pc/block/memory-disk.js";
import type { Completion } from "../../kernel-shim/emulated-pc/completion.js";
import { EmulatedPc } from "../../kernel-shim/emulated-pc/machine.js";
import { NetDevice } from "../../kernel-shim/emulated-pc/net/device.js";
import { profileNames } from "../../kernel-shim/emulated-pc/profiles.js";
import type { KernelImports, MmioImports } from "../../kernel-shim/machine.js";
import type { Build } from "../../tools/build/project.js";

/** What may be lent to devices in the mapped build; the tests' own code and data lie behind it. */
const poolStart = 0x1_0000;
const poolEnd = 0x200_0000;

const bytesPerSector = 512;

const completions: readonly Completion[] = ["immediate", "deferred", "shuffled"];

export class MockMachine {
  /** Passes every call on to the machine of the moment. */
  readonly kernel: KernelImports & MmioImports;
  private pc: EmulatedPc;

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly build: Build,
  ) {
    this.pc = this.start(0, 0, 1);
    this.kernel = {
      in8: (port) => this.pc.kernel.in8(port),
      in16: (port) => this.pc.kernel.in16(port),
      in32: (port) => this.pc.kernel.in32(port),
      out8: (port, value) => this.pc.kernel.out8(port, value),
      out16: (port, value) => this.pc.kernel.out16(port, value),
      out32: (port, value) => this.pc.kernel.out32(port, value),
      dma_alloc: (pages) => this.pc.kernel.dma_alloc(pages),
      dma_free: (pointer, pages) => this.pc.kernel.dma_free(pointer, pages),
      dma_address: (pointer) => this.pc.kernel.dma_address(pointer),
      wmb: () => this.pc.kernel.wmb(),
      rmb: () => this.pc.kernel.rmb(),
      mb: () => this.pc.kernel.mb(),
      relax: () => this.pc.kernel.relax(),
      now_ns: () => this.pc.kernel.now_ns(),
      log: (message, first, second) => this.pc.kernel.log(message, first, second),
      phys_read8: (pointer) => this.pc.kernel.phys_read8(pointer),
      phys_read16: (pointer) => this.pc.kernel.phys_read16(pointer),
      phys_read32: (pointer) => this.pc.kernel.phys_read32(pointer),
      phys_write8: (pointer, value) => this.pc.kernel.phys_write8(pointer, value),
      phys_write16: (pointer, value) => this.pc.kernel.phys_write16(pointer, value),
      phys_write32: (pointer, value) => this.pc.kernel.phys_write32(pointer, value),
      mmio_map: (address, bytes) => this.pc.kernel.mmio_map(address, bytes),
      mmio_unmap: (window, bytes) => this.pc.kernel.mmio_unmap(window, bytes),
      mmio_read8: (pointer) => this.pc.kernel.mmio_read8(pointer),
      mmio_read16: (pointer) => this.pc.kernel.mmio_read16(pointer),
      mmio_read32: (pointer) => this.pc.kernel.mmio_read32(pointer),
      mmio_write8: (pointer, value) => this.pc.kernel.mmio_write8(pointer, value),
      mmio_write16: (pointer, value) => this.pc.kernel.mmio_write16(pointer, value),
      mmio_write32: (pointer, value) => this.pc.kernel.mmio_write32(pointer, value),
    };
  }

  /** What tests call. */
  readonly controls = {
    /** A new machine without devices; nothing of the old one is left. Numbers count the lists of names. */
    machine_start: (profile: number, completion: number, seed: number): undefined => {
      this.pc = this.start(profile, completion, seed);
    },
    /** Plugs in a disk of zeroes, or one that cannot be written. Returns its PCI address. */
    machine_add_block: (sectors: number, isReadOnly: number): number => {
      const backEnd = new MemoryDisk(sectors * bytesPerSector, isReadOnly !== 0);
      return this.pc.addressOf(this.pc.addDevice(new BlockDevice({ backEnd })));
    },
    /** Plugs in a network card with nothing at the other end of the cable. Returns its PCI address. */
    machine_add_net: (): number => this.pc.addressOf(this.pc.addDevice(new NetDevice())),
    machine_grant_ports: (base: number, length: number): undefined => {
      this.pc.grantPorts(base, length);
    },
    /** Lends memory that is contiguous only in its pointers. */
    machine_lend_scattered: (bytes: number): number => this.pc.allocateBuffer(bytes, { scattered: true }),
    /** Lets devices work for that long or until one interrupts. Returns a bit for each interrupt line asserted. */
    machine_wait: (milliseconds: number): number =>
      this.pc.waitForInterrupt(milliseconds).reduce((lines, line) => lines | (1 << line), 0),
    /** How often the driver did what it must not; prints what. */
    machine_violations: (): number => {
      for (const violation of this.pc.violations) console.log("violation:", violation);
      return this.pc.violationCount;
    },
    machine_port_reads: (): number => this.pc.counters.portReads,
    machine_port_writes: (): number => this.pc.counters.portWrites,
    machine_barriers: (): number => this.pc.counters.barriers,
    /** How many messages the stack logged. */
    machine_messages: (): number => this.pc.log.length,
    /** Number `index` of the messages that the stack logged, one of `Message`. */
    machine_message: (index: number): number => this.pc.log[index]?.message ?? 0,
  };

  private start(profile: number, completion: number, seed: number): EmulatedPc {
    const profileName = profileNames[profile];
    const completionName = completions[completion];
    if (profileName === undefined || completionName === undefined) throw new RangeError("no such machine");
    return new EmulatedPc({
      profile: profileName,
      completion: completionName,
      seed,
      build: this.build,
      layout: "bare",
      ...(this.build === "mapped" ? { memory: { memory: this.memory, poolStart, poolEnd } } : {}),
    });
  }
}
