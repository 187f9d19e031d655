/** What a disk may say of itself, and what no disk can mean. */
import { Event, Interrupt, Result } from "../../../../assembly/abi/results";
import { BlockInformation } from "../../../../assembly/drivers/block/abi";
import { block_open } from "../../../../assembly/drivers/block/calls";
import { events, interrupt } from "../../../../assembly/drivers/calls";
import { addBar, IO } from "../../pci/machine";
import { ADDRESS, command, newMachine, pciName } from "../../scripted/plug";
import { device_answer, device_gone, device_interrupt, device_status, memory_borrowed } from "../../scripted/script";
import {
  BLK_SIZE,
  configure,
  disk,
  GEOMETRY,
  handle,
  askInformation,
  newDisk,
  openDisk,
  options,
  plugDisk,
  read,
  RO,
  SEG_MAX,
  SIZE_MAX,
  TOPOLOGY,
  write,
} from "./disk";

/** Opens a disk with one field set; returns what the driver says. */
function openWith(feature: u64, offset: u32, bytes: u32, value: u64): i32 {
  plugDisk(feature);
  configure(offset, bytes, value);
  return openDisk();
}

function expectRefused(feature: u64, offset: u32, bytes: u32, value: u64): void {
  expect(openWith(feature, offset, bytes, value)).toBe(Result.E_CONFIGURATION);
  expect(device_status(disk) & 128).toBe(128, "FAILED was said");
  expect(command() & 4).toBe(0);
  expect(memory_borrowed()).toBe(0);
}

/** The disk says that its configuration changed, and the kernel asks. */
function configurationInterrupt(): u32 {
  device_interrupt(disk, 2);
  expect(interrupt(handle)).toBe(Interrupt.CONFIGURATION);
  return events(handle);
}

describe("capacity", () => {
  it("can be anything whose bytes are a 64-bit number", () => {
    expect(openWith(0, 0, 8, 0)).toBeGreaterThan(0);
    expect(askInformation().capacity).toBe(0);
    expect(openWith(0, 0, 8, 0x007f_ffff_ffff_ffff)).toBeGreaterThan(0);
    expect(askInformation().capacity).toBe(0x007f_ffff_ffff_ffff);
    expectRefused(0, 0, 8, 0x0080_0000_0000_0000);
    expectRefused(0, 0, 8, u64.MAX_VALUE);
  });

  it("is read until it stands still", () => {
    plugDisk(0);
    configure(0, 8, 0x3_0000_0000);
    device_answer(disk, 24, 2);
    device_answer(disk, 20, 0);
    expect(openDisk()).toBeGreaterThan(0);
    expect(askInformation().capacity).toBe(0x3_0000_0000);
  });

  it("that never stands still is none", () => {
    plugDisk(0);
    for (let reading = 0; reading < 100; reading++) device_answer(disk, 20, reading);
    expect(openDisk()).toBe(Result.E_CONFIGURATION);
  });

  it("has to be there", () => {
    plugDisk(0);
    // The smallest BAR with all the registers has 12 bytes of configuration, the next smaller one has none.
    addBar(pciName, 0, IO, 32, 0xc000);
    expect(openDisk()).toBeGreaterThan(0);
    newMachine();
    plugDisk(0);
    addBar(pciName, 0, IO, 16, 0xc000);
    expect(block_open(ADDRESS, 0)).toBe(Result.E_BAR);
  });
});

describe("a changed capacity", () => {
  it("is an event, and holds for requests", () => {
    newDisk(0);
    expect(read(1, 1000, 512)).toBe(Result.E_RANGE);
    configure(0, 8, 2000);
    expect(configurationInterrupt()).toBe(Event.CAPACITY);
    expect(askInformation().capacity).toBe(2000);
    expect(read(1, 1000, 512)).toBe(Result.OK);
    configure(0, 8, 500);
    expect(configurationInterrupt()).toBe(Event.CAPACITY);
    expect(read(1, 500, 512)).toBe(Result.E_RANGE);
  });

  it("is no event when it is the same", () => {
    newDisk(0);
    expect(configurationInterrupt()).toBe(0);
  });

  it("is not believed when it makes no sense", () => {
    newDisk(0);
    configure(0, 8, 0x0080_0000_0000_0000);
    expect(configurationInterrupt()).toBe(0);
    configure(0, 8, 77);
    for (let reading = 0; reading < 16; reading++) device_answer(disk, 20, reading);
    expect(configurationInterrupt()).toBe(0);
    expect(askInformation().capacity).toBe(1000);
  });

  it("is not looked for on a device that is gone", () => {
    newDisk(0);
    device_gone(disk, 1);
    expect(interrupt(handle)).toBe(Result.E_GONE);
    expect(events(handle)).toBe(Event.GONE);
    expect(askInformation().capacity).toBe(1000);
  });
});

