/**
 * Arrays that the stack fills, and options that it reads, in memory that devices write: what stands there at the end is
 * the device's doing, but what the stack does never depends on what it wrote.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockOperation, BlockOptionsLayout, NetOptionsLayout, Result } from "../../../kernel-shim/javascript/abi.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk, SECTOR_BYTES } from "../../raw-stack/raw-disk.js";
import type { RawGround } from "../../raw-stack/raw-ground.js";
import { frameOf } from "../traced-network.js";
import { onBothBuilds } from "../fixed/ground.js";

const ARRAY_BYTES = 2048;
const ENTRIES = 4;
const JUNK = [0x00, 0x01, 0x7f, 0xff];

/** Behind every import, all of the array is overwritten. */
function overwrite(ground: RawGround, pointer: number, bytes: number, value: number): void {
  const array = ground.module.bytes(pointer, bytes);
  ground.kernel.between = () => array.fill(value);
}

/** Pages that devices write, in the mapped build; in the other one linear memory is out of their reach. */
function recordsAt(ground: RawGround, reserved: number): number {
  return ground.module.build === "mapped" ? ground.allocate(ARRAY_BYTES) : reserved;
}

for (const value of JUNK) {
  const written = `overwritten with 0x${value.toString(16)} behind every import`;

  describe(`an array of completions, ${written}`, () => {
    onBothBuilds("loses no request and counts what was moved", (build) => {
      const disk = new RawDisk({ build });
      const { exports } = disk.module;
      disk.ok(disk.open());
      disk.completionsAt = recordsAt(disk, disk.completionsAt);
      for (let round = 1; round <= 3; round++) {
        const segments = [{ pointer: disk.buffer, length: SECTOR_BYTES }];
        const requests = Array.from({ length: ENTRIES }, () => ({ operation: BlockOperation.READ, segments }));
        assert.equal(disk.submit(...requests).accepted, ENTRIES);
        disk.wait();
        overwrite(disk, disk.completionsAt, ARRAY_BYTES, value);
        const taken = [3, 3, 3].map((capacity) => exports.block_poll(disk.handle, disk.completionsAt, capacity));
        assert.deepEqual(taken, [3, 1, 0]);
        disk.kernel.between = undefined;
      }
      disk.closes();
      disk.checkViolations();
    });

    onBothBuilds("loses no frame that was sent", (build) => {
      const card = new RawCard({ build });
      const { exports } = card.module;
      card.ok(card.open());
      card.completionsAt = recordsAt(card, card.completionsAt);
      for (let frame = 0; frame < ENTRIES; frame++) {
        assert.equal(card.transmit([{ pointer: card.buffer, length: 100 }]).accepted, 1);
      }
      card.wait();
      overwrite(card, card.completionsAt, ARRAY_BYTES, value);
      const taken = [3, 3, 3].map((capacity) => exports.net_reclaim(card.handle, card.completionsAt, capacity));
      assert.deepEqual(taken, [3, 1, 0]);
      card.kernel.between = undefined;
      assert.equal(card.statistics().bytes_transmitted, BigInt(100 * ENTRIES));
      card.closes();
      card.checkViolations();
    });
  });

  describe(`an array of received buffers, ${written}`, () => {
    onBothBuilds("has frames lent once, whole, and taken back", (build) => {
      const card = new RawCard({ build });
      const { exports } = card.module;
      card.ok(card.open({ receive_buffer_bytes: 512, receive_buffers: 200 }));
      card.receivedAt = recordsAt(card, card.receivedAt);
      for (const bytes of [60, 1500, 60, 1000]) card.network.arrive(frameOf(bytes, bytes));
      card.wait();
      overwrite(card, card.receivedAt, ARRAY_BYTES, value);
      const pieces = 1 + 3 + 1 + 2;
      assert.equal(exports.net_receive(card.handle, card.receivedAt, 64), pieces);
      card.kernel.between = undefined;
      assert.equal(card.statistics().bytes_received, 2620n);
      const ids = Array.from({ length: 200 }, (_, id) => id).filter((id) => card.release([id]) === 1);
      assert.equal(ids.length, pieces);
      card.receives(1200);
      card.closes();
      card.checkViolations();
    });
  });

  describe(`an array of buffers given back, ${written}`, () => {
    onBothBuilds("gives back what was lent, each once", (build) => {
      const card = new RawCard({ build });
      card.ok(card.open());
      card.idsAt = recordsAt(card, card.idsAt);
      for (let frame = 0; frame < ENTRIES; frame++) card.network.arrive(frameOf(frame, 60));
      card.wait();
      const received = card.receive();
      assert.ok(typeof received !== "number");
      const ids = received.map(({ buffer }) => buffer);
      assert.equal(ids.length, ENTRIES);
      // The ids are written, and then the call is made: what is there behind an import is no buffer of the caller's.
      ids.forEach((id, index) => card.module.view.setUint32(card.idsAt + 4 * index, id, true));
      overwrite(card, card.idsAt, ARRAY_BYTES, value);
      const released = card.module.exports.net_release(card.handle, card.idsAt, ids.length);
      card.kernel.between = undefined;
      const left = ids.filter((id) => card.release([id]) === 1).length;
      assert.ok(released >= 1 && released <= ENTRIES);
      assert.equal(released + left, ENTRIES);
      card.receives(300);
      card.closes();
      card.checkViolations();
    });
  });

  describe(`options, ${written}`, () => {
    onBothBuilds("are read at the beginning: the card is opened as it was asked for", (build) => {
      const card = new RawCard({ build });
      const at = recordsAt(card, card.records + 192);
      card.module.write(NetOptionsLayout, at, {
        features: 0xffff_ffff_ffff_ffffn,
        receive_buffers: 100,
        receive_buffer_bytes: 1024,
      });
      overwrite(card, at, NetOptionsLayout.size, value);
      card.handle = card.ok(card.module.exports.net_open(card.address, at));
      card.kernel.between = undefined;
      const { receive_buffers, receive_buffer_bytes, features_accepted, features_offered } = card.information();
      assert.deepEqual([receive_buffers, receive_buffer_bytes], [100, 1024]);
      assert.ok((features_accepted & ~features_offered) === 0n && features_accepted !== 0n);
      card.works();
      card.closes();
    });

    onBothBuilds("are read at the beginning: the disk is opened as it was asked for", (build) => {
      const disk = new RawDisk({ build });
      const at = recordsAt(disk, disk.records + 192);
      // FLUSH, and CONFIG_WCE, without which it would not be accepted.
      const wanted = (1n << 9n) | (1n << 11n);
      disk.module.write(BlockOptionsLayout, at, { features: wanted, timeout_ns: 0n });
      overwrite(disk, at, BlockOptionsLayout.size, value);
      disk.handle = disk.ok(disk.module.exports.block_open(disk.address, at));
      disk.kernel.between = undefined;
      assert.equal(disk.device.negotiatedFeatures & ~Number(wanted), 0);
      assert.equal(disk.submit({ operation: BlockOperation.FLUSH, segments: [] }).refusal, Result.OK);
      disk.wait();
      assert.equal(disk.poll().length, 1);
      disk.closes();
    });
  });
}
