/** One and the same disk behind every kind of registers, and on every host. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EntropyDevice } from "../../../kernel-shim/emulated-pc/entropy/device.js";
import { EmulatedPc, type EmulatedPcOptions } from "../../../kernel-shim/emulated-pc/machine.js";
import { legacyProfileNames, profileNames, profiles } from "../../../kernel-shim/emulated-pc/profiles.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { isMmio, type Transport } from "../../../kernel-shim/emulated-pc/virtio/transport.js";
import { assertViolations, Guest, submit } from "./guest.js";
import { diskMachine, MmioGuest, ModernGuest, VERSION_1 } from "./modern-guest.js";

const ANY_LAYOUT = 2 ** 27;

const MODERN_TRANSPORTS: readonly Transport[] = ["transitional", "modern-io", "modern-memory", "modern-window"];

/** Reads a sector through the interface that the transport is for. Returns what came, and how it was told. */
function readsSector(options: EmulatedPcOptions, way: "bars" | "window" = "bars"): void {
  const { pc, device } = diskMachine(options);
  const transport = options.transport ?? pc.profile.transport;
  const guest = isMmio(transport)
    ? new MmioGuest(pc, device)
    : transport === "legacy"
      ? new Guest(pc, device)
      : new ModernGuest(pc, device, transport === "modern-window" ? "window" : way);
  const isLegacy = transport === "legacy" || transport === "mmio-1";
  const queue = guest.start(isLegacy ? device.offeredFeatures & ANY_LAYOUT : VERSION_1);
  assert.equal(guest.status, !isLegacy || pc.profile.latchesFeaturesOk ? 15 : 7);
  const request = submit(guest, queue, { sector: 5 });
  assert.equal(request.result, 0);
  assert.deepEqual(request.contents, new Uint8Array(512).fill(5));
  assertViolations(pc, []);
}

describe("a disk", () => {
  for (const profile of legacyProfileNames) {
    for (const transport of [...MODERN_TRANSPORTS, "mmio-1", "mmio-2"] as const) {
      it(`of the host ${profile} works as ${transport}`, () => readsSector({ profile, transport }));
    }
  }

  for (const profile of profileNames) {
    it(`of the host ${profile} works as that host shows it`, () => readsSector({ profile }));
  }

  it("works through the window with its base addresses assigned, too, where the host lets it", () => {
    for (const profile of ["qemu-transitional", "qemu-modern", "virtualbox-7", "cloud-hypervisor"] as const) {
      readsSector({ profile }, "window");
    }
  });

  it("is served by a host's legacy registers as well where it is transitional", () => {
    for (const profile of ["qemu-transitional", "virtualbox-7"] as const) {
      readsSector({ profile, transport: "legacy" });
      const { pc, device } = diskMachine({ profile });
      const guest = new Guest(pc, device);
      const queue = guest.start(device.offeredFeatures & ANY_LAYOUT);
      assert.equal(submit(guest, queue, { sector: 7 }).contents[0], 7);
      assertViolations(pc, []);
    }
  });
});

describe("hosts", () => {
  it("show modern devices by their ids", () => {
    for (const profile of profileNames) {
      const { transport } = profiles[profile];
      if (isMmio(transport)) continue;
      const { pc, device } = diskMachine({ profile });
      const pciFunction = pc.functionOf(device);
      const isModern = transport.startsWith("modern");
      assert.equal(pciFunction.read(2, 2), isModern ? 0x1042 : 0x1001, profile);
      assert.equal(pciFunction.read(8, 1), isModern ? 1 : 0, profile);
    }
  });

  it("of Firecracker put base addresses far above 4 GiB", () => {
    const { pc, device } = diskMachine({ profile: "firecracker" });
    assert.ok(new ModernGuest(pc, device).baseAddress(0) >= 2 ** 38);
  });

  it("with root ports have one device behind each", () => {
    const { pc, device } = diskMachine({ profile: "qemu-modern" });
    assert.ok(pc.addressOf(device) >= 0x100);
    assert.equal(pc.addressOf(device) & 0xff, 0);
  });

  it("of QEMU's microvm fill their slots from the last one down", () => {
    const { pc, device } = diskMachine({ profile: "microvm-2" });
    assert.equal(pc.slotOf(device).base, 0xfeb0_0000n + 23n * 512n);
    assert.equal(pc.slotOf(device).interrupt, 24 + 23);
  });

  it("without PCI answer no configuration cycle", () => {
    const { pc } = diskMachine({ profile: "microvm-1" });
    pc.kernel.out32(0xcf8, 0x8000_0000);
    assert.equal(pc.kernel.in32(0xcfc) >>> 0, 0xffff_ffff);
  });
});

describe("a device without any configuration", () => {
  for (const profile of profileNames) {
    const { transport } = profiles[profile];
    if (isMmio(transport) || transport === "legacy") continue;
    it(`of the host ${profile} has no capability for it`, () => {
      const device = new EntropyDevice();
      const pc = new EmulatedPc({ profile, devices: [device] });
      const types = virtioCapabilities(pc, device);
      assert.equal(types.includes(4), false);
      assert.ok([1, 2, 3, 5].every((type) => types.includes(type)));
    });
  }
});

/** The types of a device's vendor capabilities, in their order. */
function virtioCapabilities(pc: EmulatedPc, device: VirtioDevice): number[] {
  const pciFunction = pc.functionOf(device);
  const types: number[] = [];
  for (let at = pciFunction.read(0x34, 1); at !== 0; at = pciFunction.read(at + 1, 1)) {
    if (pciFunction.read(at, 1) === 0x09) types.push(pciFunction.read(at + 3, 1));
  }
  return types;
}
