/** Memory barriers of the stack are executed, and not only translated to nothing. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BootedMachine, freePort, sendDatagram, userNetwork } from "../../tools/unikernel/boot.js";
import { makeDisk, mebibyte, netbootImage, temporaryFolder, timeoutMilliseconds, writeRandomFile } from "./bench.js";

test("QEMU executes the barrier between a published index and the look at whether the device sleeps", async () => {
  const folder = temporaryFolder();
  const served = join(folder, "served");
  mkdirSync(served);
  writeRandomFile(join(served, "file"), 1000);
  const operations = join(folder, "operations");
  const port = await freePort();
  const booted = new BootedMachine({
    image: await netbootImage(),
    commandLine: "file=file",
    cards: [userNetwork(served, [{ host: port, machine: 8 }])],
    disks: [makeDisk(join(folder, "disk.img"), mebibyte)],
    // What each translated block does, in QEMU's own operations.
    parameters: ["-d", "op", "-D", operations],
    timeoutMilliseconds,
  });
  await booted.shows("netboot: ready");
  await sendDatagram(port, "stop");
  const { status, output } = await booted.ended;
  assert.equal(status, 0, output);
  assert.match(readFileSync(operations, "latin1"), /^ mb /m);
});
