/** The modern PCI transport: which structures are used, and what is done with their registers. */
import { Result, Transport, TransportWanted } from "../../../../assembly/abi/results";
import { allocatePrivate } from "../../../../assembly/memory/arena";
import { Device, deviceOf, registerDevice } from "../../../../assembly/virtio/device";
import {
  acceptFeatures,
  addStatus,
  allowMemoryAccess,
  configuration16,
  configuration32,
  configuration8,
  configurationGeneration,
  connect,
  deviceIsGone,
  deviceStatus,
  disconnect,
  doorbell,
  doorbellSpace,
  findDoorbell,
  forbidMemoryAccess,
  hasConfiguration,
  meaningOfVector,
  notify,
  offeredFeatures,
  queueIsLive,
  queueSize,
  readInterruptStatus,
  release,
  resetDevice,
  setConfigurationVector,
  setQueue,
} from "../../../../assembly/virtio/transport/transport";
import {
  addBar,
  addCapability,
  barOf,
  IO,
  MEMORY,
  MEMORY_64_BIT,
  pci_get,
  pci_set,
  pci_writable,
  pci_writes,
} from "../../pci/machine";
import {
  addMsix,
  addStructure,
  addStructures,
  BASE,
  COMMON,
  CONFIGURATION,
  ISR,
  name,
  newModern,
  NOTIFY,
  plugModern,
  plugFunction,
  PORTS,
  Type,
} from "../../scripted/modern";
import { ADDRESS, opens } from "../../scripted/plug";
import {
  block_add,
  block_answer,
  block_get,
  block_set,
  block_windows,
  Trace,
  trace_clear,
  trace_count,
  trace_next,
  trace_number,
} from "../../scripted/script";

const BLOCK: u32 = 2;
const QUEUE_NOTIFY_OFF: u64 = COMMON + 0x1e;

beforeEach(() => plugModern(BLOCK));

/** A connected device with the four structures of QEMU. */
function connected(): Device {
  addStructures();
  const device = newModern(BLOCK);
  expect(connect(device)).toBe(Result.OK);
  trace_clear();
  return device;
}

/** What `connect` says of a device with these structures and a good NOTIFY and COMMON behind BAR 4. */
function connectWith(type: u32, bar: u32, offset: u32, length: u32, bytes: u32 = 20): i32 {
  addStructure(type, bar, offset, length, 4, bytes);
  if (type != Type.COMMON) addStructure(Type.COMMON, 4, 0, 0x38);
  if (type != Type.NOTIFY) addStructure(Type.NOTIFY, 4, 0x3000, 0x100, 4);
  return connect(newModern(BLOCK));
}

/** Offset from BASE, width and value of the accesses since the trace was cleared, as text. */
function accesses(kind: u32): string {
  const found: string[] = [];
  for (let place = trace_next(kind, 0); place >= 0; place = trace_next(kind, place + 1)) {
    const offset = trace_number(place, 0) - <u32>BASE;
    found.push(`${offset.toString(16)}:${trace_number(place, 2)}=${trace_number(place, 1).toString(16)}`);
  }
  return found.join(" ");
}

/** A connected device with `table` entries, whose kernel has programmed `vectors`, and with two queues. */
function withVectors(vectors: u32, table: u32): Device {
  addStructures();
  msix = addMsix(table);
  const device = newModern(BLOCK);
  device.vectorsWanted = vectors;
  device.queueCount = 2;
  expect(connect(device)).toBe(Result.OK);
  return device;
}

/** Connects a device, and sums up the private memory behind what it knows of its structures. */
function behindStructures(): u32 {
  const device = newModern(BLOCK);
  expect(connect(device)).toBe(Result.OK);
  let sum: u32 = 0;
  for (let at: u32 = 192; at < 1024; at += 4) sum = sum * 31 + load<u32>(device.structures + at);
  return sum;
}

function command(): u32 {
  return pci_get(name, 4) & 0xffff;
}

/** Where MSI-X lies. */
let msix: u32 = 0;

/** The enable bit and the function mask of MSI-X. */
function msixSwitches(): u32 {
  return pci_get(name, msix) >> 30;
}

/** Where the capability of the way through configuration space lies. */
let window: u32 = 0;

/** A device of whose structures only the ISR and the configuration can be reached without. */
function connectByWindow(bytes: u32 = 20): Device {
  addBar(name, 2, MEMORY, 0x4000);
  addBar(name, 3, MEMORY, 0x4000);
  addStructure(Type.COMMON, 2, 0x1000, 0x38);
  addStructure(Type.COMMON, 2, 0x2000, 0x38);
  addStructure(Type.NOTIFY, 2, 0x3000, 0x100, 4);
  addStructure(Type.DEVICE, 3, 0x100, 0x10);
  addStructure(Type.ISR, 2, 0, 4);
  addStructure(Type.ISR, 4, 0x1000, 4);
  window = addStructure(Type.PCI_CFG, 0, 0, 0, 0, bytes);
  for (let at: u32 = 4; at < 16; at += 4) pci_writable(name, window + at, 0xffff_ffff);
  addStructure(Type.PCI_CFG, 0, 0, 0, 0);
  const device = newModern(BLOCK);
  device.transportWanted = TransportWanted.MODERN_PCI;
  expect(connect(device)).toBe(Result.OK);
  pci_writes();
  return device;
}

