/** What devices behind modern PCI, MMIO and MSI-X may say that makes no sense, case by case. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { NetDevice } from "../../../kernel-shim/emulated-pc/net/device.js";
import { profiles } from "../../../kernel-shim/emulated-pc/profiles.js";
import type { RegionName } from "../../../kernel-shim/emulated-pc/virtio/faults.js";
import { isMmio, type Transport } from "../../../kernel-shim/emulated-pc/virtio/transport.js";
import {
  BlockOperation,
  Event,
  Interrupt,
  nameOf,
  Result,
  TransportWanted,
  type BlockDevice as OpenDisk,
  type BlockOptions,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { VirtioStack } from "../../../kernel-shim/javascript/index.js";
import { countLentPages } from "../../cases/pages.js";
import { assertResult, assertThrowsResult } from "../../cases/results.js";

const SECTORS = 64;
const SECTOR_BYTES = 512;
/** Registers of the common structure, and of memory-mapped devices. */
const DEVICE_STATUS = 0x14;
const CONFIG_GENERATION = 0x15;
const QUEUE_SIZE = 0x18;
const QUEUE_ENABLE = 0x1c;
const QUEUE_NOTIFY_OFF = 0x1e;
const QUEUE_NUM_MAX = 0x34;
/** Fields of a vendor capability. */
const CFG_TYPE = 3;
const BAR = 4;
const OFFSET = 8;
const LENGTH = 12;
const NEXT = 1;
/** Of a legacy device, the register that its interrupt status is read from. [virtio-1.2 §4.1.4.10] */
const LEGACY_ISR = 19;

interface Scene {
  readonly machine: EmulatedPc;
  readonly disk: BlockDevice;
  readonly stack: VirtioStack;
  readonly lentPages: () => number;
  open(options?: Partial<BlockOptions>): OpenDisk;
}

function sceneOf(transport: Transport, options: { modernFeatures?: number; requiredFeatures?: number } = {}): Scene {
  const backEnd = new MemoryDisk(new Uint8Array(SECTORS * SECTOR_BYTES).fill(0x5a));
  const disk = new BlockDevice({ backEnd, ...options });
  const profile = profiles["qemu-transitional"];
  const machine = new EmulatedPc({
    profile,
    transport,
    layout: "bare",
    devices: [disk],
    memoryBytes: 16 * 1024 * 1024,
  });
  const lentPages = countLentPages(machine.kernel);
  const stack = loadStack(machine);
  const open = (more: Partial<BlockOptions> = {}): OpenDisk => {
    if (!isMmio(transport)) return stack.openBlock(machine.addressOf(disk), more);
    const { base, bytes } = machine.slotOf(disk);
    return stack.openBlock(0, { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes, ...more });
  };
  return { machine, disk, stack, lentPages, open };
}

/** Opening fails, with this result, and leaves nothing behind. */
function assertRefused(scene: Scene, expected: Result): void {
  const { machine, lentPages } = scene;
  assertThrowsResult(() => scene.open(), expected);
  assert.equal(lentPages(), 0, "pages that were not given back");
  assert.equal(machine.mappingCount, 0, "windows that were not given back");
  assert.deepEqual(machine.violations, []);
}

/** The disk can be read. */
function assertWorks(disk: OpenDisk): void {
  assert.deepEqual([...disk.readSectors(1, 1)], new Array<number>(SECTOR_BYTES).fill(0x5a));
}

/** Makes a register answer something else. */
function lie({ disk }: Scene, region: RegionName, register: number, answer: (value: number) => number): void {
  disk.faults.readRegister = (offset, _width, value, name) =>
    name === region && offset === register ? answer(value) : value;
}

/** Where the capability of a type lies in configuration space. */
function capability({ machine, disk }: Scene, type: number): number {
  const pciFunction = machine.functionOf(disk);
  let at = pciFunction.read(0x34, 1);
  while (at !== 0 && (pciFunction.read(at, 1) !== 0x09 || pciFunction.read(at + CFG_TYPE, 1) !== type)) {
    at = pciFunction.read(at + NEXT, 1);
  }
  assert.notEqual(at, 0);
  return at;
}

function bytesOf(width: number, value: number): number[] {
  return [0, 8, 16, 24].slice(0, width).map((shift) => (value >>> shift) & 0xff);
}

const COMMON = 1;
const NOTIFY = 2;
const DEVICE = 4;
const PCI_CFG = 5;

