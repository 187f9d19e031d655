/** A disk's state: its parts lie apart, and within the bytes that are taken for it. */
import { BlockInformation, BlockStatistics } from "../../../../assembly/drivers/block/abi";
import { BLOCK_DEVICE_BYTES, BlockDevice, RequestQueue, RequestState } from "../../../../assembly/drivers/block/device";
import { QUEUE_BYTES } from "../../../../assembly/virtio/device";
import { CHAIN_STATE_BYTES } from "../../../../assembly/virtio/queue/chain-state";

const state: u32 = <u32>memory.data(2048, 16);

describe("a disk's state", () => {
  it("has counters and description behind it, aligned and apart", () => {
    const device = changetype<BlockDevice>(state);
    const statistics = changetype<u32>(device.statistics);
    expect(statistics).toBeGreaterThan(state + offsetof<BlockDevice>() - 1);
    const information = changetype<u32>(device.information);
    expect(information).toBe(statistics + offsetof<BlockStatistics>());
    expect(state + BLOCK_DEVICE_BYTES).toBe(information + offsetof<BlockInformation>());
    expect((statistics | information) & 7).toBe(0);
  });

  it("has requests in the queue's records of chains", () => {
    const device = changetype<BlockDevice>(state);
    device.queues = state + 1024;
    const queue = device.queue;
    queue.states = 0x1000;
    expect(changetype<u32>(queue)).toBe(state + 1024);
    expect(changetype<u32>(queue.request(0))).toBe(0x1000);
    expect(changetype<u32>(queue.request(3))).toBe(0x1000 + 3 * CHAIN_STATE_BYTES);
    expect(offsetof<RequestState>()).toBeLessThan(CHAIN_STATE_BYTES + 1);
    expect(offsetof<RequestQueue>()).toBeLessThan(QUEUE_BYTES + 1);
  });
});