describe("connect", () => {
  it("finds the structures in memory, and maps each", () => {
    const device = connected();
    expect(device.transport).toBe(Transport.MODERN_PCI_MEMORY);
    expect(block_windows()).toBe(4);
    expect(command() & 7).toBe(2, "memory, and neither ports nor access to memory");
  });

  it("finds nothing where there is no function", () => {
    addStructures();
    pci_set(name, 0, 0xffff_ffff);
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.E_NOT_FOUND);
    device.transportWanted = TransportWanted.MODERN_PCI;
    expect(connect(device)).toBe(Result.E_NOT_FOUND);
  });

  it("needs private memory", () => {
    addStructures();
    for (let bytes: u32 = 1 << 20; bytes != 0;) if (allocatePrivate(bytes) == 0) bytes >>= 1;
    expect(connect(newModern(BLOCK))).toBe(Result.E_MEMORY);
    expect(block_windows()).toBe(0);
  });

  it("finds them behind ports", () => {
    addStructure(Type.COMMON, 0, 0, 0x40);
    addStructure(Type.NOTIFY, 0, 0x40, 16, 2);
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    expect(device.transport).toBe(Transport.MODERN_PCI_PORTS);
    expect(block_windows()).toBe(0);
    expect(command() & 7).toBe(1);
    expect(readInterruptStatus(device)).toBe(0, "there is no ISR to read");
    expect(hasConfiguration(device, 0, 1)).toBe(false);
  });

  it("takes the first of each type that a base address register leads to", () => {
    addStructure(Type.COMMON, 1, 0, 0x38);
    addStructure(Type.COMMON, 0, 0, 0x38);
    addStructure(Type.COMMON, 4, 0, 0x38);
    addStructure(Type.NOTIFY, 4, 0x3000, 0x100, 4);
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    expect(device.transport).toBe(Transport.MODERN_PCI_PORTS);
    expect(block_windows()).toBe(1, "the notifications");
    expect(command() & 7).toBe(3);
  });

  it("takes the first of each type, whatever a later one offers", () => {
    addStructure(Type.COMMON, 4, 0, 0x38);
    addStructure(Type.COMMON, 0, 0, 0x38);
    addStructure(Type.NOTIFY, 4, 0x3000, 0x100, 4);
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    expect(device.transport).toBe(Transport.MODERN_PCI_MEMORY);
    expect(block_windows()).toBe(2);
  });

  it("reads the distance of notifications where they are described, and nowhere else", () => {
    addStructure(Type.NOTIFY, 4, 0x3000, 0x100, 4);
    addStructure(Type.COMMON, 4, 0, 0x38, 64);
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    block_set(0, QUEUE_NOTIFY_OFF, 2, 3);
    expect(findDoorbell(device)).toBe(true);
    notify(device, doorbellSpace, doorbell, 7);
    expect(block_get(0, NOTIFY + 12, 2)).toBe(7);
  });

  it("takes an ISR of one byte, wherever that lies", () => {
    addStructures();
    plugModern(BLOCK);
    addStructure(Type.COMMON, 4, 0, 0x38);
    addStructure(Type.NOTIFY, 4, 0x3000, 0x100, 4);
    addStructure(Type.ISR, 4, 0x1001, 1);
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    block_set(0, ISR + 1, 1, 3);
    expect(readInterruptStatus(device)).toBe(3);
  });

  it("maps no more of a structure than can be of use", () => {
    const base: u64 = 0x50_0000_0000;
    addBar(name, 4, MEMORY_64_BIT, 0x0200_0000, base);
    block_add(0, base, 0x0100_1000);
    addStructure(Type.COMMON, 4, 0, 0x0200_0000);
    addStructure(Type.NOTIFY, 4, 0x0100_0000, 0x100, 4);
    expect(connect(newModern(BLOCK))).toBe(Result.OK);
  });

  it("knows a structure by the capability's id and type", () => {
    addCapability(name, 0x40, 0x05, 0x54, 20 | (Type.COMMON << 8));
    pci_set(name, 0x44, 4);
    pci_set(name, 0x4c, 0x38);
    addCapability(name, 0x54, 0x09, 0, 20 | (Type.NOTIFY << 8));
    pci_set(name, 0x58, 4);
    pci_set(name, 0x60, 0x38);
    expect(connect(newModern(BLOCK))).toBe(Result.E_NOT_VIRTIO);
  });

  it("takes capabilities that end with configuration space, and none beyond", () => {
    addStructure(Type.NOTIFY, 4, 0x3000, 0x100, 4);
    addCapability(name, 0x40, 0x09, 0xf0, 20 | (Type.NOTIFY << 8));
    addCapability(name, 0xf0, 0x09, 0, 16 | (Type.COMMON << 8));
    pci_set(name, 0xf4, 4);
    pci_set(name, 0xf8, 0);
    pci_set(name, 0xfc, 0x38);
    expect(connect(newModern(BLOCK))).toBe(Result.OK);
    plugModern(BLOCK);
    addStructure(Type.COMMON, 4, 0, 0x38);
    addCapability(name, 0x40, 0x09, 0xf0, 16 | (Type.COMMON << 8));
    addCapability(name, 0xf0, 0x09, 0, 20 | (Type.NOTIFY << 8));
    pci_set(name, 0xf4, 4);
    pci_set(name, 0xf8, 0x3000);
    pci_set(name, 0xfc, 0x100);
    expect(connect(newModern(BLOCK))).toBe(Result.E_BAR);
  });

  it("keeps what it knows of structures within what it took for them", () => {
    addStructures();
    const plain = behindStructures();
    const types: u32[] = [0, 5, 6, 9, 16];
    for (let at = 0; at < types.length; at++) {
      plugModern(BLOCK);
      addStructures();
      addStructure(types[at], 4, 0, 0x1000, 4);
      expect(behindStructures()).toBe(plain);
    }
  });

  it("ignores types that it does not know, and takes longer capabilities", () => {
    addStructure(8, 4, 0, 0x1000);
    addStructure(9, 4, 0, 0x1000);
    addStructure(0, 4, 0, 0x1000);
    expect(connectWith(Type.DEVICE, 4, 0x2000, 0x100, 24)).toBe(Result.OK);
  });

  it("ignores capabilities that are too short to say anything", () => {
    expect(connectWith(Type.NOTIFY, 4, 0x3000, 0x100, 16)).toBe(Result.E_BAR);
    plugModern(BLOCK);
    expect(connectWith(Type.COMMON, 4, 0, 0x38, 15)).toBe(Result.E_NOT_VIRTIO);
  });

  it("refuses structures outside of their base address register, or too small", () => {
    const offsets: u32[] = [0x3fcc, 0x4000, 0xffff_fff0, 2];
    for (let at = 0; at < offsets.length; at++) {
      plugModern(BLOCK);
      expect(connectWith(Type.COMMON, 4, offsets[at], 0x38)).toBe(Result.E_BAR);
      expect(block_windows()).toBe(0);
    }
    plugModern(BLOCK);
    expect(connectWith(Type.COMMON, 4, 0, 0x37)).toBe(Result.E_BAR);
    plugModern(BLOCK);
    expect(connectWith(Type.COMMON, 4, 0x3fc8, 0x38)).toBe(Result.OK, "the last that fits");
    plugModern(BLOCK);
    expect(connectWith(Type.NOTIFY, 4, 0x3000, 1)).toBe(Result.E_BAR);
    plugModern(BLOCK);
    expect(connectWith(Type.NOTIFY, 4, 0x3001, 2)).toBe(Result.E_BAR);
    plugModern(BLOCK);
    expect(connectWith(Type.NOTIFY, 4, 0x3ffe, 2)).toBe(Result.OK);
  });

  it("refuses base address registers that do not exist, or have no address", () => {
    const bars: u32[] = [1, 5, 6, 7, 255];
    for (let at = 0; at < bars.length; at++) {
      plugModern(BLOCK);
      expect(connectWith(Type.COMMON, bars[at], 0, 0x38)).toBe(Result.E_BAR);
    }
    plugModern(BLOCK);
    addBar(name, 4, MEMORY_64_BIT, 0x4000, 0);
    expect(connectWith(Type.COMMON, 4, 0, 0x38)).toBe(Result.E_BAR);
    plugModern(BLOCK);
    addBar(name, 0, IO, 0x100, 0);
    block_add(1, 0, 0x100);
    expect(connectWith(Type.COMMON, 0, 8, 0x38)).toBe(Result.E_BAR, "ports without an address");
  });

  it("does not take for the device's what lies behind its base address register", () => {
    const base: u64 = 0x50_0000_0000;
    addBar(name, 4, MEMORY_64_BIT, 0x4000, base);
    block_add(0, base, 0x8000);
    expect(connectWith(Type.DEVICE, 4, 0x3ff0, 0x20)).toBe(Result.OK);
    plugModern(BLOCK);
    addBar(name, 4, MEMORY_64_BIT, 0x4000, base);
    block_add(0, base, 0x8000);
    expect(connectWith(Type.COMMON, 4, 0x3fe0, 0x38)).toBe(Result.E_BAR);
  });

  it("refuses configuration ports, and ports beyond the last", () => {
    addBar(name, 0, IO, 0x100, 0xc00);
    expect(connectWith(Type.COMMON, 0, 0xc8, 0x38)).toBe(Result.E_BAR);
    plugModern(BLOCK);
    addBar(name, 0, IO, 0x100, 0x1_0000);
    expect(connectWith(Type.COMMON, 0, 0, 0x38)).toBe(Result.E_BAR);
  });

  it("refuses what is an open device's, whichever transport that has", () => {
    const other = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS + 8, 1, offsetof<Device>()))));
    other.transport = Transport.LEGACY_PCI;
    other.registers = PORTS + 0x20;
    other.registerBytes = 32;
    expect(connectWith(Type.COMMON, 0, 0, 0x38)).toBe(Result.E_BAR);
    other.registers = PORTS + 0x38;
    expect(connect(newModern(BLOCK))).toBe(Result.OK);
    other.transport = Transport.MMIO_2;
    other.mmioBase = BASE + 0x3080;
    other.mmioBytes = 0x200;
    expect(connect(newModern(BLOCK))).toBe(Result.E_BAR, "the notifications");
  });

  it("refuses the structures of an open modern device", () => {
    addStructures();
    const open = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS, BLOCK, offsetof<Device>()))));
    expect(connect(open)).toBe(Result.OK);
    const other = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS + 8, BLOCK, offsetof<Device>()))));
    plugFunction(ADDRESS + 8, BLOCK, BASE);
    addStructures();
    expect(connect(other)).toBe(Result.E_BAR);
    addBar(name, 4, MEMORY_64_BIT, 0x4000, BASE + 0x4000);
    block_add(0, BASE + 0x4000, 0x4000);
    expect(connect(other)).toBe(Result.OK);
    release(open, true);
    disconnect(open);
    release(other, true);
    disconnect(other);
  });

  it("refuses its ports, too", () => {
    addStructure(Type.COMMON, 0, 0, 0x38);
    addStructure(Type.NOTIFY, 0, 0x40, 16, 2);
    const open = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS, BLOCK, offsetof<Device>()))));
    expect(connect(open)).toBe(Result.OK);
    const other = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS + 8, BLOCK, offsetof<Device>()))));
    plugFunction(ADDRESS + 8, BLOCK, BASE);
    addStructure(Type.COMMON, 0, 0x30, 0x38);
    addStructure(Type.NOTIFY, 4, 0x3000, 0x100, 4);
    expect(connect(other)).toBe(Result.E_BAR);
    plugFunction(ADDRESS + 8, BLOCK, BASE);
    addStructure(Type.COMMON, 0, 0x50, 0x38);
    addStructure(Type.NOTIFY, 4, 0x3000, 0x100, 4);
    expect(connect(other)).toBe(Result.OK);
    release(open, true);
    disconnect(open);
    release(other, true);
    disconnect(other);
  });

  it("takes no ports for memory of the same numbers", () => {
    const open = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS + 8, 1, offsetof<Device>()))));
    open.registers = PORTS;
    open.registerBytes = 0x100;
    open.mmioBase = PORTS;
    open.mmioBytes = 0x100;
    open.transport = Transport.LEGACY_PCI;
    addBar(name, 1, MEMORY, 0x100, PORTS);
    block_add(0, PORTS, 0x100);
    expect(connectWith(Type.COMMON, 1, 0, 0x38)).toBe(Result.OK, "memory where another one has ports");
    plugModern(BLOCK);
    const mapped = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS + 8, 1, offsetof<Device>()))));
    mapped.mmioBase = PORTS;
    mapped.mmioBytes = 0x100;
    mapped.transport = Transport.MMIO_2;
    expect(connectWith(Type.COMMON, 0, 0, 0x38)).toBe(Result.OK, "ports where another one has memory");
    plugModern(BLOCK);
    addStructure(Type.COMMON, 0, 0, 0x38);
    addStructure(Type.NOTIFY, 0, 0x40, 16, 2);
    const modern = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS, BLOCK, offsetof<Device>()))));
    expect(connect(modern)).toBe(Result.OK);
    const other = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS + 8, BLOCK, offsetof<Device>()))));
    plugFunction(ADDRESS + 8, BLOCK, BASE);
    addBar(name, 1, MEMORY, 0x100, PORTS);
    block_add(0, PORTS, 0x100);
    addStructure(Type.COMMON, 1, 0, 0x38);
    addStructure(Type.NOTIFY, 1, 0x40, 16, 2);
    expect(connect(other)).toBe(Result.OK, "memory where a modern one has ports");
  });

  it("lets a device's own structures overlap", () => {
    addStructure(Type.COMMON, 4, 0, 0x1000);
    addStructure(Type.NOTIFY, 4, 0x800, 0x1000, 4);
    const device = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS, BLOCK, offsetof<Device>()))));
    expect(connect(device)).toBe(Result.OK);
  });

  it("refuses what the kernel does not grant, and leaves the function as it was", () => {
    addBar(name, 4, MEMORY_64_BIT, 0x4000, 0x50_0000_0000);
    addStructures();
    pci_set(name, 4, 0x0010_0400);
    expect(connect(newModern(BLOCK))).toBe(Result.E_BAR);
    expect(command()).toBe(0x400);
  });

  it("gives up on a list without modern registers", () => {
    addStructure(Type.PCI_CFG, 0, 0, 0);
    expect(connect(newModern(BLOCK))).toBe(Result.E_NOT_VIRTIO);
    pci_set(name, 0x40, 0x0000_4009);
    expect(connect(newModern(BLOCK))).toBe(Result.E_NOT_VIRTIO, "a circle");
  });

  it("is not what legacy PCI was asked for", () => {
    addStructures();
    const device = newModern(BLOCK);
    device.transportWanted = TransportWanted.LEGACY_PCI;
    expect(connect(device)).toBe(Result.E_NOT_VIRTIO);
  });

  it("sees that an open device is where it was", () => {
    const device = connected();
    expect(connect(device)).toBe(Result.OK);
    expect(block_windows()).toBe(4, "nothing was mapped again");
    pci_set(name, 0x20, barOf(name, 4) + 0x4000);
    expect(connect(device)).toBe(Result.E_BAR);
    pci_set(name, 0x20, barOf(name, 4) - 0x4000);
    pci_set(name, 0x24, 0x41);
    expect(connect(device)).toBe(Result.E_BAR, "the upper half");
    pci_set(name, 0, 0x1041_1af4);
    expect(connect(device)).toBe(Result.E_NOT_VIRTIO, "another device");
    pci_set(name, 0, 0xffff_ffff);
    expect(connect(device)).toBe(Result.E_GONE);
  });
});

