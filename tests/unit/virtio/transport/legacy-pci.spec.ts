/** The legacy PCI transport, register by register. */
import { Message, Result, Transport } from "../../../../assembly/abi/results";
import { Device, deviceOf, DeviceState, registerDevice } from "../../../../assembly/virtio/device";
import {
  acceptFeatures,
  addStatus,
  allowMemoryAccess,
  configuration16,
  configuration32,
  configuration8,
  connect,
  deviceStatus,
  doorbell,
  doorbellSpace,
  findDoorbell,
  forbidMemoryAccess,
  hasConfiguration,
  notify,
  offeredFeatures,
  queueAddressFits,
  queueIsLive,
  queueSize,
  readInterruptStatus,
  release,
  resetDevice,
  setQueue,
} from "../../../../assembly/virtio/transport/transport";
import {
  addBar,
  addCapability,
  IO,
  MEMORY,
  pci_clear,
  pci_get,
  pci_set,
  pci_writable,
  pci_writes,
  setHeader,
} from "../../pci/machine";
import {
  ADDRESS,
  addQueues,
  bareDevice,
  command,
  commandWritten,
  GUEST_FEATURES,
  ISR,
  logged,
  newMachine,
  opens,
  pciName,
  plugIn,
  PORTS,
  PORTS_BYTES,
  QUEUE_NOTIFY,
  QUEUE_PFN,
  QUEUE_SEL,
  STATUS,
  writesTo,
} from "../../scripted/plug";
import {
  clock_set,
  device_accepted,
  device_answer,
  device_configuration,
  device_gone,
  device_interrupt,
  device_queue,
  device_queue_page,
  device_reset_polls,
  device_set_queue_page,
  device_status,
  Trace,
  trace_clear,
  trace_count,
  trace_find,
} from "../../scripted/script";

const NEVER: u32 = 0x7fff_ffff;
const IO_SPACE: u32 = 1;
const MEMORY_SPACE: u32 = 2;
const BUS_MASTER: u32 = 4;
const INTERRUPT_DISABLE: u32 = 0x400;

let name: u32 = 0;

beforeEach(() => {
  newMachine();
  name = plugIn(2, 0x1234_5678);
});

/** What `connect` says of a device that is not open yet, and whose BAR 0 is another one. */
function connectWithBar(flags: u32, size: u64, base: u64): i32 {
  newMachine();
  plugIn(2, 0);
  addBar(pciName, 0, flags, size, base);
  return connect(newDevice());
}

/** The same with ports, and with whatever else is open. */
function openWithBar(size: u64, base: u64): i32 {
  pci_clear();
  plugIn(2, 0);
  addBar(pciName, 0, IO, size, base);
  return connect(newDevice());
}

/** A device whose registers are still to be found. */
function newDevice(): Device {
  const device = bareDevice(2);
  device.transport = Transport.NONE;
  return device;
}

