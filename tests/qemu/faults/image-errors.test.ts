/**
 * Disks whose host cannot read, write or flush: the request completes once with E_IO, all others succeed, what was
 * acknowledged is in the image, and the disk goes on. [virtio-1.2 §5.2.6]
 */

import assert from "node:assert/strict";
import {
  BlockOperation,
  Result,
  type BlockDevice,
  type BlockRequest,
  type Completion,
} from "../../../kernel-shim/javascript/index.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import {
  flushRequest,
  perform,
  performAll,
  performWell,
  readRequest,
  SECTOR_BYTES,
  sectorWrites,
  segment,
  submitAll,
  takeCompletions,
  writeRequest,
} from "../../cases/block/requests.js";
import type { CaseContext } from "../../cases/context.js";
import { initialSectors, pattern } from "../../cases/pattern.js";
import { Random } from "../../cases/random.js";
import { assertResult } from "../../cases/results.js";
import { HOST_ERRORS, runWithFaults, type InjectedError } from "./faulty-image.js";

const SECTORS = 2048;
const BAD = 40;

/** What `sectorWrites` writes. */
function written(index: number, count: number, seed: number): Uint8Array {
  return new Uint8Array(pattern(seed, count * SECTOR_BYTES).subarray(index * SECTOR_BYTES, (index + 1) * SECTOR_BYTES));
}

function assertFails(completion: Completion): void {
  assertResult(completion.result, Result.E_IO);
  assert.equal(completion.length, 0);
}

/** Nothing more completes: every request did exactly once. */
function assertQuiet(context: CaseContext, disk: BlockDevice): void {
  context.letTimePass();
  assert.deepEqual(disk.poll(), []);
}

/** Reads, writes and flushes succeed, away from bad sectors. */
function assertGoesOn(context: CaseContext, disk: BlockDevice): void {
  const bytes = pattern(99, 8 * SECTOR_BYTES);
  disk.writeSectors(1000, bytes);
  disk.flush();
  assert.deepEqual(disk.readSectors(1000, 8), bytes);
  assert.deepEqual(context.disk().contents(1000, 8), bytes);
}

