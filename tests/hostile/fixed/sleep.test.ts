/** Devices that are not what they were when they are resumed, case by case. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BlockDevice, type BlockDeviceOptions } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { NetDevice } from "../../../kernel-shim/emulated-pc/net/device.js";
import { Hub } from "../../../kernel-shim/emulated-pc/net/hub.js";
import { PciBridge } from "../../../kernel-shim/emulated-pc/pci/bus.js";
import type { PciFunction } from "../../../kernel-shim/emulated-pc/pci/function.js";
import { profiles } from "../../../kernel-shim/emulated-pc/profiles.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import type { RegionName } from "../../../kernel-shim/emulated-pc/virtio/faults.js";
import { isMmio, type Transport as ShownTransport } from "../../../kernel-shim/emulated-pc/virtio/transport.js";
import {
  nameOf,
  Result,
  Transport,
  TransportWanted,
  type BlockDevice as OpenDisk,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import { countLentPages } from "../../cases/pages.js";
import { assertThrowsResult } from "../../cases/results.js";

const SECTOR_BYTES = 512;
const BUS_MASTER = 4;
const COMMAND = 0x04;
const INTERRUPT_DISABLE = 0x400;
const BASE_ADDRESS_0 = 0x10;
/** Behind the base address registers. */
const BASE_ADDRESSES_END = 0x28;
const VIRTIO_BLK_F_SEG_MAX = 2 ** 2;
const VIRTIO_BLK_F_FLUSH = 2 ** 9;
const VIRTIO_F_ANY_LAYOUT = 2 ** 27;
const QUEUE_SIZE = 64;

const transports = [
  "legacy",
  "transitional",
  "modern-memory",
  "modern-io",
  "modern-window",
  "mmio-1",
  "mmio-2",
] as const satisfies readonly ShownTransport[];

function diskDevice(options: Partial<BlockDeviceOptions> = {}): BlockDevice {
  const backEnd = new MemoryDisk(new Uint8Array(64 * SECTOR_BYTES).fill(0x5a));
  const features = VIRTIO_F_ANY_LAYOUT + VIRTIO_BLK_F_SEG_MAX + VIRTIO_BLK_F_FLUSH;
  return new BlockDevice({ backEnd, features, queueSizes: [QUEUE_SIZE], ...options });
}

/** A machine whose only disk is open, and will be another one after its sleep. */
class Scene {
  device: VirtioDevice = diskDevice();
  readonly machine: EmulatedPc;
  readonly open: OpenDisk;
  /** Windows that the stack asked for so far. */
  mappings = 0;
  /** The command register before the disk was opened. */
  readonly commandFound: number;
  private readonly lentPages: () => number;

  constructor(private readonly transport: ShownTransport) {
    const profile = profiles["qemu-transitional"];
    const devices = [this.device];
    this.machine = new EmulatedPc({ profile, transport, layout: "bare", devices, memoryBytes: 16 * 1024 * 1024 });
    const { machine, device } = this;
    const { kernel } = machine;
    this.lentPages = countLentPages(kernel);
    const map = kernel.mmio_map.bind(kernel);
    kernel.mmio_map = (address, bytes) => {
      this.mappings++;
      return map(address, bytes);
    };
    machine.powerOn();
    this.commandFound = this.pciFunction?.command ?? 0;
    const stack = loadStack(machine);
    if (isMmio(transport)) {
      const { base, bytes } = machine.slotOf(device);
      this.open = stack.openBlock(0, { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes });
    } else {
      this.open = stack.openBlock(machine.addressOf(device));
    }
    assert.equal(this.open.suspend(), 0);
  }

  /** The function; undefined of a memory-mapped device. */
  get pciFunction(): PciFunction | undefined {
    return isMmio(this.transport) ? undefined : this.machine.functionOf(this.device);
  }

  /** Puts another device into the place of the disk, behind the same addresses. */
  replace(device: VirtioDevice, transport = this.transport): void {
    const { machine } = this;
    if (isMmio(this.transport)) {
      const slot = machine.mmioSlots.indexOf(machine.slotOf(this.device));
      machine.removeDevice(this.device);
      machine.addDevice(device, { transport, slot });
    } else {
      machine.swapDevice(this.device, device);
    }
    this.device = device;
  }

