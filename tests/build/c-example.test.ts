/**
 * The shim in C in `kernel-shim/c-example/`: the commands that the guide prints translate, compile and link it, and it
 * runs.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { projectFolder } from "../../tools/build/project.js";

const exampleFolder = join(projectFolder, "kernel-shim/c-example");
/** The kernel that the shim is linked with here, and a machine whose ports are functions of it. */
const machineFolder = join(projectFolder, "tests/build/c-example");

/** The commands of the guide. */
function printedCommands(): string {
  const page = readFileSync(join(projectFolder, "kernel-shim/README.md"), "utf8");
  const commands = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, text = ""]) => text);
  assert.equal(commands.length, 1);
  return commands.join("");
}

function run(program: string, parameters: readonly string[], folder: string): string {
  const env = { ...process.env, VIRTIO: projectFolder };
  const { status, stdout, stderr } = spawnSync(program, parameters, { cwd: folder, env, encoding: "utf8" });
  assert.equal(status, 0, `${program} ${parameters.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

suite("the shim in C", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "virtio-c-example-"));
  });
  after(() => rmSync(folder, { recursive: true }));

  test("compiles without a warning", () => {
    const source = join(folder, "ports.c");
    writeFileSync(source, `#include "port-instructions.h"\n${readFileSync(join(exampleFolder, "shim.c"), "utf8")}`);
    const runtime = join(projectFolder, "kernel-shim/unikernel/wasm");
    const wasm2c = join(projectFolder, "node_modules/wabt/bin/wasm2c");
    const module = join(projectFolder, "build/virtio-small.wasm");
    run(process.execPath, [wasm2c, module, "--module-name=virtio", "-o", join(folder, "virtio.c")], folder);
    const includes = [exampleFolder, folder, runtime, join(runtime, "include"), join(projectFolder, "build")];
    const parameters = [
      ...["-std=c11", "-O2", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-DWASM_RT_MEMCHECK_GUARD_PAGES=0"],
      ...includes.map((include) => `-I${include}`),
    ];
    run("gcc", [...parameters, "-c", source, "-o", join(folder, "ports.o")], folder);
  });

  test("links with the printed commands, leaves nothing to be supplied but what it names, and runs", () => {
    // Port instructions are a kernel's alone: here they are functions of a machine that the test plays.
    copyFileSync(join(machineFolder, "port-instructions.h"), join(folder, "port-instructions.h"));
    copyFileSync(join(exampleFolder, "shim.c"), join(folder, "shim.c"));
    run("/bin/sh", ["-euc", printedCommands()], folder);

    const undefinedSymbols = run("nm", ["-u", "-P", "virtio-stack.o"], folder)
      .split("\n")
      .map((line) => line.split(" ")[0] ?? "")
      .filter((name) => name !== "" && !/^machine_(in|out)(8|16|32)$/.test(name));
    const named = ["clock_ns", "linear_memory", "linear_physical", "panic", "print_message"];
    const ofCompilers = ["memcpy", "memmove", "memset"];
    for (const name of named) assert.ok(undefinedSymbols.includes(name) || name === "panic", name);
    for (const name of undefinedSymbols) assert.ok([...named, ...ofCompilers].includes(name), name);

    const parameters = ["-std=c11", "-Wall", "-Wextra", "-Werror", `-I${join(projectFolder, "build")}`];
    run("gcc", [...parameters, join(machineFolder, "machine.c"), "virtio-stack.o", "-o", "kernel"], folder);
    assert.deepEqual(run(join(folder, "kernel"), [], folder).trim().split("\n"), [
      "3 functions",
      "0x0000: 8086:1237, legacy virtio 0, interrupt line 0",
      "0x0008: 1af4:1001, legacy virtio 1, interrupt line 11",
      "0x0010: 1af4:1000, legacy virtio 1, interrupt line 10",
      "the disk's ports were reached: 1",
      "ports of the system board were reached: 0",
    ]);
  });
});