describe("connect", () => {
  it("finds the registers, and how much configuration there is behind them", () => {
    const device = newDevice();
    device.registers = 0;
    device.registerBytes = 0;
    expect(connect(device)).toBe(Result.OK);
    expect(device.transport).toBe(Transport.LEGACY_PCI);
    expect(device.registers).toBe(PORTS);
    expect(device.registerBytes).toBe(PORTS_BYTES);
    expect(trace_count(Trace.OUT)).toBe(0, "no register was touched");
  });

  it("sees that an open device is where it was, and writes no register to find out", () => {
    pci_set(pciName, 4, IO_SPACE);
    pci_writes();
    expect(connect(bareDevice(2))).toBe(Result.OK);
    expect(pci_writes()).toBe(1, "the command register");
    pci_set(pciName, 0x10, (PORTS + 0x100) | 1);
    expect(connect(bareDevice(2))).toBe(Result.E_BAR);
    pci_set(pciName, 0, 0xffff_ffff);
    expect(connect(bareDevice(2))).toBe(Result.E_GONE);
    expect(pci_writes()).toBe(0);
  });

  it("refuses ports that are another open device's, or the configuration ports", () => {
    const other = changetype<Device>(deviceOf(opens(registerDevice(ADDRESS + 8, 1, offsetof<Device>()))));
    other.transport = Transport.LEGACY_PCI;
    other.registers = 0xc000;
    other.registerBytes = 32;
    const free: u32[] = [0xbfe0, 0xc020];
    const taken: u32[] = [0xc000, 0xcc0, 0xce0];
    for (let at = 0; at < free.length; at++) expect(openWithBar(32, free[at])).toBe(Result.OK);
    for (let at = 0; at < taken.length; at++)
      expect(openWithBar(32, taken[at])).toBe(at == 1 ? Result.OK : Result.E_BAR);
    expect(openWithBar(64, 0xcc0)).toBe(Result.E_BAR, "0xcf8 is within");
    expect(openWithBar(64, 0xbfc0)).toBe(Result.OK, "ends before the other's");
    expect(openWithBar(0x4000, 0xc000)).toBe(Result.E_BAR, "the other's are within");
    other.state = DeviceState.CLOSING;
    expect(openWithBar(32, 0xc000)).toBe(Result.OK, "a closed device has no ports");
  });

  it("lets the device answer and interrupt, but not reach memory", () => {
    pci_set(pciName, 4, INTERRUPT_DISABLE);
    expect(connect(bareDevice(2))).toBe(Result.OK);
    expect(command()).toBe(IO_SPACE);
    expect(commandWritten(BUS_MASTER, true)).toBe(-1);
  });

  it("leaves the rest of the command register alone", () => {
    pci_set(pciName, 4, MEMORY_SPACE | 0x140);
    connect(bareDevice(2));
    expect(command()).toBe(MEMORY_SPACE | 0x140 | IO_SPACE);
  });

  it("switches MSI-X off, which would move the configuration", () => {
    pci_set(pciName, 0x34, 0x40);
    addCapability(pciName, 0x40, 0x11, 0, 0xc003);
    pci_writable(pciName, 0x40, 0xc000_0000);
    expect(connect(bareDevice(2))).toBe(Result.OK);
    expect(pci_get(pciName, 0x40) >> 16).toBe(0x4003);
  });

  it("says what is not there, or is something else", () => {
    const device = newDevice();
    device.pciAddress = ADDRESS + 8;
    expect(connect(device)).toBe(Result.E_NOT_FOUND);
    device.pciAddress = 0x1_0018;
    expect(connect(device)).toBe(Result.E_NOT_FOUND, "no PCI address");
    expect(connect(bareDevice(1))).toBe(Result.E_NOT_VIRTIO, "a disk is no network card");
    pci_set(pciName, 0, 0x1042_1af4);
    expect(connect(bareDevice(2))).toBe(Result.E_NOT_VIRTIO, "a modern device");
    pci_set(pciName, 0, 0x1001_8086);
    expect(connect(bareDevice(2))).toBe(Result.E_NOT_VIRTIO, "another vendor");
  });

  it("takes no function with another header for one whose ports were found before", () => {
    expect(connect(newDevice())).toBe(Result.OK);
    setHeader(pciName, 2);
    expect(connect(newDevice())).toBe(Result.E_ARGUMENT);
  });

  it("needs ports behind BAR 0, at an address, and enough of them", () => {
    expect(connectWithBar(IO, 32, 0xc000)).toBe(Result.OK);
    expect(connectWithBar(IO, 32, 0)).toBe(Result.E_BAR, "no address assigned");
    expect(connectWithBar(IO, 16, 0xc000)).toBe(Result.E_BAR, "too small");
    expect(connectWithBar(IO, 32, 0xffe0)).toBe(Result.OK, "the last ports there are");
    expect(connectWithBar(IO, 32, 0x1_0000)).toBe(Result.E_BAR, "beyond the ports there are");
    expect(connectWithBar(MEMORY, 4096, 0xf000_0000)).toBe(Result.E_NOT_VIRTIO, "memory");
  });

  it("refuses a BAR that answers nonsense", () => {
    pci_writable(pciName, 0x10, 0xffff_f0f0);
    expect(connect(newDevice())).toBe(Result.E_BAR);
  });
});

