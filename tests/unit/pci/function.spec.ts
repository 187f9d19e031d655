/** What opening and closing a device does to its function. */
import {
  changeCommand,
  disableBusMaster,
  disableMsix,
  enableBusMaster,
  enableDecoding,
  enableMsix,
  msixTableSize,
} from "../../../assembly/pci/function";
import { addCapability, addVirtio, pci_clear, pci_faults, pci_get, pci_set, pci_writable, pci_writes } from "./machine";

const ADDRESS: u32 = 0x18;
let device: u32 = 0;

describe("a function that is opened", () => {
  beforeEach(() => {
    pci_clear();
    device = addVirtio(0, ADDRESS, 1);
  });

  it("answers at its ports and interrupts", () => {
    pci_set(device, 0x04, 0xf910_0400);
    enableDecoding(ADDRESS, 1);
    expect(pci_get(device, 0x04)).toBe(0xf910_0001);
    enableDecoding(ADDRESS, 2);
    expect(pci_get(device, 0x04)).toBe(0xf910_0003);
    expect(pci_faults()).toBe(0);
  });

  it("reaches memory when told to", () => {
    pci_set(device, 0x04, 0xf910_0401);
    enableBusMaster(ADDRESS);
    expect(pci_get(device, 0x04)).toBe(0xf910_0405);
    disableBusMaster(ADDRESS);
    expect(pci_get(device, 0x04)).toBe(0xf910_0401);
    expect(pci_faults()).toBe(0);
  });

  it("keeps all other bits of its command register", () => {
    pci_set(device, 0x04, 0x0000_0142);
    enableDecoding(ADDRESS, 1);
    expect(pci_get(device, 0x04)).toBe(0x0000_0143);
    changeCommand(ADDRESS, 0x0040, 0x0400);
    expect(pci_get(device, 0x04)).toBe(0x0000_0503);
  });

  it("has MSI-X switched off, and its mask bit left alone", () => {
    addCapability(device, 0x98, 0x11, 0x00, 0xc003);
    pci_writable(device, 0x98, 0xc000_0000);
    pci_set(device, 0x34, 0x98);
    disableMsix(ADDRESS);
    expect(pci_get(device, 0x98)).toBe(0x4003_0011);
  });

  it("has MSI-X switched on, with no mask over all of it", () => {
    addCapability(device, 0x98, 0x11, 0x00, 0x4003);
    pci_writable(device, 0x98, 0xc000_0000);
    pci_set(device, 0x34, 0x98);
    enableMsix(ADDRESS);
    expect(pci_get(device, 0x98)).toBe(0x8003_0011);
    expect(msixTableSize(ADDRESS)).toBe(4);
  });

  it("has no vectors without MSI-X", () => {
    expect(msixTableSize(ADDRESS)).toBe(0);
  });

  it("is not touched when it has no MSI-X", () => {
    disableMsix(ADDRESS);
    expect(pci_writes()).toBe(0);
  });
});