describe("connect to an open device", () => {
  it("sees that its ports are where they were", () => {
    addStructure(Type.COMMON, 0, 0, 0x40);
    addStructure(Type.NOTIFY, 0, 0x40, 16, 2);
    const device = newModern(BLOCK);
    connect(device);
    expect(connect(device)).toBe(Result.OK);
    pci_set(name, 0x10, (PORTS + 0x100) | 1);
    expect(connect(device)).toBe(Result.E_BAR);
  });

  it("sees that its 32-bit memory is where it was, whatever the next register says", () => {
    addBar(name, 1, MEMORY, 0x1000, 0x8000_0000);
    pci_set(name, 0x18, 0x1234);
    block_add(0, 0x8000_0000, 0x1000);
    addStructure(Type.COMMON, 1, 0, 0x40);
    addStructure(Type.NOTIFY, 1, 0x40, 16, 2);
    const device = newModern(BLOCK);
    connect(device);
    expect(connect(device)).toBe(Result.OK);
    pci_set(name, 0x14, 0x9000_0000);
    expect(connect(device)).toBe(Result.E_BAR);
  });

  it("sees that four ports are where they were", () => {
    addBar(name, 1, IO, 4, 0xd20c);
    block_add(1, 0xd20c, 4);
    addStructure(Type.COMMON, 0, 0, 0x40);
    addStructure(Type.NOTIFY, 1, 0, 4, 0);
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    expect(connect(device)).toBe(Result.OK);
  });
});

