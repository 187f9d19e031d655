/** The windows of bridges. */
import {
  closePrefetchableWindow,
  closeWindow,
  readWindow,
  windowIsOpen,
  windowShift,
  writeWindow,
} from "../../../assembly/pci/bridge";
import { addBridge, pci_clear, pci_faults, pci_get, pci_set } from "./machine";

const ADDRESS: u32 = 0x20;
const PORTS: bool = true;
const MEMORY: bool = false;
let bridge: u32 = 0;

describe("a bridge's window", () => {
  beforeEach(() => {
    pci_clear();
    bridge = addBridge(0, ADDRESS);
  });

  it("is counted in 4 KiB of ports and 1 MiB of memory", () => {
    expect(windowShift(PORTS)).toBe(12);
    expect(windowShift(MEMORY)).toBe(20);
  });

  it("for ports is opened, read and closed", () => {
    pci_set(bridge, 0x1c, 0xf9a0_0101);
    pci_set(bridge, 0x30, 0x1234_5678);
    writeWindow(ADDRESS, PORTS, 0xc, 0xd);
    expect(pci_get(bridge, 0x1c)).toBe(0xf9a0_d1c1);
    expect(pci_get(bridge, 0x30)).toBe(0);
    expect(readWindow(ADDRESS, PORTS)).toBe(0x000d_000c);
    expect(windowIsOpen(readWindow(ADDRESS, PORTS))).toBe(true);
    closeWindow(ADDRESS, PORTS);
    expect(pci_get(bridge, 0x1c)).toBe(0xf9a0_01f1);
    expect(windowIsOpen(readWindow(ADDRESS, PORTS))).toBe(false);
    expect(pci_faults()).toBe(0);
  });

  it("for memory is opened, read and closed", () => {
    writeWindow(ADDRESS, MEMORY, 0xe00, 0xe0f);
    expect(pci_get(bridge, 0x20)).toBe(0xe0f0_e000);
    expect(readWindow(ADDRESS, MEMORY)).toBe(0x0e0f_0e00);
    expect(windowIsOpen(readWindow(ADDRESS, MEMORY))).toBe(true);
    closeWindow(ADDRESS, MEMORY);
    expect(pci_get(bridge, 0x20)).toBe(0x0000_fff0);
    expect(windowIsOpen(readWindow(ADDRESS, MEMORY))).toBe(false);
  });

  it("for memory is read without the bits that are none of an address", () => {
    pci_set(bridge, 0x20, 0xe0f1_e00f);
    expect(readWindow(ADDRESS, MEMORY)).toBe(0x0e0f_0e00);
  });

  it("for prefetchable memory is closed", () => {
    pci_set(bridge, 0x24, 0xfff1_0001);
    pci_set(bridge, 0x28, 0x1);
    pci_set(bridge, 0x2c, 0xff);
    closePrefetchableWindow(ADDRESS);
    expect(pci_get(bridge, 0x24)).toBe(0x0001_fff1);
    expect(pci_get(bridge, 0x28)).toBe(0);
    expect(pci_get(bridge, 0x2c)).toBe(0);
  });

  it("is open when it has a unit, and does not begin at 0", () => {
    expect(windowIsOpen(0x0000_0000)).toBe(false);
    expect(windowIsOpen(0x000f_0000)).toBe(false);
    expect(windowIsOpen(0x0001_0001)).toBe(true);
    expect(windowIsOpen(0x0001_0002)).toBe(false);
  });
});
