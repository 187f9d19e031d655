/** The walk over all functions: its order, its bounds. */
import { readPci8 } from "../../../assembly/pci/configuration-space";
import {
  bridgeTo,
  busIsMarked,
  BusMark,
  enterBus,
  firstFunction,
  header,
  identity,
  isBridge,
  markBus,
  nextFunction,
  nextOnBus,
  NO_FUNCTION,
  startBus,
} from "../../../assembly/pci/walk";
import { addBridge, addDevice, MULTI_FUNCTION, numberBridge, pci_clear, pci_reads, setHeader } from "./machine";

/** Walks into every numbered bridge. Returns the addresses as digits of a number, four each, the last four of them. */
function walk(): u64 {
  let addresses: u64 = 0;
  for (let address = firstFunction(); address != NO_FUNCTION; address = nextFunction()) {
    addresses = (addresses << 16) | address;
    if (isBridge()) enterBus(address, readPci8(address, 0x19));
  }
  return addresses;
}

describe("walk", () => {
  beforeEach(() => {
    pci_clear();
  });

  it("finds nothing in an empty machine, with one read for each slot", () => {
    expect(firstFunction()).toBe(NO_FUNCTION);
    expect(pci_reads()).toBe(32);
    expect(nextFunction()).toBe(NO_FUNCTION);
  });

  it("looks at the other functions only of a multi-function device", () => {
    setHeader(addDevice(0, 0x08, 1, 1), MULTI_FUNCTION);
    addDevice(0, 0x0b, 1, 2);
    addDevice(0, 0x0f, 1, 3);
    addDevice(0, 0x10, 1, 4);
    addDevice(0, 0x11, 1, 5);
    expect(walk()).toBe(0x0008_000b_000f_0010);
    // 32 functions 0, seven others, and a second read for each function found.
    expect(pci_reads()).toBe(32 + 7 + 4);
  });

  it("looks at no other function where function 0 is missing", () => {
    addDevice(0, 0x09, 1, 1);
    expect(walk()).toBe(0);
  });

  it("does not take the multi-function bit of another function for that of function 0", () => {
    setHeader(addDevice(0, 0x08, 1, 1), MULTI_FUNCTION);
    setHeader(addDevice(0, 0x09, 1, 2), MULTI_FUNCTION);
    setHeader(addDevice(0, 0xf8, 1, 3), MULTI_FUNCTION);
    setHeader(addDevice(0, 0xff, 1, 4), 0);
    expect(walk()).toBe(0x0008_0009_00f8_00ff);
  });

  it("shows identity and header of the function it stands at", () => {
    setHeader(addDevice(0, 0, 0x1234, 0x5678), 1 | MULTI_FUNCTION);
    expect(firstFunction()).toBe(0);
    expect(identity).toBe(0x5678_1234);
    expect(header).toBe(1 | MULTI_FUNCTION);
    expect(isBridge()).toBe(true);
  });

  it("goes down behind a bridge at once, and on behind it afterwards", () => {
    const bridge = addBridge(0, 0x08);
    numberBridge(bridge, 0, 1, 2);
    setHeader(bridge, 1 | MULTI_FUNCTION);
    const inner = addBridge(bridge, 0xf8);
    numberBridge(inner, 1, 2, 2);
    addDevice(inner, 0x00, 1, 1);
    addDevice(0, 0x0f, 1, 1);
    expect(walk()).toBe(0x0008_01f8_0200_000f);
  });

  it("marks buses and knows the bridges that lead to them", () => {
    const bridge = addBridge(0, 0xf8);
    numberBridge(bridge, 0, 7, 7);
    addDevice(bridge, 0x10, 1, 1);
    expect(walk()).toBe(0x00f8_0710);
    expect(bridgeTo(7)).toBe(0x00f8);
    expect(busIsMarked(0, BusMark.ENTERED)).toBe(true);
    expect(busIsMarked(7, BusMark.ENTERED)).toBe(true);
    expect(busIsMarked(6, BusMark.ENTERED)).toBe(false);
    expect(busIsMarked(7, BusMark.IO_OPENED)).toBe(false);
    markBus(7, BusMark.IO_OPENED);
    expect(busIsMarked(7, BusMark.IO_OPENED)).toBe(true);
    expect(busIsMarked(7, BusMark.MEMORY_OPENED)).toBe(false);
    expect(bridgeTo(7)).toBe(0x00f8);
    firstFunction();
    expect(busIsMarked(7, BusMark.ENTERED)).toBe(false);
  });

  it("enters no bus twice, and none from a higher one", () => {
    const first = addBridge(0, 0x08);
    const second = addBridge(0, 0x10);
    numberBridge(first, 0, 1, 1);
    numberBridge(second, 0, 1, 1);
    const back = addBridge(first, 0x00);
    numberBridge(back, 1, 1, 1);
    const root = addBridge(first, 0x08);
    numberBridge(root, 1, 0, 0);
    expect(walk()).toBe(0x0008_0100_0108_0010);
  });

  it("does not look for a bus behind one with a higher number", () => {
    const bridge = addBridge(0, 0x08);
    numberBridge(bridge, 0, 5, 5);
    numberBridge(addBridge(bridge, 0x00), 5, 2, 2);
    expect(walk()).toBe(0x0008_0500);
    // Two buses, and header and bus number of two bridges.
    expect(pci_reads()).toBe(2 * 32 + 2 * 2);
  });

  it("walks over one bus on its own", () => {
    const bridge = addBridge(0, 0x08);
    numberBridge(bridge, 0, 1, 1);
    addDevice(bridge, 0x00, 1, 1);
    addDevice(bridge, 0xf8, 1, 1);
    startBus(1);
    expect(nextOnBus()).toBe(0x0100);
    expect(nextOnBus()).toBe(0x01f8);
    expect(nextOnBus()).toBe(NO_FUNCTION);
    expect(nextOnBus()).toBe(NO_FUNCTION);
  });
});
