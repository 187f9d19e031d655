/** What is kept of a function and of the way to it, and written back when the machine has forgotten it. */
import { allocatePrivate, freePrivate } from "../../../assembly/memory/arena";
import { forgetKept, keepWayTo, restoreKept } from "../../../assembly/pci/kept";
import { freshArena } from "../scripted/arena";
import {
  addBar,
  addBridge,
  addDevice,
  barOf,
  IO,
  MEMORY,
  MEMORY_64_BIT,
  MULTI_FUNCTION,
  numberBridge,
  pci_clear,
  pci_faults,
  pci_get,
  pci_reads,
  pci_set,
  pci_writable,
  pci_writes,
  setHeader,
} from "./machine";

/** On bus 2, behind two bridges. */
const ADDRESS: u32 = 0x228;
const ALL_FORWARDING: u32 = 0x0007;

let outer: u32 = 0;
let inner: u32 = 0;
let device: u32 = 0;

function commandOf(name: u32): u32 {
  return pci_get(name, 0x04) & 0xffff;
}

/** Two bridges and a device, set up and in use. */
function setUp(): void {
  freshArena(4096);
  pci_clear();
  addDevice(0, 0x00, 0x8086, 0x1237);
  outer = addBridge(0, 0x18);
  inner = addBridge(outer, 0x08);
  device = addDevice(inner, 0x28, 0x1af4, 0x1001);
  addBar(device, 0, IO, 64);
  addBar(device, 1, MEMORY, 4096);
  addBar(device, 4, MEMORY_64_BIT, 0x4000);
  pci_writable(outer, 0x3c, 0x0fff_00ff);
  configure();
}

function configure(): void {
  numberBridge(outer, 0, 1, 2);
  numberBridge(inner, 1, 2, 2);
  for (let at = 0; at < 2; at++) {
    const bridge = at == 0 ? outer : inner;
    pci_set(bridge, 0x1c, 0x0000_d0d1);
    pci_set(bridge, 0x20, 0xe020_e010);
    pci_set(bridge, 0x24, 0xf021_f011);
    pci_set(bridge, 0x28, 7);
    pci_set(bridge, 0x2c, 8);
    pci_set(bridge, 0x04, ALL_FORWARDING);
  }
  pci_set(outer, 0x3c, 0x0002_0000);
  pci_set(device, 0x10, 0xd001);
  pci_set(device, 0x14, 0xe010_0000);
  pci_set(device, 0x20, 0xe010_4004);
  pci_set(device, 0x24, 0x0000_0040);
  pci_set(device, 0x3c, 0x0000_010b);
  pci_set(device, 0x04, 0x0147);
}

/** As after the power was away. */
function forgetBridge(bridge: u32): void {
  pci_set(bridge, 0x04, 0);
  pci_set(bridge, 0x18, 0);
  pci_set(bridge, 0x1c, 0x0101);
  pci_set(bridge, 0x20, 0);
  pci_set(bridge, 0x24, 0x0001_0001);
  pci_set(bridge, 0x28, 0);
  pci_set(bridge, 0x2c, 0);
}

function forgetDevice(): void {
  pci_set(device, 0x04, 0);
  pci_set(device, 0x10, 1);
  pci_set(device, 0x14, 0);
  pci_set(device, 0x20, 4);
  pci_set(device, 0x24, 0);
  pci_set(device, 0x3c, 0x0000_0100);
}

function forgetAll(): void {
  forgetBridge(outer);
  forgetBridge(inner);
  forgetDevice();
  pci_writes();
}

