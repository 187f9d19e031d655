/** MSI-X on legacy and modern PCI: vectors, the table, masks, and what is told no other way. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import type { PortHandler } from "../../../kernel-shim/emulated-pc/pci/function.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { assertViolations, blockGuest, type PciGuest, submit } from "./guest.js";
import { type ModernGuest, modernGuest, VERSION_1 } from "./modern-guest.js";

const ANY_LAYOUT = 2 ** 27;
const NO_VECTOR = 0xffff;
const MSIX = 0x11;
const ENABLE = 0x8000;
const FUNCTION_MASK = 0x4000;

/** What a kernel does: it finds the table, programs as many vectors, and enables MSI-X. Returns the interrupts. */
function connect(pc: EmulatedPc, device: VirtioDevice, guest: PciGuest, vectors: number): number[] {
  const capability = pc.functionOf(device).capabilityOffset(MSIX);
  const table = guest.readPci(capability + 4, 4);
  const bar = table & 7;
  const low = guest.readPci(0x10 + 4 * bar, 4);
  const high = (low & 6) === 4 ? guest.readPci(0x14 + 4 * bar, 4) : 0;
  const address = BigInt(high * 2 ** 32 + low - (low % 16) + table - bar);
  const interrupts = pc.connectMessages(address, vectors);
  guest.writePci(capability + 2, 2, ENABLE);
  return interrupts;
}

function setControl(pc: EmulatedPc, device: VirtioDevice, guest: PciGuest, control: number): void {
  guest.writePci(pc.functionOf(device).capabilityOffset(MSIX) + 2, 2, control);
}

/** The base address that holds the table, where the kernel reaches it. */
function tableOf(pc: EmulatedPc, device: VirtioDevice): { handler: PortHandler; table: number; pending: number } {
  const pciFunction = pc.functionOf(device);
  const capability = pciFunction.capabilityOffset(MSIX);
  const register = pciFunction.read(capability + 4, 4);
  const bar = pciFunction.baseAddresses.find(({ index }) => index === (register & 7));
  assert.ok(bar?.handler);
  return { handler: bar.handler, table: register & ~7, pending: pciFunction.read(capability + 8, 4) & ~7 };
}

/** A modern disk whose configuration has vector 0, and whose queue has vector 1. */
function connected(profile: "qemu-modern" | "crosvm" | "cloud-hypervisor" | "firecracker" = "crosvm") {
  const parts = modernGuest({ profile });
  const { pc, device, guest } = parts;
  const interrupts = connect(pc, device, guest, 2);
  guest.negotiate(VERSION_1);
  assert.equal(setVector(guest, 0x10, 0), 0);
  guest.common.write(0x16, 2, 0);
  assert.equal(setVector(guest, 0x1a, 1), 1);
  const queue = guest.createQueue(0);
  guest.status = 15;
  return { ...parts, interrupts, queue };
}

function setVector(guest: ModernGuest, offset: number, vector: number): number {
  guest.common.write(offset, 2, vector);
  return guest.common.read(offset, 2);
}