describe("release", () => {
  it("puts back what was found, but for access to memory", () => {
    const found: u32[] = [0, IO_SPACE, INTERRUPT_DISABLE, IO_SPACE | INTERRUPT_DISABLE | BUS_MASTER, MEMORY_SPACE];
    for (let at = 0; at < found.length; at++) {
      pci_set(pciName, 4, found[at]);
      const device = newDevice();
      connect(device);
      allowMemoryAccess(device);
      expect(command() & (IO_SPACE | INTERRUPT_DISABLE | BUS_MASTER)).toBe(IO_SPACE | BUS_MASTER);
      release(device, true);
      expect(command()).toBe(found[at] & ~BUS_MASTER);
    }
  });

  it("switches MSI-X on again where it was on", () => {
    pci_set(pciName, 0x34, 0x40);
    addCapability(pciName, 0x40, 0x11, 0, 0xc003);
    pci_writable(pciName, 0x40, 0xc000_0000);
    const device = newDevice();
    connect(device);
    release(device, true);
    expect(pci_get(pciName, 0x40) >> 16).toBe(0xc003);
  });

  it("leaves MSI-X off where the device did not reset", () => {
    pci_set(pciName, 0x34, 0x40);
    addCapability(pciName, 0x40, 0x11, 0, 0xc003);
    pci_writable(pciName, 0x40, 0xc000_0000);
    const device = newDevice();
    connect(device);
    release(device, false);
    expect(pci_get(pciName, 0x40) >> 16).toBe(0x0003);
  });

  it("keeps a device quiet that did not reset", () => {
    const device = newDevice();
    connect(device);
    release(device, false);
    expect(command()).toBe(INTERRUPT_DISABLE);
  });

  it("takes access to memory from whatever answers in the device's place, and nothing else", () => {
    const identities: u32[] = [0x1001_8086, 0xffff_ffff, 0];
    for (let at = 0; at < identities.length; at++) {
      const device = newDevice();
      pci_set(pciName, 0, 0x1001_1af4);
      pci_set(pciName, 4, INTERRUPT_DISABLE);
      connect(device);
      allowMemoryAccess(device);
      pci_set(pciName, 0, identities[at]);
      release(device, true);
      expect(command()).toBe(IO_SPACE);
    }
  });

  it("does not put back what was found where the device has no legacy registers any more", () => {
    const device = newDevice();
    connect(device);
    addBar(pciName, 0, MEMORY, 128, 0xfe00_0000);
    release(device, true);
    expect(command() & IO_SPACE).toBe(IO_SPACE);
  });
});

describe("access to memory", () => {
  it("is the bus master bit and nothing else", () => {
    pci_set(pciName, 4, IO_SPACE);
    allowMemoryAccess(bareDevice(2));
    expect(command()).toBe(IO_SPACE | BUS_MASTER);
    forbidMemoryAccess(bareDevice(2));
    expect(command()).toBe(IO_SPACE);
  });
});

describe("resetDevice", () => {
  it("writes 0 and sees it at once as a rule", () => {
    expect(resetDevice(bareDevice(2))).toBe(Result.OK);
    expect(writesTo(STATUS).length).toBe(1);
    expect(writesTo(STATUS)[0]).toBe(0);
    expect(trace_count(Trace.RELAX)).toBe(0);
  });

  it("waits for a slow device, and lets it work", () => {
    device_reset_polls(name, 500);
    clock_set(0, 1_000_000);
    expect(resetDevice(bareDevice(2))).toBe(Result.OK);
    expect(trace_count(Trace.RELAX)).toBe(500);
    expect(writesTo(STATUS).length).toBe(1, "the reset is not repeated");
  });

  it("waits for a second, and no longer", () => {
    device_reset_polls(name, NEVER);
    clock_set(5_000_000_000, 10_000_000);
    expect(resetDevice(bareDevice(2))).toBe(Result.E_RESET_TIMEOUT);
    expect(trace_count(Trace.RELAX)).toBe(100);
    expect(logged(Message.DEVICE_STUCK, ADDRESS, 0x0f)).toBe(true);
  });

  it("gives up although the clock stands still", () => {
    device_reset_polls(name, NEVER);
    clock_set(1, 0);
    expect(resetDevice(bareDevice(2))).toBe(Result.E_RESET_TIMEOUT);
    expect(trace_count(Trace.RELAX)).toBe(1_000_000);
  });

  it("is not deceived by a clock that starts close to its end", () => {
    device_reset_polls(name, 3);
    clock_set(0xffff_ffff_ffff_ff00, 0x80);
    expect(resetDevice(bareDevice(2))).toBe(Result.OK);
  });

  it("notices at the first look that the device is gone", () => {
    device_gone(name, 1);
    expect(resetDevice(bareDevice(2))).toBe(Result.E_GONE);
    expect(trace_count(Trace.IN)).toBe(1);
    expect(trace_count(Trace.RELAX)).toBe(0);
    expect(logged(Message.DEVICE_STUCK, ADDRESS, 0xff)).toBe(false);
  });
});

