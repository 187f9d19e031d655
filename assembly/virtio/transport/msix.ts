/**
 * Whether a PCI device interrupts by messages: where the caller has programmed vectors and the function has MSI-X.
 * Otherwise by the interrupt pin. [PCI 3.0 §6.8.2] [virtio-1.2 §4.1.5.1.2]
 */
import { disableMsix, enableMsix, msixTableSize, readMsixControl } from "../../pci/function";
import { Device } from "../device";

/** Vectors that are told apart. */
const VECTORS_MAX: u32 = 64;

/** Whether messages tell what a device has to say. A build leaves them out with `WITHOUT_MSIX`. */
@inline
export function hasVectors(device: Device): bool {
  return !isDefined(WITHOUT_MSIX) && device.vectors != 0;
}

/** Notes how the function interrupts, to be put back when the device is closed. */
export function rememberInterrupts(device: Device): void {
  device.msixFound = <u16>readMsixControl(device.pciAddress);
}

/** Switches MSI-X on or off. Before the reset: it moves the configuration of legacy devices. */
export function chooseInterrupts(device: Device): void {
  const address = device.pciAddress;
  if (isDefined(WITHOUT_MSIX) || device.vectorsWanted == 0) {
    usePin(device);
    return;
  }
  device.vectors = min(min(device.vectorsWanted, msixTableSize(address)), VECTORS_MAX);
  device.queueVectors = 0;
  enableMsix(address);
}

/** The interrupt pin is what is left when the device has no vectors, or takes none. */
export function usePin(device: Device): void {
  device.vectors = 0;
  device.queueVectors = 0;
  disableMsix(device.pciAddress);
}