describe("messages", () => {
  for (const profile of ["qemu-modern", "crosvm", "cloud-hypervisor", "firecracker"] as const) {
    it(`of the host ${profile} tell of queues and of the configuration, each once`, () => {
      const { pc, device, guest, interrupts, queue } = connected(profile);
      assert.deepEqual(interrupts, [256, 257]);
      assert.equal(submit(guest, queue, {}).result, 0);
      assert.deepEqual(pc.waitForInterrupt(1), [257]);
      assert.deepEqual(pc.waitForInterrupt(1), []);
      device.resize(64);
      submit(guest, queue, {});
      assert.deepEqual(pc.waitForInterrupt(1), [256, 257]);
      assert.deepEqual(pc.messagesOf(device).slice(0, 2), [1, 2]);
      assert.equal(device.interruptStatus, 0);
      assertViolations(pc, []);
    });
  }

  it("of legacy devices do the same, with the vectors in front of the configuration", () => {
    const { pc, device, guest } = blockGuest({ profile: "gcp" });
    const interrupts = connect(pc, device, guest, 2);
    guest.negotiate(ANY_LAYOUT);
    guest.write(20, 2, 1);
    assert.equal(guest.read(20, 2), 1);
    const queue = guest.createQueue(0);
    guest.write(22, 2, 0);
    assert.equal(guest.read(22, 2), 0);
    guest.status = 15;
    assert.equal(guest.read(24, 4), device.capacity);
    submit(guest, queue, {});
    assert.deepEqual(pc.waitForInterrupt(1), [interrupts[0]]);
    device.resize(64);
    assert.deepEqual(pc.waitForInterrupt(1), [interrupts[1]]);
    assertViolations(pc, []);
    assert.equal(guest.read(19, 1), 0);
    assertViolations(pc, ["isr-with-msix"]);
  });

  it("are told apart by device, with numbers of their own", () => {
    const first = connected();
    const { pc } = first;
    assert.throws(() => pc.connectMessages(0x1234_0000n, 1), /no MSI-X table/);
    assert.deepEqual(connect(pc, first.device, first.guest, 1), [258]);
  });

  it("wait behind a vector's mask, and behind the function's", () => {
    const { pc, device, guest, queue } = connected();
    const { handler, table, pending } = tableOf(pc, device);
    handler.write(table + 16 + 12, 4, 1);
    submit(guest, queue, {});
    assert.deepEqual(pc.waitForInterrupt(1), []);
    assert.equal(handler.read(pending, 4), 2);
    handler.write(table + 16 + 12, 4, 0);
    assert.deepEqual(pc.waitForInterrupt(1), [257]);
    assert.equal(handler.read(pending, 4), 0);
    setControl(pc, device, guest, ENABLE | FUNCTION_MASK);
    submit(guest, queue, {});
    submit(guest, queue, {});
    assert.deepEqual(pc.waitForInterrupt(1), []);
    setControl(pc, device, guest, ENABLE);
    assert.deepEqual(pc.waitForInterrupt(1), [257]);
    assert.equal(pc.messagesOf(device)[1], 2);
    assertViolations(pc, []);
  });

  it("are not sent for events without a vector", () => {
    const { pc, device, guest, queue } = connected();
    guest.common.write(0x10, 2, NO_VECTOR);
    device.resize(64);
    assert.deepEqual(pc.waitForInterrupt(1), []);
    submit(guest, queue, {});
    assert.deepEqual(pc.waitForInterrupt(1), [257]);
    assertViolations(pc, []);
  });

  it("go only where the kernel sends them", () => {
    const { pc, device, guest } = modernGuest({ profile: "crosvm" });
    setControl(pc, device, guest, ENABLE);
    const { handler, table } = tableOf(pc, device);
    assert.equal(handler.read(table + 12, 4), 1, "masked at first");
    guest.negotiate(VERSION_1);
    guest.common.write(0x16, 2, 0);
    assert.equal(setVector(guest, 0x1a, 0), 0);
    const queue = guest.createQueue(0);
    guest.status = 15;
    handler.write(table, 4, 0x1000);
    handler.write(table + 12, 4, 0);
    submit(guest, queue, {});
    assert.deepEqual(pc.waitForInterrupt(1), []);
    assertViolations(pc, ["msix-programmed"]);
  });

  it("leave the ISR status and the line alone, and it is not to be read", () => {
    const { pc, guest, queue } = connected();
    submit(guest, queue, {});
    assert.equal(guest.readPci(6, 2) & 8, 0);
    assert.equal(guest.isr.read(0, 1), 0);
    assertViolations(pc, ["isr-with-msix"]);
  });

  it("are all there is on hosts without lines", () => {
    const { pc, guest } = modernGuest({ profile: "cloud-hypervisor" });
    assert.equal(guest.readPci(0x3d, 1), 0);
    submit(guest, guest.start(VERSION_1), {});
    assert.deepEqual(pc.waitForInterrupt(1), []);
    assert.equal(guest.isr.read(0, 1), 0);
    assertViolations(pc, []);
  });
});

describe("vectors", () => {
  it("are those of the table, or none", () => {
    const { pc, device, guest } = modernGuest({ profile: "crosvm" });
    connect(pc, device, guest, 2);
    assert.equal(setVector(guest, 0x10, 4), NO_VECTOR);
    assert.equal(setVector(guest, 0x10, NO_VECTOR), NO_VECTOR);
    assert.equal(setVector(guest, 0x10, 3), 3);
    assertViolations(pc, ["vector-range"]);
  });

  it("that the device has no means for read back as none", () => {
    const { pc, device, guest } = modernGuest({ profile: "crosvm" });
    device.faults.acceptsVector = (vector) => vector === 0;
    connect(pc, device, guest, 2);
    assert.equal(setVector(guest, 0x1a, 1), NO_VECTOR);
    assert.equal(setVector(guest, 0x1a, 0), 0);
    assertViolations(pc, []);
  });

  it("are read back before DRIVER_OK", () => {
    const { pc, guest } = modernGuest({ profile: "crosvm" });
    guest.negotiate(VERSION_1);
    guest.common.write(0x10, 2, 0);
    guest.common.write(0x1a, 2, 1);
    guest.status = 15;
    assertViolations(pc, ["vector-not-read", "vector-not-read"]);
  });

  it("are forgotten at a reset", () => {
    const { guest } = connected();
    guest.status = 0;
    assert.equal(guest.status, 0);
    assert.equal(guest.common.read(0x10, 2), NO_VECTOR);
    guest.common.write(0x16, 2, 0);
    assert.equal(guest.common.read(0x1a, 2), NO_VECTOR);
  });
});

describe("the table", () => {
  it("is accessed in doublewords, and pending bits are not written", () => {
    const { pc, device } = connected();
    const { handler, table, pending } = tableOf(pc, device);
    assert.equal(handler.read(table, 2), 0);
    handler.write(table + 12, 1, 1);
    handler.write(pending, 4, 1);
    assertViolations(pc, Array<string>(3).fill("msix-access"));
  });
});