describe("the way through configuration space", () => {
  it("is taken where it is wanted, to the first structure of each type, unless another can be reached", () => {
    const device = connectByWindow();
    expect(device.transport).toBe(Transport.MODERN_PCI_WINDOW);
    expect(block_windows()).toBe(1);
    pci_set(name, window + 16, 0xaabb_cc0f);
    expect(deviceStatus(device)).toBe(0x0f);
    expect(queueSize(device, 0)).toBe(0xcc0f);
    deviceStatus(device);
    expect(pci_get(name, window + 4) & 0xff).toBe(2);
    expect(pci_get(name, window + 8)).toBe(0x1014);
    expect(pci_get(name, window + 12)).toBe(1);
    block_set(0, ISR, 1, 3);
    expect(readInterruptStatus(device)).toBe(3);
  });

  it("is told place and width only when they change", () => {
    const device = connectByWindow();
    deviceStatus(device);
    expect(pci_writes()).toBe(3);
    deviceStatus(device);
    expect(pci_writes()).toBe(1);
    configuration8(device, 0);
    expect(pci_writes()).toBe(3, "behind another base address register");
    expect(pci_get(name, window + 4) & 0xff).toBe(3);
    queueIsLive(device);
    expect(pci_writes()).toBe(3, "two bytes");
    expect(connect(device)).toBe(Result.OK);
    pci_writes();
    queueIsLive(device);
    expect(pci_writes()).toBe(3, "the function may have forgotten");
  });

  it("is none in a capability without room for data", () => {
    addStructure(Type.COMMON, 2, 0x1000, 0x38);
    addStructure(Type.NOTIFY, 2, 0x3000, 0x100, 4);
    addBar(name, 2, MEMORY, 0x4000);
    addStructure(Type.PCI_CFG, 0, 0, 0, 0, 16);
    const device = newModern(BLOCK);
    device.transportWanted = TransportWanted.MODERN_PCI;
    expect(connect(device)).toBe(Result.E_BAR);
  });

  it("is what leads to a configuration, or there is none", () => {
    addStructure(Type.COMMON, 4, 0, 0x38);
    addStructure(Type.NOTIFY, 4, 0x3000, 0x100, 4);
    addBar(name, 2, MEMORY, 0x4000);
    addStructure(Type.DEVICE, 2, 0, 0x38);
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    expect(hasConfiguration(device, 0, 1)).toBe(false);
  });
});

