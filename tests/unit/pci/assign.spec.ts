/** Bus numbers, addresses and windows on machines that firmware did not, or did half, set up. */
import { Result } from "../../../assembly/abi/results";
import { pci_assign } from "../../../assembly/pci/assign";
import {
  addBar,
  addBridge,
  addDevice,
  addVirtio,
  barOf,
  functionRecord,
  grant,
  granted,
  IO,
  MEMORY,
  MEMORY_64_BIT,
  MULTI_FUNCTION,
  numberBridge,
  pci_answer_always,
  pci_clear,
  pci_faults,
  pci_get,
  pci_reads,
  pci_set,
  pci_writable,
  pci_writes,
  ranges,
  scan,
  setHeader,
} from "./machine";

/** The bus numbers of a bridge, latency timer included. */
function numbersOf(bridge: u32): u32 {
  return pci_get(bridge, 0x18);
}

/** I/O Base and Limit, without the bits that say how many of them there are. */
function portsOf(bridge: u32): u32 {
  return pci_get(bridge, 0x1c) & 0xf0f0;
}

function memoryOf(bridge: u32): u32 {
  return pci_get(bridge, 0x20);
}

function commandOf(name: u32): u32 {
  return pci_get(name, 0x04) & 0xffff;
}

const CLOSED_PORTS: u32 = 0x00f0;
const CLOSED_MEMORY: u32 = 0x0000_fff0;

