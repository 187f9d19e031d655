/** The calls that all devices have, with two of each kind on one interrupt line. */
import { Event, Interrupt, Result } from "../../../assembly/abi/results";
import { block_open, block_statistics } from "../../../assembly/drivers/block/calls";
import {
  close,
  disable_interrupts,
  enable_interrupts,
  events,
  interrupt,
  reset,
} from "../../../assembly/drivers/calls";
import { net_open, net_statistics } from "../../../assembly/drivers/net/calls";
import { deviceOf } from "../../../assembly/virtio/device";
import { pci_set } from "../pci/machine";
import { addQueues, newMachine, opens, pciName, plugIn } from "../scripted/plug";
import { Ring } from "../scripted/ring";
import {
  device_answer,
  device_configuration,
  device_gone,
  device_interrupt,
  device_reset_polls,
  device_status,
  device_status_bits,
  clock_set,
  Trace,
  trace_clear,
  trace_count,
  trace_find,
} from "../scripted/script";
import { BlockStatistics } from "../../../assembly/drivers/block/abi";
import { NetStatistics } from "../../../assembly/drivers/net/abi";

const NEVER: u32 = 0x7fff_ffff;
const ISR: u32 = 19;
const STATUS_FEATURE: u64 = 1 << 16;

const record: u32 = <u32>memory.data(128, 8);

/** Names in the scripted machine, handles and ports: two cards, then two disks. */
const names = new StaticArray<u32>(4);
const handles = new StaticArray<u32>(4);

function ports(index: u32): u32 {
  return 0xc000 + index * 0x100;
}

function openAll(): void {
  newMachine();
  for (let index: u32 = 0; index < 4; index++) {
    const address = 0x18 + index * 8;
    const name = plugIn(index < 2 ? 1 : 2, index < 2 ? STATUS_FEATURE : 0, address, ports(index));
    addQueues(name, 2, 8);
    device_configuration(name, index < 2 ? 6 : 0, 1);
    names[index] = name;
    handles[index] = opens(index < 2 ? net_open(address, 0) : block_open(address, 0));
    assert(<i32>handles[index] > 0);
  }
  trace_clear();
}

/** Flags of the available ring that a device's first queue has. */
function flags(index: u32): u32 {
  return new Ring(names[index], 0, 8).availableFlags;
}

beforeEach(() => {
  openAll();
});

describe("interrupt", () => {
  it("finds the devices that interrupt, with one port read each", () => {
    device_interrupt(names[1], 1);
    device_interrupt(names[2], 1);
    expect(interrupt(handles[0])).toBe(0);
    expect(interrupt(handles[1])).toBe(Interrupt.QUEUE);
    expect(interrupt(handles[2])).toBe(Interrupt.QUEUE);
    expect(interrupt(handles[3])).toBe(0);
    expect(trace_count(Trace.IN)).toBe(4);
    for (let index: u32 = 0; index < 4; index++) {
      expect(trace_find(Trace.IN, ports(index) + ISR, 0)).not.toBe(-1);
      expect(interrupt(handles[index])).toBe(0, "and quiets them");
    }
  });

  it("counts those that were the device's own", () => {
    device_interrupt(names[0], 1);
    device_interrupt(names[3], 2);
    for (let index = 0; index < 4; index++) interrupt(handles[index]);
    for (let index: u32 = 0; index < 4; index++) {
      const expected: u64 = index == 0 || index == 3 ? 1 : 0;
      if (index < 2) {
        net_statistics(handles[index], record);
        expect(changetype<NetStatistics>(record).interrupts).toBe(expected);
      } else {
        block_statistics(handles[index], record);
        expect(changetype<BlockStatistics>(record).interrupts).toBe(expected);
      }
    }
  });

  it("looks at the configuration that changed, of that device alone", () => {
    device_configuration(names[0], 6, 0);
    device_configuration(names[1], 6, 0);
    device_configuration(names[2], 0, 77);
    device_configuration(names[3], 0, 77);
    device_interrupt(names[1], 2);
    device_interrupt(names[3], 3);
    expect(interrupt(handles[1])).toBe(Interrupt.CONFIGURATION);
    expect(interrupt(handles[3])).toBe(Interrupt.QUEUE | Interrupt.CONFIGURATION);
    expect(events(handles[0])).toBe(0);
    expect(events(handles[1])).toBe(Event.LINK);
    expect(events(handles[2])).toBe(0);
    expect(events(handles[3])).toBe(Event.CAPACITY);
  });
});

describe("a legacy device", () => {
  it("has no DEVICE_NEEDS_RESET, whatever its status reads", () => {
    device_status_bits(names[3], 0xff, 64);
    expect(reset(handles[3])).toBe(Result.E_FEATURES);
    openAll();
    device_answer(names[3], 18, 0x4f);
    device_interrupt(names[3], 2);
    expect(interrupt(handles[3])).toBe(Interrupt.CONFIGURATION);
    expect(events(handles[3])).toBe(0);
  });
});

describe("events", () => {
  it("are told once", () => {
    const device = deviceOf(handles[2]);
    if (device) device.raise(Event.CAPACITY | Event.BROKEN);
    expect(events(handles[2])).toBe(Event.CAPACITY | Event.BROKEN);
    expect(events(handles[2])).toBe(0);
  });
});

