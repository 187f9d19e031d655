/** The emulated PC and the tests share memory and ports as kernel and module do. */

import { dma_address, dma_alloc, dma_free, NO_ADDRESS } from "../../../assembly/kernel";
import { read32, write32 } from "../../../assembly/memory/shared";
import { pci_scan } from "../../../assembly/virtio/transport/scan";
import { Completion, machine_add_block, machine_add_net, machine_start, machine_violations, Profile } from "./machine";

describe("the machine of the unit tests", () => {
  beforeEach(() => {
    machine_start(Profile.QEMU, Completion.IMMEDIATE, 1);
  });

  it("lends zeroed memory that reads as it was written", () => {
    const pointer = dma_alloc(2);
    expect(pointer).not.toBe(0);
    expect(read32(pointer + 4096)).toBe(0);
    write32(pointer + 4096, 0x1234_5678);
    expect(read32(pointer + 4096)).toBe(0x1234_5678);
  });

  it("translates what it lends, and only that", () => {
    const pointer = dma_alloc(1);
    expect(dma_address(pointer + 8)).toBe(dma_address(pointer) + 8);
    dma_free(pointer, 1);
    expect(dma_address(pointer)).toBe(NO_ADDRESS);
  });

  it("has the devices that were plugged in, and a host bridge", () => {
    const before = pci_scan(0, 0);
    machine_add_block(8, 0);
    machine_add_net();
    expect(pci_scan(0, 0)).toBe(before + 2);
    expect(machine_violations()).toBe(0);
  });
});
