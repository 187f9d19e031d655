/** Builds of chosen drivers and transports: they have what was chosen, and nothing else. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { builtModules } from "../../build/abi.js";
import { BlockDevice as EmulatedDisk } from "../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../kernel-shim/emulated-pc/machine.js";
import { NetDevice as EmulatedCard } from "../../kernel-shim/emulated-pc/net/device.js";
import { createLink } from "../../kernel-shim/emulated-pc/net/link.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { exportsOf, importsOf, readAbi } from "../../tools/build/abi-model.js";
import { checkModule } from "../../tools/build/check-module.js";
import { compileRelease } from "../../tools/build/optimize.js";
import { allParts, chooseParts, compileOptionsFor } from "../../tools/build/parts.js";
import { entryFile, kernelFile, moduleTargets, outputFolder, projectFolder } from "../../tools/build/project.js";
import { CommandError } from "../../tools/command/command-error.js";

const readSource = (name: string): string => readFileSync(join(projectFolder, name), "utf8");
const abi = readAbi(readSource);
const smallTargets = moduleTargets.filter(({ parts }) => parts !== undefined);

function exportedBy(file: string): string[] {
  return WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(file)))
    .map(({ name }) => name)
    .sort();
}

const DISK_BYTES = 1024 * 1024;
const frame = Uint8Array.from({ length: 64 }, (_, index) => (index < 6 ? 0xff : index));

for (const { build, output } of smallTargets) {
  suite(`${output}.wasm`, () => {
    const module = new WebAssembly.Module(readFileSync(join(outputFolder, `${output}.wasm`)));

    test("drives a disk and cards of the emulated PC", () => {
      const { ends } = createLink();
      const emulatedDisk = new EmulatedDisk({ backEnd: new MemoryDisk(DISK_BYTES) });
      const emulatedCards = ends.map((backend) => new EmulatedCard({ backend }));
      const machine = new EmulatedPc({ build, completion: "deferred", devices: [emulatedDisk, ...emulatedCards] });
      const stack = loadStack(machine, module);
      const disk = stack.openBlock(machine.addressOf(emulatedDisk));
      const sector = Uint8Array.from({ length: 512 }, (_, index) => index & 0xff);
      disk.writeSectors(3, sector);
      assert.deepEqual(disk.readSectors(3, 1), sector);

      const [near, far] = emulatedCards.map((card) => stack.openNet(machine.addressOf(card)));
      assert.ok(near !== undefined && far !== undefined);
      near.sendFrame(frame);
      assert.deepEqual(far.waitForFrames(1000), [frame]);
    });

    test("has the exports of its drivers only, and says so when another is called", () => {
      assert.deepEqual(
        WebAssembly.Module.exports(module).filter(({ name }) => name.startsWith("entropy")),
        [],
      );
      const { exports } = loadStack(new EmulatedPc({ build, devices: [] }), module);
      assert.throws(() => exports.entropy_open(0, 0), /^Error: entropy_open: this module is made without entropy; /);
    });
  });
}

test("the bindings say what the modules are made of", () => {
  for (const [name, parts] of Object.entries(builtModules)) {
    const wanted = exportsOf(abi, parts).map((item) => item.name);
    assert.deepEqual(exportedBy(join(outputFolder, name)), wanted.sort(), name);
  }
});

suite("npm run build -- --output FILE", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "virtio-parts-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  function build(...parameters: string[]): { status: number | null; stdout: string; stderr: string } {
    const command = ["--import", "tsx", join(projectFolder, "tools/build/main.ts"), ...parameters];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: projectFolder, encoding: "utf8" });
    return { status, stdout, stderr };
  }

  test("makes a module that has the chosen driver's exports and those of every build", () => {
    const choice = ["--drivers", "entropy", "--transports", "legacy-pci", "--extras", "", "--memory", "ported"];
    const file = join(folder, "entropy.wasm");
    const { status, stdout, stderr } = build(...choice, "--output", file);
    assert.equal(status, 0, stderr);
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
    assert.match(
      stdout,
      /^ {2}#define VIRTIO_WITHOUT_BLOCK\n {2}#define VIRTIO_WITHOUT_GENERIC\n {2}#define VIRTIO_WITHOUT_NET$/m,
    );

    const wanted = exportsOf(abi, chooseParts({ drivers: "entropy", transports: "legacy-pci", extras: "" })).map(
      ({ name }) => name,
    );
    assert.deepEqual(exportedBy(file), wanted.sort());
    assert.ok(wanted.includes("entropy_open") && !wanted.some((name) => /^(net|block)_/.test(name)));
    const imports = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(file)));
    assert.ok(imports.some(({ name }) => name.startsWith("phys_")));
  });

  for (const [what, parameters, said] of [
    ["an unknown driver", ["--drivers", "net,nonsense"], /^there is no driver "nonsense"; there are .*\bnet\b/],
    ["an unknown transport", ["--transports", "nonsense"], /^there is no transport "nonsense"; there are .*legacy-pci/],
    [
      "an unknown extra",
      ["--extras", "nonsense"],
      /^there is no extra "nonsense"; there are assign, block-commands, msix, net-control, net-debug, net-offloads, suspend\n/,
    ],
    ["no driver", ["--drivers", ","], /^a build needs a driver: one or more of /],
    ["no transport", ["--transports", ""], /^a build needs a transport: one or more of /],
    ["unknown memory", ["--memory", "nonsense"], /nonsense.*mapped, ported/],
    ["what is of the modules in build/", ["--sizes"], /^--debug, --force and --sizes are of the modules in build\//],
  ] as const) {
    test(`refuses ${what} in one line, with status 2`, () => {
      const file = join(folder, "refused.wasm");
      const { status, stdout, stderr } = build(...parameters, "--output", file);
      assert.match(stderr, said);
      assert.match(stderr, /^[^\n]+\n$/);
      assert.equal(stdout, "");
      assert.equal(status, 2);
      assert.ok(!existsSync(file));
    });
  }

  test("refuses a folder in the place of a file, and a file in no folder", () => {
    for (const [output, said] of [
      [folder, /is no file; give the name of a file\n$/],
      [join(folder, "missing", "a.wasm"), /\(ENOENT\): it does not exist; [^\n]*\n$/],
    ] as const) {
      const { status, stderr } = build("--drivers", "net", "--output", output);
      assert.match(stderr, said);
      assert.equal(status, 2);
    }
  });

  test("is needed to choose", () => {
    const { status, stderr } = build("--drivers", "net");
    assert.match(stderr, /^--drivers, .* say where with --output FILE\n$/);
    assert.equal(status, 2);
  });
});

suite("the parts of a build", () => {
  test("are the drivers and transports of the sources", () => {
    const { drivers, transports } = allParts();
    for (const name of ["block", "entropy", "generic", "net"]) assert.ok(drivers.includes(name), name);
    assert.ok(transports.includes("legacy-pci"));
    for (const name of ["scan", "identity", "transport"]) assert.ok(!transports.includes(name), name);
  });

  test("are chosen once each, in any order, with spaces", () => {
    assert.deepEqual(chooseParts({ drivers: " net, block,net" }).drivers, ["block", "net"]);
    assert.throws(() => chooseParts({ drivers: "" }), CommandError);
  });

  test("that are left out leave nothing behind, which the check of a module sees", async () => {
    const parts = chooseParts({ drivers: "net" });
    const options = compileOptionsFor(parts);
    // The entry file still exports what comes with the other drivers.
    const compiled = await compileRelease({ target: "release", entries: [entryFile], options: options.options });
    const problems = checkModule(compiled, abi, { build: "mapped", parts });
    assert.ok(problems.includes("The module exports block_open, which its entry file does not."));
    assert.ok(problems.some((text) => /^The module is made without block, and contains .*block/.test(text)));
  });

  test("decide whether a module may import what reaches registers in memory", () => {
    const declaration = '@external("kernel", "mmio_read64") export declare function mmio_read64(pointer: u32): u64;\n';
    const withMmio = readAbi((name) => readSource(name) + (name === kernelFile ? declaration : ""));
    const imports = (transports: string[]): string[] =>
      importsOf(withMmio, "mapped", { drivers: ["net"], transports, extras: [] }).map(({ name }) => name);
    assert.ok(!imports(["legacy-pci"]).some((name) => name.startsWith("mmio_")));
    for (const transport of ["mmio", "modern-pci"]) assert.ok(imports([transport]).includes("mmio_read64"));
  });

  test("are not in the C header when it is told so", () => {
    const header = join(outputFolder, "virtio-abi.h");
    const parameters = ["-E", "-DVIRTIO_WITHOUT_ENTROPY", "-x", "c", header];
    const { status, stdout, stderr } = spawnSync("gcc", parameters, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /\bvirtio_net_open\(/);
    assert.doesNotMatch(stdout, /virtio_entropy_\w+\(/);
  });
});
