/** Registers in memory: what devices have is mapped and arrives whole, all else is refused and recorded. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Refusal } from "../../../kernel-shim/qemu/granted-kernel.js";
import { MICROVM_SLOTS } from "../../../kernel-shim/qemu/mmio-slots.js";
import type { QemuDevice } from "../../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import { COMMAND, configWrite } from "./scratch-guest.js";

const MEMORY_SPACE = 2;
/** Where the tests put the registers of QEMU's modern devices, 16 KiB, which are behind BAR 4. */
const REGISTERS = 0xe000_0000;
const REGISTER_BYTES = 0x4000;
const BAR4 = 0x20;
/** In the common configuration. [virtio-1.2 §4.1.4.3] */
const DEVICE_FEATURE_SELECT = 0x00;
const DEVICE_FEATURE = 0x04;
const NUM_QUEUES = 0x12;
const DEVICE_STATUS = 0x14;
/** "virt". [virtio-1.2 §4.2.2] */
const MAGIC = 0x7472_6976;

const ENTROPY: readonly QemuDevice[] = [{ kind: "entropy" }];

let machine: QemuMachine;

function map(address: number, bytes: number): number {
  return machine.kernel.mmio_map(BigInt(address), bytes);
}

/** What is refused while `action` runs. */
function refusedBy(action: () => void): Refusal[] {
  const from = machine.refusals.length;
  action();
  return machine.refusals.slice(from);
}

/** These ranges cannot be mapped, and that is recorded. */
function assertNotMapped(ranges: readonly (readonly [address: number, bytes: number])[]): void {
  for (const [address, bytes] of ranges) {
    assert.deepEqual(
      refusedBy(() => assert.equal(map(address, bytes), 0)),
      [{ kind: "mapping", address, bytes, value: 0 }],
    );
  }
}

describe("a modern PCI device", () => {
  let address: number;
  before(() => {
    machine = new QemuMachine({ virtio: "modern", devices: ENTROPY });
    address = machine.pciAddress("entropy0");
    configWrite(machine, address, BAR4, REGISTERS);
  });
  after(() => machine.close());

  test("registers that the function does not answer to are not mapped", () => {
    assertNotMapped([[REGISTERS, 0x38]]);
    configWrite(machine, address, COMMAND, MEMORY_SPACE);
    assert.deepEqual(
      refusedBy(() => machine.kernel.mmio_unmap(map(REGISTERS, 0x38), 0x38)),
      [],
    );
  });

  test("every width arrives, signed or not, and is counted", () => {
    const { kernel, counters } = machine;
    const window = map(REGISTERS, 0x38);
    const counted = { ...counters };
    kernel.mmio_write32(window + DEVICE_FEATURE_SELECT, 1);
    assert.equal(kernel.mmio_read32(window + DEVICE_FEATURE) & 1, 1, "VERSION_1");
    assert.equal(kernel.mmio_read16(window + NUM_QUEUES), 1);
    kernel.mmio_write8(window + DEVICE_STATUS, 0x103);
    assert.equal(kernel.mmio_read8((window + DEVICE_STATUS) | 0), 3);
    kernel.mmio_write8(window + DEVICE_STATUS, 0);
    assert.equal(counters.mmioReads - counted.mmioReads, 3);
    assert.equal(counters.mmioWrites - counted.mmioWrites, 3);
    assert.equal(counters.portReads - counted.portReads, 0);
    kernel.mmio_unmap(window, 0x38);
  });

  test("mappings are counted, and each is ended once", () => {
    const { kernel } = machine;
    const window = map(REGISTERS, 0x38);
    assert.equal(map(REGISTERS, 0x38), window);
    kernel.mmio_unmap(window, 0x38);
    assert.deepEqual(
      refusedBy(() => kernel.mmio_read8(window)),
      [],
    );
    assert.deepEqual(
      refusedBy(() => kernel.mmio_unmap(window, 0x34)).map(({ kind }) => kind),
      ["unmapping"],
    );
    kernel.mmio_unmap(window, 0x38);
    const refused = refusedBy(() => {
      kernel.mmio_unmap(window, 0x38);
      assert.equal(kernel.mmio_read8(window), 0xff);
      assert.equal(kernel.mmio_read16(window), 0xffff);
      assert.equal(kernel.mmio_read32(window) >>> 0, 0xffff_ffff);
      kernel.mmio_write32(window, 7);
    });
    assert.deepEqual(
      refused.map(({ kind }) => kind),
      ["unmapping", "register read", "register read", "register read", "register write"],
    );
  });

  test("an access beyond the mapping, or one that is not aligned, is refused", () => {
    const { kernel } = machine;
    const window = map(REGISTERS, 0x36);
    const refused = refusedBy(() => {
      kernel.mmio_read32(window + 0x34);
      kernel.mmio_read32(window + 2);
      kernel.mmio_read16(window + 1);
      kernel.mmio_read8(window - 1);
      kernel.mmio_read8(0);
    });
    assert.equal(refused.length, 5);
    kernel.mmio_unmap(window, 0x36);
  });

  test("memory, interrupt controllers, and what is no virtio device's are not mapped", () => {
    const NOBODY = 0xe010_0000;
    assertNotMapped([
      [0, 0x1000],
      [0x10_0000, 0x1000],
      [0xfec0_0000, 0x20],
      [0xfee0_0000, 0x400],
      [NOBODY, 4],
      [REGISTERS - 4, 8],
      [REGISTERS, REGISTER_BYTES + 4],
      [REGISTERS + 1, 4],
      [REGISTERS, 0],
      [2 ** 32 + REGISTERS, 4],
    ]);
    assert.equal(machine.kernel.mmio_map(-4n, 4), 0);
  });

  test("no registers of a function that is none of virtio's are mapped", () => {
    const other = new QemuMachine({ devices: [{ kind: "raw", device: "edu,id=other" }] });
    try {
      const BAR0 = 0x10;
      configWrite(other, other.pciAddress("other"), BAR0, REGISTERS);
      configWrite(other, other.pciAddress("other"), COMMAND, MEMORY_SPACE);
      assert.equal(other.kernel.mmio_map(BigInt(REGISTERS), 4), 0);
    } finally {
      other.close();
    }
  });
});

