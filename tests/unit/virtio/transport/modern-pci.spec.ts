/** The modern PCI transport: which structures are used, and what is done with their registers. */
import { Result, Transport, TransportWanted } from "../../../../assembly/abi/results";
import { Device, deviceOf, registerDevice } from "../../../../assembly/virtio/device";
import {
  acceptFeatures,
  addStatus,
  configuration16,
  configuration32,
  configuration8,
  configurationGeneration,
  connect,
  deviceStatus,
  disconnect,
  doorbell,
  doorbellSpace,
  findDoorbell,
  hasConfiguration,
  meaningOfVector,
  notify,
  offeredFeatures,
  queueIsLive,
  queueSize,
  readInterruptStatus,
  resetDevice,
  setConfigurationVector,
  setQueue,
} from "../../../../assembly/virtio/transport/transport";
import { addBar, barOf, IO, MEMORY_64_BIT, pci_get, pci_set } from "../../pci/machine";
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
  plugModern,
  PORTS,
  Type,
} from "../../scripted/modern";
import { ADDRESS, opens } from "../../scripted/plug";
import {
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

function command(): u32 {
  return pci_get(name, 4) & 0xffff;
}

/** Where MSI-X lies. */
let msix: u32 = 0;

/** The enable bit and the function mask of MSI-X. */
function msixSwitches(): u32 {
  return pci_get(name, msix) >> 30;
}

describe("connect", () => {
  it("finds the structures in memory, and maps each", () => {
    const device = connected();
    expect(device.transport).toBe(Transport.MODERN_PCI_MEMORY);
    expect(block_windows()).toBe(4);
    expect(command() & 7).toBe(2, "memory, and neither ports nor access to memory");
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

describe("disconnect", () => {
  it("ends the mappings and puts back what was found", () => {
    const device = connected();
    disconnect(device, true);
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

describe("message vectors", () => {
  it("are used where the kernel has programmed some", () => {
    const device = withVectors(3, 8);
    expect(device.vectors).toBe(3);
    expect(msixSwitches()).toBe(2, "MSI-X is on, and not masked");
    disconnect(device, true);
    expect(msixSwitches()).toBe(0);
  });

  it("are no more than the table has", () => {
    expect(withVectors(9, 2).vectors).toBe(2);
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