describe("registers", () => {
  it("of the status, whose bits are only added", () => {
    const device = bareDevice(2);
    addStatus(device, 1);
    addStatus(device, 2);
    addStatus(device, 128);
    expect(writesTo(STATUS).join()).toBe("1,3,131");
    expect(deviceStatus(device)).toBe(131);
    expect(device_status(name)).toBe(131);
  });

  it("of the features, 32 of them", () => {
    const device = bareDevice(2);
    expect(offeredFeatures(device)).toBe(0x1234_5678);
    acceptFeatures(device, 0xffff_ffff_8000_0001);
    expect(writesTo(GUEST_FEATURES)[0]).toBe(0x8000_0001);
    expect(device_accepted(name)).toBe(0x8000_0001);
  });

  it("of the features, of which the highest is no sign", () => {
    device_answer(name, 0, 0x8000_0000);
    expect(offeredFeatures(bareDevice(2))).toBe(0x8000_0000);
  });

  it("of a queue, after it was selected", () => {
    const device = bareDevice(2);
    addQueues(name, 1, 64);
    device_queue(name, 2, 0xffff);
    expect(queueSize(device, 0)).toBe(64);
    expect(queueSize(device, 1)).toBe(0);
    expect(queueSize(device, 2)).toBe(0xffff);
    expect(writesTo(QUEUE_SEL).join()).toBe("0,1,2");
    expect(queueIsLive(device)).toBe(false);
    setQueue(device, 2, 0xffff, 0x0fff_ffff_f000, 0, 0);
    expect(writesTo(QUEUE_PFN)[0]).toBe(0xffff_ffff);
    expect(device_queue_page(name, 2)).toBe(0xffff_ffff);
    expect(queueIsLive(device)).toBe(true);
    device_set_queue_page(name, 2, 0x8000_0000);
    expect(queueIsLive(device)).toBe(true);
  });

  it("of notifications", () => {
    const device = bareDevice(2);
    expect(findDoorbell(device)).toBe(true);
    notify(device, doorbellSpace, doorbell, 5);
    expect(writesTo(QUEUE_NOTIFY).join()).toBe("5");
    expect(trace_count(Trace.OUT)).toBe(1);
  });

  it("of interrupts, two bits that are forgotten when they are read", () => {
    const device = bareDevice(2);
    device_interrupt(name, 0xfd);
    expect(readInterruptStatus(device)).toBe(1);
    expect(readInterruptStatus(device)).toBe(0);
    device_interrupt(name, 3);
    expect(readInterruptStatus(device)).toBe(3);
    expect(trace_find(Trace.IN, ISR, 0)).toBe(0);
    expect(trace_count(Trace.IN)).toBe(3);
    device_gone(name, 1);
    expect(readInterruptStatus(device)).toBe(Result.E_GONE);
  });

  it("of the configuration, from 20 on", () => {
    const device = bareDevice(2);
    for (let offset: u32 = 0; offset < 8; offset++) device_configuration(name, offset, 0xf0 + offset);
    expect(configuration8(device, 3)).toBe(0xf3);
    expect(configuration16(device, 2)).toBe(0xf3f2);
    expect(configuration32(device, 4)).toBe(0xf7f6_f5f4);
    trace_clear();
    configuration8(device, 0);
    expect(trace_find(Trace.IN, PORTS + 20, 0)).toBe(0);
  });
});

describe("limits", () => {
  it("of a queue's address: 32 bits of page numbers", () => {
    const device = bareDevice(2);
    expect(queueAddressFits(device, 0)).toBe(true);
    expect(queueAddressFits(device, 0x0fff_ffff_ffff)).toBe(true);
    expect(queueAddressFits(device, 0x1000_0000_0000)).toBe(false);
    expect(queueAddressFits(device, u64.MAX_VALUE)).toBe(false);
  });

  it("of the configuration: what the BAR covers", () => {
    const device = bareDevice(2);
    device.registerBytes = 32;
    expect(hasConfiguration(device, 0, 12)).toBe(true);
    expect(hasConfiguration(device, 8, 4)).toBe(true);
    expect(hasConfiguration(device, 8, 5)).toBe(false);
    expect(hasConfiguration(device, 12, 1)).toBe(false);
    expect(hasConfiguration(device, 12, 0)).toBe(true);
  });
});