describe("capability lists", () => {
  const lies: readonly (readonly [string, number, number, number, number])[] = [
    ["a base address register that does not exist", COMMON, BAR, 1, 5],
    ["a base address register beyond the last", COMMON, BAR, 1, 6],
    ["an offset beyond the base address register", COMMON, OFFSET, 4, 0x4000],
    ["an offset and length whose sum wraps around", COMMON, OFFSET, 4, 0xffff_f000],
    ["an offset that is not aligned", COMMON, OFFSET, 4, 1],
    ["a length of nothing", COMMON, LENGTH, 4, 0],
    ["a length beyond everything", COMMON, LENGTH, 4, 0xffff_ffff],
    ["notifications in a byte", NOTIFY, LENGTH, 4, 1],
    ["notifications in upper memory's own half", NOTIFY, BAR, 1, 5],
  ];
  for (const [name, type, field, width, value] of lies) {
    test(`${name}: E_BAR`, () => {
      const scene = sceneOf("modern-memory");
      const { machine, disk } = scene;
      machine.powerOn();
      // Without the window there is one way to the registers.
      machine.functionOf(disk).poke(capability(scene, PCI_CFG) + CFG_TYPE, bytesOf(1, 9));
      machine.functionOf(disk).poke(capability(scene, type) + field, bytesOf(width, value));
      assertRefused(scene, Result.E_BAR);
    });
  }

  test("a circle that never comes to the common structure: E_NOT_VIRTIO", () => {
    const scene = sceneOf("modern-memory");
    const pciFunction = scene.machine.functionOf(scene.disk);
    scene.machine.powerOn();
    const notify = capability(scene, NOTIFY);
    pciFunction.poke(0x34, bytesOf(1, notify));
    pciFunction.poke(notify + NEXT, bytesOf(1, notify));
    assertRefused(scene, Result.E_NOT_VIRTIO);
  });

  test("a device without a configuration is no disk: E_CONFIGURATION", () => {
    const scene = sceneOf("modern-memory");
    scene.machine.powerOn();
    scene.machine.functionOf(scene.disk).poke(capability(scene, DEVICE) + CFG_TYPE, bytesOf(1, 9));
    assertRefused(scene, Result.E_CONFIGURATION);
  });

  test("a transitional device whose modern registers cannot be used is a legacy one", () => {
    const scene = sceneOf("transitional");
    scene.machine.powerOn();
    scene.machine.functionOf(scene.disk).poke(capability(scene, COMMON) + BAR, bytesOf(1, 3));
    const disk = scene.open();
    assert.equal(disk.information().features_accepted >> 32n, 0n);
    assertWorks(disk);
    disk.close();
    assert.deepEqual(scene.machine.violations, []);
  });
});

