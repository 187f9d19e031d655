/** The table of open devices and the handles that name them. */
import { DeviceOptions } from "../../../assembly/abi/records";
import { Event, Result, TransportWanted } from "../../../assembly/abi/results";
import { allocatePrivate } from "../../../assembly/memory/arena";
import {
  Device,
  deviceOf,
  deviceOfType,
  DeviceState,
  MAXIMUM_OPEN_DEVICES,
  registerDevice,
  unregisterDevice,
} from "../../../assembly/virtio/device";
import { freshArena } from "../scripted/arena";
import { bareDevice, logged } from "../scripted/plug";
import { script_clear, Trace, trace_count } from "../scripted/script";

const BYTES: u32 = 128;

function open(address: u32): i32 {
  return registerDevice(address, 2, BYTES);
}

/** In the MMIO slot at `base`. */
function openSlot(base: u64, address: u32 = 0): i32 {
  const options = new DeviceOptions();
  options.transport = TransportWanted.MMIO;
  options.mmio_base = base;
  return registerDevice(address, 2, BYTES, changetype<u32>(options));
}

function close(handle: u32): void {
  unregisterDevice(changetype<Device>(deviceOf(handle)));
}

describe("a stack that was not initialised", () => {
  it("opens nothing", () => {
    expect(open(1)).toBe(Result.E_INITIALIZE);
  });
});

describe("a handle", () => {
  beforeAll(() => {
    freshArena();
  });

  it("is above 0 and names its device, which starts as zeroes", () => {
    const handle = open(0x18);
    expect(handle).toBeGreaterThan(0);
    const device = deviceOf(handle);
    expect(device).not.toBeNull();
    if (device) {
      expect(device.handle).toBe(<u32>handle);
      expect(device.type).toBe(2);
      expect(device.pciAddress).toBe(0x18);
      expect(device.featuresOffered).toBe(0);
      expect(device.state).toBe(DeviceState.RUNNING);
      expect(load<u8>(changetype<usize>(device) + BYTES - 1)).toBe(0);
    }
    close(handle);
  });

  it("names a device of one type only", () => {
    const handle = open(0x18);
    expect(deviceOfType(handle, 2)).not.toBeNull();
    expect(deviceOfType(handle, 1)).toBeNull();
    expect(deviceOfType(handle, 0)).toBeNull();
    close(handle);
  });

  it("names nothing when nobody gave it out", () => {
    const handle = open(0x18);
    expect(deviceOf(0)).toBeNull();
    expect(deviceOf(handle + 1)).toBeNull("an empty place");
    expect(deviceOf(handle + 256)).toBeNull("another generation");
    expect(deviceOf(handle - 256)).toBeNull();
    expect(deviceOf((<u32>handle) | 0x8000_0000)).toBeNull();
    expect(deviceOf(handle & 0xff)).toBeNull("the place alone");
    expect(deviceOf(0xffff_ffff)).toBeNull();
    close(handle);
  });

  it("names nothing once its device is closed, whoever has the place", () => {
    const first = open(0x18);
    close(first);
    expect(deviceOf(first)).toBeNull();
    const second = open(0x18);
    expect(second).not.toBe(first);
    expect(deviceOf(first)).toBeNull();
    expect(deviceOf(second)).not.toBeNull();
    close(second);
  });

  it("is never given out twice", () => {
    const seen = new Set<i32>();
    for (let count = 0; count < 1000; count++) {
      const handle = open(0x18);
      expect(handle).toBeGreaterThan(0);
      seen.add(handle);
      close(handle);
    }
    expect(seen.size).toBe(1000);
  });
});

describe("the table", () => {
  beforeAll(() => {
    freshArena();
  });

  it("takes a PCI address once", () => {
    const handle = open(0x18);
    expect(open(0x18)).toBe(Result.E_IN_USE);
    const other = open(0x19);
    expect(other).toBeGreaterThan(0);
    close(handle);
    close(other);
    close(open(0x18));
  });

  it("takes an MMIO slot once, by all 64 bits of its address, and no PCI address with it", () => {
    const first = openSlot(0x1_0000_0018, 0x18);
    const second = openSlot(0x2_0000_0018, 0x18);
    const third = open(0x18);
    expect(first).toBeGreaterThan(0);
    expect(second).toBeGreaterThan(0);
    expect(third).toBeGreaterThan(0);
    expect(openSlot(0x1_0000_0018, 0x20)).toBe(Result.E_IN_USE);
    expect(openSlot(0x2_0000_0018)).toBe(Result.E_IN_USE);
    expect(open(0x18)).toBe(Result.E_IN_USE);
    const slot = openSlot(0x18);
    expect(slot).toBeGreaterThan(0);
    close(first);
    close(openSlot(0x1_0000_0018));
    close(second);
    close(third);
    close(slot);
  });

  it("has places for 256 devices, each with its own handle", () => {
    const handles = new StaticArray<i32>(256);
    for (let index = 0; index < 256; index++) handles[index] = open(index);
    expect(MAXIMUM_OPEN_DEVICES).toBe(256);
    let wrong = 0;
    for (let index = 0; index < 256; index++) {
      const device = deviceOf(handles[index]);
      if (!device || device.pciAddress != index) wrong++;
    }
    expect(wrong).toBe(0);
    expect(open(256)).toBe(Result.E_IN_USE);
    close(handles[100]);
    const next = open(256);
    expect(next).toBeGreaterThan(0);
    expect(next).not.toBe(handles[100]);
    expect(open(257)).toBe(Result.E_IN_USE);
    handles[100] = next;
    for (let index = 0; index < 256; index++) close(handles[index]);
    const room = allocatePrivate(2 * 1024 * 1024 - 16);
    expect(room).not.toBe(0, "all memory is back");
  });

  it("says when private memory is used up", () => {
    freshArena(BYTES + 64);
    const handle = open(1);
    expect(handle).toBeGreaterThan(0);
    expect(open(2)).toBe(Result.E_MEMORY);
    close(handle);
    close(open(2));
  });
});

describe("a device", () => {
  beforeEach(() => {
    script_clear();
  });

  it("accepted what it accepted", () => {
    const device = bareDevice(2);
    device.featuresAccepted = 0x8001;
    expect(device.accepted(1)).toBe(true);
    expect(device.accepted(0x8000)).toBe(true);
    expect(device.accepted(2)).toBe(false);
    expect(device.accepted(1 << 32)).toBe(false);
  });

  it("collects events", () => {
    const device = bareDevice(2);
    device.raise(Event.LINK);
    device.raise(Event.ROOM);
    device.raise(Event.LINK);
    expect(device.events).toBe(Event.LINK | Event.ROOM);
  });

  it("breaks once, and only while it runs", () => {
    const device = bareDevice(2);
    device.break(2, 7);
    expect(device.state).toBe(DeviceState.BROKEN);
    expect(device.events).toBe(Event.BROKEN);
    expect(logged(2, 0x1234, 7)).toBe(true);
    device.break(1, 8);
    expect(trace_count(Trace.LOG)).toBe(1);
    device.state = DeviceState.CLOSING;
    device.break(1, 8);
    expect(device.state).toBe(DeviceState.CLOSING);
    expect(trace_count(Trace.LOG)).toBe(1);
  });
});