describe("a microvm", () => {
  before(() => {
    machine = new QemuMachine({ machine: "microvm", virtio: "modern", devices: ENTROPY });
  });
  after(() => machine.close());

  test("its slots are where QEMU has them, and nothing else can be mapped", () => {
    const shown = machine.qmp("human-monitor-command", { "command-line": "info mtree -f" });
    assert.ok(typeof shown === "string");
    const ranges = [...shown.matchAll(/^ +([0-9a-f]{16})-([0-9a-f]{16}) \(prio \d+, i\/o\): virtio-mmio\r?$/gm)];
    assert.deepEqual(
      ranges.map(([, first = "", last = ""]) => [BigInt(`0x${first}`), BigInt(`0x${last}`)]),
      MICROVM_SLOTS.map(({ base, bytes }) => [base, base + BigInt(bytes) - 1n]),
    );
    for (const { base, bytes } of machine.mmioSlots) {
      const window = map(Number(base), bytes);
      assert.equal(machine.kernel.mmio_read32(window), MAGIC);
      machine.kernel.mmio_unmap(window, bytes);
    }
    const [first, second] = machine.mmioSlots.map(({ base }) => Number(base));
    assert.ok(first !== undefined && second !== undefined);
    assertNotMapped([
      [first - 4, 8],
      [second - 4, 8],
      [0xfec0_0000, 4],
      [0x10_0000, 4],
    ]);
  });

  test("devices are in the last slots, and there is no PCI", () => {
    assert.deepEqual(machine.mmioSlot("entropy0"), MICROVM_SLOTS.at(-1));
    assert.throws(() => machine.mmioSlot("other"), { name: "QemuError" });
    assert.throws(() => machine.pciAddress("entropy0"), /There is no PCI device entropy0/);
    assert.throws(() => machine.interruptLine(0, 1), RangeError);
    assert.equal(machine.kernel.in32(0xcfc) >>> 0, 0xffff_ffff);
    assert.equal(machine.pciGrant.ioBase, machine.pciGrant.ioEnd, "and nobody needs ports");
  });
});

test("the devices of a microvm cannot be transitional", () => {
  assert.throws(() => new QemuMachine({ machine: "microvm", virtio: "transitional" }), TypeError);
});
