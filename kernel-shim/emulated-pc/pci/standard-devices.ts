/** What a PC has besides virtio devices: the functions that a scan must look at and a driver must leave alone. */
import { PciBridge, type PciBus } from "./bus.js";
import { PciFunction } from "./function.js";

/** The first slot of the root bus behind what `plugStandardDevices` puts there. */
export const FIRST_FREE_SLOT = 4;

/** The host bridge alone: the least that a root bus has. */
export function plugHostBridge(bus: PciBus): void {
  bus.plug(
    new PciFunction({
      name: "host bridge",
      vendorId: 0x8086,
      deviceId: 0x1237,
      classCode: 0x06_00_00,
      revisionId: 2,
      configurationBytes: 64,
    }),
    0,
    0,
  );
}

/**
 * Host bridge, ISA bridge with IDE and power management (a gap between the functions), VGA, and a PCI-to-PCI bridge
 * with an old network card behind it. Returns the bridge.
 */
export function plugStandardDevices(bus: PciBus): PciBridge {
  plugHostBridge(bus);
  plugSouthBridge(bus);
  bus.plug(
    new PciFunction({
      name: "VGA",
      vendorId: 0x1234,
      deviceId: 0x1111,
      classCode: 0x03_00_00,
      revisionId: 2,
      subsystemVendorId: 0x1af4,
      subsystemId: 0x1100,
      baseAddresses: [
        { index: 0, kind: "memory", size: 0x100_0000, isPrefetchable: true },
        { index: 2, kind: "memory", size: 0x1000 },
      ],
      isEnabledByFirmware: true,
    }),
    2,
    0,
  );
  const bridge = new PciBridge({ name: "PCI bridge", vendorId: 0x1b36, deviceId: 0x0001, classCode: 0x06_04_00 });
  bus.plug(bridge, 3, 0);
  bridge.bus.plug(
    new PciFunction({
      name: "Ethernet",
      vendorId: 0x10ec,
      deviceId: 0x8139,
      classCode: 0x02_00_00,
      revisionId: 0x20,
      interruptPin: 1,
      configurationBytes: 64,
      baseAddresses: [
        { index: 0, kind: "io", size: 256 },
        { index: 1, kind: "memory", size: 256 },
      ],
    }),
    0,
    0,
  );
  return bridge;
}

/** A PCI Express root port, as QEMU's q35 has them: one device behind each. */
export function createRootPort(): PciBridge {
  return new PciBridge({ name: "root port", vendorId: 0x1b36, deviceId: 0x000c, classCode: 0x06_04_00 });
}

function plugSouthBridge(bus: PciBus): void {
  const subsystem = { subsystemVendorId: 0x1af4, subsystemId: 0x1100 };
  bus.plug(
    new PciFunction({ name: "ISA bridge", vendorId: 0x8086, deviceId: 0x7000, classCode: 0x06_01_00, ...subsystem }),
    1,
    0,
  );
  bus.plug(
    new PciFunction({
      name: "IDE",
      vendorId: 0x8086,
      deviceId: 0x7010,
      classCode: 0x01_01_80,
      ...subsystem,
      baseAddresses: [{ index: 4, kind: "io", size: 16 }],
      isEnabledByFirmware: true,
    }),
    1,
    1,
  );
  bus.plug(
    new PciFunction({
      name: "power management",
      vendorId: 0x8086,
      deviceId: 0x7113,
      classCode: 0x06_80_00,
      revisionId: 3,
      interruptPin: 1,
      ...subsystem,
    }),
    1,
    3,
  );
}