/** Makes the function one that has the legacy registers, too. */
function makeTransitional(): void {
  pci_set(name, 0, 0x1001_1af4);
  pci_set(name, 0x08, 0x0100_0000);
  pci_set(name, 0x2c, 0x0002_1af4);
}

describe("a transitional device", () => {
  it("is a modern one where its registers can be reached", () => {
    addStructures();
    makeTransitional();
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    expect(device.transport).toBe(Transport.MODERN_PCI_MEMORY);
    expect(connect(device)).toBe(Result.OK);
  });

  it("is a legacy one rather than one behind configuration space, unless that is wanted", () => {
    addBar(name, 2, MEMORY, 0x4000);
    addStructure(Type.COMMON, 2, 0, 0x38);
    addStructure(Type.NOTIFY, 2, 0x3000, 0x100, 4);
    addStructure(Type.PCI_CFG, 0, 0, 0);
    makeTransitional();
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    expect(device.transport).toBe(Transport.LEGACY_PCI);
    const other = newModern(BLOCK);
    other.transportWanted = TransportWanted.MODERN_PCI;
    expect(connect(other)).toBe(Result.OK);
    expect(other.transport).toBe(Transport.MODERN_PCI_WINDOW);
  });

  it("is no legacy one where modern registers are wanted", () => {
    addStructure(Type.COMMON, 2, 0, 0x38);
    makeTransitional();
    const device = newModern(BLOCK);
    device.transportWanted = TransportWanted.MODERN_PCI;
    expect(connect(device)).toBe(Result.E_BAR);
    device.transportWanted = TransportWanted.PCI;
    expect(connect(device)).toBe(Result.OK);
    expect(device.transport).toBe(Transport.LEGACY_PCI);
  });
});