for (const [errorName, errno] of Object.entries(HOST_ERRORS)) {
  for (const once of [true, false]) {
    const often = once ? "once" : "every time";

    runWithFaults(
      { errors: [{ event: "write_aio", iotype: "write", errno, once, sector: BAD }] },
      {
        name: `a sector whose writing fails ${often} with ${errorName}: E_IO for that write alone, its old data stays`,
        disks: [{}],
        run(context) {
          const disk = context.openDisk();
          const seed = 5;
          const completions = performAll(context, disk, sectorWrites(context, BAD - 3, 8, seed));
          completions.forEach((completion, index) => {
            if (index === 3) {
              assertFails(completion);
              assert.deepEqual(context.disk().contents(BAD, 1), initialSectors(BAD, 1));
            } else {
              assertResult(completion.result, Result.OK);
              assert.deepEqual(context.disk().contents(BAD - 3 + index, 1), written(index, 8, seed));
            }
          });
          assert.deepEqual(disk.readSectors(BAD, 1), initialSectors(BAD, 1));
          for (let attempt = 0; attempt < 3; attempt++) {
            const [again] = sectorWrites(context, BAD, 1, attempt);
            assert.ok(again);
            const completion = perform(context, disk, again);
            if (once) assertResult(completion.result, Result.OK);
            else assertFails(completion);
            const expected = once ? written(0, 1, attempt) : initialSectors(BAD, 1);
            assert.deepEqual(context.disk().contents(BAD, 1), expected);
          }
          assertQuiet(context, disk);
          assertGoesOn(context, disk);
          assert.equal(disk.statistics().errors, once ? 1n : 4n);
        },
      },
    );

    runWithFaults(
      { errors: [{ event: "read_aio", iotype: "read", errno, once, sector: BAD }] },
      {
        name: `a sector whose reading fails ${often} with ${errorName}: E_IO for that read alone`,
        disks: [{}],
        run(context) {
          const disk = context.openDisk();
          const buffer = context.allocate(8 * SECTOR_BYTES);
          const reads = Array.from({ length: 8 }, (_, index) =>
            readRequest(BAD - 3 + index, [segment(buffer + index * SECTOR_BYTES, SECTOR_BYTES)], index),
          );
          performAll(context, disk, reads).forEach((completion, index) => {
            if (index === 3) {
              assertFails(completion);
              return;
            }
            assertResult(completion.result, Result.OK);
            assert.deepEqual(
              context.machine.readBuffer(buffer + index * SECTOR_BYTES, SECTOR_BYTES),
              initialSectors(BAD - 3 + index, 1),
            );
          });
          // Writing it is something else.
          const [write] = sectorWrites(context, BAD, 1, 6);
          assert.ok(write);
          performWell(context, disk, write);
          const completion = perform(context, disk, readRequest(BAD, [segment(buffer, SECTOR_BYTES)], 9));
          if (once) {
            assertResult(completion.result, Result.OK);
            assert.deepEqual(context.machine.readBuffer(buffer, SECTOR_BYTES), written(0, 1, 6));
          } else {
            assertFails(completion);
          }
          assertQuiet(context, disk);
          assertGoesOn(context, disk);
          assert.equal(disk.statistics().errors, once ? 1n : 2n);
        },
      },
    );

    runWithFaults(
      { errors: [{ event: "flush_to_disk", iotype: "flush", errno, once }] },
      {
        name: `flushing fails ${often} with ${errorName}: E_IO for the flush alone, reads and writes go on`,
        disks: [{}],
        run(context) {
          const disk = context.openDisk();
          let failed = 0;
          for (let attempt = 0; attempt < 4; attempt++) {
            const batch = sectorWrites(context, 100 + 10 * attempt, 6, attempt);
            for (const { result } of performAll(context, disk, batch)) assertResult(result, Result.OK);
            const completion = perform(context, disk, flushRequest(77));
            if (completion.result !== 0) {
              assertFails(completion);
              failed++;
            }
            batch.forEach((_, index) => {
              assert.deepEqual(context.disk().contents(100 + 10 * attempt + index, 1), written(index, 6, attempt));
            });
            assert.deepEqual(disk.readSectors(0, 4), initialSectors(0, 4));
          }
          assert.equal(failed, once ? 1 : 4);
          assertQuiet(context, disk);
          const { errors, flushes } = disk.statistics();
          assert.deepEqual([errors, flushes], [BigInt(failed), BigInt(4 - failed)]);
          if (once) assertGoesOn(context, disk);
        },
      },
    );
  }
}

runWithFaults(
  { errors: [{ event: "write_aio", iotype: "write", errno: HOST_ERRORS.EIO }] },
  {
    name: "every write of a full ring fails: each completes once with E_IO, the image is as it was, reads go on",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const { queue_size } = disk.information();
      submitAll(disk, sectorWrites(context, 0, queue_size, 1));
      const completions = takeCompletions(context, disk, queue_size);
      completions.forEach(assertFails);
      assert.equal(new Set(completions.map(({ token }) => token)).size, queue_size);
      assertQuiet(context, disk);
      assert.deepEqual(context.disk().contents(0, queue_size), initialSectors(0, queue_size));
      assert.deepEqual(disk.readSectors(0, queue_size), initialSectors(0, queue_size));
      assert.deepEqual([disk.statistics().errors, disk.statistics().writes], [BigInt(queue_size), 0n]);
    },
  },
);

const PIECE = 4096;
const PIECE_SECTORS = PIECE / SECTOR_BYTES;

