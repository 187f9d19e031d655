/** The registers of memory-mapped devices, and every rule of the driver's that they check. [virtio-1.2 §4.2] */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EntropyDevice } from "../../../kernel-shim/emulated-pc/entropy/device.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { assertViolations, legacyQueue, submit } from "./guest.js";
import { diskMachine, mappedRegisters, mmioGuest, VERSION_1 } from "./modern-guest.js";

const ANY_LAYOUT = 2 ** 27;
const RING_RESET = 2 ** 40;

const MAGIC_VALUE = 0x000;
const VERSION = 0x004;
const DEVICE_ID = 0x008;
const VENDOR_ID = 0x00c;
const QUEUE_SEL = 0x030;
const QUEUE_NUM_MAX = 0x034;
const QUEUE_NUM = 0x038;
const QUEUE_ALIGN = 0x03c;
const QUEUE_PFN = 0x040;
const QUEUE_READY = 0x044;
const QUEUE_NOTIFY = 0x050;
const INTERRUPT_STATUS = 0x060;
const INTERRUPT_ACK = 0x064;
const QUEUE_RESET = 0x0c0;
const CONFIG_GENERATION = 0x0fc;
const CONFIGURATION = 0x100;

const V1 = { transport: "mmio-1" } as const;
const V2 = { transport: "mmio-2" } as const;

describe("slots", () => {
  it("lie where the options say, each with a line of its own", () => {
    const mmio = { base: 0xd000_0000, stride: 0x1000, slots: 3, interrupt: 40, fill: "first", version: 2 } as const;
    const { pc, device } = diskMachine({ ...V2, mmio });
    const second = pc.addDevice(new EntropyDevice(), { slot: 2 });
    assert.deepEqual(pc.slotOf(device), { base: 0xd000_0000n, bytes: 0x1000, interrupt: 40 });
    assert.deepEqual(pc.slotOf(second), { base: 0xd000_2000n, bytes: 0x1000, interrupt: 42 });
    assert.deepEqual(
      pc.mmioSlots.map(({ base }) => base),
      [0xd000_0000n, 0xd000_1000n, 0xd000_2000n],
    );
    assert.throws(() => pc.addDevice(new EntropyDevice(), { slot: 2 }), /no such free MMIO slot/);
    pc.addDevice(new EntropyDevice());
    assert.throws(() => pc.addDevice(new EntropyDevice()), /no such free MMIO slot/);
  });

  it("without a device have id 0, and no further registers", () => {
    const pc = new EmulatedPc(V2);
    const [slot] = pc.mmioSlots;
    assert.ok(slot);
    const registers = mappedRegisters(pc, Number(slot.base), slot.bytes);
    assert.equal(registers.read(MAGIC_VALUE, 4), 0x7472_6976);
    assert.equal(registers.read(VERSION, 4), 2);
    assert.equal(registers.read(DEVICE_ID, 4), 0);
    assertViolations(pc, []);
    registers.read(VENDOR_ID, 4);
    registers.write(0x070, 4, 0);
    assertViolations(pc, ["mmio-empty", "mmio-empty"]);
  });

  it("are empty once their device is pulled out", () => {
    const { pc, device, guest } = mmioGuest(V2);
    guest.start(VERSION_1);
    pc.removeDevice(device);
    assert.equal(guest.read(DEVICE_ID), 0);
    pc.addDevice(device);
    assert.equal(guest.read(DEVICE_ID), 2);
  });
});

describe("the first registers", () => {
  it("are read in order", () => {
    const { pc, device } = diskMachine(V2);
    const slot = pc.slotOf(device);
    const registers = mappedRegisters(pc, Number(slot.base), slot.bytes);
    registers.read(MAGIC_VALUE, 4);
    registers.read(DEVICE_ID, 4);
    assertViolations(pc, ["mmio-order"]);
    const other = diskMachine(V2);
    mappedRegisters(other.pc, Number(other.pc.slotOf(other.device).base), 512).write(0x070, 4, 0);
    assertViolations(other.pc, ["mmio-order"]);
  });

  it("are not written, and name the vendor", () => {
    const { pc, guest } = mmioGuest(V2);
    assert.equal(guest.read(VENDOR_ID), 0x554d_4551);
    guest.write(DEVICE_ID, 1);
    assertViolations(pc, ["register-read-only"]);
  });
});