describe("block size", () => {
  it("is 512 where the device states none", () => {
    newDisk(0);
    expect(askInformation().block_size).toBe(512);
    expect(openWith(0, 20, 4, 4096)).toBeGreaterThan(0);
    expect(askInformation().block_size).toBe(512, "the field does not exist without its feature");
  });

  it("is a power of two from 512 on", () => {
    for (let size: u32 = 512; size <= 1 << 24; size *= 2) {
      expect(openWith(BLK_SIZE, 20, 4, size)).toBeGreaterThan(0);
      expect(askInformation().block_size).toBe(size);
    }
    expectRefused(BLK_SIZE, 20, 4, 0);
    expectRefused(BLK_SIZE, 20, 4, 1);
    expectRefused(BLK_SIZE, 20, 4, 256);
    expectRefused(BLK_SIZE, 20, 4, 513);
    expectRefused(BLK_SIZE, 20, 4, 1536);
    expectRefused(BLK_SIZE, 20, 4, 1 << 25);
    expectRefused(BLK_SIZE, 20, 4, 0x8000_0000);
    expectRefused(BLK_SIZE, 20, 4, 0xffff_ffff);
  });
});

describe("limits of segments", () => {
  it("are none where the device states none", () => {
    newDisk(0);
    expect(askInformation().size_max).toBe(0xffff_ffff);
    expect(askInformation().seg_max).toBe(0xffff_ffff);
  });

  it("are what the device states", () => {
    plugDisk(SIZE_MAX | SEG_MAX);
    configure(8, 4, 65536);
    configure(12, 4, 126);
    openDisk();
    expect(askInformation().size_max).toBe(65536);
    expect(askInformation().seg_max).toBe(126);
  });

  it("are one segment at least", () => {
    expect(openWith(SEG_MAX, 12, 4, 0)).toBeGreaterThan(0);
    expect(askInformation().seg_max).toBe(1);
  });

  it("are one byte at least, or none that the device knows of", () => {
    expect(openWith(SIZE_MAX, 8, 4, 1)).toBeGreaterThan(0);
    expect(askInformation().size_max).toBe(1);
    expect(openWith(SIZE_MAX, 8, 4, 0)).toBeGreaterThan(0);
    expect(askInformation().size_max).toBe(u32.MAX_VALUE);
  });
});

describe("a read-only disk", () => {
  it("says so, and is not written", () => {
    newDisk(RO);
    expect(askInformation().read_only).toBe(1);
    expect(write(1, 0, 512)).toBe(Result.E_READ_ONLY);
    newDisk(0);
    expect(askInformation().read_only).toBe(0);
  });

  it("stays one when the feature is refused", () => {
    plugDisk(RO);
    options.features = 0;
    openDisk(16, changetype<u32>(options));
    expect(askInformation().features_accepted).toBe(0);
    expect(askInformation().features_offered).toBe(RO);
    expect(askInformation().read_only).toBe(1);
    expect(write(1, 0, 512)).toBe(Result.E_READ_ONLY);
  });
});

describe("geometry and topology", () => {
  it("are passed on", () => {
    plugDisk(GEOMETRY | TOPOLOGY);
    configure(16, 8, 0x0000_0000_3f10_abcd);
    configure(24, 8, 0x1234_5678_9abc_0503);
    openDisk();
    const disk = askInformation();
    expect(disk.cylinders).toBe(0xabcd);
    expect(disk.heads).toBe(0x10);
    expect(disk.sectors).toBe(0x3f);
    expect(disk.physical_block_exp).toBe(3);
    expect(disk.alignment_offset).toBe(5);
    expect(disk.min_io_size).toBe(0x9abc);
    expect(disk.opt_io_size).toBe(0x1234_5678);
  });

  it("are zeroes without their features", () => {
    plugDisk(0);
    configure(16, 4, 0xffff_ffff);
    configure(24, 8, u64.MAX_VALUE);
    openDisk();
    const record = askInformation();
    expect(record.cylinders).toBe(0);
    expect(record.heads).toBe(0);
    expect(record.sectors).toBe(0);
    expect(record.physical_block_exp).toBe(0);
    expect(record.alignment_offset).toBe(0);
    expect(record.min_io_size).toBe(0);
    expect(record.opt_io_size).toBe(0);
  });

  it("are zeroes where the configuration is too short for them, whatever the features say", () => {
    plugDisk(GEOMETRY | TOPOLOGY | BLK_SIZE | SEG_MAX | SIZE_MAX);
    configure(8, 4, 4096);
    addBar(pciName, 0, IO, 32, 0xc000);
    expect(openDisk()).toBeGreaterThan(0);
    const record: BlockInformation = askInformation();
    expect(record.size_max).toBe(4096, "the last field that is there");
    expect(record.seg_max).toBe(0xffff_ffff);
    expect(record.block_size).toBe(512);
    expect(record.cylinders).toBe(0);
    expect(record.opt_io_size).toBe(0);
  });
});
