/** A kernel whose addresses go on at 0 behind the last page of 64 bits. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { PAGE_BYTES } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import { BlockOperation, NO_ADDRESS, Result } from "../../../kernel-shim/javascript/abi.js";
import { RawDisk } from "../../raw-stack/raw-disk.js";
import { RingReader } from "../../raw-stack/ring-reader.js";
import { onBothBuilds } from "../fixed/ground.js";

/** The last page of 64 bits. */
const LAST_PAGE = 0xffff_ffff_ffff_f000n;

describe("the address of a page of the caller's", () => {
  onBothBuilds("at the end of 64 bits is no neighbour of the one at 0", (build) => {
    const ground = new RawDisk({ build });
    ground.ok(ground.open());
    const ring = new RingReader(ground.device, 0);
    ground.device.faults.silent = true;
    const { buffer } = ground;
    ground.module.exports.forget_translations();
    const places = [LAST_PAGE - 0x1000n, LAST_PAGE, 0n, 0x1000n];
    ground.kernel.lies.dma_address = (_, pointer) => places[(pointer - buffer) / PAGE_BYTES] ?? NO_ADDRESS;
    const segments = [{ pointer: buffer, length: 4 * PAGE_BYTES }];
    const { accepted, refusal } = ground.submit({ operation: BlockOperation.READ, sector: 0, segments });
    if (accepted === 1) {
      for (const { address, length } of ring.chain(ring.head(0))) {
        assert.ok(address + BigInt(length) <= 1n << 64n, `${length} bytes from 0x${address.toString(16)} on`);
      }
    } else {
      assert.equal(refusal, Result.E_ADDRESS);
    }
    ground.kernel.lies = {};
    ground.device.faults.silent = false;
    ground.ok(ground.module.exports.reset(ground.handle));
    ground.poll();
    ground.module.exports.forget_translations();
    ground.works();
    ground.closes();
  });
});