describe("what is kept", () => {
  beforeEach(setUp);

  afterEach(() => {
    expect(pci_faults()).toBe(0);
  });

  it("is kept without a write", () => {
    const kept = keepWayTo(ADDRESS);
    expect(kept).not.toBe(0);
    expect(pci_writes()).toBe(0);
  });

  it("comes back to bridges and function, and access to memory to bridges alone", () => {
    const kept = keepWayTo(ADDRESS);
    forgetAll();
    expect(restoreKept(kept)).toBe(true);
    for (let at = 0; at < 2; at++) {
      const bridge = at == 0 ? outer : inner;
      expect(pci_get(bridge, 0x18)).toBe(at == 0 ? 0x0002_0100 : 0x0002_0201);
      expect(pci_get(bridge, 0x1c) & 0xf0f0).toBe(0xd0d0);
      expect(pci_get(bridge, 0x20)).toBe(0xe020_e010);
      expect(pci_get(bridge, 0x24) & 0xfff0_fff0).toBe(0xf020_f010);
      expect(pci_get(bridge, 0x28)).toBe(7);
      expect(pci_get(bridge, 0x2c)).toBe(8);
      expect(commandOf(bridge)).toBe(ALL_FORWARDING);
    }
    expect(pci_get(outer, 0x3c)).toBe(0x0002_0000);
    expect(barOf(device, 0)).toBe(0xd001);
    expect(barOf(device, 1)).toBe(0xe010_0000);
    expect(barOf(device, 4)).toBe(0xe010_4004);
    expect(barOf(device, 5)).toBe(0x40);
    expect(pci_get(device, 0x3c)).toBe(0x0000_010b);
    expect(commandOf(device)).toBe(0x0143);
  });

  it("comes back to a function on the root bus, where no bridge is touched", () => {
    const near = addDevice(0, 0x20, 0x1af4, 0x1000);
    addBar(near, 0, IO, 32);
    pci_set(near, 0x10, 0xc001);
    pci_reads();
    const kept = keepWayTo(0x20);
    expect(pci_reads()).toBe(16, "nothing but its header");
    pci_set(near, 0x10, 1);
    forgetBridge(outer);
    expect(restoreKept(kept)).toBe(true);
    expect(barOf(near, 0)).toBe(0xc001);
    expect(pci_get(outer, 0x18)).toBe(0);
  });

  it("is not written where nothing is lost", () => {
    const kept = keepWayTo(ADDRESS);
    pci_set(device, 0x04, 0);
    expect(restoreKept(kept)).toBe(true);
    expect(pci_writes()).toBe(0);
  });

  it("is not written to a bridge that leads to its bus, whatever passes it now", () => {
    const kept = keepWayTo(ADDRESS);
    numberBridge(outer, 0, 1, 5);
    pci_set(outer, 0x1c, 0x0000_e0d1);
    forgetBridge(inner);
    forgetDevice();
    expect(restoreKept(kept)).toBe(true);
    expect(pci_get(outer, 0x18)).toBe(0x0005_0100);
    expect(pci_get(outer, 0x1c)).toBe(0x0000_e0d1);
    expect(pci_get(inner, 0x18)).toBe(0x0002_0201);
    expect(barOf(device, 0)).toBe(0xd001);
  });

  it("is not written to a bridge whose windows hold what passed, nor to one that let nothing pass", () => {
    pci_set(inner, 0x1c, 0x0000_00f1);
    pci_set(inner, 0x20, 0x0000_fff0);
    const kept = keepWayTo(ADDRESS);
    pci_set(outer, 0x1c, 0x0000_e0c1);
    pci_set(outer, 0x20, 0xe030_e000);
    pci_set(inner, 0x1c, 0x0000_c0c1);
    expect(restoreKept(kept)).toBe(true);
    expect(pci_writes()).toBe(0);
  });

  it("opens a bridge that leads to its bus as wide as it was, and takes nothing from others behind it", () => {
    const kept = keepWayTo(ADDRESS);
    // Below what passed: ports 0xd000 to 0xdfff, memory 0xe0100000 to 0xe02fffff.
    pci_set(outer, 0x1c, 0x0000_c0c1);
    pci_set(outer, 0x20, 0xe000_e000);
    // Above it.
    pci_set(inner, 0x1c, 0x0000_e0e1);
    pci_set(inner, 0x20, 0xe030_e030);
    expect(restoreKept(kept)).toBe(true);
    expect(pci_get(outer, 0x1c)).toBe(0x0000_d0c1);
    expect(pci_get(outer, 0x20)).toBe(0xe020_e000);
    expect(pci_get(inner, 0x1c)).toBe(0x0000_e0d1);
    expect(pci_get(inner, 0x20)).toBe(0xe030_e010);
    expect(pci_get(outer, 0x18)).toBe(0x0002_0100);
    expect(pci_get(inner, 0x18)).toBe(0x0002_0201);
  });

  it("opens a bridge that leads to its bus and lets nothing pass", () => {
    const kept = keepWayTo(ADDRESS);
    pci_set(outer, 0x1c, 0x0000_00f1);
    pci_set(outer, 0x20, 0x0000_fff0);
    pci_set(inner, 0x1c, 0x0000_f001);
    pci_set(inner, 0x20, 0xfff0_0000);
    expect(restoreKept(kept)).toBe(true);
    for (let at = 0; at < 2; at++) {
      expect(pci_get(at == 0 ? outer : inner, 0x1c)).toBe(0x0000_d0d1);
      expect(pci_get(at == 0 ? outer : inner, 0x20)).toBe(0xe020_e010);
    }
  });

  it("raises the last bus of a bridge that leads to its bus, and lets it forward", () => {
    const kept = keepWayTo(ADDRESS);
    numberBridge(outer, 0, 1, 1);
    pci_set(outer, 0x04, 0x0100);
    forgetDevice();
    expect(restoreKept(kept)).toBe(true);
    expect(pci_get(outer, 0x18)).toBe(0x0002_0100);
    expect(commandOf(outer)).toBe(0x0100 | ALL_FORWARDING);
    expect(barOf(device, 0)).toBe(0xd001);
  });

  it("leads over bridges alone, whatever other functions have where those have their bus numbers", () => {
    const other = addDevice(0, 0x10, 0x8086, 0x100e);
    pci_set(other, 0x18, 0x0001_0100);
    const kept = keepWayTo(ADDRESS);
    forgetAll();
    expect(restoreKept(kept)).toBe(true);
    expect(pci_get(outer, 0x18)).toBe(0x0002_0100);
    expect(barOf(device, 0)).toBe(0xd001);
  });

  it("is the function alone on a bus that no bridge leads to", () => {
    pci_clear();
    // The host bridge's own bus.
    pci_set(0, 0x18, 5 << 8);
    device = addDevice(0, 0x28, 0x1af4, 0x1001);
    addBar(device, 0, IO, 64, 0xd000);
    // Enough for one.
    freshArena(16 + (16 + 80) + 40);
    const kept = keepWayTo(0x528);
    expect(kept).not.toBe(0);
    pci_set(device, 0x10, 1);
    expect(restoreKept(kept)).toBe(true);
    expect(barOf(device, 0)).toBe(0xd001);
  });

  it("is written when any base address is another one", () => {
    for (let index: u32 = 0; index < 6; index++) {
      if (index == 2 || index == 3) continue;
      setUp();
      const kept = keepWayTo(ADDRESS);
      const was = barOf(device, index);
      pci_set(device, 0x10 + index * 4, was ^ 0x0100_0000);
      expect(restoreKept(kept)).toBe(true);
      expect(commandOf(device)).toBe(0x0143, "written: " + index.toString());
    }
  });

  it("is not written to another function, nor past another bridge", () => {
    const registers: u32[] = [0x00, 0x08];
    for (let at = 0; at < registers.length; at++) {
      setUp();
      let kept = keepWayTo(ADDRESS);
      forgetDevice();
      pci_set(device, registers[at], 0x1234_5678);
      pci_writes();
      expect(restoreKept(kept)).toBe(false);
      expect(pci_writes()).toBe(0);

      setUp();
      kept = keepWayTo(ADDRESS);
      forgetAll();
      pci_set(outer, registers[at], 0x1234_5678);
      expect(restoreKept(kept)).toBe(false);
      expect(pci_writes()).toBe(0);
    }
  });

  it("is not written to another function of the same kind: one of another subsystem, or with another header", () => {
    let kept = keepWayTo(ADDRESS);
    forgetDevice();
    pci_set(device, 0x2c, 0x0002_1af4);
    pci_writes();
    expect(restoreKept(kept)).toBe(false);
    expect(pci_writes()).toBe(0);

    setUp();
    kept = keepWayTo(ADDRESS);
    forgetDevice();
    setHeader(device, 1);
    expect(restoreKept(kept)).toBe(false);
    expect(pci_writes()).toBe(0);
  });

  it("is written to a function that has got neighbours meanwhile, or lost them", () => {
    const kept = keepWayTo(ADDRESS);
    forgetDevice();
    setHeader(device, MULTI_FUNCTION);
    expect(restoreKept(kept)).toBe(true);
    expect(barOf(device, 0)).toBe(0xd001);
  });

  it("is not written where nothing answers", () => {
    const kept = keepWayTo(ADDRESS);
    pci_clear();
    expect(restoreKept(kept)).toBe(false);
    expect(pci_writes()).toBe(0);
  });

  it("takes private memory, and gives all of it back", () => {
    const before = allocatePrivate(16);
    freePrivate(before);
    forgetKept(keepWayTo(ADDRESS));
    forgetKept(0);
    expect(allocatePrivate(4000)).toBe(before);
  });

  it("needs memory for the whole way, or nothing is kept", () => {
    // Enough for two of three.
    freshArena(16 + 2 * (16 + 80) + 40);
    expect(keepWayTo(ADDRESS)).toBe(0);
    expect(allocatePrivate(2 * (16 + 80))).not.toBe(0);
  });

  it("is nothing of a device without a function", () => {
    expect(restoreKept(0)).toBe(true);
    expect(pci_writes()).toBe(0);
  });
});
