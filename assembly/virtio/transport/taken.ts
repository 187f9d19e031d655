/** Whose registers are whose: a device alone says where its own are, and could name those of another one. */
import { Transport } from "../../abi/results";
import { connectedDevice, Device, MAXIMUM_OPEN_DEVICES } from "../device";
import { structuresOverlap } from "./modern-pci";

/**
 * Whether an open device has registers among these. The one that asks is not connected yet, and has none.
 *
 * @param isIo ports, otherwise memory
 */
export function registersAreTaken(isIo: bool, first: u64, bytes: u64): bool {
  for (let index: u32 = 0; index < MAXIMUM_OPEN_DEVICES; index++) {
    const other = connectedDevice(index);
    if (other && hasRegisters(other, isIo, first, bytes)) return true;
  }
  return false;
}

function hasRegisters(device: Device, isIo: bool, first: u64, bytes: u64): bool {
  const transport = device.transport;
  if (transport == Transport.LEGACY_PCI) {
    return isIo && overlap(first, bytes, device.registers, device.registerBytes);
  }
  if (!isDefined(WITHOUT_MMIO)) {
    if (transport >= <u32>Transport.MMIO_1) return !isIo && overlap(first, bytes, device.mmioBase, device.mmioBytes);
  }
  if (!isDefined(WITHOUT_MODERN_PCI)) {
    if (transport != Transport.NONE) return structuresOverlap(device, isIo, first, bytes);
  }
  return false;
}

/** Whether two ranges that end below 2^64 have something in common. */
@inline
export function overlap(first: u64, bytes: u64, other: u64, otherBytes: u64): bool {
  return first < other + otherBytes && other < first + bytes;
}
