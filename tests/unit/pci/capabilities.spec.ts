/** The capability list, and lists that are none. */
import { Result } from "../../../assembly/abi/results";
import { findCapability, pci_capabilities } from "../../../assembly/pci/capabilities";
import {
  addBridge,
  addCapability,
  addDevice,
  capabilities,
  capabilityRecord,
  pci_answer_always,
  pci_clear,
  pci_reads,
  pci_set,
} from "./machine";

const ADDRESS: u32 = 0x18;
let device: u32 = 0;

describe("pci_capabilities", () => {
  beforeEach(() => {
    pci_clear();
    memory.fill(capabilities, 0xa5, 65 * 4);
    device = addDevice(0, ADDRESS, 0x1af4, 0x1000);
  });

  it("lists capabilities in the order of the list", () => {
    addCapability(device, 0x98, 0x11, 0x40, 0x8002);
    addCapability(device, 0x40, 0x09, 0xfc, 0x0114);
    addCapability(device, 0xfc, 0x01, 0x00, 0x0003);
    pci_set(device, 0x34, 0x98);
    expect(pci_capabilities(ADDRESS, capabilities, 64)).toBe(3);
    expect(capabilityRecord(0).id).toBe(0x11);
    expect(capabilityRecord(0).offset).toBe(0x98);
    expect(capabilityRecord(0).value).toBe(0x8002);
    expect(capabilityRecord(1).id).toBe(0x09);
    expect(capabilityRecord(1).offset).toBe(0x40);
    expect(capabilityRecord(1).value).toBe(0x0114);
    expect(capabilityRecord(2).id).toBe(0x01);
    expect(capabilityRecord(2).offset).toBe(0xfc);
    expect(capabilityRecord(3).id).toBe(0xa5);
  });

  it("ignores the two lowest bits of links", () => {
    addCapability(device, 0x40, 0x09, 0x53, 0);
    addCapability(device, 0x50, 0x11, 0x02, 0);
    pci_set(device, 0x34, 0x41);
    expect(pci_capabilities(ADDRESS, capabilities, 64)).toBe(2);
    expect(capabilityRecord(1).offset).toBe(0x50);
  });

  it("finds none where the status register promises none", () => {
    addCapability(device, 0x40, 0x09, 0x00, 0);
    pci_set(device, 0x34, 0x40);
    pci_set(device, 0x04, 0);
    expect(pci_capabilities(ADDRESS, capabilities, 64)).toBe(0);
    expect(findCapability(ADDRESS, 0x09)).toBe(0);
  });

  it("finds those of a bridge", () => {
    const bridge = addBridge(0, 0x20);
    addCapability(bridge, 0x40, 0x0d, 0x00, 0);
    pci_set(bridge, 0x34, 0x40);
    expect(pci_capabilities(0x20, capabilities, 64)).toBe(1);
  });

  it("ends at a link into the header", () => {
    addCapability(device, 0x40, 0x09, 0x3c, 0);
    pci_set(device, 0x34, 0x40);
    expect(pci_capabilities(ADDRESS, capabilities, 64)).toBe(1);
    pci_set(device, 0x34, 0x04);
    expect(pci_capabilities(ADDRESS, capabilities, 64)).toBe(0);
  });

  it("lists each entry of a circle once", () => {
    addCapability(device, 0x40, 0x09, 0x50, 0);
    addCapability(device, 0x50, 0x11, 0x60, 0);
    addCapability(device, 0x60, 0x05, 0x50, 0);
    pci_set(device, 0x34, 0x40);
    expect(pci_capabilities(ADDRESS, capabilities, 64)).toBe(3);
    pci_set(device, 0x60, 0x0000_6005);
    expect(pci_capabilities(ADDRESS, capabilities, 64)).toBe(3);
    expect(findCapability(ADDRESS, 0x12)).toBe(0);
  });

  it("ends after 48 entries", () => {
    for (let offset: u32 = 0x40; offset < 0x100; offset += 4) addCapability(device, offset, 0x09, offset + 4, 0);
    pci_set(device, 0xfc, 0x0000_4009);
    pci_set(device, 0x34, 0x40);
    expect(pci_capabilities(ADDRESS, capabilities, 64)).toBe(48);
    pci_reads();
    expect(findCapability(ADDRESS, 0x11)).toBe(0);
    expect(pci_reads()).toBe(48 + 2);
  });

  it("counts on when the records are full, and writes none behind them", () => {
    addCapability(device, 0x40, 0x09, 0x50, 0);
    addCapability(device, 0x50, 0x11, 0x00, 0);
    pci_set(device, 0x34, 0x40);
    expect(pci_capabilities(ADDRESS, capabilities, 1)).toBe(2);
    expect(capabilityRecord(1).id).toBe(0xa5);
    expect(pci_capabilities(ADDRESS, 0, 0)).toBe(2);
  });

  it("refuses what cannot be", () => {
    expect(pci_capabilities(ADDRESS, 0, 1)).toBe(Result.E_ARGUMENT);
    expect(pci_capabilities(ADDRESS, capabilities, 0x4000_0000)).toBe(Result.E_ARGUMENT);
    expect(pci_capabilities(0x20, capabilities, 1)).toBe(Result.E_NOT_FOUND);
    expect(pci_capabilities(0x1_0018, capabilities, 1)).toBe(Result.E_NOT_FOUND);
    pci_answer_always(0xffff_ffff);
    expect(pci_capabilities(ADDRESS, capabilities, 1)).toBe(Result.E_NOT_FOUND);
  });

  it("ends when the function goes away in the middle", () => {
    pci_answer_always(0xffff_ffff);
    expect(findCapability(ADDRESS, 0x11)).toBe(0);
  });

  it("finds the first capability with an ID", () => {
    addCapability(device, 0x40, 0x09, 0x50, 1);
    addCapability(device, 0x50, 0x11, 0x60, 2);
    addCapability(device, 0x60, 0x09, 0x00, 3);
    pci_set(device, 0x34, 0x40);
    expect(findCapability(ADDRESS, 0x09)).toBe(0x40);
    expect(findCapability(ADDRESS, 0x11)).toBe(0x50);
    expect(findCapability(ADDRESS, 0x05)).toBe(0);
  });
});
