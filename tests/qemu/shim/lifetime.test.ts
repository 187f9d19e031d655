/** Machines start, end, and leave nothing behind, whatever becomes of them or of this program. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { findQemu } from "../../../kernel-shim/qemu/find-qemu.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import { eventually, folderOf, marked, newMark, processesMarked, qemuPid } from "./processes.js";

const STARTED_MACHINE = fileURLToPath(new URL("./started-machine.ts", import.meta.url));

test("QEMU is found, with its version", () => {
  const found = findQemu();
  assert.notEqual(found, null);
  assert.match(found?.path ?? "", /^\/.*qemu-system-/);
  assert.match(found?.version ?? "", /^\d+\.\d+/);
});

test("where there is no QEMU, none is found, and a machine says how to install it", () => {
  const searchPath = process.env["PATH"];
  process.env["PATH"] = "/nonexistent";
  try {
    assert.equal(findQemu(), null);
    assert.throws(() => new QemuMachine(), { name: "QemuError", message: /not found; install it with: apt-get/ });
  } finally {
    process.env["PATH"] = searchPath;
  }
});

test("a program that is no QEMU is refused by name", () => {
  for (const program of ["/nonexistent/qemu", "/bin/true"]) {
    assert.throws(() => new QemuMachine({ program }), { name: "QemuError", message: new RegExp(`^${program} is no`) });
  }
});

for (const machine of ["pc", "q35"] as const) {
  test(`${machine} starts and ends within close()`, () => {
    const mark = newMark();
    const started = new QemuMachine({ machine, extraArguments: marked(mark) });
    assert.match(started.name, new RegExp(`^QEMU \\d+\\.\\d+.*, ${machine}$`));
    const folder = folderOf(mark);
    assert.equal(existsSync(folder), false, "the temporary folder goes as soon as the machine runs");
    const descriptors = readdirSync("/proc/self/fd").length;
    assert.equal(started.stderr, "");
    started.close();
    assert.deepEqual(processesMarked(mark), []);
    assert.ok(readdirSync("/proc/self/fd").length < descriptors);
    started.close();
    assert.throws(() => started.kernel.in32(0xcfc), { name: "QemuError", message: "The machine is closed" });
    assert.throws(() => started.kernel.phys_read8(0x100000), { name: "QemuError", message: "The machine is closed" });
    assert.throws(() => started.qmp("query-version"), { name: "QemuError", message: "The machine is closed" });
  });
}

test("ten machines in a row leave no descriptor open", () => {
  const before = readdirSync("/proc/self/fd").length;
  for (let each = 0; each < 10; each++) {
    new QemuMachine().close();
  }
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

test("options that QEMU refuses end in an error with its words, and nothing is left", () => {
  const mark = newMark();
  const before = readdirSync("/proc/self/fd").length;
  assert.throws(
    () =>
      new QemuMachine({ devices: [{ kind: "block", file: "/nonexistent/disk.img" }], extraArguments: marked(mark) }),
    { name: "QemuError", message: /QEMU did not start.*No such file or directory/s },
  );
  assert.deepEqual(processesMarked(mark), []);
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

test("options that make no sense are refused before anything starts", () => {
  assert.throws(() => new QemuMachine({ memoryBytes: 12345 }), RangeError);
  assert.throws(() => new QemuMachine({ memoryBytes: 4096 * 1024 * 1024 }), RangeError);
  assert.throws(() => new QemuMachine({ devices: [{ kind: "block" }] }), TypeError);
});

for (const ending of ["exit", "throw", "SIGINT", "SIGTERM", "SIGKILL"] as const) {
  test(`nothing is left of a machine whose program ends by ${ending}`, async () => {
    const mark = newMark();
    const isSignal = ending.startsWith("SIG");
    const child = spawn(process.execPath, ["--import", "tsx", STARTED_MACHINE, mark, isSignal ? "wait" : ending], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    if (isSignal) {
      assert.equal(
        processesMarked(mark).some(({ command }) => command[0]?.includes("qemu-system")),
        true,
      );
      child.kill(ending as NodeJS.Signals);
    }
    assert.equal(await eventually(() => child.exitCode !== null || child.signalCode !== null), true);
    assert.equal(await eventually(() => processesMarked(mark).length === 0), true);
  });
}

test("nothing is left when the program is killed while QEMU starts", async () => {
  const mark = newMark();
  const child = spawn(process.execPath, ["--import", "tsx", STARTED_MACHINE, mark, "wait"], { stdio: "ignore" });
  const shellRuns = (): boolean => processesMarked(mark).some(({ command }) => command[0] === "/bin/sh");
  assert.equal(await eventually(shellRuns), true);
  const folder = folderOf(mark);
  child.kill("SIGKILL");
  assert.equal(await eventually(() => processesMarked(mark).length === 0), true);
  assert.equal(existsSync(folder), false);
});

test("QEMU killed in the middle ends in a clear error everywhere", () => {
  const mark = newMark();
  const machine = new QemuMachine({ extraArguments: marked(mark) });
  try {
    process.kill(qemuPid(mark), "SIGKILL");
    assert.throws(() => machine.kernel.in32(0xcfc), { name: "QemuError", message: /^QEMU ended/ });
    assert.throws(() => machine.kernel.out32(0xcf8, 0), { name: "QemuError", message: /^QEMU ended/ });
    assert.throws(() => machine.waitForInterrupt(1000), { name: "QemuError", message: /^QEMU ended/ });
    assert.throws(() => machine.qmp("query-version"), { name: "QemuError", message: /^QEMU ended/ });
  } finally {
    machine.close();
  }
  assert.deepEqual(processesMarked(mark), []);
});

test("QEMU killed while an interrupt is waited for ends the wait", async () => {
  const mark = newMark();
  const machine = new QemuMachine({ extraArguments: marked(mark) });
  try {
    const killer = spawn("/bin/sh", ["-c", `sleep 0.3; kill -KILL ${qemuPid(mark)}`], { stdio: "ignore" });
    const start = performance.now();
    assert.throws(() => machine.waitForInterrupt(20_000), { name: "QemuError", message: /^QEMU ended/ });
    assert.ok(performance.now() - start < 10_000);
    await new Promise((resolve) => killer.once("close", resolve));
  } finally {
    machine.close();
  }
});

test("a QEMU that does not answer ends in an error after the time-out, and in close()", () => {
  const mark = newMark();
  const machine = new QemuMachine({ timeout: 200, extraArguments: marked(mark) });
  try {
    process.kill(qemuPid(mark), "SIGSTOP");
    assert.throws(() => machine.kernel.in32(0xcfc), { name: "QemuError", message: /no answer .* for 0\.2 seconds/ });
    assert.throws(() => machine.kernel.in32(0xcfc), { name: "QemuError" }, "answers may be out of step from here on");
  } finally {
    machine.close();
  }
  assert.deepEqual(processesMarked(mark), []);
});