  /** The function answers and interrupts as it did before the disk was opened, and has no access to memory. */
  assertIsAsFound(): void {
    assert.equal(this.pciFunction?.command ?? 0, this.commandFound & ~BUS_MASTER);
  }

  /** It cannot be resumed, stays suspended, and reaches no memory. */
  assertStaysAsleep(expected: Result): void {
    assertThrowsResult(() => this.open.resume(), expected);
    assertThrowsResult(() => this.open.poll(), Result.E_SUSPENDED);
    assert.equal((this.pciFunction?.command ?? 0) & BUS_MASTER, 0, "access to memory");
    assert.equal(this.machine.mappingCount, 0, "windows that were not given back");
  }

  assertResumes(): void {
    this.open.resume();
    assert.deepEqual([...this.open.readSectors(1, 1)], new Array<number>(SECTOR_BYTES).fill(0x5a));
  }

  /** Nothing is left, and nobody complains. */
  finish(): void {
    this.open.close();
    assert.equal(this.lentPages(), 0, "pages that were not given back");
    assert.equal(this.machine.mappingCount, 0, "windows that were not given back");
    assert.deepEqual(this.machine.violations, []);
  }
}

/** Counts what is written to a function, and to the registers of its device. */
function countWrites(pciFunction: PciFunction | undefined, device: VirtioDevice): () => number {
  let writes = 0;
  device.faults.writeRegister = () => {
    writes++;
    return true;
  };
  if (pciFunction !== undefined) {
    const write = pciFunction.write.bind(pciFunction);
    pciFunction.write = (offset, width, value) => {
      writes++;
      write(offset, width, value);
    };
  }
  return () => writes;
}

