/**
 * A file that the host's operating system really does not write to the end: QEMU runs with a limit on the size of files
 * in the middle of the image, where one call writes a part and the next fails.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Result } from "../../../kernel-shim/javascript/index.js";
import { perform, performAll, performWell, SECTOR_BYTES, segment, writeRequest } from "../../cases/block/requests.js";
import { initialSectors, pattern } from "../../cases/pattern.js";
import { assertResult } from "../../cases/results.js";
import { runCases } from "../../cases/run.js";
import { QemuGround } from "../ground.js";

/** The first sector that cannot be written, as the program below has it. */
const LIMIT = 1024;
const SECTORS = 2048;

const program = fileURLToPath(new URL("./qemu-with-file-limit.sh", import.meta.url));
const reported = { rerror: "report", werror: "report" };
const ground = new QemuGround("QEMU pc, a file that cannot be written to its end", { program }, 1, {
  disk: (device) => ({ ...device, properties: { ...device.properties, ...reported } }),
});

runCases(ground, {
  "short writes": [
    {
      name: "a write that the host carries out in part: E_IO once, each sector is old or new, the disk goes on",
      disks: [{ sectors: SECTORS }],
      run(context) {
        const disk = context.openDisk();
        const bytes = pattern(1, 16 * SECTOR_BYTES);
        const buffer = context.allocate(bytes.length);
        context.machine.writeBuffer(buffer, bytes);
        const write = (sector: number, sectors: number, token: number) =>
          writeRequest(sector, [segment(buffer, sectors * SECTOR_BYTES)], token);

        const { result, length } = perform(context, disk, write(LIMIT - 10, 16, 1));
        assertResult(result, Result.E_IO);
        assert.equal(length, 0);
        const image = context.disk().contents(LIMIT - 10, 16);
        const before = 10 * SECTOR_BYTES;
        assert.deepEqual(image.subarray(0, before), bytes.subarray(0, before), "the part that was written");
        assert.deepEqual(image.subarray(before), initialSectors(LIMIT, 6), "the part that was not");

        performWell(context, disk, write(LIMIT - 16, 16, 2));
        assert.deepEqual(context.disk().contents(LIMIT - 16, 16), bytes);
        const results = performAll(context, disk, [write(LIMIT, 1, 0), write(0, 1, 1), write(SECTORS - 1, 1, 2)]);
        [Result.E_IO, Result.OK, Result.E_IO].forEach((expected, index) => {
          assertResult(results[index]?.result ?? 0, expected);
        });
        disk.flush();
        assert.deepEqual(disk.readSectors(LIMIT, 8), initialSectors(LIMIT, 8));
        assert.deepEqual([disk.statistics().errors, disk.statistics().writes], [3n, 2n]);
      },
    },
  ],
});
