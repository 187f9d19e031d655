/** Configuration mechanism 1. */
import {
  functionExists,
  readPci16,
  readPci32,
  readPci8,
  writePci16,
  writePci32,
  writePci8,
} from "../../../assembly/pci/configuration-space";
import { addDevice, pci_clear, pci_faults, pci_get, pci_reads, pci_writable } from "./machine";

let device: u32 = 0;

describe("configuration space", () => {
  beforeEach(() => {
    pci_clear();
    device = addDevice(0, 0x1a, 0x8086, 0x1237);
  });

  it("reads doublewords, words and bytes of the selected function", () => {
    expect(readPci32(0x1a, 0)).toBe(0x1237_8086);
    expect(readPci16(0x1a, 0)).toBe(0x8086);
    expect(readPci16(0x1a, 2)).toBe(0x1237);
    expect(readPci8(0x1a, 0)).toBe(0x86);
    expect(readPci8(0x1a, 1)).toBe(0x80);
    expect(readPci8(0x1a, 2)).toBe(0x37);
    expect(readPci8(0x1a, 3)).toBe(0x12);
    expect(pci_reads()).toBe(7);
  });

  it("reads all ones where nothing is", () => {
    expect(readPci32(0x1b, 0)).toBe(0xffff_ffff);
    expect(readPci16(0x11a, 2)).toBe(0xffff);
    expect(readPci8(0xffff, 0x3d)).toBe(0xff);
  });

  it("writes no more than the register", () => {
    pci_writable(device, 0x40, 0xffff_ffff);
    writePci32(0x1a, 0x40, 0x4433_2211);
    expect(pci_get(device, 0x40)).toBe(0x4433_2211);
    writePci16(0x1a, 0x42, 0xaabb);
    expect(pci_get(device, 0x40)).toBe(0xaabb_2211);
    writePci16(0x1a, 0x40, 0xccdd);
    expect(pci_get(device, 0x40)).toBe(0xaabb_ccdd);
    writePci8(0x1a, 0x43, 0x01);
    writePci8(0x1a, 0x41, 0x02);
    expect(pci_get(device, 0x40)).toBe(0x01bb_02dd);
    expect(pci_faults()).toBe(0);
  });

  it("tells functions from empty places and from addresses that cannot be", () => {
    addDevice(0, 0x20, 0xffff, 0x1000);
    addDevice(0, 0x28, 0x0000, 0x1000);
    expect(functionExists(0x1a)).toBe(true);
    expect(functionExists(0x1b)).toBe(false);
    expect(functionExists(0x20)).toBe(false);
    expect(functionExists(0x28)).toBe(false);
    expect(functionExists(0x1_001a)).toBe(false);
    expect(functionExists(0xffff_ffff)).toBe(false);
  });
});