for (const transport of transports) {
  const isInSlot = isMmio(transport);
  const status = isInSlot ? 0x70 : transport === "legacy" ? 18 : 0x14;
  const isStatus = (offset: number, region: RegionName): boolean =>
    offset === status && ["legacy", "common", "mmio"].includes(region);

  describe(`a disk that is resumed: ${transport}`, () => {
    for (const sleep of ["awake", "without power"]) {
      test(`and is gone: E_GONE, until it is there again; ${sleep}`, () => {
        const scene = new Scene(transport);
        const { machine, device } = scene;
        const slot = isInSlot ? machine.mmioSlots.indexOf(machine.slotOf(device)) : machine.addressOf(device) >> 3;
        machine.removeDevice(device);
        if (sleep === "without power") machine.powerCycle();
        for (const attempt of [1, 2]) {
          assertThrowsResult(() => scene.open.resume(), Result.E_GONE, `attempt ${attempt}`);
        }
        machine.addDevice(device, { slot });
        scene.assertResumes();
        scene.finish();
      });
    }

    test("and closed, when it is gone", () => {
      const scene = new Scene(transport);
      scene.machine.removeDevice(scene.device);
      assertThrowsResult(() => scene.open.resume(), Result.E_GONE);
      scene.finish();
    });

    const foreign = isInSlot ? Result.E_NOT_VIRTIO : Result.E_GONE;
    test(`and is a card: ${nameOf(Result, foreign) ?? ""}, and nothing is written to that`, () => {
      const scene = new Scene(transport);
      const card = new NetDevice({ backend: new Hub().socket() });
      scene.replace(card);
      const writes = countWrites(scene.pciFunction, card);
      assertThrowsResult(() => scene.open.resume(), foreign);
      assert.equal(writes(), 0);
      scene.open.close();
      assert.equal(writes(), 0);
      assert.equal(scene.machine.mappingCount, 0);
    });

    test("and has lost a feature: E_FEATURES", () => {
      const scene = new Scene(transport);
      scene.replace(diskDevice({ features: VIRTIO_F_ANY_LAYOUT + VIRTIO_BLK_F_SEG_MAX }));
      scene.assertStaysAsleep(Result.E_FEATURES);
      scene.finish();
    });

    test("and has another feature: it is used with those that it had", () => {
      const scene = new Scene(transport);
      const before = scene.open.information().features_accepted;
      const indirect = 2 ** 28;
      scene.replace(
        diskDevice({ features: VIRTIO_F_ANY_LAYOUT + VIRTIO_BLK_F_SEG_MAX + VIRTIO_BLK_F_FLUSH + indirect }),
      );
      scene.assertResumes();
      assert.equal(scene.open.information().features_accepted, before);
      scene.finish();
    });

    test("and has a smaller queue: E_QUEUE_SIZE", () => {
      const scene = new Scene(transport);
      scene.replace(diskDevice({ queueSizes: [QUEUE_SIZE / 2] }));
      // A memory-mapped device says of every queue how large it may be, not how large it is.
      if (transport === "mmio-1" || transport === "mmio-2") {
        scene.device.faults.readRegister = (offset, _width, value) => (offset === 0x34 ? QUEUE_SIZE / 2 : value);
      }
      scene.assertStaysAsleep(Result.E_QUEUE_SIZE);
      scene.finish();
    });

    test("and does not reset: E_RESET_TIMEOUT, until it does", () => {
      const scene = new Scene(transport);
      const { faults } = scene.device;
      faults.readRegister = (offset, _width, value, region) => (isStatus(offset, region) ? 1 : value);
      scene.assertStaysAsleep(Result.E_RESET_TIMEOUT);
      delete faults.readRegister;
      scene.assertResumes();
      scene.finish();
    });

    test("and did not reset when it was suspended: it is suspended all the same", () => {
      const scene = new Scene(transport);
      scene.assertResumes();
      const { faults } = scene.device;
      faults.readRegister = (offset, _width, value, region) => (isStatus(offset, region) ? 1 : value);
      assertThrowsResult(() => scene.open.suspend(), Result.E_RESET_TIMEOUT);
      assertThrowsResult(() => scene.open.poll(), Result.E_SUSPENDED);
      assert.equal((scene.pciFunction?.command ?? 0) & BUS_MASTER, 0, "access to memory");
      if (!isInSlot) {
        assert.notEqual((scene.pciFunction?.command ?? 0) & INTERRUPT_DISABLE, 0, "it could interrupt for ever");
      }
      delete faults.readRegister;
      scene.machine.powerCycle();
      scene.assertResumes();
      scene.finish();
    });

    test("is left as it was found meanwhile, and its registers are asked for once", () => {
      const scene = new Scene(transport);
      scene.assertIsAsFound();
      const { mappings } = scene;
      scene.open.resume();
      assert.equal(scene.mappings, 2 * mappings, "as often as when it was opened");
      scene.assertResumes();
      scene.open.suspend();
      scene.assertIsAsFound();
      scene.finish();
    });

    if (!isInSlot && transport !== "modern-window") {
      test("and has no base addresses any more, nor takes any: E_BAR, and it is left as it was found", () => {
        const scene = new Scene(transport);
        const { machine, pciFunction } = scene;
        assert.ok(pciFunction !== undefined);
        machine.powerCycle();
        const write = pciFunction.write.bind(pciFunction);
        pciFunction.write = (offset, width, value) => {
          if (offset < BASE_ADDRESS_0 || offset >= BASE_ADDRESSES_END) write(offset, width, value);
        };
        scene.assertStaysAsleep(Result.E_BAR);
        scene.assertIsAsFound();
        pciFunction.write = write;
        scene.assertResumes();
        scene.finish();
      });
    }

    test("after it vanished while it was suspended: E_GONE, and it is gone", () => {
      const scene = new Scene(transport);
      scene.assertResumes();
      scene.machine.removeDevice(scene.device);
      assertThrowsResult(() => scene.open.suspend(), Result.E_GONE);
      assertThrowsResult(() => scene.open.poll(), Result.E_GONE);
      assertThrowsResult(() => scene.open.suspend(true), Result.E_GONE);
      assertThrowsResult(() => scene.open.resume(), Result.E_GONE);
      scene.finish();
    });

    test("after it vanished while it was in use, and came back: E_GONE until a reset", () => {
      const scene = new Scene(transport);
      scene.assertResumes();
      const { machine, device, open } = scene;
      const slot = isInSlot ? machine.mmioSlots.indexOf(machine.slotOf(device)) : machine.addressOf(device) >> 3;
      machine.removeDevice(device);
      assertThrowsResult(() => open.suspend(), Result.E_GONE);
      machine.addDevice(device, { slot });
      assertThrowsResult(() => open.suspend(), Result.E_GONE);
      assertThrowsResult(() => open.poll(), Result.E_GONE);
      open.close();
    });
  });
}

