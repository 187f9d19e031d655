/** The memory-mapped transport, register by register. */
import { MmioIdentity } from "../../../../assembly/abi/records";
import { Result, Transport, TransportWanted } from "../../../../assembly/abi/results";
import { Device, deviceOf, registerDevice } from "../../../../assembly/virtio/device";
import { mmio_identify } from "../../../../assembly/virtio/transport/mmio";
import {
  acceptFeatures,
  addStatus,
  allowMemoryAccess,
  configuration16,
  configuration32,
  configuration8,
  configurationGeneration,
  connect,
  disconnect,
  doorbell,
  doorbellSpace,
  findDoorbell,
  hasConfiguration,
  isModern,
  notify,
  offeredFeatures,
  queueAddressFits,
  queueCanBeSmaller,
  queueIsLive,
  queueSize,
  readInterruptStatus,
  release,
  resetDevice,
  setQueue,
} from "../../../../assembly/virtio/transport/transport";
import { bareDevice, newMachine, opens } from "../../scripted/plug";
import {
  block_add,
  block_answer,
  block_set,
  block_windows,
  Trace,
  trace_clear,
  trace_count,
  trace_next,
  trace_number,
} from "../../scripted/script";

const BLOCK: u32 = 2;
const BASE: u64 = 0x1_feb0_0200;
const BYTES: u32 = 512;
const MAGIC: u32 = 0x7472_6976;

const record: u32 = <u32>memory.data(12, 4);

/** Puts a device into the slot. */
function plugIn(version: u32, type: u32): void {
  newMachine();
  block_add(0, BASE, BYTES);
  block_set(0, BASE, 4, MAGIC);
  block_set(0, BASE + 4, 4, version);
  block_set(0, BASE + 8, 4, type);
  block_set(0, BASE + 12, 4, 0x554d_4551);
}

/** A device that is still to be connected. */
function newDevice(): Device {
  const device = bareDevice(BLOCK);
  device.transport = Transport.NONE;
  device.registers = 0;
  device.transportWanted = TransportWanted.MMIO;
  device.mmioBase = BASE;
  device.mmioBytes = BYTES;
  return device;
}

function connected(version: u32): Device {
  plugIn(version, BLOCK);
  const device = newDevice();
  expect(connect(device)).toBe(Result.OK);
  trace_clear();
  return device;
}

/** Offset and value of the accesses since the trace was cleared, as text. All have 32 bits. */
function accesses(kind: u32): string {
  const found: string[] = [];
  for (let place = trace_next(kind, 0); place >= 0; place = trace_next(kind, place + 1)) {
    expect(trace_number(place, 2)).toBe(4);
    const offset = trace_number(place, 0) - <u32>BASE;
    found.push(`${offset.toString(16)}=${trace_number(place, 1).toString(16)}`);
  }
  return found.join(" ");
}