describe("registers", () => {
  it("have 32 bits, the device configuration its own widths", () => {
    const { pc, guest, device } = mmioGuest(V2);
    assert.equal(guest.registers.read(0x070, 1), 0xff);
    assertViolations(pc, ["register-width"]);
    guest.read(CONFIG_GENERATION);
    assert.equal(guest.registers.read(CONFIGURATION, 4), device.capacity);
    assert.equal(guest.registers.read(CONFIGURATION + 4, 4), 0);
    guest.read(CONFIG_GENERATION);
    assert.equal(guest.registers.read(CONFIGURATION + 32, 1), 1);
    assertViolations(pc, ["register-width"]);
    guest.registers.read(CONFIGURATION + 32, 4);
    guest.registers.read(CONFIGURATION, 4);
    guest.read(INTERRUPT_STATUS);
    assertViolations(pc, ["register-width", "register-width", "configuration-generation"]);
  });

  it("of version 1 let the configuration be read with any width", () => {
    const { pc, guest, device } = mmioGuest(V1);
    assert.equal(guest.registers.read(CONFIGURATION, 2), device.capacity);
    assertViolations(pc, []);
  });

  it("are those of the version, and go one way where they do", () => {
    for (const [options, missing] of [
      [V1, [QUEUE_READY, CONFIG_GENERATION, 0x080]],
      [V2, [QUEUE_PFN, QUEUE_ALIGN, 0x028]],
    ] as const) {
      const { pc, guest } = mmioGuest(options);
      for (const offset of missing) guest.read(offset);
      for (const offset of missing) guest.write(offset, 1);
      assertViolations(pc, Array<string>(6).fill("register-missing"));
      guest.read(QUEUE_NOTIFY);
      guest.write(INTERRUPT_STATUS, 0);
      assert.deepEqual(
        pc.violations.slice(6).map(({ rule }) => rule.id),
        ["register-write-only", "register-read-only"],
      );
    }
  });

  it("of features are selected first", () => {
    const { pc, guest } = mmioGuest(V2);
    guest.status = 1;
    guest.status = 3;
    guest.read(0x010);
    guest.write(0x020, 0);
    assertViolations(pc, ["features-not-selected", "features-not-selected"]);
  });

  it("of version 1 show the features below 32 only", () => {
    const { pc, guest, device } = mmioGuest(V1);
    assert.equal(guest.offeredFeatures, device.offeredFeatures);
    assert.ok(guest.offeredFeatures < VERSION_1);
    assert.ok(mmioGuest(V2).guest.offeredFeatures >= VERSION_1);
    assertViolations(pc, []);
  });
});

