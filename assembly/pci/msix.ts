/** Where a function's message vectors are programmed, which is the kernel's to do. [PCI 3.0 §6.8.2] */
import { PciMsix } from "../abi/records";
import { Result } from "../abi/results";
import { checkRecords } from "../memory/records";
import { findCapability } from "./capabilities";
import { functionExists, readPci32 } from "./configuration-space";
import { Capability } from "./registers";

/**
 * Says where a function's MSI-X table is. `pci_bar` says where its base address registers lead. Changes nothing.
 *
 * @param address PCI address of the function
 * @param record address of a PciMsix to be filled
 * @returns OK; E_ARGUMENT; E_NOT_FOUND; E_UNSUPPORTED when the function has no MSI-X, or the module was built without it
 */
export function pci_msix(address: u32, record: u32): i32 {
  if (isDefined(WITHOUT_MSIX)) return Result.E_UNSUPPORTED;
  if (!checkRecords(record, 1, offsetof<PciMsix>())) return Result.E_ARGUMENT;
  if (!functionExists(address)) return Result.E_NOT_FOUND;
  const capability = findCapability(address, Capability.MSI_X);
  if (capability == 0) return Result.E_UNSUPPORTED;
  const msix = changetype<PciMsix>(record);
  msix.vectors = ((readPci32(address, capability) >> 16) & Capability.MSI_X_TABLE_SIZE) + 1;
  const table = readPci32(address, capability + Capability.MSI_X_TABLE);
  msix.table_bar = table & Capability.MSI_X_BAR;
  msix.table_offset = table & ~Capability.MSI_X_BAR;
  const pending = readPci32(address, capability + Capability.MSI_X_PENDING_BITS);
  msix.pending_bar = pending & Capability.MSI_X_BAR;
  msix.pending_offset = pending & ~Capability.MSI_X_BAR;
  return Result.OK;
}