describe("connect", () => {
  it("looks at magic, version and type, in this order", () => {
    plugIn(2, BLOCK);
    trace_clear();
    const device = newDevice();
    expect(connect(device)).toBe(Result.OK);
    expect(accesses(Trace.IN)).toBe("0=74726976 4=2 8=2");
    expect(trace_count(Trace.OUT)).toBe(0);
    expect(device.transport).toBe(Transport.MMIO_2);
    expect(isModern(device)).toBe(true);
    expect(connected(1).transport).toBe(Transport.MMIO_1);
  });

  it("says what is not there, or is something else", () => {
    plugIn(2, 0);
    expect(connect(newDevice())).toBe(Result.E_NOT_FOUND, "an empty slot");
    plugIn(2, 1);
    expect(connect(newDevice())).toBe(Result.E_NOT_VIRTIO, "a network card is no disk");
    for (let version: u32 = 0; version < 5; version += 3) {
      plugIn(version, BLOCK);
      expect(connect(newDevice())).toBe(Result.E_NOT_VIRTIO);
    }
    plugIn(2, BLOCK);
    block_set(0, BASE, 4, 0xffff_ffff);
    expect(connect(newDevice())).toBe(Result.E_NOT_FOUND, "nothing answers");
    block_set(0, BASE, 4, MAGIC + 1);
    expect(connect(newDevice())).toBe(Result.E_NOT_VIRTIO);
    expect(block_windows()).toBe(0, "whatever was mapped is given back");
  });

  it("refuses places that cannot be", () => {
    plugIn(2, BLOCK);
    const device = newDevice();
    device.mmioBytes = 0xff;
    expect(connect(device)).toBe(Result.E_ARGUMENT);
    device.mmioBytes = BYTES;
    device.mmioBase = BASE + 2;
    expect(connect(device)).toBe(Result.E_ARGUMENT);
    device.mmioBase = 0xffff_ffff_ffff_fffc;
    expect(connect(device)).toBe(Result.E_ARGUMENT);
    device.mmioBase = BASE + 0x1000;
    expect(connect(device)).toBe(Result.E_BAR, "not granted");
    expect(trace_count(Trace.IN)).toBe(0);
  });

  it("refuses the registers of another open device", () => {
    plugIn(2, BLOCK);
    const other = changetype<Device>(deviceOf(opens(registerDevice(7, 1, offsetof<Device>()))));
    other.transport = Transport.MMIO_2;
    other.mmioBase = BASE + BYTES - 1;
    other.mmioBytes = BYTES;
    expect(connect(newDevice())).toBe(Result.E_BAR);
    other.mmioBase = BASE + BYTES;
    expect(connect(newDevice())).toBe(Result.OK);
  });

  it("sees that an open device is there", () => {
    const device = connected(2);
    expect(connect(device)).toBe(Result.OK);
    block_set(0, BASE + 4, 4, 1);
    expect(connect(device)).toBe(Result.E_NOT_VIRTIO);
    block_set(0, BASE + 8, 4, 0);
    expect(connect(device)).toBe(Result.E_GONE);
    block_set(0, BASE, 4, 0xffff_ffff);
    expect(connect(device)).toBe(Result.E_GONE);
    expect(block_windows()).toBe(1, "until it is disconnected");
    release(device, false);
    disconnect(device);
    expect(block_windows()).toBe(0);
    expect(device.transport).toBe(Transport.NONE);
  });

  it("is granted again after it was given back", () => {
    const device = connected(2);
    release(device, true);
    expect(block_windows()).toBe(0);
    block_set(0, BASE + 8, 4, 0);
    expect(connect(device)).toBe(Result.E_GONE);
    expect(block_windows()).toBe(0, "nothing is kept of what is gone");
    block_set(0, BASE + 8, 4, 2);
    expect(connect(device)).toBe(Result.OK);
    expect(block_windows()).toBe(1);
    expect(connect(device)).toBe(Result.OK);
    expect(block_windows()).toBe(1);
  });

  it("needs nothing of PCI", () => {
    const device = connected(2);
    allowMemoryAccess(device);
    release(device, true);
    disconnect(device);
    expect(trace_count(Trace.CONFIGURATION_WRITE)).toBe(0);
  });
});

describe("registers of version 2", () => {
  it("of the status", () => {
    const device = connected(2);
    addStatus(device, 1);
    addStatus(device, 2);
    expect(accesses(Trace.OUT)).toBe("70=1 70=3");
    expect(resetDevice(device)).toBe(Result.OK);
    block_answer(0, BASE + 0x70, 0xffff_ffff);
    expect(resetDevice(device)).toBe(Result.E_GONE);
  });

  it("of the features, 64 of them", () => {
    const device = connected(2);
    block_answer(0, BASE + 0x10, 0x101);
    block_answer(0, BASE + 0x10, 0x8000_0001);
    expect(offeredFeatures(device)).toBe(0x101_8000_0001);
    acceptFeatures(device, 0x101_8000_0001);
    expect(accesses(Trace.OUT)).toBe("14=1 14=0 24=0 20=80000001 24=1 20=101");
  });

  it("of a queue, which is ready last", () => {
    const device = connected(2);
    block_set(0, BASE + 0x34, 4, 1024);
    expect(queueSize(device, 1)).toBe(1024);
    block_answer(0, BASE + 0x34, 0x1_0000);
    expect(queueSize(device, 1)).toBe(0, "no queue is that large");
    trace_clear();
    expect(queueSize(device, 1)).toBe(1024);
    expect(queueIsLive(device)).toBe(false);
    expect(queueCanBeSmaller(device)).toBe(true);
    expect(queueAddressFits(device, u64.MAX_VALUE)).toBe(true);
    setQueue(device, 1, 64, 0x1_2345_6000, 0x1_2345_6400, 0x1_2345_7000);
    expect(accesses(Trace.OUT)).toBe("30=1 38=40 80=23456000 84=1 90=23456400 94=1 a0=23457000 a4=1 44=1");
    expect(queueIsLive(device)).toBe(true);
  });

  it("of notifications: one write", () => {
    const device = connected(2);
    expect(findDoorbell(device)).toBe(true);
    notify(device, doorbellSpace, doorbell, 5);
    expect(accesses(Trace.OUT)).toBe("50=5");
    expect(trace_count(Trace.IN)).toBe(0);
  });

  it("of interrupts, which are acknowledged as they were read", () => {
    const device = connected(2);
    block_set(0, BASE + 0x60, 4, 0x81);
    expect(readInterruptStatus(device)).toBe(1);
    expect(accesses(Trace.OUT)).toBe("64=81");
    trace_clear();
    block_set(0, BASE + 0x60, 4, 0);
    expect(readInterruptStatus(device)).toBe(0);
    block_set(0, BASE + 0x60, 4, 0xffff_ffff);
    expect(readInterruptStatus(device)).toBe(Result.E_GONE);
    expect(trace_count(Trace.OUT)).toBe(0);
  });

  it("of the configuration, with the width that is asked for", () => {
    const device = connected(2);
    block_set(0, BASE + 0x104, 4, 0xf7f6_f5f4);
    expect(configuration8(device, 5)).toBe(0xf5);
    expect(configuration16(device, 6)).toBe(0xf7f6);
    expect(configuration32(device, 4)).toBe(0xf7f6_f5f4);
    block_answer(0, BASE + 0x105, 0xffff_fff5);
    expect(configuration8(device, 5)).toBe(0xf5, "a byte, whatever the kernel makes of it");
    block_answer(0, BASE + 0x106, 0xffff_f7f6);
    expect(configuration16(device, 6)).toBe(0xf7f6);
    block_set(0, BASE + 0xfc, 4, 9);
    expect(configurationGeneration(device)).toBe(9);
    expect(hasConfiguration(device, 0xfc, 4)).toBe(true);
    expect(hasConfiguration(device, 0xfd, 4)).toBe(false);
  });
});

