/** `npm start -- --pcap FIFO`: somebody reads the frames while they are captured. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { icmpEchoInFrame } from "../../kernel-shim/network/frames.js";
import { openFifo } from "../../tools/start/fifo.js";
import { readCapture } from "./pcap-reader.js";
import { startAsync } from "./start-command.js";

/** A FIFO in a folder of its own. */
function makeFifo(context: TestContext): { folder: string; fifo: string } {
  const folder = mkdtempSync(path.join(tmpdir(), "virtio-wasm-test-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const fifo = path.join(folder, "frames");
  assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
  return { folder, fifo };
}

for (const host of [[], ["--qemu"]]) {
  const name = host.length === 0 ? "the emulated PC" : "QEMU";
  test(`a reader that was there before gets every frame of ${name}, and then the end`, async (context) => {
    const { folder, fifo } = makeFifo(context);
    const copy = path.join(folder, "copy");
    const reader = spawn("cp", [fifo, copy], { stdio: "ignore" });
    const ended = once(reader, "exit");
    const { status, stderr } = await startAsync([...host, "--pcap", fifo]);
    assert.equal(status, 0, stderr);
    assert.deepEqual(await ended, [0, null]);
    const echoes = readCapture(copy).filter((frame) => icmpEchoInFrame(frame) !== null);
    assert.equal(echoes.length, 10);
  });
}

test("without a reader it says that it waits for one, and goes on when one comes", async (context) => {
  const { folder, fifo } = makeFifo(context);
  const copy = path.join(folder, "copy");
  let reader: Promise<unknown> | undefined;
  const { status, stderr } = await startAsync(["--pcap", fifo], (text) => {
    if (text.includes("Waiting")) reader ??= once(spawn("cp", [fifo, copy], { stdio: "ignore" }), "exit");
  });
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^Waiting for a reader of .*frames; for one: wireshark -k -i .*frames$/m);
  await reader;
  assert.ok(readCapture(copy).length > 0);
});

test("it does not wait for ever", (context) => {
  const { fifo } = makeFifo(context);
  const said: string[] = [];
  assert.throws(() => openFifo(fifo, (line) => said.push(line), 200), /nobody read from .*frames within 0\.2 s/);
  assert.equal(said.length, 1);
});

test("nothing is said when a reader is there", async (context) => {
  const { fifo } = makeFifo(context);
  const reader = spawn("cat", [fifo], { stdio: "ignore" });
  const ended = once(reader, "exit");
  const descriptor = openFifo(fifo, () => undefined);
  closeSync(descriptor);
  await ended;
});

test("a reader that goes away early is a problem in one sentence", async (context) => {
  const { fifo } = makeFifo(context);
  const reader = spawn("head", ["-c", "100", fifo], { stdio: "ignore" });
  const { status, stdout, stderr } = await startAsync(["--pcap", fifo]);
  if (reader.exitCode === null) await once(reader, "exit");
  assert.equal(status, 1, stderr);
  assert.match(stdout, /^ {2}- network card .*: cannot write \(EPIPE\): whoever read it has gone/m);
});
