/** A request from the call to its completion: what it is refused for, and what it takes for its own in the used ring. */
import { Result } from "../../../../assembly/abi/results";
import { BlockOperation } from "../../../../assembly/drivers/block/abi";
import { block_execute } from "../../../../assembly/drivers/block/block-commands";
import { BlockDevice, EXECUTED, RequestState } from "../../../../assembly/drivers/block/device";
import { deviceOf } from "../../../../assembly/virtio/device";
import { CHAIN_STATE_BYTES } from "../../../../assembly/virtio/queue/chain-state";
import {
  addSegment,
  askStatistics,
  buffer,
  completeAll,
  completion,
  completions,
  configure,
  handle,
  INDIRECT_DESC,
  newDisk,
  openDisk,
  plugDisk,
  poll,
  prepare,
  read,
  request,
  requests,
  ring,
  SEG_MAX,
  write,
} from "./disk";

/** Executes a read of `sectors` sectors in as many segments, with one look at the used ring. */
function execute(sector: u64, sectors: u32 = 1): i32 {
  prepare(0, 99, BlockOperation.READ, sector);
  for (let index: u32 = 0; index < sectors; index++) addSegment(0, buffer + index * 512, 512);
  return block_execute(handle, requests, <u32>completions, 0);
}

describe("a request that is executed", () => {
  it("counts where it is refused, unless the ring is full", () => {
    newDisk(INDIRECT_DESC, 4);
    expect(execute(1000)).toBe(Result.E_RANGE);
    expect(request(0).result).toBe(Result.E_RANGE);
    expect(askStatistics().refused).toBe(1);
    for (let token: u64 = 0; token < 4; token++) read(token, 0, 512);
    expect(execute(0)).toBe(Result.E_FULL);
    expect(request(0).result).toBe(Result.E_FULL);
    expect(askStatistics().refused).toBe(1);
    expect(askStatistics().requests).toBe(4);
  });

  it("is not complete because another is whose chain was once a part of one that began there", () => {
    plugDisk(INDIRECT_DESC | SEG_MAX);
    configure(12, 4, 1);
    openDisk();
    expect(execute(0, 2)).toBe(0);
    expect(completeAll()).toBe(2);
    expect(poll()).toBe(1);
    read(1, 0, 512);
    const first = ring.take();
    read(2, 0, 512);
    const second = ring.take();
    expect(first != second).toBe(true);
    ring.complete(first, 0);
    expect(poll()).toBe(1);
    ring.complete(second, 0);
    expect(execute(0)).toBe(0);
    expect(ring.take()).toBe(first, "where the parts began");
    expect(poll()).toBe(1);
    expect(completion(0).token).toBe(2);
  });

  it("leaves in the ring what others wrote", () => {
    newDisk(0);
    write(1, 0, 512);
    completeAll();
    expect(execute(0)).toBe(0);
    expect(poll()).toBe(1);
    expect(completion(0).token).toBe(1);
  });

  it("reads nothing of a chain that there is none of", () => {
    newDisk(0);
    read(1, 0, 512);
    const device = changetype<BlockDevice>(deviceOf(handle));
    // What would be the state of chain 2^32 - 1.
    const before = device.queue.states - CHAIN_STATE_BYTES + offsetof<RequestState>("operation");
    const found = load<u16>(before);
    store<u16>(before, EXECUTED);
    ring.complete(0xffff_ffff, 0);
    expect(execute(0)).toBe(0);
    store<u16>(before, found);
    expect(poll()).toBe(Result.E_BROKEN);
  });
});