describe("registers of version 1", () => {
  it("of the features, 32 of them, and the page size before any queue", () => {
    const device = connected(1);
    block_set(0, BASE + 0x10, 4, 0x8000_0001);
    expect(offeredFeatures(device)).toBe(0x8000_0001);
    acceptFeatures(device, 0x101_8000_0001);
    expect(accesses(Trace.OUT)).toBe("14=0 24=0 20=80000001 28=1000");
  });

  it("of a queue, by its page", () => {
    const device = connected(1);
    block_set(0, BASE + 0x34, 4, 1024);
    expect(queueSize(device, 1)).toBe(1024);
    expect(queueIsLive(device)).toBe(false);
    expect(queueAddressFits(device, 0x0fff_ffff_ffff)).toBe(true);
    expect(queueAddressFits(device, 0x1000_0000_0000)).toBe(false);
    setQueue(device, 1, 64, 0x0fff_ffff_f000, 0, 0);
    expect(accesses(Trace.OUT)).toBe("30=1 38=40 3c=1000 40=ffffffff");
    expect(queueIsLive(device)).toBe(true);
  });

  it("of the configuration, whose changes nothing counts", () => {
    const device = connected(1);
    expect(configurationGeneration(device)).toBe(0);
    expect(trace_count(Trace.IN)).toBe(0);
  });
});

describe("mmio_identify", () => {
  it("says what is in a slot, and changes nothing", () => {
    plugIn(1, 4);
    trace_clear();
    expect(mmio_identify(BASE, BYTES, record)).toBe(Result.OK);
    const identity = changetype<MmioIdentity>(record);
    expect(identity.type).toBe(4);
    expect(identity.version).toBe(1);
    expect(identity.vendor).toBe(0x554d_4551);
    expect(trace_count(Trace.OUT)).toBe(0);
    expect(block_windows()).toBe(0);
  });

  it("says that nothing is there, or something else", () => {
    plugIn(2, 0);
    trace_clear();
    expect(mmio_identify(BASE, BYTES, record)).toBe(Result.E_NOT_FOUND);
    expect(accesses(Trace.IN)).toBe("0=74726976 4=2 8=0");
    block_set(0, BASE, 4, 0);
    expect(mmio_identify(BASE, BYTES, record)).toBe(Result.E_NOT_VIRTIO);
    expect(mmio_identify(BASE + 0x1000, BYTES, record)).toBe(Result.E_BAR);
    expect(mmio_identify(BASE + 1, BYTES, record)).toBe(Result.E_ARGUMENT);
    expect(mmio_identify(BASE, 4, record)).toBe(Result.E_ARGUMENT);
    expect(mmio_identify(BASE, BYTES, 0)).toBe(Result.E_ARGUMENT);
    expect(block_windows()).toBe(0);
  });
});