describe("registers", () => {
  for (const transport of ["modern-memory", "modern-io", "modern-window"] as const) {
    const refusals: readonly (readonly [string, number, number, Result])[] = [
      ["a queue of no entries", QUEUE_SIZE, 0, Result.E_QUEUE_SIZE],
      ["a queue of 3 entries", QUEUE_SIZE, 3, Result.E_QUEUE_SIZE],
      ["a queue of 65535 entries", QUEUE_SIZE, 0xffff, Result.E_QUEUE_SIZE],
      ["a queue that is enabled already", QUEUE_ENABLE, 1, Result.E_QUEUE_LIVE],
      ["a status that is never 0", DEVICE_STATUS, 1, Result.E_RESET_TIMEOUT],
      ["a status that is all ones", DEVICE_STATUS, 0xff, Result.E_GONE],
    ];
    for (const [name, register, answer, expected] of refusals) {
      test(`${transport}: ${name}: ${nameOf(Result, expected) ?? ""}`, () => {
        const scene = sceneOf(transport);
        lie(scene, "common", register, () => answer);
        assertRefused(scene, expected);
      });
    }
    test(`${transport}: a generation that is another one every time: E_CONFIGURATION`, () => {
      const scene = sceneOf(transport);
      let generation = 0;
      lie(scene, "common", CONFIG_GENERATION, () => generation++ & 0xff);
      assertRefused(scene, Result.E_CONFIGURATION);
    });
    test(`${transport}: no VERSION_1: E_FEATURES`, () => {
      assertRefused(sceneOf(transport, { modernFeatures: 0 }), Result.E_FEATURES);
    });
    test(`${transport}: FEATURES_OK taken back: E_FEATURES`, () => {
      assertRefused(
        sceneOf(transport, { modernFeatures: 0x3_0000_0000, requiredFeatures: 0x2_0000_0000 }),
        Result.E_FEATURES,
      );
    });
  }

  test("a notification address outside of its structure: E_BAR", () => {
    const scene = sceneOf("modern-memory");
    lie(scene, "common", QUEUE_NOTIFY_OFF, () => 0xffff);
    assertRefused(scene, Result.E_BAR);
  });

  test("ACCESS_PLATFORM is accepted from who says that addresses are bus addresses", () => {
    const scene = sceneOf("modern-memory", { modernFeatures: 0x3_0000_0000, requiredFeatures: 0x2_0000_0000 });
    const disk = scene.open({ features: 0xffff_ffff_ffff_ffffn });
    assertWorks(disk);
    disk.close();
  });

  test("BARRIER and SCSI are not accepted from who has VERSION_1, and no priority is told it", () => {
    const legacyCommands = 2 ** 0 + 2 ** 7;
    const scene = sceneOf("modern-memory", { modernFeatures: 2 ** 32 + legacyCommands });
    const disk = scene.open({ features: 0xffff_ffff_ffff_ffffn });
    assert.equal(disk.information().features_accepted & BigInt(legacyCommands), 0n);
    const pointer = scene.machine.allocateBuffer(SECTOR_BYTES);
    const priorities: number[] = [];
    scene.disk.onRequest = ({ priority }) => {
      priorities.push(priority);
      return undefined;
    };
    const segments = [{ pointer, length: SECTOR_BYTES }];
    assert.ok(disk.perform({ token: 1, sector: 0, operation: BlockOperation.READ, segments, priority: 7 }));
    assert.deepEqual(priorities, [0]);
    disk.close();
  });

  for (const transport of ["modern-memory", "mmio-2"] as const) {
    test(`${transport}: a queue that is smaller after a reset does not do, and one that is larger does`, () => {
      const scene = sceneOf(transport);
      const lieOf = (size: number): void => {
        if (transport === "mmio-2") lie(scene, "mmio", QUEUE_NUM_MAX, () => size);
        else lie(scene, "common", QUEUE_SIZE, () => size);
      };
      lieOf(64);
      const disk = scene.open();
      lieOf(32);
      assertThrowsResult(() => disk.reset(), Result.E_QUEUE_SIZE);
      lieOf(128);
      disk.reset();
      assertWorks(disk);
      disk.close();
    });

    test(`${transport}: DEVICE_NEEDS_RESET breaks the device, and a reset brings it back`, () => {
      const scene = sceneOf(transport);
      const disk = scene.open();
      scene.disk.fail();
      scene.stack.service(1);
      assert.equal(disk.events() & Event.BROKEN, Event.BROKEN);
      disk.reset();
      assertWorks(disk);
      disk.close();
      assert.deepEqual(scene.machine.violations, []);
    });
  }
});

describe("memory-mapped registers", () => {
  const refusals: readonly (readonly [string, number, number, Result])[] = [
    ["another magic", 0, 0x7472_6977, Result.E_NOT_VIRTIO],
    ["no magic at all", 0, 0xffff_ffff, Result.E_NOT_FOUND],
    ["version 0", 4, 0, Result.E_NOT_VIRTIO],
    ["version 3", 4, 3, Result.E_NOT_VIRTIO],
    ["no device", 8, 0, Result.E_NOT_FOUND],
    ["another type", 8, 1, Result.E_NOT_VIRTIO],
    ["a queue of 3 entries", 0x34, 3, Result.E_QUEUE_SIZE],
    ["a queue of more entries than there can be", 0x34, 0x8000_0000, Result.E_QUEUE_SIZE],
    ["a queue whose memory would be none, modulo 2^32", 0x34, 0x1000_0000, Result.E_QUEUE_SIZE],
    ["a queue that is ready already", 0x44, 1, Result.E_QUEUE_LIVE],
    ["a status that is all ones", 0x70, 0xffff_ffff, Result.E_GONE],
  ];
  for (const [name, register, answer, expected] of refusals) {
    test(`${name}: ${nameOf(Result, expected) ?? ""}`, () => {
      const scene = sceneOf("mmio-2");
      lie(scene, "mmio", register, () => answer);
      assertRefused(scene, expected);
    });
  }
});

describe("a slot with less configuration than a card has fields", () => {
  const MMIO_CONFIGURATION = 0x100;
  const MTU = 2 ** 3;
  const MAC = 2 ** 5;
  const STATUS = 2 ** 16;
  /** Bytes of configuration, and how many of address, link and MTU lie in them. */
  for (const [bytes, fields] of [
    [0, 0],
    [5, 0],
    [6, 1],
    [7, 1],
    [8, 2],
    [11, 2],
    [12, 3],
  ] as const) {
    test(`${bytes} bytes have ${fields} of them, and the others are as without their features`, () => {
      const card = new NetDevice({ mtu: 1400, linkUp: false, features: MTU + MAC + STATUS });
      const machine = new EmulatedPc({
        profile: profiles["qemu-transitional"],
        transport: "mmio-2",
        layout: "bare",
        devices: [card],
      });
      const { base } = machine.slotOf(card);
      const options = { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: MMIO_CONFIGURATION + bytes };
      const open = loadStack(machine).openNet(0, options);
      const { mac_is_generated, link_up, mtu } = open.information();
      assert.deepEqual(
        [mac_is_generated === 1, link_up === 1, mtu],
        [fields < 1, fields < 2, fields < 3 ? 1500 : 1400],
      );
      open.close();
      assert.deepEqual(machine.violations, []);
    });
  }
});

