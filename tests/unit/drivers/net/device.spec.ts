/** A network card's state: its parts lie apart, and within the bytes that are taken for it. */
import { NetStatistics } from "../../../../assembly/drivers/net/abi";
import { ControlState, TABLE_ADDRESSES_MAX } from "../../../../assembly/drivers/net/control-state";
import {
  FramePiece,
  NET_DEVICE_BYTES,
  NetDevice,
  ReceiveBuffer,
  ReceiveQueue,
  TransmitQueue,
} from "../../../../assembly/drivers/net/device";
import { QUEUE_BYTES } from "../../../../assembly/virtio/device";

const state: u32 = <u32>memory.data(4096, 16);

describe("a card's state", () => {
  it("has counters behind it, aligned", () => {
    const device = changetype<NetDevice>(state);
    const statistics = changetype<u32>(device.statistics);
    expect(statistics).toBeGreaterThan(state + offsetof<NetDevice>() - 1);
    expect(statistics & 7).toBe(0);
  });

  it("has what belongs to its control queue behind these, aligned, with two address tables", () => {
    const device = changetype<NetDevice>(state);
    const control = changetype<u32>(device.control);
    expect(control).toBe(changetype<u32>(device.statistics) + offsetof<NetStatistics>());
    expect(control & 7).toBe(0);
    const table = device.control.table;
    const next = device.control.nextTable;
    expect(table & 7).toBe(0);
    expect(table).toBeGreaterThan(control + offsetof<ControlState>() - 1);
    expect(next).toBe(table + 8 * TABLE_ADDRESSES_MAX);
    expect(state + NET_DEVICE_BYTES).toBe(next + 8 * TABLE_ADDRESSES_MAX);
    device.control.tablePlace = 1;
    expect(device.control.table).toBe(next);
    expect(device.control.nextTable).toBe(table);
    device.control.tablePlace = 0;
  });

  it("has its queues in an array of records that are large enough", () => {
    const device = changetype<NetDevice>(state);
    device.queues = 0x1000;
    expect(changetype<u32>(device.receiveQueue)).toBe(0x1000);
    expect(changetype<u32>(device.transmitQueue)).toBe(0x1000 + QUEUE_BYTES);
    expect(offsetof<ReceiveQueue>()).toBeLessThan(QUEUE_BYTES + 1);
    expect(offsetof<TransmitQueue>()).toBeLessThan(QUEUE_BYTES + 1);
  });

  it("has buffers and pieces in arrays", () => {
    const queue = changetype<ReceiveQueue>(state);
    queue.buffers = 0x1000;
    queue.pieces = 0x2000;
    expect(changetype<u32>(queue.buffer(0))).toBe(0x1000);
    expect(changetype<u32>(queue.buffer(5))).toBe(0x1000 + 5 * offsetof<ReceiveBuffer>());
    expect(changetype<u32>(queue.piece(2))).toBe(0x2000 + 2 * offsetof<FramePiece>());
    expect(offsetof<ReceiveBuffer>() & 7).toBe(0, "64-bit fields stay aligned");
  });
});
