/** Several cards and disks at once, some of them on the same interrupt line. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { BootedMachine, freePort, sendDatagram, userNetwork, type MachineType } from "../../tools/unikernel/boot.js";
import { makeDisk, mebibyte, netbootImage, temporaryFolder, timeoutMilliseconds, writeRandomFile } from "./bench.js";

const machines: readonly { machine: MachineType; devices: number }[] = [
  { machine: "pc", devices: 4 },
  { machine: "q35", devices: 4 },
  // It has seven slots.
  { machine: "microvm", devices: 3 },
];

describe("several cards fetch as many files onto as many disks", () => {
  const folder = temporaryFolder();

  for (const { machine, devices } of machines) {
    test(`${devices} on ${machine}`, async () => {
      const port = await freePort();
      const places = Array.from({ length: devices }, (_, index) => {
        const served = join(folder, `${machine}-${index}`);
        mkdirSync(served);
        const contents = writeRandomFile(join(served, "file"), mebibyte + index * 1000);
        return { served, contents, disk: makeDisk(join(folder, `${machine}-${index}.img`), 2 * mebibyte) };
      });
      const booted = new BootedMachine({
        image: await netbootImage(),
        machine,
        commandLine: "file=file",
        // The last is the one that is told to stop.
        cards: places.map(({ served }, index) =>
          userNetwork(served, index === devices - 1 ? [{ host: port, machine: 8 }] : []),
        ),
        disks: places.map(({ disk }) => disk),
        timeoutMilliseconds,
      });
      await booted.shows("netboot: ready", devices);
      await sendDatagram(port, "stop");
      const { status, output } = await booted.ended;
      assert.equal(status, 0, output);
      for (const { contents, disk } of places) {
        assert.ok(readFileSync(disk).subarray(0, contents.length).equals(contents), "the disk holds its file");
        assert.ok(output.includes(createHash("sha256").update(contents).digest("hex")), output);
      }
    });
  }
});