describe("release", () => {
  it("gives the mappings back, and connect asks for them again", () => {
    const device = connected();
    const windows = block_windows();
    release(device, true);
    expect(block_windows()).toBe(0);
    expect(connect(device)).toBe(Result.OK);
    expect(block_windows()).toBe(windows);
    expect(connect(device)).toBe(Result.OK);
    expect(block_windows()).toBe(windows);
  });

  it("lets the function answer in memory again, for which it needs no new mappings", () => {
    const device = connected();
    pci_set(name, 4, 0);
    expect(connect(device)).toBe(Result.OK);
    expect(command() & 7).toBe(2);
  });
});

describe("access to memory", () => {
  it("is given and taken by the command register", () => {
    const device = connected();
    allowMemoryAccess(device);
    expect(command() & 7).toBe(6);
    forbidMemoryAccess(device);
    expect(command() & 7).toBe(2);
  });
});

describe("disconnect", () => {
  it("puts nothing back where another device is", () => {
    const device = connected();
    pci_set(name, 0, 0x1041_1af4);
    release(device, true);
    disconnect(device);
    expect(command() & 7).toBe(2);
  });

  it("ends the mappings and puts back what was found", () => {
    const device = connected();
    release(device, true);
    disconnect(device);
    expect(block_windows()).toBe(0);
    expect(command()).toBe(0);
    expect(device.transport).toBe(Transport.NONE);
  });
});

