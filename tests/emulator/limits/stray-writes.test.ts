/**
 * What the driver wrote to its ring, written over while nothing is in flight: by a device with a fault, or by a kernel.
 * Later requests put down all that they need.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockOperation, Result } from "../../../kernel-shim/javascript/abi.js";
import { onBothBuilds } from "../../hostile/fixed/ground.js";
import { DESCRIPTOR_BYTES } from "../../../kernel-shim/emulated-pc/virtio/constants.js";
import { PAGE_BYTES } from "../../../kernel-shim/emulated-pc/memory/dma-pages.js";
import { RawCard } from "../../raw-stack/raw-card.js";
import { RawDisk, SECTOR_BYTES } from "../../raw-stack/raw-disk.js";
import type { RawGround } from "../../raw-stack/raw-ground.js";

const ANY_LAYOUT = 2 ** 27;
const INDIRECT_DESC = 2 ** 28;
const ENTRIES = 64;

/** Overwrites the whole descriptor table of a queue. */
function scribbleDescriptors({ device }: RawGround, queue: number, value: number): void {
  const memory = device.queues[queue]?.memory;
  assert.ok(memory);
  const bytes = new Uint8Array(DESCRIPTOR_BYTES * memory.size).fill(value);
  assert.ok(device.dma.write(memory.address, bytes, 0, bytes.length));
}

/** Overwrites all that the driver borrowed, rings apart: headers and indirect tables. */
function scribbleTables(ground: RawGround, value: number): void {
  const rings = new Set(ground.device.queues.map(({ memory }) => memory?.address));
  for (const [pointer, pages] of ground.kernel.lent) {
    const address = Number(ground.machine.pc.kernel.dma_address(pointer));
    if (rings.has(address)) continue;
    const bytes = new Uint8Array(pages * PAGE_BYTES).fill(value);
    assert.ok(ground.device.dma.write(address, bytes, 0, bytes.length));
  }
}

for (const value of [0x00, 0x01, 0x5a, 0xff]) {
  describe(`a stray write of 0x${value.toString(16)} to all`, () => {
    for (const [layout, features] of [
      ["with tables", INDIRECT_DESC],
      ["without tables", 0],
    ] as const) {
      for (const what of ["descriptors", "tables and headers", "descriptors, tables and headers"] as const) {
        onBothBuilds(`${what} of an idle disk leaves later requests as they are, ${layout}`, (build) => {
          const disk = new RawDisk({ build }, { features, queueSizes: [ENTRIES] });
          disk.ok(disk.open());
          disk.works();
          for (let round = 0; round < 3; round++) {
            if (what.includes("descriptors")) scribbleDescriptors(disk, 0, value);
            if (what.includes("tables")) scribbleTables(disk, value);
            const segments = [{ pointer: disk.buffer, length: SECTOR_BYTES }];
            const requests = Array.from({ length: 20 }, () => ({ operation: BlockOperation.READ, segments }));
            assert.equal(disk.submit(...requests).accepted, 20);
            disk.wait();
            assert.deepEqual(
              disk.poll().map(({ result }) => result),
              requests.map(() => Result.OK),
            );
            disk.works();
          }
          disk.closes();
          disk.checkViolations();
        });
      }
    }

    for (const [layout, features] of [
      ["header and frame in one", ANY_LAYOUT],
      ["header and frame apart", 0],
    ] as const) {
      onBothBuilds(`transmit descriptors of an idle card leaves later frames as they are, ${layout}`, (build) => {
        const TRANSMIT_QUEUE = 1;
        const card = new RawCard({ build }, { features, queueSizes: [16, ENTRIES] });
        card.ok(card.open());
        for (let round = 0; round < 3 * ENTRIES; round++) {
          scribbleDescriptors(card, TRANSMIT_QUEUE, value);
          card.sends([
            { pointer: card.buffer + 64, length: 50 },
            { pointer: card.buffer + 5000, length: 100 },
          ]);
        }
        card.closes();
        card.checkViolations();
      });
    }
  });
}
