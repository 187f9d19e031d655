/** Sizing of base address registers. */
import { Result } from "../../../assembly/abi/results";
import { pci_bar } from "../../../assembly/pci/bar";
import {
  addBar,
  addBridge,
  addDevice,
  bar,
  barOf,
  barRecord,
  IO,
  MEMORY,
  MEMORY_64_BIT,
  pci_answer_always,
  pci_clear,
  pci_faults,
  pci_get,
  pci_set,
  pci_writable,
  pci_writes,
  PREFETCHABLE,
  setHeader,
} from "./machine";

const ADDRESS: u32 = 0x18;
let device: u32 = 0;

function size(index: u32): u64 {
  memory.fill(bar, 0xa5, 24);
  expect(pci_bar(ADDRESS, index, bar)).toBe(Result.OK);
  return barRecord().size;
}

describe("pci_bar", () => {
  beforeEach(() => {
    pci_clear();
    device = addDevice(0, ADDRESS, 0x1af4, 0x1000);
  });

  it("sizes ports", () => {
    addBar(device, 0, IO, 32, 0xc040);
    expect(size(0)).toBe(32);
    expect(barRecord().base).toBe(0xc040);
    expect(barRecord().is_io).toBe(1);
    expect(barRecord().is_64bit).toBe(0);
    expect(barRecord().is_prefetchable).toBe(0);
  });

  it("sizes 4 ports, and 64 KiB of them", () => {
    addBar(device, 0, IO, 4, 0xfffc);
    expect(size(0)).toBe(4);
    expect(barRecord().base).toBe(0xfffc);
    addBar(device, 1, IO, 0x1_0000);
    expect(size(1)).toBe(0x1_0000);
  });

  it("sizes ports of a register with 16 bits", () => {
    addBar(device, 0, IO, 32, 0xc040);
    pci_writable(device, 0x10, 0x0000_ffe0);
    expect(size(0)).toBe(32);
    expect(barRecord().base).toBe(0xc040);
  });

  it("believes no ports whose upper half makes no size", () => {
    addBar(device, 0, IO, 32, 0xc040);
    pci_writable(device, 0x10, 0x00ff_ffe0);
    expect(size(0)).toBe(0);
  });

  it("believes no memory that lies where ports do", () => {
    addBar(device, 0, MEMORY, 0x1000, 0xc000);
    pci_writable(device, 0x10, 0x0000_f000);
    expect(size(0)).toBe(0);
  });

  it("takes no bit of a port's number for one of memory", () => {
    addBar(device, 0, IO, 8, 0xc048);
    expect(size(0)).toBe(8);
    expect(barRecord().base).toBe(0xc048);
    expect(barRecord().is_prefetchable).toBe(0);
  });

  it("sizes those of a multi-function device, too", () => {
    setHeader(device, 0x80);
    addBar(device, 5, IO, 32, 0xc040);
    expect(size(5)).toBe(32);
  });

  it("sizes memory of 16 bytes to 2 GiB", () => {
    addBar(device, 0, MEMORY, 16, 0xffff_fff0);
    addBar(device, 1, MEMORY | PREFETCHABLE, 0x8000_0000, 0x8000_0000);
    expect(size(0)).toBe(16);
    expect(barRecord().base).toBe(0xffff_fff0);
    expect(barRecord().is_io).toBe(0);
    expect(barRecord().is_prefetchable).toBe(0);
    expect(size(1)).toBe(0x8000_0000);
    expect(barRecord().base).toBe(0x8000_0000);
    expect(barRecord().is_prefetchable).toBe(1);
  });

  it("sizes 64-bit memory, small and large", () => {
    addBar(device, 0, MEMORY_64_BIT | PREFETCHABLE, 0x4000, 0x12_3456_4000);
    addBar(device, 2, MEMORY_64_BIT, 0x10_0000_0000, 0x20_0000_0000);
    expect(size(0)).toBe(0x4000);
    expect(barRecord().base).toBe(0x12_3456_4000);
    expect(barRecord().is_64bit).toBe(1);
    expect(barRecord().is_prefetchable).toBe(1);
    expect(size(2)).toBe(0x10_0000_0000);
    expect(barRecord().base).toBe(0x20_0000_0000);
    expect(barRecord().is_prefetchable).toBe(0);
  });

  it("does not take the upper half of a 64-bit register for one", () => {
    addBar(device, 1, MEMORY_64_BIT, 0x4000, 0x1_0000_0000);
    addBar(device, 3, MEMORY, 0x1000, 0xe000_0000);
    expect(size(2)).toBe(0);
    expect(barRecord().base).toBe(0);
    expect(barRecord().is_io).toBe(0);
    expect(pci_writes()).toBe(0);
    expect(size(3)).toBe(0x1000);
  });

  it("reports a register that does not exist with size 0", () => {
    expect(size(5)).toBe(0);
    expect(barRecord().base).toBe(0);
  });

  it("keeps command and registers as they were, and the function silent in between", () => {
    addBar(device, 0, IO, 32, 0xc040);
    addBar(device, 2, MEMORY_64_BIT, 0x4000, 0x12_3456_4000);
    pci_set(device, 0x04, 0xf910_0547);
    size(0);
    size(2);
    expect(pci_get(device, 0x04)).toBe(0xf910_0547);
    expect(barOf(device, 0)).toBe(0xc041);
    expect(barOf(device, 2)).toBe(0x3456_4004);
    expect(barOf(device, 3)).toBe(0x12);
    expect(pci_faults()).toBe(0);
  });

  it("does not believe sizes that are no power of two", () => {
    pci_set(device, 0x10, 0xe000_0000);
    pci_writable(device, 0x10, 0xfff0_ff00);
    pci_set(device, 0x14, 0x0000_c001);
    pci_writable(device, 0x14, 0x0000_f0e0);
    addBar(device, 2, MEMORY_64_BIT, 0x4000);
    pci_writable(device, 0x1c, 0x0000_ffff);
    expect(size(0)).toBe(0);
    expect(barRecord().base).toBe(0);
    expect(size(1)).toBe(0);
    expect(size(2)).toBe(0);
  });

  it("does not believe a register whose type changes, or means nothing", () => {
    pci_writable(device, 0x10, 0xffff_ffff);
    pci_set(device, 0x14, 0x2);
    pci_writable(device, 0x14, 0xfff0_0000);
    pci_set(device, 0x18, 0x6);
    pci_writable(device, 0x18, 0xfff0_0000);
    pci_set(device, 0x1c, 0xffff_ffff);
    expect(size(0)).toBe(0);
    expect(size(1)).toBe(0);
    expect(size(2)).toBe(0);
    expect(size(3)).toBe(0);
    expect(barRecord().base).toBe(0);
  });

  it("does not believe a 64-bit register that has no upper half", () => {
    addBar(device, 5, MEMORY, 0x1000);
    pci_set(device, 0x24, 0x4);
    pci_writable(device, 0x28, 0xffff_ffff);
    expect(size(5)).toBe(0);
    expect(pci_get(device, 0x28)).toBe(0);
  });

  it("sizes the two registers of a bridge", () => {
    const bridge = addBridge(0, 0x20);
    addBar(bridge, 0, MEMORY_64_BIT, 256, 0xe000_0000);
    expect(pci_bar(0x20, 0, bar)).toBe(Result.OK);
    expect(barRecord().size).toBe(256);
    expect(pci_bar(0x20, 1, bar)).toBe(Result.OK);
    expect(barRecord().size).toBe(0);
    expect(pci_bar(0x20, 2, bar)).toBe(Result.E_ARGUMENT);
    pci_set(bridge, 0x14, 0);
    addBar(bridge, 1, MEMORY, 4096, 0xe000_0000);
    pci_set(bridge, 0x10, 0);
    expect(pci_bar(0x20, 1, bar)).toBe(Result.OK);
    expect(barRecord().size).toBe(4096);
  });

  it("refuses what cannot be", () => {
    expect(pci_bar(ADDRESS, 6, bar)).toBe(Result.E_ARGUMENT);
    expect(pci_bar(ADDRESS, 0xffff_ffff, bar)).toBe(Result.E_ARGUMENT);
    expect(pci_bar(ADDRESS, 0, 0)).toBe(Result.E_ARGUMENT);
    expect(pci_bar(ADDRESS, 0, 1024 * 65536 - 8)).toBe(Result.E_ARGUMENT);
    expect(pci_bar(0x20, 0, bar)).toBe(Result.E_NOT_FOUND);
    expect(pci_bar(0x1_0018, 0, bar)).toBe(Result.E_NOT_FOUND);
    setHeader(device, 2);
    expect(pci_bar(ADDRESS, 0, bar)).toBe(Result.E_ARGUMENT);
    pci_answer_always(0xffff_ffff);
    expect(pci_bar(ADDRESS, 0, bar)).toBe(Result.E_NOT_FOUND);
    expect(pci_writes()).toBe(0);
  });
});
