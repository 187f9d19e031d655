/** The PCI function that a legacy virtio device shows. [virtio-1.2 §4.1.2, §4.1.2.3, §4.1.4.10] */
import { type CapabilityDescription, PciFunction } from "../pci/function.js";
import { CAPABILITY_MSIX } from "../pci/registers.js";
import type { VirtioDevice } from "./device.js";
import { RegisterFile, registerFileBytes } from "./register-file.js";
import type { Profile } from "../profiles.js";

export const VIRTIO_VENDOR_ID = 0x1af4;

/** Transitional PCI device ids by device type. [virtio-1.2 §4.1.2.1] */
const DEVICE_IDS: Readonly<Record<number, number>> = {
  1: 0x1000,
  2: 0x1001,
  3: 0x1003,
  4: 0x1005,
  5: 0x1002,
  8: 0x1004,
  9: 0x1009,
};
/** For types that have no transitional id of their own: the last of the range. */
const OTHER_DEVICE_ID = 0x103f;

const MSIX_ENABLE = 0x8000;
const MSIX_TABLE_BAR = 1;
const MSIX_TABLE_BYTES = 4096;

/** What may be chosen about the function itself. */
export interface VirtioFunctionOptions {
  /** 1 to 4; 1 unless given. */
  interruptPin?: number;
  /** False: nobody assigns its base addresses at power-on. */
  firmware?: boolean;
  revisionId?: number;
  deviceId?: number;
  vendorId?: number;
  /** Further capabilities, behind MSI-X where the profile has it. */
  capabilities?: readonly CapabilityDescription[];
}

/**
 * Builds the function of a device.
 *
 * @param configurationBytes of the device-specific configuration
 */
export function createVirtioFunction(
  device: VirtioDevice,
  profile: Profile,
  configurationBytes: number,
  options: VirtioFunctionOptions,
): PciFunction {
  const hasMsix = profile.messageVectors > 0;
  const registerFile: RegisterFile = new RegisterFile(device, {
    strictWidths: profile.strictWidths,
    isMsixEnabled: () => isMsixEnabled(pciFunction),
  });
  const pciFunction: PciFunction = new PciFunction({
    name: `virtio-${device.kind}`,
    vendorId: options.vendorId ?? VIRTIO_VENDOR_ID,
    deviceId: options.deviceId ?? DEVICE_IDS[device.type] ?? OTHER_DEVICE_ID,
    classCode: device.classCode,
    revisionId: options.revisionId ?? 0,
    subsystemVendorId: VIRTIO_VENDOR_ID,
    subsystemId: device.type,
    interruptPin: options.interruptPin ?? 1,
    firmware: options.firmware ?? true,
    baseAddresses: [
      { index: 0, kind: "io", size: registerFileBytes(configurationBytes), handler: registerFile },
      ...(hasMsix ? [{ index: MSIX_TABLE_BAR, kind: "memory", size: MSIX_TABLE_BYTES } as const] : []),
    ],
    capabilities: [...(hasMsix ? [msixCapability(profile.messageVectors)] : []), ...(options.capabilities ?? [])],
  });
  return pciFunction;
}

/** Whether the driver switched the function to MSI-X. [PCI 3.0 §6.8.2.3] */
export function isMsixEnabled(pciFunction: PciFunction): boolean {
  const offset = pciFunction.capabilityOffset(CAPABILITY_MSIX);
  return offset !== 0 && (pciFunction.read(offset + 2, 2) & MSIX_ENABLE) !== 0;
}

function msixCapability(vectors: number): CapabilityDescription {
  const pendingBits = MSIX_TABLE_BYTES / 2;
  return {
    id: CAPABILITY_MSIX,
    bytes: [vectors - 1, 0, MSIX_TABLE_BAR, 0, 0, 0, MSIX_TABLE_BAR, pendingBits >> 8, 0, 0],
    writable: [0, 0xc0],
  };
}
