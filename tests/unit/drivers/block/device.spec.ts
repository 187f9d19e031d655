/** A disk's state: its parts lie apart, and within the bytes that are taken for it. */
import { BlockInformation, BlockStatistics } from "../../../../assembly/abi/records";
import { BLOCK_DEVICE_BYTES, BlockDevice, RequestState } from "../../../../assembly/drivers/block/device";
import { CHAIN_STATE_BYTES } from "../../../../assembly/virtio/queue/chain-state";
import { Virtqueue } from "../../../../assembly/virtio/queue/virtqueue";

const state: u32 = <u32>memory.data(2048, 16);

describe("a disk's state", () => {
  it("has queue, counters and description behind it, aligned and apart", () => {
    const device = changetype<BlockDevice>(state);
    const queue = changetype<u32>(device.queue);
    const statistics = changetype<u32>(device.statistics);
    expect(queue).toBeGreaterThan(state + offsetof<BlockDevice>() - 1);
    expect(statistics).toBeGreaterThan(queue + offsetof<Virtqueue>() - 1);
    const information = changetype<u32>(device.information);
    expect(information).toBe(statistics + offsetof<BlockStatistics>());
    expect(state + BLOCK_DEVICE_BYTES).toBe(information + offsetof<BlockInformation>());
    expect((queue | statistics | information) & 7).toBe(0);
  });

  it("has requests in the queue's records of chains", () => {
    const device = changetype<BlockDevice>(state);
    device.queue.states = 0x1000;
    expect(changetype<u32>(device.request(0))).toBe(0x1000);
    expect(changetype<u32>(device.request(3))).toBe(0x1000 + 3 * CHAIN_STATE_BYTES);
    expect(offsetof<RequestState>()).toBeLessThan(CHAIN_STATE_BYTES + 1);
  });
});
