/** A network card's state: its parts lie apart, and within the bytes that are taken for it. */
import { NetStatistics } from "../../../../assembly/abi/records";
import { FramePiece, NET_DEVICE_BYTES, NetDevice, ReceiveBuffer } from "../../../../assembly/drivers/net/device";
import { Virtqueue } from "../../../../assembly/virtio/queue/virtqueue";

const state: u32 = <u32>memory.data(2048, 16);

describe("a card's state", () => {
  it("has queues and counters behind it, aligned and apart", () => {
    const device = changetype<NetDevice>(state);
    const receive = changetype<u32>(device.receiveQueue);
    const transmit = changetype<u32>(device.transmitQueue);
    const statistics = changetype<u32>(device.statistics);
    expect(receive).toBeGreaterThan(state + offsetof<NetDevice>() - 1);
    expect(transmit).toBeGreaterThan(receive + offsetof<Virtqueue>() - 1);
    expect(statistics).toBeGreaterThan(transmit + offsetof<Virtqueue>() - 1);
    expect(state + NET_DEVICE_BYTES).toBe(statistics + offsetof<NetStatistics>());
    expect((receive | transmit | statistics) & 7).toBe(0);
  });

  it("has buffers and pieces in arrays", () => {
    const device = changetype<NetDevice>(state);
    device.buffers = 0x1000;
    device.pieces = 0x2000;
    expect(changetype<u32>(device.buffer(0))).toBe(0x1000);
    expect(changetype<u32>(device.buffer(5))).toBe(0x1000 + 5 * offsetof<ReceiveBuffer>());
    expect(changetype<u32>(device.piece(2))).toBe(0x2000 + 2 * offsetof<FramePiece>());
    expect(offsetof<ReceiveBuffer>() & 7).toBe(0, "64-bit fields stay aligned");
  });
});
