/** What a disk says of itself. [virtio-1.2 §5.2.4] */

import assert from "node:assert/strict";
import type { Case } from "../context.js";
import * as features from "../features.js";

const LARGE_SECTORS = 2 ** 32 + 8;

export const information: readonly Case[] = [
  {
    name: "capacity, block size and queue are the device's",
    disks: [{ sectors: 4096 }],
    run(context) {
      const disk = context.openDisk();
      const found = disk.information();
      assert.equal(found.capacity, 4096n);
      assert.equal(found.block_size, 512);
      assert.equal(found.read_only, 0);
      assert.ok(found.queue_size >= 2 && found.queue_size <= 32768);
      assert.equal(found.queue_size & (found.queue_size - 1), 0, "a power of two");
      assert.ok(found.seg_max >= 1);
      assert.ok(found.size_max >= 1);
    },
  },
  {
    name: "only features that were offered are accepted [virtio-1.2 §2.2.1]",
    disks: [{}],
    run(context) {
      const { features_offered, features_accepted } = context.openDisk().information();
      assert.equal(features_accepted & ~features_offered, 0n);
      const known =
        features.VIRTIO_BLK_F_BARRIER |
        features.VIRTIO_BLK_F_SCSI |
        features.VIRTIO_BLK_F_SIZE_MAX |
        features.VIRTIO_BLK_F_SEG_MAX |
        features.VIRTIO_BLK_F_GEOMETRY |
        features.VIRTIO_BLK_F_RO |
        features.VIRTIO_BLK_F_BLK_SIZE |
        features.VIRTIO_BLK_F_FLUSH |
        features.VIRTIO_BLK_F_TOPOLOGY |
        features.VIRTIO_BLK_F_CONFIG_WCE |
        features.VIRTIO_BLK_F_DISCARD |
        features.VIRTIO_BLK_F_WRITE_ZEROES |
        features.VIRTIO_BLK_F_LIFETIME |
        features.VIRTIO_BLK_F_SECURE_ERASE |
        features.VIRTIO_F_ANY_LAYOUT |
        features.VIRTIO_F_INDIRECT_DESC |
        features.VIRTIO_F_EVENT_IDX |
        features.VIRTIO_F_VERSION_1;
      assert.equal(features_accepted, features_offered & known, "what is known and offered is used");
    },
  },
  {
    name: "features that the options leave out are refused",
    disks: [{ offers: { anyLayout: false } }],
    run(context) {
      const disk = context.openDisk(0, { features: 0n });
      const found = disk.information();
      assert.equal(features.chosen(found.features_accepted), 0n);
      assert.equal(found.block_size, 512);
      assert.equal(found.cylinders, 0);
      assert.equal(found.size_max, 0xffff_ffff);
      assert.equal(found.capacity, 2048n);
      disk.close();
      const topology = context.openDisk(0, { features: features.VIRTIO_BLK_F_TOPOLOGY }).information();
      const { VIRTIO_BLK_F_TOPOLOGY } = features;
      const wanted = topology.features_offered & VIRTIO_BLK_F_TOPOLOGY;
      assert.equal(features.chosen(topology.features_accepted), wanted);
    },
  },
  {
    name: "FLUSH is not accepted without CONFIG_WCE where both are offered: it would change the cache [virtio-1.2 §5.2.5]",
    disks: [{}],
    run(context) {
      const allowed = features.ALL_FEATURES & ~features.VIRTIO_BLK_F_CONFIG_WCE;
      const found = context.openDisk(0, { features: allowed }).information();
      const both = features.VIRTIO_BLK_F_FLUSH | features.VIRTIO_BLK_F_CONFIG_WCE;
      const isAlone = (found.features_offered & both) === features.VIRTIO_BLK_F_FLUSH;
      assert.equal(found.features_accepted & both, isAlone ? features.VIRTIO_BLK_F_FLUSH : 0n);
      assert.equal(found.writeback, isAlone ? 1 : 0);
    },
  },
  {
    name: "a read-only disk says so [virtio-1.2 §5.2.5]",
    disks: [{ readOnly: true }],
    run(context) {
      assert.equal(context.openDisk().information().read_only, 1);
    },
  },
  {
    name: "blocks of 4096 bytes are reported as such [virtio-1.2 §5.2.4]",
    disks: [{ blockSize: 4096 }],
    run(context) {
      const { block_size, capacity } = context.openDisk().information();
      assert.equal(block_size, 4096);
      assert.equal(capacity, 2048n, "the capacity still counts sectors of 512 bytes");
    },
  },
  {
    name: "limits of segments are reported [virtio-1.2 §5.2.4]",
    needs: ["segment limits"],
    disks: [{ segMax: 5, sizeMax: 8192 }],
    run(context) {
      const { seg_max, size_max } = context.openDisk().information();
      assert.equal(seg_max, 5);
      assert.equal(size_max, 8192);
    },
  },
  {
    name: "a capacity of more than 2^32 sectors",
    disks: [{ sectors: LARGE_SECTORS, content: "zeros" }],
    run(context) {
      const disk = context.openDisk();
      assert.equal(disk.information().capacity, BigInt(LARGE_SECTORS));
      const bytes = new Uint8Array(1024).fill(0xa5);
      disk.writeSectors(LARGE_SECTORS - 2, bytes);
      assert.deepEqual(disk.readSectors(LARGE_SECTORS - 2, 2), bytes);
      assert.deepEqual(context.disk().contents(LARGE_SECTORS - 2, 2), bytes);
      assert.deepEqual(disk.readSectors(6, 2), new Uint8Array(1024), "not the sector 2^32 below");
    },
  },
  {
    name: "describing a disk disturbs nothing in flight",
    disks: [{}],
    run(context) {
      const disk = context.openDisk();
      const before = disk.information();
      const bytes = disk.readSectors(0, 1);
      assert.deepEqual(disk.information(), before);
      assert.deepEqual(disk.readSectors(0, 1), bytes);
    },
  },
];
