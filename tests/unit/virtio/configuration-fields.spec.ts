/** Fields of the device configuration that take several reads, while the device changes them. */
import { configuration64, configurationAddress, UNSTABLE } from "../../../assembly/virtio/configuration-fields";
import { bareDevice, CONFIGURATION, newMachine, plugIn } from "../scripted/plug";
import { device_answer, device_configuration, device_gone, Trace, trace_clear, trace_find } from "../scripted/script";

let disk: u32 = 0;

/** What the field reads, from `offset` on, first byte lowest. */
function setField(offset: u32, bytes: u32, value: u64): void {
  for (let at: u32 = 0; at < bytes; at++) device_configuration(disk, offset + at, (<u32>(value >> (8 * at))) & 0xff);
}

/** Reads of a port since the trace was cleared. */
function readsOf(port: u32): u32 {
  let count: u32 = 0;
  for (let place = -1; (place = trace_find(Trace.IN, port, place + 1)) >= 0;) count++;
  return count;
}

beforeEach(() => {
  newMachine();
  disk = plugIn(2, 0);
  trace_clear();
});

describe("configuration64", () => {
  it("takes a value that reads the same twice", () => {
    setField(8, 8, 0x0123_4567_89ab_cdef);
    expect(configuration64(bareDevice(2), 8)).toBe(0x0123_4567_89ab_cdef);
    expect(readsOf(CONFIGURATION + 8)).toBe(2);
    expect(readsOf(CONFIGURATION + 12)).toBe(2);
  });

  it("takes 0", () => {
    expect(configuration64(bareDevice(2), 0)).toBe(0);
  });

  it("is not deceived by a value that changes between its halves", () => {
    setField(0, 8, 0x0000_0002_0000_0000);
    // First the upper half of the old value and the lower half of the new one.
    device_answer(disk, 20 + 4, 1);
    device_answer(disk, 20, 0);
    expect(configuration64(bareDevice(2), 0)).toBe(0x0000_0002_0000_0000);
    expect(readsOf(CONFIGURATION)).toBe(3);
    setField(0, 8, 0x0000_0002_0000_0005);
    device_answer(disk, 20, 0xffff_ffff);
    device_answer(disk, 20, 0);
    expect(configuration64(bareDevice(2), 0)).toBe(0x0000_0002_0000_0005);
  });

  it("goes on until two readings that follow each other agree", () => {
    setField(0, 8, 0x77);
    // A, B, A, B, … then what it is: the same value twice, but not in a row, is not enough.
    for (let reading = 0; reading < 14; reading++) device_answer(disk, 20, reading & 1);
    expect(configuration64(bareDevice(2), 0)).toBe(0x77);
    expect(readsOf(CONFIGURATION)).toBe(16);
  });

  it("gives up on a value that never stands still", () => {
    for (let reading = 0; reading < 1000; reading++) device_answer(disk, 20, reading);
    expect(configuration64(bareDevice(2), 0)).toBe(UNSTABLE);
    expect(readsOf(CONFIGURATION)).toBe(16);
  });

  it("does not take all ones for a value, as a device that is gone reads", () => {
    device_gone(disk, 1);
    expect(configuration64(bareDevice(2), 0)).toBe(UNSTABLE);
    expect(readsOf(CONFIGURATION)).toBe(16);
  });
});

describe("configurationAddress", () => {
  it("reads six single bytes, the first lowest", () => {
    setField(0, 8, 0xffff_0605_0403_0201);
    expect(configurationAddress(bareDevice(1), 0)).toBe(0x0605_0403_0201);
    for (let at: u32 = 0; at < 6; at++) expect(readsOf(CONFIGURATION + at)).toBe(2);
    expect(readsOf(CONFIGURATION + 6)).toBe(0);
  });

  it("is not deceived by an address that changes on the way", () => {
    setField(4, 6, 0x0000_1122_3344);
    device_answer(disk, 20 + 4, 0xaa);
    expect(configurationAddress(bareDevice(1), 4)).toBe(0x0000_1122_3344);
    expect(readsOf(CONFIGURATION + 4)).toBe(3);
  });

  it("gives up on an address that never stands still", () => {
    for (let reading = 0; reading < 100; reading++) device_answer(disk, 20 + 5, reading & 0xff);
    expect(configurationAddress(bareDevice(1), 0)).toBe(UNSTABLE);
    expect(readsOf(CONFIGURATION + 5)).toBe(16);
  });

  it("can read all ones, which is for its caller to judge", () => {
    setField(0, 6, 0xffff_ffff_ffff);
    expect(configurationAddress(bareDevice(1), 0)).toBe(0xffff_ffff_ffff);
  });
});