describe("pci_assign", () => {
  beforeEach(() => {
    pci_clear();
    grant(0xc000, 0x1_0000, 0xe000_0000, 0xefff_ffff);
  });

  afterEach(() => {
    expect(pci_faults()).toBe(0);
  });

  describe("of base address registers", () => {
    it("aligns each to its size, and moves the ranges on", () => {
      const first = addVirtio(0, 0x18, 1);
      const second = addVirtio(0, 0x20, 2);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(first, 0)).toBe(0xc001);
      expect(barOf(first, 1)).toBe(0xe000_0000);
      expect(barOf(first, 4)).toBe(0xe000_400c);
      expect(barOf(first, 5)).toBe(0);
      expect(barOf(second, 0)).toBe(0xc021);
      expect(barOf(second, 1)).toBe(0xe000_8000);
      expect(barOf(second, 4)).toBe(0xe000_c00c);
      expect(granted().io_next).toBe(0xc040);
      expect(granted().memory_next).toBe(0xe001_0000);
    });

    it("enables no device", () => {
      const device = addVirtio(0, 0x18, 1);
      pci_assign(ranges);
      expect(commandOf(device)).toBe(0);
    });

    it("serves every function of a multi-function device", () => {
      setHeader(addDevice(0, 0x08, 1, 1), MULTI_FUNCTION);
      const last = addVirtio(0, 0x0f, 1);
      const other = addDevice(0, 0x12, 1, 1);
      addBar(other, 0, IO, 32);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(last, 0)).toBe(0xc001);
      expect(barOf(other, 0)).toBe(0x1);
    });

    it("serves the first function of one like any other", () => {
      const device = addVirtio(0, 0x18, 1);
      setHeader(device, MULTI_FUNCTION);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(device, 0)).toBe(0xc001);
      expect(barOf(device, 4)).toBe(0xe000_400c);
    });

    it("leaves the register behind one that it assigns", () => {
      const device = addDevice(0, 0x18, 1, 1);
      addBar(device, 0, MEMORY, 4096);
      addBar(device, 1, MEMORY, 4096, 0xfe00_0000);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(device, 0)).toBe(0xe000_0000);
      expect(barOf(device, 1)).toBe(0xfe00_0000);
    });

    it("leaves what firmware assigned, with hardly a read", () => {
      const device = addDevice(0, 0x18, 1, 1);
      addBar(device, 0, IO, 32, 0xd000);
      addBar(device, 1, MEMORY, 4096, 0xfe00_0000);
      addBar(device, 2, MEMORY_64_BIT, 4096, 0x8_0000_0000);
      addBar(device, 4, IO, 64);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(device, 0)).toBe(0xd001);
      expect(barOf(device, 1)).toBe(0xfe00_0000);
      expect(barOf(device, 2)).toBe(0x4);
      expect(barOf(device, 3)).toBe(0x8);
      expect(barOf(device, 4)).toBe(0xc001);
      expect(granted().io_next).toBe(0xc040);
      expect(granted().memory_next).toBe(0xe000_0000);
    });

    it("writes nothing to a machine that firmware set up", () => {
      for (let device: u32 = 0; device < 4; device++) {
        const name = addDevice(0, device << 3, 1, 1);
        for (let index: u32 = 0; index < 4; index++) addBar(name, index, MEMORY, 4096, 0xfe00_0000 + (index << 12));
        // The upper half is 0, and no register of its own.
        addBar(name, 4, MEMORY_64_BIT, 4096, 0xfe00_8000);
      }
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(pci_writes()).toBe(0);
    });

    it("does not look at ROMs", () => {
      const device = addDevice(0, 0x18, 1, 1);
      pci_writable(device, 0x30, 0xffff_0001);
      pci_assign(ranges);
      expect(pci_get(device, 0x30)).toBe(0);
    });

    it("puts 64-bit memory below 4 GiB", () => {
      const device = addDevice(0, 0x18, 1, 1);
      addBar(device, 0, MEMORY_64_BIT, 0x80_0000);
      grant(0, 0, 0xfe00_1000, 0xffff_ffff);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(device, 0)).toBe(0xfe80_0004);
      expect(barOf(device, 1)).toBe(0);
    });

    it("uses a range to its last port and byte", () => {
      const device = addDevice(0, 0x18, 1, 1);
      addBar(device, 0, IO, 0x1000);
      addBar(device, 1, MEMORY, 0x1000);
      grant(0xf000, 0x1_0000, 0xffff_f000, 0xffff_ffff);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(device, 0)).toBe(0xf001);
      expect(barOf(device, 1)).toBe(0xffff_f000);
      expect(granted().io_next).toBe(0x1_0000);
      // 2^32 does not fit: used up reads as 0.
      expect(granted().memory_next).toBe(0);
    });

    it("says when a range is too small, and assigns all that fits", () => {
      const large = addDevice(0, 0x18, 1, 1);
      addBar(large, 0, MEMORY, 0x1000_0000);
      addBar(large, 1, IO, 64);
      const small = addDevice(0, 0x20, 1, 1);
      addBar(small, 0, MEMORY, 4096);
      addBar(small, 1, IO, 32);
      grant(0xc000, 0xc020, 0xe000_0000, 0xefff_fffe);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(barOf(large, 0)).toBe(0);
      expect(barOf(large, 1)).toBe(1);
      expect(barOf(small, 0)).toBe(0xe000_0000);
      expect(barOf(small, 1)).toBe(0xc001);
      expect(granted().io_next).toBe(0xc020);
      expect(granted().memory_next).toBe(0xe000_1000);
    });

    it("has no room for sizes above 4 GiB, nor when nothing is granted", () => {
      const device = addDevice(0, 0x18, 1, 1);
      addBar(device, 0, MEMORY_64_BIT, 0x8000_0000_0000_0000);
      grant(0xc000, 0x1_0000, 1, 0xffff_ffff);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(barOf(device, 0)).toBe(4);
      expect(granted().memory_next).toBe(1);
      addBar(device, 0, MEMORY_64_BIT, 4096);
      grant(0xc000, 0x1_0000, 0, 0xffff_ffff);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(granted().memory_next).toBe(0);
      grant(0xc000, 0x1_0000, 0xf000_0000, 0xe000_0000);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(barOf(device, 0)).toBe(4);
    });

    it("ignores registers that answer nonsense", () => {
      const device = addDevice(0, 0x18, 1, 1);
      pci_writable(device, 0x10, 0xffff_ffff);
      pci_set(device, 0x14, 0xffff_ffff);
      pci_writable(device, 0x18, 0x00f0_0f00);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(device, 0)).toBe(0);
      expect(barOf(device, 1)).toBe(0xffff_ffff);
      expect(barOf(device, 2)).toBe(0);
      expect(granted().memory_next).toBe(0xe000_0000);
    });
  });

  describe("of bus numbers", () => {
    it("goes depth first", () => {
      const first = addBridge(0, 0x08);
      const inner = addBridge(first, 0x00);
      const innermost = addBridge(inner, 0x10);
      const beside = addBridge(first, 0x08);
      const second = addBridge(0, 0x10);
      addVirtio(innermost, 0x08, 1);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(numbersOf(first)).toBe(0x0004_0100);
      expect(numbersOf(inner)).toBe(0x0003_0201);
      expect(numbersOf(innermost)).toBe(0x0003_0302);
      expect(numbersOf(beside)).toBe(0x0004_0401);
      expect(numbersOf(second)).toBe(0x0005_0500);
      expect(scan()).toBe(6);
      expect(functionRecord(3).address).toBe(0x0308);
    });

    it("keeps the latency timer", () => {
      const bridge = addBridge(0, 0x08);
      pci_set(bridge, 0x18, 0x4000_0000);
      pci_assign(ranges);
      expect(numbersOf(bridge)).toBe(0x4001_0100);
    });

    it("goes on behind the numbers that firmware gave", () => {
      const added = addBridge(0, 0x08);
      const numbered = addBridge(0, 0x10);
      numberBridge(numbered, 0, 1, 4);
      const behind = addBridge(numbered, 0x00);
      numberBridge(behind, 1, 2, 2);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(numbersOf(numbered)).toBe(0x0004_0100);
      expect(numbersOf(behind)).toBe(0x0002_0201);
      expect(numbersOf(added)).toBe(0x0005_0500);
    });

    it("looks at no number of a bridge that has none, and at the highest of one that has", () => {
      const added = addBridge(0, 0x08);
      numberBridge(added, 0, 0, 0x55);
      const odd = addBridge(0, 0x10);
      numberBridge(odd, 0, 5, 3);
      pci_set(odd, 0x18, 0x4003_0500);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(numbersOf(added)).toBe(0x0006_0600);
      expect(numbersOf(odd)).toBe(0x4003_0500);
    });

    it("does not look for numbers in what is no bridge", () => {
      const device = addDevice(0, 0x10, 1, 1);
      addBar(device, 2, IO, 256, 0xc000);
      const bridge = addBridge(0, 0x18);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(numbersOf(bridge)).toBe(0x0001_0100);
    });

    it("and all else leaves a bridge alone that firmware set up", () => {
      const bridge = addBridge(0, 0x08);
      numberBridge(bridge, 0, 1, 4);
      pci_set(bridge, 0x04, 7);
      pci_set(bridge, 0x1c, 0xf1e1);
      pci_set(bridge, 0x20, 0xe1f0_e100);
      addBar(bridge, 0, MEMORY, 4096);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(pci_writes()).toBe(0);
    });

    it("gives none behind a bridge that firmware numbered", () => {
      const numbered = addBridge(0, 0x10);
      numberBridge(numbered, 0, 1, 4);
      const behind = addBridge(numbered, 0x00);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(numbersOf(behind)).toBe(0);
      expect(commandOf(behind)).toBe(0);
    });

    it("forgets numbers that nobody can have used", () => {
      const bridge = addBridge(0, 0x08);
      const stale = addBridge(bridge, 0x00);
      numberBridge(stale, 0x33, 0x44, 0x55);
      const device = addVirtio(stale, 0x00, 1);
      addBar(device, 0, IO, 32, 0x1000);
      addBar(device, 4, MEMORY_64_BIT, 0x4000, 0x1234_0000_0000);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(numbersOf(bridge)).toBe(0x0002_0100);
      expect(numbersOf(stale)).toBe(0x0002_0201);
      expect(barOf(device, 0)).toBe(0xc001);
      expect(barOf(device, 4)).toBe(0xe000_4004);
      expect(barOf(device, 5)).toBe(0);
    });

    it("counts everything behind a bridge that got its number as unassigned, host bridges and the like, too", () => {
      const bridge = addBridge(0, 0x18);
      const device = addDevice(bridge, 0, 1, 1);
      pci_set(device, 0x08, 0x0680_0000);
      addBar(device, 0, IO, 256, 0xd000);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(device, 0)).toBe(0xc001);
    });

    it("ends when there are none left", () => {
      let bridge: u32 = 0;
      for (let depth = 0; depth < 260; depth++) bridge = addBridge(bridge, 0x00);
      const beside = addBridge(0, 0x08);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(numbersOf(beside)).toBe(0);
      expect(scan()).toBe(257);
    });
  });

  describe("of windows", () => {
    it("opens them around what is behind, and lets bridges forward", () => {
      const host = addVirtio(0, 0x08, 1);
      const bridge = addBridge(0, 0x10);
      const behind = addVirtio(bridge, 0x00, 2);
      const more = addVirtio(bridge, 0x08, 2);
      const after = addVirtio(0, 0x18, 1);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(host, 0)).toBe(0xc001);
      expect(barOf(after, 0)).toBe(0xc021);
      expect(barOf(behind, 0)).toBe(0xd001);
      expect(barOf(more, 0)).toBe(0xd021);
      expect(portsOf(bridge)).toBe(0xd0d0);
      expect(barOf(behind, 1)).toBe(0xe010_0000);
      expect(barOf(more, 4)).toBe(0xe010_c00c);
      expect(memoryOf(bridge)).toBe(0xe010_e010);
      expect(pci_get(bridge, 0x24)).toBe(0x0001_fff1);
      expect(commandOf(bridge)).toBe(0x7);
      expect(commandOf(behind)).toBe(0);
      // The rest of the window is the bridge's.
      expect(granted().io_next).toBe(0xe000);
      expect(granted().memory_next).toBe(0xe020_0000);
    });

    it("has those of outer bridges include those of inner ones", () => {
      const outer = addBridge(0, 0x08);
      const first = addBridge(outer, 0x00);
      const deep = addVirtio(first, 0x00, 1);
      const second = addBridge(outer, 0x08);
      const large = addDevice(second, 0x00, 1, 1);
      addBar(large, 0, MEMORY, 0x40_0000);
      const beside = addVirtio(outer, 0x10, 1);
      const next = addVirtio(addBridge(0, 0x10), 0x00, 1);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(beside, 0)).toBe(0xc001);
      expect(barOf(deep, 0)).toBe(0xd001);
      expect(barOf(next, 0)).toBe(0xe001);
      expect(portsOf(outer)).toBe(0xd0c0);
      expect(portsOf(first)).toBe(0xd0d0);
      expect(portsOf(second)).toBe(CLOSED_PORTS);
      expect(barOf(beside, 1)).toBe(0xe000_0000);
      expect(barOf(deep, 1)).toBe(0xe010_0000);
      expect(barOf(large, 0)).toBe(0xe040_0000);
      expect(barOf(next, 1)).toBe(0xe080_0000);
      expect(memoryOf(outer)).toBe(0xe070_e000);
      expect(memoryOf(first)).toBe(0xe010_e010);
      expect(memoryOf(second)).toBe(0xe070_e040);
    });

    it("closes those with nothing behind", () => {
      const bridge = addBridge(0, 0x10);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(portsOf(bridge)).toBe(CLOSED_PORTS);
      expect(memoryOf(bridge)).toBe(CLOSED_MEMORY);
      expect(granted().io_next).toBe(0xc000);
      expect(granted().memory_next).toBe(0xe000_0000);
    });

    it("closes those that are open by chance", () => {
      const reset = addBridge(0, 0x10);
      numberBridge(reset, 0, 1, 1);
      pci_set(reset, 0x1c, 0x0000);
      pci_set(reset, 0x20, 0x0000_0000);
      const stale = addBridge(0, 0x18);
      pci_set(stale, 0x1c, 0xe1c1);
      pci_set(stale, 0x20, 0xe000_e000);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(portsOf(reset)).toBe(CLOSED_PORTS);
      expect(memoryOf(reset)).toBe(CLOSED_MEMORY);
      expect(portsOf(stale)).toBe(CLOSED_PORTS);
      expect(memoryOf(stale)).toBe(CLOSED_MEMORY);
    });

    it("gives a bridge's own registers an address before it", () => {
      const bridge = addBridge(0, 0x10);
      addBar(bridge, 0, MEMORY_64_BIT, 256);
      const behind = addVirtio(bridge, 0x00, 1);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(bridge, 0)).toBe(0xe000_0004);
      expect(barOf(behind, 1)).toBe(0xe010_0000);
      expect(memoryOf(bridge)).toBe(0xe010_e010);
    });

    it("opens those that firmware left closed behind a number", () => {
      const bridge = addBridge(0, 0x10);
      numberBridge(bridge, 0, 1, 1);
      pci_set(bridge, 0x20, 0xfe10_fe00);
      const behind = addDevice(bridge, 0x00, 1, 1);
      addBar(behind, 0, IO, 32);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(behind, 0)).toBe(0xc001);
      expect(portsOf(bridge)).toBe(0xc0c0);
      expect(memoryOf(bridge)).toBe(0xfe10_fe00);
      expect(commandOf(bridge)).toBe(0x7);
    });

    it("keeps those that firmware opened, and assigns inside of them", () => {
      const bridge = addBridge(0, 0x10);
      numberBridge(bridge, 0, 1, 1);
      pci_set(bridge, 0x1c, 0xe1c1);
      pci_set(bridge, 0x20, 0xe000_e000);
      const behind = addDevice(bridge, 0x00, 1, 1);
      addBar(behind, 0, IO, 32);
      addBar(behind, 1, MEMORY, 0x20_0000);
      addBar(behind, 2, MEMORY, 0x1000);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(barOf(behind, 0)).toBe(0xc001);
      expect(barOf(behind, 1)).toBe(0);
      expect(barOf(behind, 2)).toBe(0xe000_0000);
      expect(portsOf(bridge)).toBe(0xe0c0);
      expect(memoryOf(bridge)).toBe(0xe000_e000);
      expect(granted().memory_next).toBe(0xe010_0000);
    });

    it("lets a bridge's own registers have addresses while it forwards nothing", () => {
      const bridge = addBridge(0, 0x10);
      numberBridge(bridge, 0, 1, 1);
      addBar(bridge, 0, MEMORY, 0x1000);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(bridge, 0)).toBe(0xe000_0000);
    });

    it("begins a unit for ports on another bus, wherever memory was assigned last", () => {
      addBar(addDevice(0, 0x08, 1, 1), 0, IO, 32);
      const bridge = addBridge(0, 0x10);
      const behind = addDevice(bridge, 0x00, 1, 1);
      addBar(behind, 0, MEMORY, 0x1000);
      addBar(behind, 1, IO, 32);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(behind, 1)).toBe(0xd001);
    });

    it("assigns nothing below one that firmware opened", () => {
      const bridge = addBridge(0, 0x10);
      numberBridge(bridge, 0, 1, 1);
      pci_set(bridge, 0x20, 0xe2f0_e200);
      const behind = addDevice(bridge, 0x00, 1, 1);
      addBar(behind, 0, MEMORY, 0x1000);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(barOf(behind, 0)).toBe(0);
    });

    it("has one grow by what is assigned, and no further", () => {
      const bridge = addBridge(0, 0x10);
      addBar(addDevice(bridge, 0x00, 1, 1), 0, MEMORY, 0x20_0000);
      addBar(addDevice(bridge, 0x08, 1, 1), 0, MEMORY, 0x10_0000);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(memoryOf(bridge)).toBe(0xe020_e000);
    });

    it("opens no inner one when an outer one is too small", () => {
      const outer = addBridge(0, 0x10);
      numberBridge(outer, 0, 1, 2);
      pci_set(outer, 0x20, 0xe000_e000);
      const inner = addBridge(outer, 0x00);
      numberBridge(inner, 1, 2, 2);
      const behind = addDevice(inner, 0x00, 1, 1);
      addBar(behind, 0, MEMORY, 0x20_0000);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(barOf(behind, 0)).toBe(0);
      expect(memoryOf(inner)).toBe(CLOSED_MEMORY);
      expect(granted().memory_next).toBe(0xe000_0000);
    });

    it("leaves unassigned what a bridge would not forward", () => {
      const bridge = addBridge(0, 0x10);
      pci_writable(bridge, 0x1c, 0);
      const behind = addVirtio(bridge, 0x00, 1);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(barOf(behind, 0)).toBe(1);
      expect(barOf(behind, 1)).toBe(0xe000_0000);
      expect(granted().io_next).toBe(0xc000);
    });

    it("never opens one beyond what was granted", () => {
      const bridge = addBridge(0, 0x10);
      const behind = addVirtio(bridge, 0x00, 1);
      grant(0xc000, 0xcfff, 0xe000_0000, 0xe00f_fffe);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      expect(barOf(behind, 0)).toBe(1);
      expect(barOf(behind, 1)).toBe(0);
      expect(portsOf(bridge)).toBe(CLOSED_PORTS);
      expect(memoryOf(bridge)).toBe(CLOSED_MEMORY);
      grant(0xbfff, 0xd000, 0xdfff_ffff, 0xe00f_ffff);
    });

    it("uses granted units to the last", () => {
      const bridge = addBridge(0, 0x10);
      const behind = addVirtio(bridge, 0x00, 1);
      grant(0xefff, 0x1_0000, 0xffe0_0001, 0xffff_ffff);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(behind, 0)).toBe(0xf001);
      expect(barOf(behind, 1)).toBe(0xfff0_0000);
      expect(portsOf(bridge)).toBe(0xf0f0);
      expect(memoryOf(bridge)).toBe(0xfff0_fff0);
      expect(granted().io_next).toBe(0x1_0000);
      expect(granted().memory_next).toBe(0);
    });

    it("does all of it once: a second call changes nothing", () => {
      const bridge = addBridge(0, 0x10);
      const behind = addVirtio(bridge, 0x00, 1);
      pci_assign(ranges);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(behind, 0)).toBe(0xc001);
      expect(numbersOf(bridge)).toBe(0x0001_0100);
      expect(portsOf(bridge)).toBe(0xc0c0);
      expect(granted().io_next).toBe(0xd000);
    });
  });

  describe("with users of functions already", () => {
    it("writes to nothing but bridges on a machine that firmware set up, whatever reads 0 there", () => {
      const hostBridge = addDevice(0, 0x00, 0x8086, 0x1237);
      pci_set(hostBridge, 0x08, 0x0600_0002);
      const isaBridge = addDevice(0, 0x08, 0x8086, 0x7000);
      pci_set(isaBridge, 0x08, 0x0601_0000);
      const ide = addDevice(0, 0x10, 0x8086, 0x7010);
      addBar(ide, 0, IO, 8);
      addBar(ide, 4, IO, 16, 0xc040);
      pci_set(ide, 0x04, 1);
      const vga = addDevice(0, 0x18, 0x1234, 0x1111);
      addBar(vga, 0, MEMORY, 0x100_0000, 0xfd00_0000);
      addBar(vga, 2, MEMORY, 4096);
      pci_set(vga, 0x04, 2);
      addVirtio(0, 0x20, 2);
      pci_writes();
      expect(pci_assign(ranges)).toBe(Result.OK);
      const ofVirtio = pci_writes();
      expect(barOf(ide, 0)).toBe(1, "unassigned, but who knows who uses it");
      pci_clear();
      addVirtio(0, 0x20, 2);
      grant(0xc000, 0x1_0000, 0xe000_0000, 0xefff_ffff);
      pci_assign(ranges);
      expect(pci_writes()).toBe(ofVirtio, "no write beyond those to the virtio device");
    });

    it("gives what is plugged in later ports of its own, and does not touch what is open", () => {
      const bridge = addBridge(0, 0x10);
      const empty = addBridge(0, 0x30);
      const first = addVirtio(0, 0x18, 2);
      const behind = addVirtio(bridge, 0x00, 2);
      addBar(bridge, 0, MEMORY, 256);
      expect(pci_assign(ranges)).toBe(Result.OK);
      pci_set(first, 0x04, 5);
      pci_set(behind, 0x04, 5);
      const ports = barOf(first, 0);
      // Would be assigned if it were not open.
      pci_set(first, 0x14, 0);
      const later = addVirtio(0, 0x20, 2);
      const laterBehind = addVirtio(empty, 0x00, 2);
      expect(pci_assign(ranges)).toBe(Result.OK);
      expect(barOf(first, 0)).toBe(ports);
      expect(barOf(first, 1)).toBe(0);
      expect(barOf(later, 0) & 1).toBe(1);
      expect(barOf(later, 0)).toBeGreaterThan(ports + 31);
      expect(barOf(laterBehind, 0)).toBeGreaterThan(barOf(later, 0) + 31);
      expect(portsOf(empty)).toBe(((barOf(laterBehind, 0) >> 8) & 0xf0) * 0x101);
    });
  });

  describe("on machines that make no sense", () => {
    it("does nothing without a record, or with ports that cannot be", () => {
      addVirtio(0, 0x18, 1);
      expect(pci_assign(0)).toBe(Result.E_ARGUMENT);
      expect(pci_assign(0xffff_fff8)).toBe(Result.E_ARGUMENT);
      grant(0xc000, 0x1_0001, 0xe000_0000, 0xefff_ffff);
      expect(pci_assign(ranges)).toBe(Result.E_ARGUMENT);
      expect(pci_reads()).toBe(0);
    });

    it("ends when everything reads the same", () => {
      pci_answer_always(0xffff_ffff);
      expect(pci_assign(ranges)).toBe(Result.OK);
      pci_answer_always(0);
      expect(pci_assign(ranges)).toBe(Result.OK);
      // Every slot a device with functions 1 to 7.
      pci_answer_always(0x0080_0001);
      expect(pci_assign(ranges)).toBe(Result.OK);
      // Every slot a bridge without a number.
      pci_answer_always(0x0001_0001);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
      // Every function of every slot such a bridge: 256 buses of 256 functions.
      pci_answer_always(0x0081_0001);
      expect(pci_assign(ranges)).toBe(Result.E_NO_SPACE);
    });
  });
});
