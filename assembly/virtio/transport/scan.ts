/** The list of all PCI functions for the kernel. [PCI 3.0 §6.1, §6.2] */
import { PciFunction } from "../../abi/records";
import { Result } from "../../abi/results";
import { checkRecords } from "../../memory/records";
import { barCount } from "../../pci/bar";
import { readPci32 } from "../../pci/configuration-space";
import { HeaderType, Register } from "../../pci/registers";
import { hasLegacyInterface, virtioType } from "./identity";
import { enterBus, firstFunction, header, identity, isBridge, nextFunction, NO_FUNCTION } from "../../pci/walk";

/**
 * Lists the PCI functions on bus 0 and on every bus behind a numbered bridge. Changes nothing in any device.
 *
 * @param records address of an array of PciFunction to be filled; may be 0 when `capacity` is
 * @param capacity how many of them there are; 0 just counts, for fewer reads
 * @returns how many functions there are, which may be more than were written; E_ARGUMENT
 */
export function pci_scan(records: u32, capacity: u32): i32 {
  if (capacity && !checkRecords(records, capacity, offsetof<PciFunction>())) return Result.E_ARGUMENT;
  let found: u32 = 0;
  for (let address = firstFunction(); address != NO_FUNCTION; address = nextFunction()) {
    const busNumbers = isBridge() ? readPci32(address, Register.PRIMARY_BUS_NUMBER) : 0;
    if (found < capacity) {
      describe(address, busNumbers, changetype<PciFunction>(records + found * offsetof<PciFunction>()));
    }
    found++;
    enterBus(address, (busNumbers >> 8) & 0xff);
  }
  return found;
}

/** Fills the record of the function that the walk stands at, reading no register twice. */
function describe(address: u32, busNumbers: u32, record: PciFunction): void {
  memory.fill(changetype<usize>(record), 0, offsetof<PciFunction>());
  const layout = header & HeaderType.LAYOUT;
  record.address = address;
  record.vendor_id = <u16>identity;
  record.device_id = <u16>(identity >> 16);
  record.header_type = <u8>layout;
  record.secondary_bus = <u8>(busNumbers >> 8);
  record.subordinate_bus = <u8>(busNumbers >> 16);

  const control = readPci32(address, Register.COMMAND);
  record.command = <u16>control;
  record.status = <u16>(control >> 16);
  const kind = readPci32(address, Register.REVISION_ID);
  record.revision_id = <u8>kind;
  record.class_code = kind >> 8;
  const interrupt = readPci32(address, Register.INTERRUPT_LINE);
  record.interrupt_line = <u8>interrupt;
  record.interrupt_pin = <u8>(interrupt >> 8);

  const registers = barCount(layout) * 4;
  for (let offset: u32 = 0; offset < registers; offset += 4) {
    const value = readPci32(address, Register.BASE_ADDRESS_0 + offset);
    store<u32>(changetype<usize>(record) + offset, value, offsetof<PciFunction>("bar0"));
  }

  if (layout != HeaderType.DEVICE) return;
  const subsystem = readPci32(address, Register.SUBSYSTEM_VENDOR_ID);
  record.subsystem_vendor_id = <u16>subsystem;
  record.subsystem_id = <u16>(subsystem >> 16);
  record.virtio_type = <u8>virtioType(identity, record.revision_id, record.subsystem_id);
  record.virtio_legacy = <u8>(record.virtio_type != 0 && hasLegacyInterface(identity, record.bar0));
}
