/** `pci_assign` on machines that are assigned already, wholly or in part, and with devices open. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { NetDevice } from "../../../kernel-shim/emulated-pc/net/device.js";
import { addressOf, everything, PciBridge } from "../../../kernel-shim/emulated-pc/pci/bus.js";
import {
  BlockOperation,
  type PciRanges,
  PciRangesLayout,
  Result,
  writeRecord,
} from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { assertResult, HostedModule } from "./hosted.js";
import { onBothBuilds } from "./moments.js";

const SECTOR_BYTES = 512;
const COMMAND = 0x04;
const BASE_ADDRESS_0 = 0x10;
const DECODING = 0x0003;
const BRIDGE_CLASS = 0x06;

class Pc {
  readonly module: HostedModule;
  readonly disk = new BlockDevice({ backEnd: new MemoryDisk(8 * SECTOR_BYTES) });
  readonly card = new NetDevice();
  readonly behind = new BlockDevice({ backEnd: new MemoryDisk(8 * SECTOR_BYTES) });
  ranges: PciRanges;

  /** @param hasFirmware whether firmware has given out everything and left all of it decoding */
  constructor(build: Build, hasFirmware: boolean) {
    this.module = new HostedModule(build, { layout: "standard", firmware: false });
    const { pc } = this.module;
    assert.ok(pc.bridge !== null);
    pc.addDevice(this.disk);
    pc.addDevice(this.card);
    pc.addDevice(this.behind, { bus: pc.bridge.bus });
    const { ioBase, ioEnd, memoryBase, memoryLast } = pc.pciGrant;
    this.ranges = { io_next: ioBase, io_end: ioEnd, memory_next: memoryBase, memory_last: memoryLast };
    if (!hasFirmware) return;
    // Anybody may have assigned it; what counts is that all of it has addresses and decodes.
    assertResult(this.assign(), Result.OK);
    for (const { pciFunction } of everything(pc.rootBus)) {
      if (pciFunction.baseAddresses.length === 0) continue;
      pciFunction.poke(COMMAND, [(pciFunction.configuration[COMMAND] ?? 0) | DECODING]);
    }
    for (const device of [this.disk, this.card, this.behind]) this.module.grant(device);
  }

  assign(): number {
    const { result, ranges } = this.module.assign(this.ranges);
    this.ranges = ranges;
    return result;
  }

  /** Addresses of the functions that are no bridges and were written to since `watch`. */
  get writtenFunctions(): number[] {
    const bridges = new Set<number>();
    for (const place of everything(this.module.pc.rootBus)) {
      if (place.pciFunction instanceof PciBridge) bridges.add(addressOf(place));
    }
    const written = this.module.configurationWrites.map(({ address }) => address);
    return [...new Set(written)].filter((address) => !bridges.has(address));
  }

  /** Ports of every device. */
  get ports(): { base: number; end: number }[] {
    return [this.disk, this.card, this.behind].map((device) => this.module.portsOf(device));
  }

  submitRead(handle: number, pointer: number): void {
    const request = {
      token: 1n,
      operation: BlockOperation.READ,
      sector: 0n,
      segments: [{ pointer, length: SECTOR_BYTES }],
    };
    assert.equal(this.module.submit(handle, [request]).count, 1);
  }
}

describe("pci_assign on a machine where everything is assigned and decodes", () => {
  onBothBuilds("writes to nothing but bridges, and takes nothing from the ranges", (build) => {
    const machine = new Pc(build, true);
    const before = { ...machine.ranges };
    machine.module.watch();
    for (let call = 0; call < 3; call++) assertResult(machine.assign(), Result.OK);
    assert.deepEqual(machine.writtenFunctions, []);
    assert.deepEqual(machine.ranges, before);
    machine.module.assertNoComplaints();
  });

  onBothBuilds("writes to no function that decodes, even where a base address has no address", (build) => {
    const machine = new Pc(build, true);
    const pciFunction = machine.module.pc.functionOf(machine.card);
    // Ports alone decode; its table of MSI-X has lost its address.
    pciFunction.poke(BASE_ADDRESS_0 + 4, [0, 0, 0, 0]);
    pciFunction.poke(COMMAND, [1, 0]);
    machine.module.watch();
    assertResult(machine.assign(), Result.OK);
    assert.deepEqual(machine.writtenFunctions, []);
  });
});

