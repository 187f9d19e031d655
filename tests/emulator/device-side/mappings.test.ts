/** The grants that guard registers in memory. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertViolations } from "./guest.js";
import { diskMachine, ModernGuest, modernGuest } from "./modern-guest.js";

/** A machine whose disk decodes its base address, and that address. */
function decoded(profile: "crosvm" | "qemu-modern" = "crosvm") {
  const { pc, device, guest } = modernGuest({ profile });
  const bar = guest.capability(1).bar;
  return { pc, device, guest, base: BigInt(guest.baseAddress(bar)), kernel: pc.kernel };
}

describe("mappings", () => {
  it("are counted: what is mapped twice stays until both are ended", () => {
    const { pc, base, kernel } = decoded();
    const first = kernel.mmio_map(base, 56);
    const again = kernel.mmio_map(base, 56);
    kernel.mmio_unmap(first, 56);
    assert.equal(kernel.mmio_read16(again + 0x12), 1);
    assertViolations(pc, []);
    kernel.mmio_unmap(again, 56);
    assert.equal(kernel.mmio_read16(again + 0x12), 1, "the guest's own mapping is the same one");
    const before = pc.mappingCount;
    const other = kernel.mmio_map(base, 24);
    assert.equal(pc.mappingCount, before + 1);
    kernel.mmio_unmap(other, 24);
    assert.equal(kernel.mmio_read16(other + 0x12), 0xffff);
    assertViolations(pc, ["registers-not-mapped"]);
  });

  it("have windows that do not overlap, and are no further than asked for", () => {
    const { pc, base, kernel } = decoded();
    const windows = [
      { start: kernel.mmio_map(base, 32), bytes: 32 },
      { start: kernel.mmio_map(base + 0x1000n, 4), bytes: 4 },
      { start: kernel.mmio_map(base, 0x6000), bytes: 0x6000 },
    ];
    for (const one of windows) {
      assert.ok(one.start > 0);
      for (const other of windows) {
        assert.ok(one === other || one.start + one.bytes <= other.start || other.start + other.bytes <= one.start);
      }
    }
    const [first = { start: 0, bytes: 0 }] = windows;
    assert.equal(kernel.mmio_read8(first.start + 32), 0xff);
    assert.equal(kernel.mmio_read32(first.start + 30) >>> 0, 0xffff_ffff);
    kernel.mmio_write8(first.start - 1, 0);
    assertViolations(pc, Array<string>(3).fill("registers-not-mapped"));
  });

  it("are refused for everything but the registers of virtio devices", () => {
    const { pc, base, kernel } = decoded();
    const buffer = pc.kernel.dma_address(pc.allocateBuffer(4096));
    const refused: readonly (readonly [bigint, number])[] = [
      [0n, 4096],
      [buffer, 64],
      [0xfee0_0000n, 4096],
      [base + 0x7ff0n, 32],
      [base + 1n, 4],
      [base, 0],
      [base, 0x8000],
      [base + 0x6000n, 16],
      [base + 0x7000n, 8],
      [base + (1n << 40n), 4],
      [2n ** 64n - 4n, 4],
    ];
    for (const [address, bytes] of refused)
      assert.equal(kernel.mmio_map(address, bytes), 0, `0x${address.toString(16)}`);
    assert.equal(pc.refusedMappings.length, refused.length);
    assertViolations(pc, []);
  });

  it("are refused while the function, or a bridge above, does not decode", () => {
    const { guest, kernel, base, pc } = decoded("qemu-modern");
    assert.notEqual(kernel.mmio_map(base, 64), 0);
    guest.writePci(0x04, 2, 4);
    assert.equal(kernel.mmio_map(base, 64), 0);
    guest.writePci(0x04, 2, 6);
    const port = 4 << 3;
    guest.writePci(0x04, 2, 4, port);
    assert.equal(kernel.mmio_map(base, 64), 0);
    guest.common.read(0x12, 2);
    assertViolations(pc, ["decoding-off"]);
  });

  it("lead nowhere once the device is pulled out", () => {
    const { pc, device, guest } = decoded();
    pc.removeDevice(device);
    assert.equal(guest.common.read(0x14, 1), 0xff);
    assertViolations(pc, []);
  });

  it("end as they began", () => {
    const { pc, base, kernel } = decoded();
    const window = kernel.mmio_map(base, 32);
    kernel.mmio_unmap(window, 16);
    kernel.mmio_unmap(window + 4, 28);
    kernel.mmio_unmap(window, 32);
    kernel.mmio_unmap(window, 32);
    assertViolations(pc, Array<string>(3).fill("unmap-mismatch"));
  });

  it("have aligned accesses", () => {
    const { pc, base, kernel } = decoded();
    const window = kernel.mmio_map(base, 32);
    kernel.mmio_read16(window + 0x11);
    assert.equal(pc.violations[0]?.rule.id, "registers-alignment");
  });

  it("find room again and again", () => {
    const { pc, device } = diskMachine({ profile: "cloud-hypervisor" });
    const base = BigInt(new ModernGuest(pc, device).baseAddress(0));
    const kept = pc.kernel.mmio_map(base, 0x7ffc);
    for (let turn = 0; turn < 200_000; turn++) {
      const window = pc.kernel.mmio_map(base, 0x8000);
      assert.notEqual(window, 0);
      assert.notEqual(window, kept);
      pc.kernel.mmio_unmap(window, 0x8000);
    }
    assert.equal(pc.kernel.mmio_read16(kept + 0x12), 1);
    assertViolations(pc, []);
  });

  it("count every access", () => {
    const { pc, guest } = decoded();
    const { mmioReads, mmioWrites } = pc.counters;
    guest.common.read(0x12, 2);
    guest.common.write(0x16, 2, 0);
    guest.common.write(0x16, 2, 0);
    assert.deepEqual([pc.counters.mmioReads - mmioReads, pc.counters.mmioWrites - mmioWrites], [1, 2]);
  });
});
