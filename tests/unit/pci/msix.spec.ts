/** Where message vectors are programmed. */
import { PciMsix } from "../../../assembly/abi/records";
import { Result } from "../../../assembly/abi/results";
import { pci_msix } from "../../../assembly/pci/msix";
import { addCapability, addVirtio, pci_clear, pci_set, pci_writes } from "./machine";

const ADDRESS: u32 = 0x18;
const record: u32 = <u32>memory.data(20, 8);

describe("pci_msix", () => {
  it("says how many vectors there are, and where they and the pending bits lie", () => {
    pci_clear();
    const device = addVirtio(0, ADDRESS, 1);
    addCapability(device, 0x40, 0x09, 0x98, 0);
    addCapability(device, 0x98, 0x11, 0x00, 0xc002);
    pci_set(device, 0x9c, 0x0000_8001);
    pci_set(device, 0xa0, 0x0004_8004);
    pci_set(device, 0x34, 0x40);
    expect(pci_msix(ADDRESS, record)).toBe(Result.OK);
    const found = changetype<PciMsix>(record);
    expect(found.vectors).toBe(3);
    expect(found.table_bar).toBe(1);
    expect(found.table_offset).toBe(0x8000);
    expect(found.pending_bar).toBe(4);
    expect(found.pending_offset).toBe(0x4_8000);
    expect(pci_writes()).toBe(0, "nothing is changed");
  });

  it("refuses functions without, places without a function, and records outside of memory", () => {
    pci_clear();
    addVirtio(0, ADDRESS, 1);
    expect(pci_msix(ADDRESS, record)).toBe(Result.E_UNSUPPORTED);
    expect(pci_msix(ADDRESS + 8, record)).toBe(Result.E_NOT_FOUND);
    expect(pci_msix(ADDRESS, 0)).toBe(Result.E_ARGUMENT);
  });
});
