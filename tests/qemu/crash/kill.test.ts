/**
 * QEMU is killed at any moment during random writes and flushes: no acknowledged write is lost that the rules of flushing
 * say must be there, and no sector holds anything that was not written to it as a whole. [virtio-1.2 §5.2.6.2]
 */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ALL_FEATURES, VIRTIO_BLK_F_FLUSH } from "../../cases/features.js";
import { pattern } from "../../cases/pattern.js";
import { Random } from "../../cases/random.js";
import { CrashingDisk, type CrashingDiskOptions } from "./crashing-disk.js";
import { DiskHistory, SECTOR_BYTES, type Safety } from "./disk-history.js";
import { RandomWriter, type WriterOptions } from "./random-writer.js";

const SECTORS = 16384;
/** Kills of each kind of disk: so many at least, and more while there is time. */
const KILLS = 3;
const SECONDS = 1.5;
const MOST_KILLS = 100;
/** When QEMU is killed, at the latest, from the first request on. */
const LATEST_MILLISECONDS = 150;

const WITHOUT_FLUSH = ALL_FEATURES & ~VIRTIO_BLK_F_FLUSH;

interface Kind {
  name: string;
  disk: Omit<CrashingDiskOptions, "sectors">;
  writer: WriterOptions;
  safety: Safety;
}

const kinds: readonly Kind[] = [
  {
    name: "a raw image: what was flushed is there",
    disk: { storage: "raw" },
    writer: { depth: 32, writesPerFlush: 12 },
    safety: "flushed",
  },
  {
    name: "a qcow2 image, whose tables QEMU loses: what was flushed is there",
    disk: { storage: "qcow2" },
    writer: { depth: 32, writesPerFlush: 12 },
    safety: "flushed",
  },
  {
    name: "a qcow2 image, by a driver that does not flush: what was acknowledged is there",
    disk: { storage: "qcow2", features: WITHOUT_FLUSH },
    writer: { depth: 16 },
    safety: "acknowledged",
  },
  {
    name: "a qcow2 image of a disk that offers no flushes: what was acknowledged is there",
    disk: { storage: "qcow2", hasCache: false },
    writer: { depth: 16 },
    safety: "acknowledged",
  },
  {
    name: "a raw image that loses all that was not flushed: what was flushed is there",
    disk: { storage: "logged" },
    writer: { depth: 32, writesPerFlush: 12, isFlushAlone: true },
    safety: "flushed",
  },
  {
    name: "the same image of a disk that offers no flushes: what was acknowledged is there",
    disk: { storage: "logged", hasCache: false },
    writer: { depth: 1 },
    safety: "acknowledged",
  },
];

/** What came of one kill. */
interface Outcome {
  writes: number;
  flushes: number;
  inFlight: number;
}

function killOnce({ disk: options, writer: writerOptions, safety }: Kind, seed: number): Outcome {
  const random = new Random(seed);
  const crashing = new CrashingDisk({ ...options, sectors: SECTORS });
  try {
    const { machine, disk } = crashing;
    const offersFlush = (disk.information().features_accepted & VIRTIO_BLK_F_FLUSH) !== 0n;
    assert.equal(offersFlush, safety === "flushed", "the feature says whether there is anything to be flushed");
    const history = new DiskHistory(new Uint8Array(SECTORS * SECTOR_BYTES), safety);
    const writer = new RandomWriter(machine, disk, history, random, writerOptions);
    crashing.kill(random.between(1, LATEST_MILLISECONDS));
    writer.runUntilKilled();
    const findings = history.judge(crashing.image());
    assert.equal(findings.length, 0, `seed ${seed}: ${JSON.stringify(findings.slice(0, 10))}`);
    return { ...writer.acknowledged, inFlight: history.inFlight };
  } finally {
    crashing.dispose();
  }
}

suite("QEMU killed at any moment", () => {
  kinds.forEach((kind, index) => {
    test(kind.name, () => {
      const shown: Outcome = { writes: 0, flushes: 0, inFlight: 0 };
      // A kill that came too early or found nothing in flight has shown nothing.
      const isEnough = (): boolean =>
        shown.writes > 0 && shown.inFlight > 0 && (kind.safety === "acknowledged" || shown.flushes > 0);
      const end = performance.now() + 1000 * SECONDS;
      for (let round = 0; round < KILLS || performance.now() < end || !isEnough(); round++) {
        assert.ok(round < MOST_KILLS, `nothing was shown: ${JSON.stringify(shown)}`);
        const { writes, flushes, inFlight } = killOnce(kind, 1000 * index + round);
        shown.writes += writes;
        shown.flushes += flushes;
        shown.inFlight += inFlight;
      }
    });
  });
});

suite("a crash that the model can tell from others", () => {
  for (const storage of ["qcow2", "logged"] as const) {
    for (const isFlushed of [true, false]) {
      const [what, so] = isFlushed
        ? ["flushed", "there"]
        : ["acknowledged and not flushed", "lost, and the model sees it"];
      test(`${storage}: a write that was ${what} is ${so}`, () => {
        const crashing = new CrashingDisk({ storage, sectors: SECTORS });
        try {
          const history = new DiskHistory(new Uint8Array(SECTORS * SECTOR_BYTES), "acknowledged");
          const data = pattern(1, 8 * SECTOR_BYTES);
          history.beginWrite(1, 4000, data);
          crashing.disk.writeSectors(4000, data);
          history.end(1);
          if (isFlushed) crashing.disk.flush();
          crashing.kill();
          const lost = Array.from({ length: 8 }, (_, index) => ({ sector: 4000 + index, kind: "lost write" }));
          assert.deepEqual(history.judge(crashing.image()), isFlushed ? [] : lost);
        } finally {
          crashing.dispose();
        }
      });
    }
  }

  test("an image that was tampered with after the crash is found out", () => {
    const crashing = new CrashingDisk({ storage: "raw", sectors: SECTORS });
    try {
      const history = new DiskHistory(new Uint8Array(SECTORS * SECTOR_BYTES), "flushed");
      const data = pattern(1, 8 * SECTOR_BYTES);
      history.beginWrite(1, 4000, data);
      crashing.disk.writeSectors(4000, data);
      history.end(1);
      history.beginFlush(2);
      crashing.disk.flush();
      history.end(2);
      crashing.kill();
      const image = crashing.image();
      assert.deepEqual(history.judge(image), []);
      image.fill(0, 4001 * SECTOR_BYTES, 4002 * SECTOR_BYTES);
      image.fill(0, 4003 * SECTOR_BYTES, 4003 * SECTOR_BYTES + 256);
      image.copyWithin(4005 * SECTOR_BYTES, 4006 * SECTOR_BYTES, 4007 * SECTOR_BYTES);
      assert.deepEqual(history.judge(image), [
        { sector: 4001, kind: "lost write" },
        { sector: 4003, kind: "mixture" },
        { sector: 4005, kind: "foreign data" },
      ]);
    } finally {
      crashing.dispose();
    }
  });
});