describe("the way to a disk that is resumed", () => {
  test("leads over another version of the registers: E_NOT_VIRTIO", () => {
    const scene = new Scene("mmio-1");
    scene.replace(diskDevice(), "mmio-2");
    scene.assertStaysAsleep(Result.E_NOT_VIRTIO);
    scene.finish();
  });

  test("is not opened in memory where the kernel grants nothing there", () => {
    const device = diskDevice();
    const profile = profiles["qemu-transitional"];
    const machine = new EmulatedPc({ profile, transport: "modern-memory", layout: "bare", devices: [device] });
    machine.kernel.mmio_map = () => 0;
    const disk = loadStack(machine).openBlock(machine.addressOf(device), { transport: TransportWanted.MODERN_PCI });
    assert.equal(disk.deviceInformation().transport, Transport.MODERN_PCI_WINDOW);
    disk.suspend();
    const { command } = machine.functionOf(device);
    disk.resume();
    assert.equal(machine.functionOf(device).command, command | BUS_MASTER);
    assert.deepEqual([...disk.readSectors(1, 1)], new Array<number>(SECTOR_BYTES).fill(0x5a));
    disk.close();
    assert.deepEqual(machine.violations, []);
  });

  test("leads nowhere, for another bridge is there: E_GONE, and nothing is written to that", () => {
    const device = diskDevice();
    const machine = new EmulatedPc({ layout: "standard", memoryBytes: 16 * 1024 * 1024 });
    const { bridge } = machine;
    assert.ok(bridge !== null);
    machine.addDevice(device, { bus: bridge.bus });
    const disk = loadStack(machine).openBlock(machine.addressOf(device));
    disk.suspend();
    machine.powerCycle();
    machine.removeFunction(bridge);
    const other = new PciBridge({ name: "other bridge", vendorId: 0x8086, deviceId: 0x2448, classCode: 0x06_04_00 });
    machine.addFunction(other, machine.rootBus, 3);
    other.write = () => assert.fail("written to another bridge");
    assertThrowsResult(() => disk.resume(), Result.E_GONE);
    disk.close();
    assert.deepEqual(machine.violations, []);
  });

  test("is left alone where it is still there, with what was opened in it meanwhile", () => {
    const device = diskDevice();
    const machine = new EmulatedPc({ layout: "standard", memoryBytes: 16 * 1024 * 1024 });
    const { bridge } = machine;
    assert.ok(bridge !== null);
    machine.addDevice(device, { bus: bridge.bus });
    const disk = loadStack(machine).openBlock(machine.addressOf(device));
    disk.suspend();
    // As a kernel does that plugs something in behind the bridge.
    const limit = bridge.read(0x1d, 1);
    bridge.write(0x1d, 1, 0xb0);
    assert.notEqual(bridge.read(0x1d, 1), limit);
    disk.resume();
    assert.equal(bridge.read(0x1d, 1), 0xb1 & 0xf0);
    assert.deepEqual([...disk.readSectors(1, 1)], new Array<number>(SECTOR_BYTES).fill(0x5a));
    disk.close();
  });

  test("is no reason to write to a function whose base addresses are as they were", () => {
    const scene = new Scene("legacy");
    const { pciFunction } = scene;
    assert.ok(pciFunction !== undefined);
    const written: number[] = [];
    const write = pciFunction.write.bind(pciFunction);
    pciFunction.write = (offset, width, value) => {
      if (value !== pciFunction.read(offset, width) && offset !== COMMAND && offset !== 0x10) written.push(offset);
      write(offset, width, value);
    };
    scene.assertResumes();
    assert.deepEqual(written, []);
    scene.finish();
  });
});
