/** QEMU's own virtio devices answer: requests complete, interrupts arrive where they should, QMP changes are seen. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import type { BlockDevice, QemuDevice } from "../../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import { configRead, INTERRUPT_LINE_AND_PIN, openBridge, ScratchDisk, VENDOR_AND_DEVICE } from "./scratch-guest.js";

const MACHINES = ["pc", "q35"] as const;
const SECTOR = 512;
const SECTORS = 2048;
const CONFIGURATION_CHANGE = 2;
const FIRST_PORT = 0xc000;

let folder: string;
let image: string;
const contents = new Uint8Array(SECTORS * SECTOR).map((_, index) => (index >> 9) * 31 + index);

before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "virtio-shim-test-"));
  image = path.join(folder, "disk, with a comma.img");
  writeFileSync(image, contents);
});
after(() => rmSync(folder, { recursive: true }));

function disk(properties: Partial<BlockDevice> = {}): BlockDevice {
  return { kind: "block", file: image, readOnly: true, ...properties };
}

function withMachine(options: ConstructorParameters<typeof QemuMachine>[0], use: (machine: QemuMachine) => void): void {
  const machine = new QemuMachine(options);
  try {
    use(machine);
    assert.deepEqual(machine.refusals, []);
  } finally {
    machine.close();
  }
}

/** Reads one sector and checks everything that has to be seen on the way. */
function readOneSector(machine: QemuMachine, scratch: ScratchDisk, sector: number): void {
  const used = scratch.usedIndex;
  const buffer = scratch.submitRead(sector);
  const lines = machine.waitForInterrupt(5000);
  assert.deepEqual(lines, [scratch.line]);
  assert.deepEqual(machine.waitForInterrupt(0), [scratch.line], "the line stays until the ISR is read");
  assert.equal(scratch.usedIndex, (used + 1) & 0xffff);
  assert.equal(scratch.readIsr(), 1);
  assert.deepEqual(machine.waitForInterrupt(0), [], "reading the ISR lowers the line");
  const expected = contents.subarray(sector * SECTOR, (sector + 1) * SECTOR);
  assert.deepEqual(machine.readBuffer(buffer + 16, SECTOR), expected);
  assert.equal(machine.kernel.phys_read8(buffer + 528), 0);
  machine.freeBuffer(buffer);
}

for (const machine of MACHINES) {
  for (const virtio of ["transitional", "legacy"] as const) {
    test(`${machine}, ${virtio}: reads complete and interrupt`, () => {
      withMachine({ machine, virtio, devices: [disk()] }, (started) => {
        const address = started.pciAddress("disk0");
        assert.equal(configRead(started, address, VENDOR_AND_DEVICE), 0x10011af4);
        const scratch = new ScratchDisk(started, address, FIRST_PORT);
        assert.equal(scratch.queueSize, 256);
        assert.equal(scratch.capacity, SECTORS);
        assert.deepEqual(started.waitForInterrupt(0), []);
        for (const sector of [0, 1, SECTORS - 1]) {
          readOneSector(started, scratch, sector);
        }
        assert.equal(started.stderr, "");
      });
    });
  }

  test(`${machine}: reads around the ring, past 255 and 256 in its indices`, () => {
    withMachine({ machine, devices: [disk()] }, (started) => {
      const scratch = new ScratchDisk(started, started.pciAddress("disk0"), FIRST_PORT);
      for (let each = 0; each < 600; each++) {
        readOneSector(started, scratch, each);
      }
    });
  });

  test(`${machine}: the line of every slot is known, and told in configuration space`, () => {
    // Nine devices: every rotation of the pins twice, and the end of the slots that share their rules.
    const slots = [3, 4, 5, 6, 7, 8, 9, 10, 24];
    const devices = slots.map((slot, index) => disk({ id: `disk${index}`, address: slot.toString(16) }));
    withMachine({ machine, devices }, (started) => {
      const lines = slots.map((slot, index) => {
        const address = started.pciAddress(`disk${index}`);
        assert.equal(address, slot * 8);
        const told = configRead(started, address, INTERRUPT_LINE_AND_PIN) & 0xff;
        const scratch = new ScratchDisk(started, address, FIRST_PORT + index * 0x80);
        assert.equal(told, scratch.line);
        readOneSector(started, scratch, slot);
        return scratch.line;
      });
      assert.equal(new Set(lines).size, 4);
    });
  });
}

