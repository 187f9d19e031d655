/** What a request or a frame may not be, and what a disk may say that means nothing. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockInformationLayout, BlockOperation, Result } from "../../../kernel-shim/javascript/abi.js";
import { onBothBuilds } from "../../hostile/fixed/ground.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk, SECTOR_BYTES } from "../../raw-stack/raw-disk.js";

const ID_BYTES = 20;
const SIZE_MAX = 2 ** 1;
const SEG_MAX = 2 ** 2;
const NO_LIMIT = 0xffff_ffff;

describe("a frame", () => {
  onBothBuilds("without segments is E_SEGMENTS, wherever its array is", (build) => {
    const card = new RawCard({ build });
    card.ok(card.open());
    for (const segments of [card.segmentsAt, 8, card.module.memory.buffer.byteLength]) {
      for (const header_room of [0, 64]) {
        const refused = card.transmit([], { segments, header_room });
        assert.deepEqual(refused, { accepted: 0, refusal: Result.E_SEGMENTS });
      }
    }
    assert.equal(card.statistics().transmit_refused, 6n);
    card.works();
    card.closes();
    card.checkViolations();
  });

  onBothBuilds("with an empty segment among others is E_SEGMENTS", (build) => {
    const card = new RawCard({ build });
    card.ok(card.open());
    const full = { pointer: card.buffer, length: 60 };
    const empty = { pointer: card.buffer + 100, length: 0 };
    for (const segments of [[empty], [empty, full], [full, empty], [full, empty, full]]) {
      assert.deepEqual(card.transmit(segments), { accepted: 0, refusal: Result.E_SEGMENTS });
    }
    card.works();
    card.closes();
    card.checkViolations();
  });

  onBothBuilds("of 13 bytes is E_FRAME_SIZE, and of 14 is sent", (build) => {
    const card = new RawCard({ build });
    card.ok(card.open());
    assert.equal(card.transmit([{ pointer: card.buffer, length: 13 }]).refusal, Result.E_FRAME_SIZE);
    card.sends([{ pointer: card.buffer, length: 14 }]);
    card.closes();
    card.checkViolations();
  });
});

describe("GET_ID", () => {
  onBothBuilds("takes one segment of 20 bytes and nothing else: E_SEGMENTS", (build) => {
    const disk = new RawDisk({ build }, { serial: "twenty characters it" });
    disk.ok(disk.open());
    const { buffer } = disk;
    for (const lengths of [[], [10, 10], [19, 1], [1, 19], [19], [21], [20, 1], [20, 20], [512]]) {
      const segments = lengths.map((length, index) => ({ pointer: buffer + 600 * index, length }));
      const refused = disk.submit({ operation: BlockOperation.GET_ID, segments });
      assert.deepEqual(
        refused,
        { accepted: 0, refusal: Result.E_SEGMENTS },
        `segments of ${lengths.join(" and ")} bytes`,
      );
    }
    disk.perform({ operation: BlockOperation.GET_ID, segments: [{ pointer: buffer, length: ID_BYTES }] });
    assert.equal(Buffer.from(disk.readBuffer(buffer, ID_BYTES)).toString("latin1"), "twenty characters it");
    disk.closes();
    disk.checkViolations();
  });
});

describe("a disk that states no limit", () => {
  for (const [name, sizeMax, segMax] of [
    ["a size_max of 0", 0, 126],
    ["a seg_max of 0", 65_536, 0],
    ["both of them 0", 0, 0],
  ] as const) {
    onBothBuilds(`with ${name} is opened and works`, (build) => {
      // What the device itself makes of its limits is what a host without any does.
      const disk = new RawDisk({ build }, { features: SIZE_MAX + SEG_MAX, sizeMax: NO_LIMIT, segMax: NO_LIMIT });
      disk.device.configuration.set("size_max", sizeMax);
      disk.device.configuration.set("seg_max", segMax);
      disk.ok(disk.open());
      disk.ok(disk.module.exports.block_information(disk.handle, disk.records));
      const { size_max, seg_max } = disk.module.read(BlockInformationLayout, disk.records);
      if (sizeMax === 0) assert.equal(size_max, NO_LIMIT);
      assert.ok(seg_max >= 1);
      disk.works();
      const { buffer } = disk;
      disk.moves(Array.from({ length: 8 }, (_, index) => ({ pointer: buffer + index * 1000, length: SECTOR_BYTES })));
      assert.equal(disk.module.exports.reset(disk.handle), Result.OK);
      disk.works();
      disk.closes();
      disk.checkViolations();
    });
  }
});