describe("registers", () => {
  it("of the status", () => {
    const device = connected();
    addStatus(device, 1);
    addStatus(device, 2);
    expect(accesses(Trace.OUT)).toBe("14:1=1 14:1=3");
    expect(deviceStatus(device)).toBe(3);
    expect(resetDevice(device)).toBe(Result.OK);
    block_answer(0, COMMON + 0x14, 0xff);
    expect(resetDevice(device)).toBe(Result.E_GONE);
  });

  it("of the features, 64 of them", () => {
    const device = connected();
    block_answer(0, COMMON + 4, 0x0000_0101);
    block_answer(0, COMMON + 4, 0x8000_0001);
    expect(offeredFeatures(device)).toBe(0x101_8000_0001);
    expect(accesses(Trace.OUT)).toBe("0:4=1 0:4=0");
    trace_clear();
    acceptFeatures(device, 0x101_8000_0001);
    expect(accesses(Trace.OUT)).toBe("8:4=0 c:4=80000001 8:4=1 c:4=101");
  });

  it("of a queue, which is enabled last", () => {
    const device = connected();
    block_set(0, COMMON + 0x18, 2, 256);
    expect(queueSize(device, 1)).toBe(256);
    expect(queueIsLive(device)).toBe(false);
    trace_clear();
    setQueue(device, 1, 64, 0x1_2345_6000, 0x1_2345_6400, 0x1_2345_7000);
    expect(accesses(Trace.OUT)).toBe("18:2=40 20:4=23456000 24:4=1 28:4=23456400 2c:4=1 30:4=23457000 34:4=1 1c:2=1");
    expect(queueIsLive(device)).toBe(true);
  });

  it("of notifications, one write at a place of the device's choice", () => {
    const device = connected();
    block_set(0, QUEUE_NOTIFY_OFF, 2, 3);
    expect(findDoorbell(device)).toBe(true);
    trace_clear();
    notify(device, doorbellSpace, doorbell, 7);
    expect(accesses(Trace.OUT)).toBe("300c:2=7");
    expect(trace_count(Trace.IN)).toBe(0);
  });

  it("of notifications within their structure only, and aligned", () => {
    const device = connected();
    block_set(0, QUEUE_NOTIFY_OFF, 2, 0x3ff);
    expect(findDoorbell(device)).toBe(true);
    block_set(0, QUEUE_NOTIFY_OFF, 2, 0x400);
    expect(findDoorbell(device)).toBe(false);
    block_set(0, QUEUE_NOTIFY_OFF, 2, 0xffff);
    expect(findDoorbell(device)).toBe(false);
    plugModern(BLOCK);
    addStructure(Type.COMMON, 4, 0, 0x1000);
    addStructure(Type.NOTIFY, 4, 0x3000, 0x1000, 0xffff_ffff);
    expect(connect(device.transport == 0 ? device : newModern(BLOCK))).toBe(Result.OK);
    block_set(0, QUEUE_NOTIFY_OFF, 2, 0xffff);
    expect(findDoorbell(device)).toBe(false, "no sum wraps around");
    block_set(0, QUEUE_NOTIFY_OFF, 2, 0);
    expect(findDoorbell(device)).toBe(true);
  });

  it("of notifications at odd places: there are none", () => {
    addStructure(Type.COMMON, 4, 0, 0x1000);
    addStructure(Type.NOTIFY, 4, 0x3000, 0x1000, 1);
    const device = newModern(BLOCK);
    connect(device);
    block_set(0, QUEUE_NOTIFY_OFF, 2, 2);
    expect(findDoorbell(device)).toBe(true);
    block_set(0, QUEUE_NOTIFY_OFF, 2, 1);
    expect(findDoorbell(device)).toBe(false);
  });

  it("of interrupts", () => {
    const device = connected();
    block_set(0, ISR, 1, 0xfd);
    expect(readInterruptStatus(device)).toBe(1);
    expect(accesses(Trace.IN)).toBe("1000:1=fd");
    block_set(0, ISR, 1, 0xff);
    expect(readInterruptStatus(device)).toBe(Result.E_GONE);
  });

  it("of interrupts behind ports, one read where another device on the line interrupts", () => {
    addStructure(Type.COMMON, 0, 0, 0x40);
    addStructure(Type.NOTIFY, 0, 0x40, 16, 2);
    addStructure(Type.ISR, 0, 0x50, 1);
    const device = newModern(BLOCK);
    expect(connect(device)).toBe(Result.OK);
    trace_clear();
    expect(readInterruptStatus(device)).toBe(0);
    expect(trace_count(Trace.IN)).toBe(1);
  });

  it("of memory read 0 on some hosts where no function answers: the device is gone", () => {
    const device = connected();
    expect(readInterruptStatus(device)).toBe(0, "another device on the line interrupts");
    expect(deviceIsGone(device)).toBe(false, "it was reset");
    trace_clear();
    addStatus(device, 15);
    expect(readInterruptStatus(device)).toBe(0);
    expect(trace_count(Trace.IN)).toBe(3, "a live device is not looked for");
    const found = pci_get(name, 4);
    pci_set(name, 4, found & ~2);
    expect(deviceIsGone(device)).toBe(false, "it answers");
    block_set(0, COMMON + 0x14, 1, 0);
    expect(readInterruptStatus(device)).toBe(Result.E_GONE, "it does not decode memory");
    expect(deviceIsGone(device)).toBe(true);
    pci_set(name, 4, found);
    expect(deviceIsGone(device)).toBe(false);
    pci_set(name, 0, 0xffff_ffff);
    expect(readInterruptStatus(device)).toBe(Result.E_GONE, "there is no function");
  });

  it("of the configuration, with the width that is asked for", () => {
    const device = connected();
    block_set(0, CONFIGURATION + 4, 4, 0xf7f6_f5f4);
    expect(configuration8(device, 5)).toBe(0xf5);
    expect(configuration16(device, 6)).toBe(0xf7f6);
    expect(configuration32(device, 4)).toBe(0xf7f6_f5f4);
    expect(accesses(Trace.IN)).toBe("2005:1=f5 2006:2=f7f6 2004:4=f7f6f5f4");
    block_set(0, COMMON + 0x15, 1, 9);
    expect(configurationGeneration(device)).toBe(9);
    expect(hasConfiguration(device, 0xffc, 4)).toBe(true);
    expect(hasConfiguration(device, 0xffd, 4)).toBe(false);
  });
});

