/** Each way in which the netboot can fail has a message and an exit status of its own; lost frames are none of them. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { BootedMachine, freePort, sendDatagram, userNetwork, type Ending } from "../../tools/unikernel/boot.js";
import { describeStatus } from "../../tools/unikernel/statuses.js";
import { makeDisk, mebibyte, netbootImage, temporaryFolder, timeoutMilliseconds, writeRandomFile } from "./bench.js";

/** A card without anybody at the other end. */
const nobody = "hubport,hubid=0";

describe("the netboot ends", () => {
  const folder = temporaryFolder();
  const served = userNetwork(folder);
  let image: string;

  before(async () => {
    image = await netbootImage();
    writeRandomFile(join(folder, "file"), mebibyte);
  });

  async function boot(cards: string[], disks: string[], commandLine = "file=file"): Promise<Ending> {
    return new BootedMachine({ image, cards, disks, commandLine, timeoutMilliseconds }).ended;
  }

  function assertEnding({ status, output }: Ending, expected: number): void {
    assert.equal(status, expected, output);
    assert.ok(output.includes(`netboot: ${describeStatus(expected)}`), output);
  }

  const disk = (name: string, bytes: number): string => makeDisk(join(folder, name), bytes);

  test("without a network card: 1", async () => {
    assertEnding(await boot([], [disk("a", mebibyte)]), 1);
  });

  test("without a disk: 2", async () => {
    assertEnding(await boot([served], []), 2);
  });

  test("without a DHCP server: 4", async () => {
    assertEnding(await boot([nobody], [disk("b", mebibyte)]), 4);
  });

  test("without the file: 6", async () => {
    assertEnding(await boot([served], [disk("c", mebibyte)], "file=nothing"), 6);
  });

  test("with a file that is a byte too large: 7", async () => {
    writeRandomFile(join(folder, "large"), mebibyte + 1);
    const image = disk("d", mebibyte);
    assertEnding(await boot([served], [image], "file=large"), 7);
    assert.ok(
      readFileSync(image).every((byte) => byte === 0),
      "nothing was written",
    );
  });

  test("without a file name: 9", async () => {
    assertEnding(await boot([served], [disk("e", mebibyte)], "other=file"), 9);
  });
});

describe("the netboot fetches", () => {
  const folder = temporaryFolder();

  async function fetch(contents: Buffer, name: string, commandLine: string, diskBytes: number): Promise<string> {
    const port = await freePort();
    const disk = makeDisk(join(folder, `${name}.img`), diskBytes);
    const machine = new BootedMachine({
      image: await netbootImage(),
      cards: [userNetwork(folder, [{ host: port, machine: 8 }])],
      disks: [disk],
      commandLine: `file=${name} ${commandLine}`,
      timeoutMilliseconds,
    });
    await machine.shows("netboot: ready");
    // A lossy card may lose this, too.
    const timer = setInterval(() => void sendDatagram(port, "stop"), 100);
    const { status, output } = await machine.ended;
    clearInterval(timer);
    assert.equal(status, 0, output);
    assert.ok(readFileSync(disk).subarray(0, contents.length).equals(contents), "the disk holds the file");
    return output;
  }

  test("a file although frames get lost", async () => {
    const contents = writeRandomFile(join(folder, "lossy"), 200_000);
    await fetch(contents, "lossy", "lossy", mebibyte);
  });

  for (const bytes of [0, 1, 511, 512, 1023, 1024, 1025, 16 * 1024, 65 * 1024 + 1, mebibyte]) {
    test(`a file of ${bytes} bytes`, async () => {
      const name = `file-${bytes}`;
      await fetch(writeRandomFile(join(folder, name), bytes), name, "", mebibyte);
    });
  }
});
