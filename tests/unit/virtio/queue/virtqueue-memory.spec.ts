/** The memory of a split virtqueue, and how the device learns of it. */
import { Result } from "../../../../assembly/abi/results";
import { physicalAddress } from "../../../../assembly/memory/addresses";
import { allocatePrivate } from "../../../../assembly/memory/arena";
import { VIRTIO_F_INDIRECT_DESC } from "../../../../assembly/virtio/features";
import { Virtqueue } from "../../../../assembly/virtio/queue/virtqueue";
import { freshArena } from "../../scripted/arena";
import { usedAt } from "../../scripted/ring";
import {
  device_queue,
  device_queue_page,
  device_set_queue_page,
  memory_borrowed,
  memory_fail_after,
  memory_physical,
  memory_read16,
  memory_write16,
  Trace,
  trace_clear,
  trace_find,
  trace_watch,
  trace_watched,
} from "../../scripted/script";
import { device, newDevice, queue, QUEUE, QUEUE_PFN, registers } from "./queue";

describe("allocate", () => {
  it("refuses sizes that no queue has", () => {
    const wrong: u32[] = [0, 3, 5, 100, 0x7fff, 0x8001, 0xffff];
    for (let at = 0; at < wrong.length; at++) {
      newDevice(wrong[at], 0);
      expect(queue.allocate(device, QUEUE, 1, 0, 0)).toBe(Result.E_QUEUE_SIZE);
      expect(memory_borrowed()).toBe(0);
    }
  });

  it("refuses a queue that is too small for the driver", () => {
    newDevice(2, 0);
    expect(queue.allocate(device, QUEUE, 3, 0, 0)).toBe(Result.E_QUEUE_SIZE);
    expect(queue.allocate(device, QUEUE, 2, 0, 0)).toBe(Result.OK);
  });

  it("takes every power of two, and borrows no page more than the ring needs", () => {
    for (let size: u32 = 1; size <= 32768; size *= 2) {
      newDevice(size, 0);
      expect(queue.allocate(device, QUEUE, 1, 0, 0)).toBe(Result.OK);
      expect(queue.size).toBe(size);
      const bytes = usedAt(size) + 6 + 8 * size;
      expect(memory_borrowed()).toBe((bytes + 4095) / 4096);
      queue.freeShared();
      expect(memory_borrowed()).toBe(0);
    }
  });

  it("asks for the size of the queue named", () => {
    newDevice(8, 0);
    device_queue(registers, QUEUE + 1, 16);
    queue.allocate(device, QUEUE + 1, 1, 0, 0);
    expect(queue.size).toBe(16);
  });

  it("takes tables only with INDIRECT, and none larger than the queue", () => {
    newDevice(256, 0);
    expect(queue.allocate(device, QUEUE, 1, 0, 32)).toBe(Result.OK);
    expect(memory_borrowed()).toBe(3);
    expect(queue.tableEntries).toBe(0);
    newDevice(256, VIRTIO_F_INDIRECT_DESC);
    expect(queue.allocate(device, QUEUE, 1, 0, 32)).toBe(Result.OK);
    // The slots do not begin where their pages do.
    expect(memory_borrowed()).toBe(3 + 32 + 1);
    expect(queue.tableEntries).toBe(32);
    queue.freeShared();
    expect(memory_borrowed()).toBe(0);
    newDevice(8, VIRTIO_F_INDIRECT_DESC);
    queue.allocate(device, QUEUE, 1, 0, 32);
    expect(queue.tableEntries).toBe(8);
    newDevice(8, VIRTIO_F_INDIRECT_DESC);
    queue.allocate(device, QUEUE, 1, 0, 0);
    expect(queue.tableEntries).toBe(0);
  });

  it("says which memory it did not get, and gives back what it did", () => {
    newDevice(256, VIRTIO_F_INDIRECT_DESC);
    freshArena(256 * 16);
    expect(queue.allocate(device, QUEUE, 1, 0, 32)).toBe(Result.E_MEMORY);
    newDevice(256, VIRTIO_F_INDIRECT_DESC);
    // Enough for the states of chains, and not for the free descriptors.
    freshArena(256 * 32 + 64);
    expect(queue.allocate(device, QUEUE, 1, 0, 32)).toBe(Result.E_MEMORY);
    newDevice(256, VIRTIO_F_INDIRECT_DESC);
    memory_fail_after(0);
    expect(queue.allocate(device, QUEUE, 1, 0, 32)).toBe(Result.E_DMA_MEMORY);
    expectFreed();
  });

  it("does without indirect tables when there is no memory for them", () => {
    newDevice(256, VIRTIO_F_INDIRECT_DESC);
    memory_fail_after(1);
    expect(queue.allocate(device, QUEUE, 1, 0, 32)).toBe(Result.OK);
    expect(queue.tableEntries).toBe(0);
    expect(queue.activate()).toBe(Result.OK);
    expectFreed();
  });
});

