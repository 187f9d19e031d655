/** What the block device makes of barriers, priorities and SCSI commands. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertViolations, blockGuest, BlockRequest, submit, WRITE, type Descriptor } from "./guest.js";

const ANY_LAYOUT = 2 ** 27;
const BARRIER = 2 ** 0;
const SCSI = 2 ** 7;
const BARRIER_BIT = 0x8000_0000;
const SCSI_CMD = 2;

describe("a barrier", () => {
  it("waits for what came before, and holds back what comes behind", () => {
    const { pc, disk, device, guest } = blockGuest({}, { barrier: true });
    const queue = guest.start(ANY_LAYOUT | BARRIER);
    const performed: number[] = [];
    device.onRequest = ({ sector }) => ({ delay: sector === 0 ? 9_000_000 : 1_000_000 });
    const read = disk.read.bind(disk);
    disk.read = (sector, target) => {
      performed.push(sector);
      read(sector, target);
    };
    const requests = [0, 1, BARRIER_BIT + 2, 3, 4].map((each, index) => {
      const sector = each % BARRIER_BIT;
      return submit(guest, queue, { type: each - sector, sector, first: 3 * index });
    });
    for (let turn = 0; turn < 20; turn++) {
      pc.waitForInterrupt(1);
      // Until it is read, the next wait would end at once.
      guest.read(19, 1);
    }
    assert.deepEqual(performed, [1, 0, 2, 3, 4]);
    for (const request of requests) assert.equal(request.result, 0);
    assertViolations(pc, []);
  });

  it("is forgotten with a reset, together with what waits behind it", () => {
    const { pc, device, guest } = blockGuest({}, { barrier: true });
    const queue = guest.start(ANY_LAYOUT | BARRIER);
    device.onRequest = () => ({ isLost: true });
    submit(guest, queue, {});
    submit(guest, queue, { type: BARRIER_BIT, first: 3 });
    device.onRequest = undefined;
    const again = guest.start(ANY_LAYOUT | BARRIER);
    assert.equal(submit(guest, again, { type: BARRIER_BIT }).result, 0);
    assertViolations(pc, []);
  });

  it("is recorded where it was not negotiated", () => {
    const { pc, guest } = blockGuest({}, { barrier: true });
    assert.equal(submit(guest, guest.start(ANY_LAYOUT), { type: BARRIER_BIT }).result, 0);
    assertViolations(pc, ["block-not-negotiated"]);
  });
});

describe("a SCSI command", () => {
  /** Header, command, data that the device writes, sense, result, status. */
  function descriptorsOf(request: BlockRequest, data: number, sense = 96): Descriptor[] {
    const lengths: readonly [number, number][] = [
      [6, 0],
      [data, WRITE],
      [sense, WRITE],
      [16, WRITE],
    ];
    let pointer = request.data;
    const middle = lengths.map(([length, flags]) => {
      const descriptor = { pointer, length, flags };
      pointer += 512;
      return descriptor;
    });
    return [{ pointer: request.header, length: 16 }, ...middle, { pointer: request.status, length: 1, flags: WRITE }];
  }

  it("moves its data, and tells errors, sense and residual", () => {
    const { pc, guest } = blockGuest(
      {},
      { scsi: () => ({ errors: 2, dataIn: new Uint8Array(10).fill(7), sense: new Uint8Array(18).fill(9) }) },
    );
    const queue = guest.start(SCSI | ANY_LAYOUT);
    const request = new BlockRequest(guest, 2048);
    request.setHeader(SCSI_CMD, 0);
    queue.chain(0, descriptorsOf(request, 36));
    queue.publish(0);
    queue.notify();
    assert.equal(request.result, 0);
    const bytes = request.contents;
    assert.deepEqual(bytes.slice(512, 523), Uint8Array.of(7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0));
    assert.equal(bytes[1024 + 17], 9);
    const result = new DataView(bytes.buffer, bytes.byteOffset + 1536, 16);
    assert.deepEqual(
      [0, 4, 8, 12].map((offset) => result.getUint32(offset, true)),
      [2, 36, 18, 26],
    );
    assertViolations(pc, []);
  });

  it("is recorded with sense of another length, and where it was not negotiated", () => {
    const { pc, guest } = blockGuest({}, { scsi: () => ({ errors: 0 }) });
    const run = (features: number, sense: number): number => {
      const queue = guest.start(features);
      const request = new BlockRequest(guest, 2048);
      request.setHeader(SCSI_CMD, 0);
      queue.chain(0, descriptorsOf(request, 36, sense));
      queue.publish(0);
      queue.notify();
      return request.result;
    };
    assert.equal(run(SCSI | ANY_LAYOUT, 90), 1);
    assert.equal(run(ANY_LAYOUT, 96), 2);
    assertViolations(pc, ["block-scsi-framing", "block-not-negotiated"]);
  });
});