for (const once of [true, false]) {
  runWithFaults(
    {
      largestTransfer: PIECE,
      errors: [{ event: "none", iotype: "write", errno: HOST_ERRORS.ENOSPC, once, sector: 5 * PIECE_SECTORS }],
    },
    {
      name: `a write that fails half-way, ${once ? "once" : "every time"}: E_IO once for all of it, each sector is old or new`,
      disks: [{}],
      run(context) {
        const disk = context.openDisk();
        const sectors = 16 * PIECE_SECTORS;
        const buffer = context.allocate(sectors * SECTOR_BYTES);
        const bytes = pattern(8, sectors * SECTOR_BYTES);
        context.machine.writeBuffer(buffer, bytes);
        const write = writeRequest(0, [segment(buffer, bytes.length)], 1);
        const [behind] = sectorWrites(context, sectors, 1, 2);
        assert.ok(behind);
        const [completion, other] = performAll(context, disk, [write, { ...behind, token: 2 }]);
        assert.ok(completion && other);
        assertFails(completion);
        assertResult(other.result, Result.OK);
        assert.deepEqual(context.disk().contents(sectors, 1), written(0, 1, 2));
        // QEMU writes piece by piece and stops at the bad one.
        const done = 5 * PIECE;
        const image = context.disk().contents(0, sectors);
        assert.deepEqual(image.subarray(0, done), bytes.subarray(0, done));
        assert.deepEqual(image.subarray(done), initialSectors(0, sectors).subarray(done));
        assertQuiet(context, disk);
        const again = perform(context, disk, write);
        if (once) {
          assertResult(again.result, Result.OK);
          assert.deepEqual(context.disk().contents(0, sectors), bytes);
        } else {
          assertFails(again);
        }
        assertGoesOn(context, disk);
      },
    },
  );
}

runWithFaults(
  {
    largestTransfer: PIECE,
    errors: [{ event: "none", iotype: "read", errno: HOST_ERRORS.EIO, once: true, sector: 9 * PIECE_SECTORS }],
  },
  {
    name: "a read that fails half-way: E_IO once for all of it, and read again it has every byte",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const sectors = 16 * PIECE_SECTORS;
      const buffer = context.allocate(sectors * SECTOR_BYTES);
      const read = readRequest(0, [segment(buffer, sectors * SECTOR_BYTES)], 1);
      assertFails(perform(context, disk, read));
      assertQuiet(context, disk);
      performWell(context, disk, read);
      assert.deepEqual(context.machine.readBuffer(buffer, sectors * SECTOR_BYTES), initialSectors(0, sectors));
      assertGoesOn(context, disk);
    },
  },
);

runWithFaults(
  {
    properties: { "request-merging": true },
    errors: [{ event: "write_aio", iotype: "write", errno: HOST_ERRORS.EIO, once: true, sector: BAD }],
  },
  {
    name: "writes that the host merges share an error: each completes once, none is acknowledged and lost",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const completions = performAll(context, disk, sectorWrites(context, 0, 200, 3));
      const failed = completions.filter(({ result }) => result !== 0);
      failed.forEach(assertFails);
      assert.ok(failed.some(({ token }) => token === BAD));
      completions.forEach(({ result }, index) => {
        const image = context.disk().contents(index, 1);
        const expected = result === 0 ? written(index, 200, 3) : initialSectors(index, 1);
        assert.deepEqual(image, expected, `sector ${index}`);
      });
      assertQuiet(context, disk);
      performAll(context, disk, sectorWrites(context, 0, 200, 4)).forEach(({ result }) =>
        assertResult(result, Result.OK),
      );
      assert.deepEqual(context.disk().contents(0, 200), pattern(4, 200 * SECTOR_BYTES));
    },
  },
);

/** Longest request of the random ones. */
const LONGEST = 8;
/** Sectors per error: no request meets two. */
const SPACING = 32;
const random = new Random(20);
const scattered = Array.from({ length: 60 }, (_, index): InjectedError => ({
  event: "none",
  iotype: index % 3 === 0 ? "read" : "write",
  errno: index % 2 === 0 ? HOST_ERRORS.EIO : HOST_ERRORS.ENOSPC,
  once: true,
  sector: SPACING * index + random.below(SPACING - LONGEST),
}));

