/** What `block_execute` leaves behind: nothing that others would have to wait for. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import {
  BlockOperation,
  BlockRequestLayout,
  Event,
  Result,
  SegmentLayout,
  writeRecord,
} from "../../../kernel-shim/javascript/index.js";
import { HostedDisk } from "./disk.js";
import { assertResult } from "./hosted.js";
import { onBothBuilds } from "./moments.js";

/** Far from the records of other calls. */
const RECORD_OFFSET = 32 * 1024;
const SECOND = 1_000_000_000n;
const VIRTIO_F_INDIRECT_DESC = 2 ** 28;

/** Reads a sector. Returns what the call returns. */
function execute({ module, handle, buffer }: HostedDisk, token: bigint, timeout = SECOND): number {
  const { view, exports, records } = module;
  const segments = records + RECORD_OFFSET;
  const request = segments + SegmentLayout.size;
  writeRecord(view, SegmentLayout, segments, { pointer: buffer, length: 512 });
  const record = {
    token,
    operation: BlockOperation.READ,
    flags: 0,
    priority: 0,
    sector: 1n,
    segments,
    segment_count: 1,
  };
  writeRecord(view, BlockRequestLayout, request, record);
  return exports.block_execute(handle, request, request + BlockRequestLayout.size, timeout);
}

describe("block_execute", () => {
  onBothBuilds("leaves a disk that takes work after suspend and resume, when nothing is out", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    disk.submitReads(1, 5);
    assert.equal(execute(disk, 77n), 1);
    assert.deepEqual(
      module.poll(handle, 1).completions.map(({ token }) => token),
      [5n],
    );
    assertResult(module.exports.suspend(handle, 0), Result.OK);
    assertResult(module.exports.resume(handle), Result.OK);
    assert.equal(execute(disk, 78n), 1);
    assert.equal(module.submit(handle, disk.reads(1, 6)).count, 1);
  });

  onBothBuilds("leaves a disk that takes work once a reset has given all back", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    disk.submitReads(1, 5);
    assert.equal(execute(disk, 77n), 1);
    assertResult(module.exports.reset(handle), Result.OK);
    const { completions } = module.poll(handle, 1);
    assert.deepEqual(
      completions.map(({ token, result }) => [token, result]),
      [[5n, Result.E_RESET]],
    );
    assert.equal(module.submit(handle, disk.reads(1, 6)).count, 1);
  });

  onBothBuilds("leaves no chain in the ring behind a poll that has room for the caller's own", (build) => {
    const disk = new HostedDisk(build, { disk: { queueSizes: [4], features: VIRTIO_F_INDIRECT_DESC } });
    const { module, handle } = disk;
    disk.submitReads(1, 5);
    module.letDevicesWork();
    assert.equal(execute(disk, 77n), 1);
    assert.equal(module.poll(handle, 1).count, 1);
    assert.equal(module.exports.enable_interrupts(handle), 0);
    assert.equal(module.exports.block_await_all(handle), 0);
    assert.equal(module.submit(handle, disk.reads(4, 6)).count, 4);
  });

  onBothBuilds("ends though the clock stands still, and the request is one like any other then", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle } = disk;
    const before = { ...module.kernel };
    Object.assign(module.kernel, { relax: () => {}, now_ns: () => 7n });
    assert.equal(execute(disk, 77n), 0);
    Object.assign(module.kernel, before);
    module.letDevicesWork();
    assert.deepEqual(
      module.poll(handle, 4).completions.map(({ token }) => token),
      [77n],
    );
  });
});

describe("a write-cache mode that the disk does not take again after a reset", () => {
  onBothBuilds("is announced", (build) => {
    const disk = new HostedDisk(build);
    const { module, handle, device } = disk;
    assertResult(module.exports.block_set_writeback(handle, 0), Result.OK);
    assertResult(module.exports.reset(handle), Result.OK);
    assert.equal(module.exports.events(handle) & Event.SETTINGS, 0);
    assert.equal(module.blockInformation(handle).record.writeback, 0);
    Object.defineProperty(device, "writeConfiguration", { value: () => {} });
    assertResult(module.exports.reset(handle), Result.OK);
    assert.equal(module.exports.events(handle) & Event.SETTINGS, Event.SETTINGS);
    assert.equal(module.blockInformation(handle).record.writeback, 1);
  });
});