describe("a read that answers with more than the register has", () => {
  it("is cut to it, in memory", () => {
    const device = connected();
    block_answer(0, CONFIGURATION + 5, 0xffff_fff5);
    expect(configuration8(device, 5)).toBe(0xf5);
    block_answer(0, CONFIGURATION + 6, 0xffff_f7f6);
    expect(configuration16(device, 6)).toBe(0xf7f6);
  });

  it("is cut to it, behind ports", () => {
    addStructure(Type.COMMON, 0, 0, 0x40);
    addStructure(Type.NOTIFY, 0, 0x40, 16, 2);
    addStructure(Type.DEVICE, 0, 0x80, 0x10);
    const device = newModern(BLOCK);
    connect(device);
    block_answer(1, PORTS + 0x85, 0xffff_fff5);
    expect(configuration8(device, 5)).toBe(0xf5);
    block_answer(1, PORTS + 0x86, 0xffff_f7f6);
    expect(configuration16(device, 6)).toBe(0xf7f6);
  });
});

describe("message vectors", () => {
  it("are used where the kernel has programmed some", () => {
    const device = withVectors(3, 8);
    expect(device.vectors).toBe(3);
    expect(msixSwitches()).toBe(2, "MSI-X is on, and not masked");
    release(device, true);
    disconnect(device);
    expect(msixSwitches()).toBe(0);
  });

  it("are no more than the table has, nor than can be told apart", () => {
    expect(withVectors(9, 2).vectors).toBe(2);
    plugModern(BLOCK);
    expect(withVectors(100, 128).vectors).toBe(64);
  });

  it("tell queues apart when there are enough", () => {
    const device = withVectors(3, 8);
    setConfigurationVector(device);
    setQueue(device, 0, 64, 0, 0, 0);
    expect(block_get(0, COMMON + 0x1a, 2)).toBe(1);
    setQueue(device, 1, 64, 0, 0, 0);
    expect(block_get(0, COMMON + 0x1a, 2)).toBe(2);
    expect(block_get(0, COMMON + 0x10, 2)).toBe(0);
    expect(meaningOfVector(device, 0)).toBe(2);
    expect(meaningOfVector(device, 1)).toBe(1);
    expect(meaningOfVector(device, 2)).toBe(1);
    expect(meaningOfVector(device, 3)).toBe(0);
    expect(meaningOfVector(device, 0xffff_ffff)).toBe(0);
  });

  it("are shared when there are fewer", () => {
    const device = withVectors(2, 8);
    setQueue(device, 0, 64, 0, 0, 0);
    setQueue(device, 1, 64, 0, 0, 0);
    expect(block_get(0, COMMON + 0x1a, 2)).toBe(1);
    expect(meaningOfVector(device, 0)).toBe(2);
    expect(meaningOfVector(device, 1)).toBe(1);
  });

  it("are shared with the configuration when there is one", () => {
    const device = withVectors(1, 8);
    setQueue(device, 0, 64, 0, 0, 0);
    expect(meaningOfVector(device, 0)).toBe(1);
    block_set(0, COMMON + 0x15, 1, 1);
    expect(meaningOfVector(device, 0)).toBe(3, "the generation is another one");
    expect(meaningOfVector(device, 0)).toBe(1);
    block_set(0, COMMON + 0x14, 1, 0x4f);
    expect(meaningOfVector(device, 0)).toBe(3, "the device needs a reset");
  });

  it("are shared when the device does not take more", () => {
    const device = withVectors(3, 8);
    block_answer(0, COMMON + 0x1a, 0xffff);
    setQueue(device, 1, 64, 0, 0, 0);
    expect(block_get(0, COMMON + 0x1a, 2)).toBe(1);
    block_answer(0, COMMON + 0x1a, 0xffff);
    block_answer(0, COMMON + 0x1a, 0xffff);
    setQueue(device, 1, 64, 0, 0, 0);
    expect(block_get(0, COMMON + 0x1a, 2)).toBe(0);
  });

  it("are not used when the device takes none", () => {
    const device = withVectors(3, 8);
    for (let attempt = 0; attempt < 3; attempt++) block_answer(0, COMMON + 0x1a, 0xffff);
    setQueue(device, 1, 64, 0, 0, 0);
    expect(device.vectors).toBe(0);
    expect(meaningOfVector(device, 0)).toBe(0);
    expect(msixSwitches()).toBe(0, "MSI-X is off");
    expect(connect(device)).toBe(Result.OK);
    expect(device.vectors).toBe(3, "the next reset tries again");
    block_answer(0, COMMON + 0x10, 0xffff);
    setConfigurationVector(device);
    expect(device.vectors).toBe(0);
  });

  it("leave the ISR alone", () => {
    const device = withVectors(3, 8);
    block_set(0, ISR, 1, 3);
    expect(readInterruptStatus(device)).toBe(0);
    block_set(0, COMMON + 0x14, 1, 0x4f);
    expect(readInterruptStatus(device)).toBe(2, "it needs a reset");
    block_set(0, COMMON + 0x14, 1, 0xff);
    expect(readInterruptStatus(device)).toBe(Result.E_GONE);
  });
});