/** Gives back what the queue has, and expects that nothing is missing. */
function expectFreed(): void {
  queue.freeShared();
  queue.freePrivate();
  expect(memory_borrowed()).toBe(0);
  // Private memory is whole again: as much as there is without the header.
  expect(allocatePrivate(2 * 1024 * 1024 - 16)).not.toBe(0);
}

describe("activate", () => {
  it("tells the device where the ring lies", () => {
    newDevice(8, 0);
    queue.allocate(device, QUEUE, 1, 0, 0);
    expect(device_queue_page(registers, QUEUE)).toBe(0);
    expect(queue.activate()).toBe(Result.OK);
    expect((<u64>device_queue_page(registers, QUEUE)) << 12).toBe(memory_physical(queue.descriptors));
  });

  it("empties the ring before the device knows of it", () => {
    newDevice(8, 0);
    queue.allocate(device, QUEUE, 1, 0, 0);
    const used = queue.descriptors + usedAt(8);
    memory_write16(queue.descriptors, 0xffff);
    memory_write16(used + 2, 0xffff);
    trace_watch(used + 2);
    trace_clear();
    queue.activate();
    expect(trace_watched(trace_find(Trace.OUT, QUEUE_PFN, 0))).toBe(0);
    expect(memory_read16(queue.descriptors)).toBe(0);
  });

  it("asks for no interrupts, but not before the device knows of the ring", () => {
    newDevice(8, 0);
    queue.allocate(device, QUEUE, 1, 0, 0);
    const available = queue.descriptors + 8 * 16;
    trace_watch(available);
    trace_clear();
    queue.activate();
    expect(trace_watched(trace_find(Trace.OUT, QUEUE_PFN, 0))).toBe(0, "the ring is all zero");
    expect(memory_read16(available)).toBe(1);
  });

  it("refuses a queue that has another size by now", () => {
    newDevice(8, 0);
    queue.allocate(device, QUEUE, 1, 0, 0);
    device_queue(registers, QUEUE, 16);
    expect(queue.activate()).toBe(Result.E_QUEUE_SIZE);
    expect(device_queue_page(registers, QUEUE)).toBe(0);
  });

  it("refuses a queue that is live", () => {
    newDevice(8, 0);
    queue.allocate(device, QUEUE, 1, 0, 0);
    device_set_queue_page(registers, QUEUE, 0x1234);
    expect(queue.activate()).toBe(Result.E_QUEUE_LIVE);
    expect(device_queue_page(registers, QUEUE)).toBe(0x1234);
  });

  it("refuses memory whose page number has more than 32 bits", () => {
    newDevice(8, 0);
    queue.allocate(device, QUEUE, 1, 0, 0);
    expect(queue.ringAddress).toBe(physicalAddress(queue.descriptors));
    queue.ringAddress = 1 << 44;
    expect(queue.activate()).toBe(Result.E_DMA_MEMORY);
    expect(trace_find(Trace.OUT, QUEUE_PFN, 0)).toBe(-1);
    queue.ringAddress = (1 << 44) - 4096;
    expect(queue.activate()).toBe(Result.OK);
    expect(device_queue_page(registers, QUEUE)).toBe(0xffff_ffff);
  });
});

describe("the state of a queue", () => {
  it("fits into what the tests gave it", () => {
    expect(offsetof<Virtqueue>()).toBeLessThan(257);
  });
});