runWithFaults(
  { errors: scattered },
  {
    name: "errors strewn over random requests: E_IO only where they are, once each, and all else is as a disk must be",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const model = initialSectors(0, SECTORS);
      const buffer = context.allocate(64 * SECTOR_BYTES);
      let left = [...scattered];
      let failures = 0;
      for (let round = 0; round < 400; round++) {
        // Requests of a round do not overlap: each has its own stretch of 64 sectors.
        const base = 64 * random.below(SECTORS / 64 - 8);
        const requests = Array.from({ length: 8 }, (_, token): BlockRequest => {
          const operation = random.below(2) === 0 ? BlockOperation.READ : BlockOperation.WRITE;
          const pointer = buffer + token * LONGEST * SECTOR_BYTES;
          const length = random.between(1, LONGEST) * SECTOR_BYTES;
          if (operation === BlockOperation.WRITE) {
            context.machine.writeBuffer(pointer, pattern(8 * round + token, length));
          }
          return {
            token,
            operation,
            sector: base + 64 * token + random.below(64 - LONGEST),
            segments: [{ pointer, length }],
          };
        });
        for (const { token, result } of performAll(context, disk, requests)) {
          const request = requests[token];
          const [data] = request?.segments ?? [];
          assert.ok(request && data);
          const first = Number(request.sector);
          const sectors = data.length / SECTOR_BYTES;
          const part = model.subarray(first * SECTOR_BYTES, first * SECTOR_BYTES + data.length);
          const iotype = request.operation === BlockOperation.READ ? "read" : "write";
          const isHit = ({ sector = 0, ...rule }: InjectedError): boolean =>
            rule.iotype === iotype && sector >= first && sector < first + sectors;
          const hit = left.find(isHit);
          if (hit !== undefined) {
            left = left.filter((each) => each !== hit);
            assertResult(result, Result.E_IO);
            failures++;
          } else {
            assertResult(result, Result.OK);
            if (iotype === "write") part.set(context.machine.readBuffer(data.pointer, data.length));
            else assert.deepEqual(context.machine.readBuffer(data.pointer, data.length), new Uint8Array(part));
          }
        }
      }
      assert.ok(failures > 20, `only ${failures} errors were met`);
      assert.equal(disk.statistics().errors, BigInt(failures));
      assertQuiet(context, disk);
      assert.ok(Buffer.compare(context.disk().contents(0, SECTORS), model) === 0, "the image is not what it must be");
    },
  },
);

const full: InjectedError = { event: "write_aio", iotype: "write", errno: HOST_ERRORS.ENOSPC, once: true, sector: BAD };

runWithFaults(
  { errors: [full], properties: { werror: "enospc" } },
  {
    name: "a host that stops the machine until there is space: the write waits, and completes once when it goes on",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const qemu = stopAtFullDisk(context, disk);
      assertQuiet(context, disk);
      qemu.resume();
      const [completion] = takeCompletions(context, disk, 1);
      assert.deepEqual(completion, { token: 0, result: Result.OK, length: SECTOR_BYTES });
      assert.deepEqual(context.disk().contents(BAD, 1), written(0, 1, 7));
      assertQuiet(context, disk);
      assertGoesOn(context, disk);
    },
  },
);

runWithFaults(
  { errors: [full], properties: { werror: "enospc" } },
  {
    name: "a disk that is reset while the machine is stopped for want of space: E_RESET once, and it goes on",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const qemu = stopAtFullDisk(context, disk);
      disk.reset();
      assert.deepEqual(disk.poll(), [{ token: 0, result: Result.E_RESET, length: 0 }]);
      qemu.resume();
      assertQuiet(context, disk);
      assert.deepEqual(context.disk().contents(BAD, 1), initialSectors(BAD, 1));
      assertGoesOn(context, disk);
    },
  },
);

/** Makes QEMU stop the machine by a write to the bad sector, which stays in flight. */
function stopAtFullDisk(context: CaseContext, disk: BlockDevice): QemuMachine {
  const { machine } = context;
  assert.ok(machine instanceof QemuMachine);
  submitAll(disk, sectorWrites(context, BAD, 1, 7));
  context.waitUntil(
    () => JSON.stringify(machine.qmp("query-status")).includes('"io-error"'),
    "QEMU's stopping of the machine",
  );
  return machine;
}