describe("interrupts", () => {
  it("are switched for each device apart", () => {
    for (let index: u32 = 0; index < 4; index++) expect(flags(index)).toBe(1);
    expect(enable_interrupts(handles[1])).toBe(0);
    expect(enable_interrupts(handles[2])).toBe(0);
    expect(flags(0)).toBe(1);
    expect(flags(1)).toBe(0);
    expect(flags(2)).toBe(0);
    expect(flags(3)).toBe(1);
    expect(disable_interrupts(handles[1])).toBe(Result.OK);
    expect(disable_interrupts(handles[2])).toBe(Result.OK);
    expect(flags(1)).toBe(1);
    expect(flags(2)).toBe(1);
  });

  it("are not switched on a broken device", () => {
    for (let index = 0; index < 4; index++) {
      const device = deviceOf(handles[index]);
      if (device) device.break(1, 0);
      expect(enable_interrupts(handles[index])).toBe(Result.E_BROKEN);
      expect(disable_interrupts(handles[index])).toBe(Result.E_BROKEN);
      expect(events(handles[index])).toBe(Event.BROKEN);
    }
  });
});

describe("reset", () => {
  it("is of one device", () => {
    for (let index: u32 = 0; index < 4; index++) {
      trace_clear();
      expect(reset(handles[index])).toBe(Result.OK);
      for (let other: u32 = 0; other < 4; other++) {
        expect(trace_find(Trace.OUT, ports(other) + 18, 0) >= 0).toBe(other == index);
        expect(device_status(names[other])).toBe(15);
      }
    }
  });

  it("of a device that is gone is no news", () => {
    device_gone(names[0], 1);
    expect(interrupt(handles[0])).toBe(Result.E_GONE);
    expect(events(handles[0])).toBe(Event.GONE);
    expect(reset(handles[0])).toBe(Result.E_GONE);
    expect(events(handles[0])).toBe(0);
    device_gone(names[0], 0);
    expect(reset(handles[0])).toBe(Result.OK);
  });

  it("of a device that is somewhere else touches nothing where it was", () => {
    for (let index: u32 = 2; index < 4; index++) {
      openAll();
      // The last one that was plugged in.
      if (index == 2) pci_set(pciName, 0x10, 0xe001);
      else pci_set(pciName, 0, 0x1000_1af4);
      if (index == 3) pci_set(pciName, 0x2c, 0x0001_1af4);
      trace_clear();
      expect(reset(handles[3])).toBe(index == 2 ? Result.E_BAR : Result.E_NOT_VIRTIO);
      expect(trace_count(Trace.OUT) + trace_count(Trace.IN)).toBe(0);
      expect(events(handles[3])).toBe(Event.GONE);
    }
  });

  it("that fails breaks the device, and counts", () => {
    for (let index: u32 = 0; index < 4; index++) {
      device_reset_polls(names[index], NEVER);
      clock_set(0, 100_000_000);
      expect(reset(handles[index])).toBe(Result.E_RESET_TIMEOUT);
      expect(enable_interrupts(handles[index])).toBe(Result.E_BROKEN);
      device_reset_polls(names[index], 0);
      expect(reset(handles[index])).toBe(Result.OK);
      expect(enable_interrupts(handles[index])).toBe(0);
    }
    net_statistics(handles[0], record);
    expect(changetype<NetStatistics>(record).resets).toBe(2);
    block_statistics(handles[3], record);
    expect(changetype<BlockStatistics>(record).resets).toBe(2);
  });
});

describe("close", () => {
  it("is of one device, whose handle means nothing from then on", () => {
    for (let index: u32 = 0; index < 4; index++) {
      expect(close(handles[index])).toBe(0);
      expect(device_status(names[index])).toBe(0);
      expect(close(handles[index])).toBe(Result.E_HANDLE);
      expect(interrupt(handles[index])).toBe(Result.E_HANDLE);
      expect(events(handles[index])).toBe(Result.E_HANDLE);
      expect(enable_interrupts(handles[index])).toBe(Result.E_HANDLE);
      expect(disable_interrupts(handles[index])).toBe(Result.E_HANDLE);
      expect(reset(handles[index])).toBe(Result.E_HANDLE);
      for (let other = index + 1; other < 4; other++) expect(device_status(names[other])).toBe(15);
    }
  });
});

describe("a handle that nobody gave out", () => {
  it("is refused by every call", () => {
    const wrong: u32[] = [0, 5, handles[3] + 1, handles[0] + 256, 0x8000_0000 | handles[0], 0xffff_ffff];
    trace_clear();
    for (let index = 0; index < wrong.length; index++) {
      expect(interrupt(wrong[index])).toBe(Result.E_HANDLE);
      expect(events(wrong[index])).toBe(Result.E_HANDLE);
      expect(enable_interrupts(wrong[index])).toBe(Result.E_HANDLE);
      expect(disable_interrupts(wrong[index])).toBe(Result.E_HANDLE);
      expect(reset(wrong[index])).toBe(Result.E_HANDLE);
      expect(close(wrong[index])).toBe(Result.E_HANDLE);
    }
    expect(trace_count(Trace.IN) + trace_count(Trace.OUT)).toBe(0);
  });
});