describe("pci_assign on a machine without firmware", () => {
  onBothBuilds("writes to no host bridge, ISA bridge or other bridge that leads to no PCI bus", (build) => {
    const machine = new Pc(build, false);
    machine.module.watch();
    assertResult(machine.assign(), Result.OK);
    const others: number[] = [];
    for (const place of everything(machine.module.pc.rootBus)) {
      const isBridge = place.pciFunction.description.classCode >> 16 === BRIDGE_CLASS;
      if (isBridge && !(place.pciFunction instanceof PciBridge)) others.push(addressOf(place));
    }
    assert.ok(others.length >= 2);
    assert.deepEqual(
      machine.writtenFunctions.filter((address) => others.includes(address)),
      [],
    );
    machine.module.assertNoComplaints();
  });
});

describe("pci_assign with a record that a device writes", () => {
  onBothBuilds("reads it once: no port is given to two devices, and none beyond the range", (build) => {
    const machine = new Pc(build, false);
    const { module, ranges } = machine;
    const out32 = module.kernel.out32.bind(module.kernel);
    module.kernel.out32 = (port, value) => {
      writeRecord(module.view, PciRangesLayout, module.records, { ...ranges, io_end: 0x4_0000 });
      out32(port, value);
    };
    assertResult(machine.assign(), Result.OK);
    const starts = machine.ports.map(({ base }) => base);
    assert.equal(new Set(starts).size, starts.length, String(starts));
    for (const { base, end } of machine.ports) assert.ok(base >= ranges.io_next && end <= ranges.io_end);
  });
});

describe("pci_assign after a hot plug, with devices open", () => {
  onBothBuilds("writes to the new function only, and the open ones work on", (build) => {
    const machine = new Pc(build, true);
    const { module } = machine;
    const { pc, exports } = module;
    const buffer = pc.allocateBuffer(SECTOR_BYTES);
    const handles = [module.openDisk(machine.disk), module.openCard(machine.card), module.openDisk(machine.behind)];
    assert.ok(handles.every((handle) => handle > 0));
    const [disk = 0, , behind = 0] = handles;
    machine.submitRead(disk, buffer);
    const before = machine.ranges.io_next;

    const added = pc.addDevice(new BlockDevice({ backEnd: new MemoryDisk(8 * SECTOR_BYTES) }));
    module.watch();
    assertResult(machine.assign(), Result.OK);
    assert.deepEqual(machine.writtenFunctions, [pc.addressOf(added)]);
    const ports = module.portsOf(added);
    assert.ok(ports.base >= before && ports.end <= machine.ranges.io_next, "from where the last call left the ranges");
    for (const { base, end } of machine.ports) assert.ok(ports.end <= base || ports.base >= end);

    module.grant(added);
    const opened = module.openDisk(added);
    assert.ok(opened > 0);
    machine.submitRead(opened, buffer);
    machine.submitRead(behind, buffer);
    module.letDevicesWork();
    for (const handle of [disk, opened, behind]) assert.equal(module.poll(handle, 4).completions[0]?.result, Result.OK);
    for (const handle of [...handles, opened]) {
      assert.equal(exports.events(handle), 0);
      assert.equal(exports.close(handle), 0);
    }
    module.assertNoComplaints();
  });

  onBothBuilds("gives each of several plugs its own ports", (build) => {
    const machine = new Pc(build, true);
    const { module } = machine;
    const taken = machine.ports;
    assert.ok(module.openDisk(machine.disk) > 0);
    for (let plug = 0; plug < 4; plug++) {
      const added = module.pc.addDevice(new NetDevice());
      assertResult(machine.assign(), Result.OK);
      const ports = module.portsOf(added);
      assert.ok(ports.base > 0);
      for (const { base, end } of taken) assert.ok(ports.end <= base || ports.base >= end);
      taken.push(ports);
      module.grant(added);
      assert.ok(module.openCard(added) > 0);
    }
    module.assertNoComplaints();
  });
});
