/**
 * The emulated PC, the binding and the network's formats run in a page: bundled for one, they import nothing of Node's,
 * and work where there is nothing but the language, WebAssembly and what every page has.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";

const root = new URL("../../../", import.meta.url);
const folders = ["kernel-shim/javascript", "kernel-shim/emulated-pc", "kernel-shim/network"];
/** What touches files, and is imported by itself. */
const withFiles = ["load.ts", "image-file.ts", "capture.ts", "pcap.ts"];

/** A program for a page, as one script without imports. */
async function bundle(program: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: new URL(".", root).pathname, loader: "ts" },
    bundle: true,
    write: false,
    format: "iife",
    globalName: "result",
    // No host's modules are known.
    platform: "neutral",
    target: "es2022",
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? assert.fail("there is no bundle");
}

/** Runs a script where there are none of Node's globals. Returns what it exports. */
function runInPage(script: string, globals: Record<string, unknown>): unknown {
  const page = createContext({ TextEncoder, TextDecoder, ...globals });
  return runInContext(`"use strict";${script};result`, page);
}

test("a disk is read and written, and a frame is sent, in a page", async () => {
  const script = await bundle(`
    import { VirtioStack } from "./kernel-shim/javascript/index.ts";
    import { EmulatedPc } from "./kernel-shim/emulated-pc/machine.ts";
    import { BlockDevice } from "./kernel-shim/emulated-pc/block/device.ts";
    import { MemoryDisk } from "./kernel-shim/emulated-pc/block/memory-disk.ts";
    import { NetDevice } from "./kernel-shim/emulated-pc/net/device.ts";
    import { createLink } from "./kernel-shim/emulated-pc/net/link.ts";

    const disk = new BlockDevice({ backEnd: new MemoryDisk(65536), serial: "page" });
    const cards = createLink().ends.map((backend) => new NetDevice({ backend }));
    const machine = new EmulatedPc({ completion: "shuffled", devices: [disk, ...cards] });
    const stack = new VirtioStack(machine, new WebAssembly.Module(wasm));
    stack.assignResources();
    const opened = stack.openBlock(machine.addressOf(disk));
    opened.writeSectors(3, new Uint8Array(1024).fill(7));
    const [near, far] = cards.map((card) => stack.openNet(machine.addressOf(card)));
    near.sendFrame(new Uint8Array(60).fill(9));
    export const serial = opened.id();
    export const sector = Array.from(opened.readSectors(4, 1));
    export const frame = Array.from(far.waitForFrames(1000)[0] ?? []);
    export const violations = machine.violations.length;
  `);
  const wasm = readFileSync(new URL("build/virtio.wasm", root));
  const { serial, sector, frame, violations } = runInPage(script, { wasm }) as Record<string, unknown>;
  assert.equal(serial, "page");
  assert.equal(String(sector), String(new Array(512).fill(7)));
  assert.equal(String(frame), String(new Array(60).fill(9)));
  assert.equal(violations, 0);
});

test("every file but those that touch files can be loaded in a page", async () => {
  const files = folders.flatMap((folder) =>
    readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !withFiles.some((file) => name.endsWith(file)))
      .map((name) => `./${folder}/${name}`),
  );
  assert.ok(files.length > 80, `${files.length} files`);
  const imports = files.map((file, index) => `export * as file${index} from ${JSON.stringify(file)};`);
  const loaded = runInPage(await bundle(imports.join("\n")), {}) as object;
  assert.equal(Object.keys(loaded).length, files.length);
});

test("what touches files cannot be bundled for a page, which is what keeps the other test honest", async () => {
  await assert.rejects(bundle('import "./kernel-shim/javascript/load.ts"'), /node:fs/);
});
