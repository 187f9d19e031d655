/**
 * What each transport costs, counted on the emulated PC: accesses of ports and registers, which are exits to a
 * hypervisor, and calls of the kernel. Nothing is timed. The full module drives a disk behind each of them.
 */

import { BlockDevice as EmulatedDisk } from "../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../kernel-shim/emulated-pc/machine.js";
import { type Profile, profiles } from "../../kernel-shim/emulated-pc/profiles.js";
import { isMmio, type Transport } from "../../kernel-shim/emulated-pc/virtio/transport.js";
import {
  BlockOperation,
  TransportWanted,
  type BlockDevice,
  type VirtioStack,
} from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type { KernelCalls, TransportRow } from "./result.js";

interface Shown {
  readonly transport: Transport;
  readonly profile: Profile;
  /** Messages that the kernel has programmed; an interrupt line unless given. */
  readonly vectors?: number;
}

const { qemu, "qemu-modern": modern, "microvm-1": mmio1, "microvm-2": mmio2 } = profiles;

const shown: readonly Shown[] = [
  { transport: "legacy", profile: qemu },
  { transport: "modern-io", profile: modern },
  { transport: "modern-memory", profile: modern },
  { transport: "modern-window", profile: modern },
  { transport: "mmio-1", profile: mmio1 },
  { transport: "mmio-2", profile: mmio2 },
  { transport: "modern-memory", profile: modern, vectors: 2 },
];

const sectorBytes = 512;
const sectors = 2048;
const warmBatches = 4;
const countedBatches = 64;
const depths = [1, 32] as const;

/** Counts every call of the kernel from now on; to be called before the stack is put onto the machine. */
function countCalls(machine: EmulatedPc): () => number {
  let calls = 0;
  const functions = machine.kernel as unknown as Record<string, (...parameters: unknown[]) => unknown>;
  for (const [name, call] of Object.entries(functions)) {
    functions[name] = (...parameters) => {
      calls++;
      return call(...parameters);
    };
  }
  return () => calls;
}

/** A machine with one disk behind the transport. */
class CountedDisk {
  readonly machine: EmulatedPc;
  readonly stack: VirtioStack;
  private readonly device = new EmulatedDisk({ backEnd: new MemoryDisk(new Uint8Array(sectors * sectorBytes)) });
  private readonly calls: () => number;

  constructor(private readonly shown: Shown) {
    const { transport, profile } = shown;
    this.machine = new EmulatedPc({ build: "mapped", profile, transport, completion: "immediate" });
    this.machine.addDevice(this.device);
    this.calls = countCalls(this.machine);
    this.stack = loadStack(this.machine);
  }

  /** What `work` costs, divided by `share`. */
  count(work: () => void, share = 1): KernelCalls {
    const read = (): KernelCalls => {
      const { portReads, portWrites, mmioReads, mmioWrites } = this.machine.counters;
      return { ports: portReads + portWrites, registers: mmioReads + mmioWrites, imports: this.calls() };
    };
    const before = read();
    work();
    const after = read();
    return {
      ports: (after.ports - before.ports) / share,
      registers: (after.registers - before.registers) / share,
      imports: (after.imports - before.imports) / share,
    };
  }

  open(): BlockDevice {
    const { machine, device, stack } = this;
    if (isMmio(this.shown.transport)) {
      const { base, bytes } = machine.slotOf(device);
      const place = Number(BigInt.asUintN(32, base));
      return stack.openBlock(place, { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes });
    }
    const { vectors = 0 } = this.shown;
    return stack.openBlock(machine.addressOf(device), { vectors });
  }
}

/** Reads so many single sectors in one batch, and takes all completions. */
function readBatch(disk: BlockDevice, buffer: number, depth: number): void {
  const request = { operation: BlockOperation.READ, sector: 0n, segments: [{ pointer: buffer, length: sectorBytes }] };
  const { accepted } = disk.submit(Array.from({ length: depth }, (_, index) => ({ ...request, token: index })));
  const completed = disk.poll().length;
  if (accepted !== depth || completed !== depth)
    throw new Error(`${accepted} of ${depth} went in, ${completed} came out`);
}

/** One request that an interrupt announces; returns what taking the interrupt costs. */
function countInterrupt(counted: CountedDisk, disk: BlockDevice, buffer: number): KernelCalls {
  if (disk.enableInterrupts()) throw new Error("there is something to poll, and nothing was submitted");
  const request = { operation: BlockOperation.READ, sector: 0n, segments: [{ pointer: buffer, length: sectorBytes }] };
  disk.submit([{ ...request, token: 0 }]);
  const calls = counted.count(() => {
    if (counted.stack.service(1).length !== 1) throw new Error("no interrupt came");
  });
  disk.disableInterrupts();
  disk.poll();
  return calls;
}

function measureTransport(one: Shown): TransportRow {
  const counted = new CountedDisk(one);
  const { machine, stack } = counted;
  let disk: BlockDevice | undefined;
  const scan = counted.count(() => stack.scan());
  const open = counted.count(() => (disk = counted.open()));
  if (disk === undefined) throw new Error("the disk does not open");
  const opened = disk;
  const buffer = machine.allocateBuffer(sectorBytes);
  const requests = depths.map((depth) => {
    for (let batch = 0; batch < warmBatches; batch++) readBatch(opened, buffer, depth);
    const work = (): void => {
      for (let batch = 0; batch < countedBatches; batch++) readBatch(opened, buffer, depth);
    };
    return { depth, calls: counted.count(work, countedBatches * depth) };
  });
  const interrupt = countInterrupt(counted, opened, buffer);
  opened.close();
  machine.close();
  const { transport, vectors = 0 } = one;
  return { transport, interrupts: vectors > 0 ? "MSI-X" : "INTx", scan, open, requests, interrupt };
}

/** Counts for a disk behind each transport. */
export function measureTransports(): TransportRow[] {
  return shown.map(measureTransport);
}