test("q35: the lines of the slots that the chipset's own devices use", () => {
  const slots = [25, 26, 30];
  const devices = slots.map((slot, index) => disk({ id: `disk${index}`, address: slot.toString(16) }));
  withMachine({ machine: "q35", devices }, (started) => {
    slots.forEach((slot, index) => {
      readOneSector(started, new ScratchDisk(started, slot * 8, FIRST_PORT + index * 0x80), slot);
    });
  });
});

for (const machine of MACHINES) {
  test(`${machine}: interrupts come through bridges`, () => {
    const slots = [1, 2, 3, 4];
    const devices: QemuDevice[] = [
      { kind: "raw", device: "pci-bridge,id=bridge,chassis_nr=1,shpc=off,addr=5" },
      ...slots.map((slot, index) => disk({ id: `disk${index}`, bus: "bridge", address: slot.toString(16) })),
    ];
    withMachine({ machine, devices }, (started) => {
      assert.throws(() => started.interruptLine(0x108, 1), { name: "RangeError", message: /No numbered bridge/ });
      openBridge(started, 5 * 8, 1, 0xd000);
      const lines = slots.map((slot, index) => {
        const address = started.pciAddress(`disk${index}`);
        assert.equal(address, 256 + slot * 8);
        const scratch = new ScratchDisk(started, address, 0xd000 + index * 0x80);
        assert.equal(configRead(started, address, INTERRUPT_LINE_AND_PIN) & 0xff, scratch.line);
        readOneSector(started, scratch, slot);
        return scratch.line;
      });
      assert.equal(new Set(lines).size, 4);
    });
  });
}

test("a pin that does not exist has no line", () => {
  withMachine({}, (started) => {
    for (const pin of [0, 5, 1.5]) {
      assert.throws(() => started.interruptLine(0x18, pin), RangeError);
    }
  });
});

test("the address register of the stack's is left alone by the shim", () => {
  withMachine({ devices: [disk()] }, (started) => {
    started.kernel.out32(0xcf8, 0x80001234);
    started.interruptLine(started.pciAddress("disk0"), 1);
    assert.equal(started.kernel.in32(0xcf8) >>> 0, 0x80001234);
  });
});

test("waiting without an interrupt takes the time it was given, and not much of the processor", () => {
  withMachine({}, (started) => {
    const start = performance.now();
    const before = process.cpuUsage();
    assert.deepEqual(started.waitForInterrupt(200), []);
    const used = process.cpuUsage(before);
    assert.ok(performance.now() - start >= 199);
    assert.ok((used.user + used.system) / 1000 < 100, "less than half of a core");
  });
});

test("block_resize is an interrupt with the configuration bit, and a new capacity", () => {
  const writable = path.join(folder, "resized.img");
  writeFileSync(writable, contents);
  for (const machine of MACHINES) {
    withMachine({ machine, devices: [disk({ file: writable, readOnly: false, id: "data" })] }, (started) => {
      const scratch = new ScratchDisk(started, started.pciAddress("data"), FIRST_PORT);
      const sectors = machine === "pc" ? SECTORS * 2 : SECTORS * 3;
      started.blockResize("data", sectors * SECTOR);
      assert.deepEqual(started.waitForInterrupt(5000), [scratch.line]);
      // QEMU sets the queue bit as well.
      assert.equal(scratch.readIsr() & CONFIGURATION_CHANGE, CONFIGURATION_CHANGE);
      assert.equal(scratch.capacity, sectors);
      assert.deepEqual(started.waitForInterrupt(0), []);
    });
  }
});