describe("queues", () => {
  it("of version 1 have a page frame, of GuestPageSize", () => {
    const { pc, guest } = mmioGuest(V1);
    guest.negotiate(ANY_LAYOUT);
    guest.write(0x028, 512);
    guest.write(QUEUE_SEL, 0);
    assert.equal(guest.read(QUEUE_PFN), 0);
    guest.write(QUEUE_NUM, Math.min(guest.read(QUEUE_NUM_MAX), 64));
    const queue = legacyQueue(guest, 0, 64, () => guest.write(QUEUE_NOTIFY, 0));
    guest.write(QUEUE_ALIGN, 4096);
    guest.write(QUEUE_PFN, queue.address / 512);
    assert.equal(guest.read(QUEUE_PFN), queue.address / 512);
    guest.status = 15;
    assert.equal(submit(guest, queue, { sector: 9 }).contents[0], 9);
    assertViolations(pc, []);
  });

  it("of version 1 need GuestPageSize, QueueAlign and QueueNum", () => {
    const { pc, guest } = mmioGuest(V1);
    guest.negotiate(ANY_LAYOUT);
    guest.write(QUEUE_SEL, 0);
    guest.read(QUEUE_PFN);
    guest.read(QUEUE_NUM_MAX);
    guest.write(QUEUE_PFN, 5);
    const rules = pc.violations.map(({ rule }) => rule.id);
    assert.deepEqual(rules.slice(0, 3), ["queue-incomplete", "guest-page-size", "queue-align"]);
  });

  it("of version 1 are given up with page frame 0, which resets a QEMU", () => {
    const { guest } = mmioGuest(V1);
    guest.start(ANY_LAYOUT);
    guest.write(QUEUE_PFN, 0);
    assert.equal(guest.status, 0);
    const other = mmioGuest({ ...V1, profile: "large" });
    other.guest.start(ANY_LAYOUT);
    other.guest.write(QUEUE_PFN, 0);
    assert.equal(other.guest.status, 15);
    assert.equal(other.guest.read(QUEUE_PFN), 0);
  });

  it("are looked at before they are set up", () => {
    const { pc, guest } = mmioGuest(V2);
    guest.negotiate(VERSION_1);
    guest.write(QUEUE_SEL, 0);
    guest.write(QUEUE_NUM, 8);
    assertViolations(pc, ["queue-not-checked"]);
    const other = mmioGuest(V2);
    other.guest.negotiate(VERSION_1);
    other.guest.write(QUEUE_SEL, 0);
    other.guest.read(QUEUE_READY);
    other.guest.read(QUEUE_NUM_MAX);
    other.guest.write(QUEUE_READY, 1);
    assert.deepEqual(
      other.pc.violations.slice(0, 2).map(({ rule }) => rule.id),
      ["queue-incomplete", "queue-incomplete"],
    );
  });

  it("are stopped with QueueReady 0, which is read back", () => {
    const { pc, guest } = mmioGuest(V2);
    guest.start(VERSION_1 + RING_RESET, 8);
    guest.write(QUEUE_READY, 0);
    assert.equal(guest.read(QUEUE_READY), 0);
    const queue = guest.createQueue(0, 16);
    assert.equal(submit(guest, queue, { sector: 4 }).contents[0], 4);
    assertViolations(pc, []);
    guest.write(QUEUE_READY, 0);
    guest.write(QUEUE_SEL, 0);
    assertViolations(pc, ["queue-ready-not-read"]);
  });

  it("are reset with QueueReset where that was negotiated", () => {
    const { pc, guest } = mmioGuest(V2);
    guest.start(VERSION_1 + RING_RESET, 8);
    guest.write(QUEUE_RESET, 1);
    assert.equal(guest.read(QUEUE_RESET), 0);
    assert.equal(guest.read(QUEUE_READY), 0);
    assert.equal(submit(guest, guest.createQueue(0, 16), { sector: 4 }).contents[0], 4);
    assertViolations(pc, []);
  });
});

describe("interrupts", () => {
  for (const options of [V1, V2]) {
    it(`of ${options.transport} stay until they are acknowledged`, () => {
      const { pc, guest, device } = mmioGuest(options);
      const queue = guest.start(options === V1 ? ANY_LAYOUT : VERSION_1);
      submit(guest, queue, {});
      const line = [guest.slot.interrupt];
      assert.deepEqual(pc.waitForInterrupt(1), line);
      assert.equal(guest.read(INTERRUPT_STATUS), 1);
      assert.equal(guest.read(INTERRUPT_STATUS), 1);
      device.resize(64);
      guest.write(INTERRUPT_ACK, 1);
      assert.deepEqual(pc.waitForInterrupt(1), line);
      assert.equal(guest.acknowledge(), 2);
      assert.deepEqual(pc.waitForInterrupt(1), []);
      assertViolations(pc, []);
    });
  }

  it("are acknowledged only as they were read", () => {
    const { pc, guest } = mmioGuest(V2);
    submit(guest, guest.start(VERSION_1), {});
    guest.write(INTERRUPT_ACK, 1);
    assertViolations(pc, ["interrupt-acknowledge"]);
  });

  it("end with a reset", () => {
    const { pc, guest } = mmioGuest(V2);
    submit(guest, guest.start(VERSION_1), {});
    guest.status = 0;
    assert.deepEqual(pc.waitForInterrupt(0), []);
  });
});