describe("memory-mapped devices", () => {
  test("can be open at the same time, whatever PCI address the caller gives", () => {
    const disks = [1, 2].map(
      (byte) => new BlockDevice({ backEnd: new MemoryDisk(new Uint8Array(SECTORS * SECTOR_BYTES).fill(byte)) }),
    );
    const profile = profiles["qemu-transitional"];
    const machine = new EmulatedPc({ profile, transport: "mmio-2", layout: "bare", devices: disks });
    const stack = loadStack(machine);
    const open = disks.map((disk) => {
      const { base, bytes } = machine.slotOf(disk);
      return stack.openBlock(0, { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes });
    });
    open.forEach((disk, index) => assert.equal(disk.readSectors(0, 1)[0], index + 1));
    for (const disk of open) disk.close();
  });
});

describe("message vectors", () => {
  test("a legacy device that takes that of the configuration alone interrupts by its pin", () => {
    const scene = sceneOf("legacy");
    scene.disk.faults.acceptsVector = (vector) => vector === 0;
    const disk = scene.open({ vectors: 2 });
    disk.enableInterrupts();
    assertWorks(disk);
    assert.deepEqual(
      scene.machine.messagesOf(scene.disk).filter((count) => count > 0),
      [],
    );
    disk.close();
  });

  for (const transport of ["modern-memory", "transitional", "legacy"] as const) {
    test(`${transport}: a device interrupts by messages where it takes them, and by its pin where it does not`, () => {
      for (const takesAny of [true, false]) {
        const scene = sceneOf(transport);
        if (!takesAny) scene.disk.faults.acceptsVector = () => false;
        const disk = scene.open({ vectors: 2 });
        disk.enableInterrupts();
        const pointer = scene.machine.allocateBuffer(SECTOR_BYTES);
        const segments = [{ pointer, length: SECTOR_BYTES }];
        disk.submit([{ token: 1, operation: BlockOperation.READ, sector: 0n, segments }]);
        let isrReads = 0;
        scene.disk.faults.readRegister = (offset, _width, value, region) => {
          if (region === "isr" || (region === "legacy" && offset === LEGACY_ISR)) isrReads++;
          return value;
        };
        assert.equal(disk.interrupt(), takesAny ? 0 : Interrupt.QUEUE);
        assert.equal(isrReads, takesAny ? 0 : 1);
        assert.equal(
          scene.machine.messagesOf(scene.disk).some((count) => count > 0),
          takesAny,
        );
        assert.equal(disk.poll().length, 1);
        disk.close();
      }
    });
  }

  test("that tell nothing count as no interrupts, and those of a device that is gone tell that", () => {
    const scene = sceneOf("modern-memory");
    const disk = scene.open({ vectors: 2 });
    const { exports } = scene.stack;
    const interrupts = disk.statistics().interrupts;
    for (const vector of [2, 63, 64, 65, 0xffff_ffff]) assert.equal(exports.interrupt_vector(disk.handle, vector), 0);
    assert.equal(disk.statistics().interrupts, interrupts);
    assert.equal(exports.interrupt_vector(disk.handle, 1), Interrupt.QUEUE);
    assert.equal(disk.statistics().interrupts, interrupts + 1n);
    scene.machine.removeDevice(scene.disk);
    assertThrowsResult(() => disk.interrupt(), Result.E_GONE);
    assertResult(exports.interrupt_vector(disk.handle, 1), Result.E_GONE);
    assert.equal(disk.statistics().interrupts, interrupts + 1n);
    disk.close();
  });

  for (const [name, accepts] of [
    ["none", () => false],
    ["that of the configuration alone", (vector: number) => vector === 0],
    ["none but 1", (vector: number) => vector === 1],
  ] as const) {
    for (const transport of ["modern-memory", "transitional", "legacy"] as const) {
      test(`${transport}: a device that takes ${name} is served all the same`, () => {
        const scene = sceneOf(transport);
        scene.disk.faults.acceptsVector = accepts;
        const disk = scene.open({ vectors: 2 });
        disk.enableInterrupts();
        assertWorks(disk);
        disk.reset();
        assertWorks(disk);
        disk.close();
        assert.deepEqual(scene.machine.violations, []);
      });
    }
  }
});