test("set_link changes the status of the net device", () => {
  const capture = path.join(folder, "frames.pcap");
  const devices: QemuDevice[] = [
    {
      kind: "net",
      backend: { type: "user", properties: { restrict: true } },
      mac: "52:54:00:ab:cd:ef",
      mtu: 1400,
      capture,
    },
    { kind: "net", backend: { type: "hubport", properties: { hubid: 1 } } },
  ];
  withMachine({ virtio: "legacy", devices }, (started) => {
    const { kernel } = started;
    const address = started.pciAddress("net0");
    const CONFIG = FIRST_PORT + 20;
    const STATUS = CONFIG + 6;
    // The scratch disk's set-up is that of any virtio device with a queue 0.
    const scratch = new ScratchDisk(started, address, FIRST_PORT);
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5].map((each) => kernel.in8(CONFIG + each)),
      [0x52, 0x54, 0x00, 0xab, 0xcd, 0xef],
    );
    const F_MTU = 1 << 3;
    assert.equal((kernel.in32(FIRST_PORT) & F_MTU) !== 0, true);
    assert.equal(kernel.in16(STATUS), 1);
    started.setLink("net0", false);
    assert.deepEqual(started.waitForInterrupt(5000), [scratch.line]);
    // QEMU sets the queue bit as well.
    assert.equal(scratch.readIsr() & CONFIGURATION_CHANGE, CONFIGURATION_CHANGE);
    assert.equal(kernel.in16(STATUS), 0);
    started.setLink("net0", true);
    assert.deepEqual(started.waitForInterrupt(5000), [scratch.line]);
    assert.equal(kernel.in16(STATUS), 1);
  });
  assert.equal(readFileSync(capture).readUInt32LE(0), 0xa1b2c3d4, "a capture file in the pcap format");
});

test("properties reach the device", () => {
  const devices: QemuDevice[] = [
    disk({ properties: { "queue-size": 64, "num-queues": 2 }, serial: "one, two" }),
    { kind: "block", source: "null-co://", driveProperties: { "file.read-zeroes": true } },
  ];
  withMachine({ devices }, (started) => {
    assert.equal(new ScratchDisk(started, started.pciAddress("disk0"), FIRST_PORT).queueSize, 64);
    assert.notEqual(started.pciAddress("disk1"), started.pciAddress("disk0"));
  });
});

test("devices are plugged in and out while the machine runs", () => {
  withMachine({}, (started) => {
    started.deviceAdd("virtio-rng-pci", "entropy", { addr: "9" });
    assert.equal(started.pciAddress("entropy"), 9 * 8);
    assert.equal(configRead(started, 9 * 8, VENDOR_AND_DEVICE), 0x10051af4);
    started.deviceDel("entropy");
    assert.equal(configRead(started, 9 * 8, VENDOR_AND_DEVICE), 0xffffffff);
    assert.throws(() => started.pciAddress("entropy"), /There is no PCI device entropy/);
    assert.ok(started.events.some(({ event, data }) => event === "DEVICE_DELETED" && data["device"] === "entropy"));
  });
});

test("a machine goes on where it was paused", () => {
  withMachine({ devices: [disk()] }, (started) => {
    const scratch = new ScratchDisk(started, started.pciAddress("disk0"), FIRST_PORT);
    readOneSector(started, scratch, 1);
    started.pause();
    assert.equal(JSON.stringify(started.qmp("query-status")).includes('"paused"'), true);
    started.resume();
    readOneSector(started, scratch, 2);
    assert.deepEqual(
      started.events.map(({ event }) => event),
      ["STOP", "RESUME"],
    );
  });
});

test("what QEMU refuses is said in its words, and the machine goes on", () => {
  withMachine({ devices: [disk()] }, (started) => {
    assert.throws(() => started.qmp("no-such-command"), { name: "QemuError", message: /no-such-command/ });
    assert.throws(() => started.blockResize("other", 512), { name: "QemuError", message: /other-drive/ });
    const version = started.qmp("query-version");
    assert.match(JSON.stringify(version), /"major":\d+/);
  });
});

test("what a device complains of is found in stderr, also after the end", () => {
  const started = new QemuMachine({ devices: [disk()] });
  const { kernel } = started;
  const scratch = new ScratchDisk(started, started.pciAddress("disk0"), FIRST_PORT);
  const buffer = scratch.submitRead(0);
  started.waitForInterrupt(5000);
  // The available index jumps by more than the queue is long.
  const ring = kernel.in32(FIRST_PORT + 8) * 4096;
  kernel.phys_write16(ring + scratch.availableOffset + 2, 0x4000);
  kernel.out16(FIRST_PORT + 16, 0);
  kernel.in8(FIRST_PORT + 18);
  started.freeBuffer(buffer);
  started.close();
  assert.match(started.stderr, /Virtqueue size exceeded|Guest moved used index/);
});
