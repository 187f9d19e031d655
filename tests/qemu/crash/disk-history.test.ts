/** The model of what a disk may hold after a crash finds what it is there to find, and nothing else. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DiskHistory, SECTOR_BYTES, type Safety } from "./disk-history.js";

const SECTORS = 8;

/** Sectors full of one byte each. */
function filled(...bytes: number[]): Uint8Array {
  return new Uint8Array(bytes.flatMap((byte) => new Array<number>(SECTOR_BYTES).fill(byte)));
}

/** A disk whose sectors hold 0 at first, and 1 in sectors 2 and 3 by write number 1, acknowledged. */
function afterOneWrite(safety: Safety): DiskHistory {
  const history = new DiskHistory(new Uint8Array(SECTORS * SECTOR_BYTES), safety);
  history.beginWrite(1, 2, filled(1, 1));
  history.end(1);
  return history;
}

function flush(history: DiskHistory, token = 100): void {
  history.beginFlush(token);
  history.end(token);
}

const untouched = filled(0, 0, 0, 0, 0, 0, 0, 0);
const written = filled(0, 0, 1, 1, 0, 0, 0, 0);

suite("the model of a disk after a crash", () => {
  test("a safe write that is not in the image is a lost write, in each of its sectors", () => {
    const flushed = afterOneWrite("flushed");
    flush(flushed);
    for (const history of [flushed, afterOneWrite("acknowledged")]) {
      assert.deepEqual(history.judge(written), []);
      assert.deepEqual(history.judge(untouched), [
        { sector: 2, kind: "lost write" },
        { sector: 3, kind: "lost write" },
      ]);
      assert.deepEqual(history.judge(filled(0, 0, 1, 0, 0, 0, 0, 0)), [{ sector: 3, kind: "lost write" }]);
    }
  });

  test("a write that was acknowledged and not flushed may be there, in part or not, where only flushes are safe", () => {
    const history = afterOneWrite("flushed");
    for (const image of [untouched, written, filled(0, 0, 1, 0, 0, 0, 0, 0)]) {
      assert.deepEqual(history.judge(image), []);
    }
  });

  test("a flush says nothing of a write that was acknowledged after its submission", () => {
    const history = new DiskHistory(untouched, "flushed");
    history.beginWrite(1, 2, filled(1, 1));
    history.beginFlush(2);
    history.end(1);
    history.end(2);
    assert.deepEqual(history.judge(untouched), []);
    assert.deepEqual(history.judge(written), []);
  });

  test("a flush that was not acknowledged says nothing", () => {
    const history = afterOneWrite("flushed");
    history.beginFlush(2);
    assert.equal(history.inFlight, 1);
    assert.deepEqual(history.judge(untouched), []);
  });

  test("a write in flight may be there or not, sector by sector, over what is safe", () => {
    const history = afterOneWrite("acknowledged");
    history.beginWrite(2, 3, filled(2, 2));
    assert.equal(history.inFlight, 1);
    for (const image of [written, filled(0, 0, 1, 2, 2, 0, 0, 0), filled(0, 0, 1, 1, 2, 0, 0, 0)]) {
      assert.deepEqual(history.judge(image), []);
    }
    assert.deepEqual(history.judge(filled(0, 0, 1, 0, 2, 0, 0, 0)), [{ sector: 3, kind: "lost write" }]);
  });

  test("what a safe write has replaced does not come back", () => {
    const history = afterOneWrite("flushed");
    history.beginWrite(2, 2, filled(2, 2));
    history.end(2);
    assert.deepEqual(history.judge(written), []);
    flush(history);
    assert.deepEqual(history.judge(written).length, 2);
    assert.deepEqual(history.judge(filled(0, 0, 2, 2, 0, 0, 0, 0)), []);
  });

  test("of two safe writes that were in flight together, either may be the last, and what was before may not", () => {
    const history = afterOneWrite("acknowledged");
    history.beginWrite(2, 2, filled(2));
    history.beginWrite(3, 2, filled(3));
    history.end(3);
    history.end(2);
    assert.deepEqual(history.judge(filled(0, 0, 2, 1, 0, 0, 0, 0)), []);
    assert.deepEqual(history.judge(filled(0, 0, 3, 1, 0, 0, 0, 0)), []);
    assert.deepEqual(history.judge(written), [{ sector: 2, kind: "lost write" }]);
  });

  test("a sector of old and new bytes is a mixture", () => {
    const history = afterOneWrite("flushed");
    const image = written.slice();
    image.fill(0, 2 * SECTOR_BYTES, 2 * SECTOR_BYTES + 100);
    assert.deepEqual(history.judge(image), [{ sector: 2, kind: "mixture" }]);
  });

  test("a byte that nobody wrote there is foreign, also where nobody wrote at all", () => {
    const history = afterOneWrite("flushed");
    const image = written.slice();
    image[2 * SECTOR_BYTES + 7] = 9;
    image[5 * SECTOR_BYTES] = 1;
    assert.deepEqual(history.judge(image), [
      { sector: 2, kind: "foreign data" },
      { sector: 5, kind: "foreign data" },
    ]);
  });

  test("what was never begun cannot end, and an image of another size is refused", () => {
    const history = afterOneWrite("flushed");
    assert.throws(() => history.end(1), RangeError);
    assert.throws(() => history.judge(untouched.subarray(512)), RangeError);
  });
});
