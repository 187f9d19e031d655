/** How missing programs are found and installed, with an apt-get and a sudo that only pretend. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type MockFunctionContext, type TestContext } from "node:test";
import { ensurePrograms, findProgram, MissingPrograms, missingPackages } from "../../tools/setup/system-packages.js";
import { installPrograms } from "../../tools/test/programs.js";
import type { Suite } from "../../tools/test/suites.js";

/** A system of which only this much is installed. Programs are shell scripts; each notes that it was called. */
class PretendedSystem {
  readonly said: MockFunctionContext<typeof console.error>;
  readonly printed: MockFunctionContext<typeof console.log>;
  private readonly folder = mkdtempSync(join(tmpdir(), "virtio-system-"));

  constructor(context: TestContext, user: "root" | "somebody") {
    const path = process.env["PATH"];
    for (const program of ["sh", "env", "cat", "chmod"])
      symlinkSync(findProgram(program) ?? "", join(this.folder, program));
    process.env["PATH"] = this.folder;
    const { getuid } = process;
    process.getuid = () => (user === "root" ? 0 : 1000);
    this.said = context.mock.method(console, "error", () => undefined).mock;
    this.printed = context.mock.method(console, "log", () => undefined).mock;
    context.after(() => {
      process.env["PATH"] = path;
      if (getuid !== undefined) process.getuid = getuid;
      rmSync(this.folder, { recursive: true });
    });
    writeFileSync(join(this.folder, "calls"), "");
  }

  add(program: string, script: string): void {
    const text = `#!/bin/sh\necho "${program} $*" >> "${join(this.folder, "calls")}"\n${script}\n`;
    writeFileSync(join(this.folder, program), text, { mode: 0o755 });
  }

  /** An apt-get whose every installation puts this program there. */
  addAptGet(program: string): void {
    const target = join(this.folder, program);
    this.add("apt-get", `if [ "$1" = install ]; then echo > "${target}"; chmod +x "${target}"; fi`);
  }

  get calls(): string[] {
    return readFileSync(join(this.folder, "calls"), "utf8").trim().split("\n");
  }
}

const advice = /^Please run: sudo sh -c 'apt-get update && apt-get install --yes --no-install-recommends qemu-utils'$/;

test("programs of one package make it missing once, those that are there not at all", (context) => {
  const system = new PretendedSystem(context, "root");
  system.add("gcc", "");
  assert.deepEqual(missingPackages(["gcc", "qemu-img", "qemu-system-x86_64"]), ["qemu-utils", "qemu-system-x86"]);
});

test("nothing is run when nothing is missing", (context) => {
  const system = new PretendedSystem(context, "root");
  system.add("gcc", "");
  system.add("apt-get", "");
  ensurePrograms(["gcc"]);
  assert.deepEqual(system.calls, [""]);
});

test("root installs what is missing", (context) => {
  const system = new PretendedSystem(context, "root");
  system.addAptGet("qemu-img");
  ensurePrograms(["qemu-img"]);
  assert.deepEqual(system.calls, ["apt-get update", "apt-get install --yes --no-install-recommends qemu-utils"]);
  assert.equal(system.said.callCount(), 1, "on stderr");
  assert.equal(system.printed.callCount(), 0, "what a command prints may be meant for a program");
});

test("somebody for whom sudo asks no password installs with it", (context) => {
  const system = new PretendedSystem(context, "somebody");
  system.addAptGet("qemu-img");
  system.add("true", "");
  system.add("sudo", 'shift; "$@"');
  ensurePrograms(["qemu-img"]);
  assert.equal(system.calls.at(-1), "apt-get install --yes --no-install-recommends qemu-utils");
});

test("anybody else is told in one line what to run", (context) => {
  const system = new PretendedSystem(context, "somebody");
  system.addAptGet("qemu-img");
  system.add("sudo", "exit 1");
  assert.throws(
    () => ensurePrograms(["qemu-img"]),
    (error) => error instanceof MissingPrograms && advice.test(error.message),
  );
  assert.deepEqual(system.calls, ["sudo -n true"]);
});

test("an installation that fails says what was tried", (context) => {
  const system = new PretendedSystem(context, "root");
  system.add("apt-get", "exit 100");
  assert.throws(() => ensurePrograms(["qemu-img"]), /^MissingPrograms: That did not work\. Please run: [^\n]*$/);
});

test("without apt-get the packages are named", (context) => {
  new PretendedSystem(context, "root");
  assert.throws(
    () => ensurePrograms(["qemu-img"]),
    /^MissingPrograms: Please install what Debian has in the packages qemu-utils\.$/,
  );
});

test("npm test runs the suites whose programs are there, and says what the others need", (context) => {
  const system = new PretendedSystem(context, "somebody");
  system.add("gcc", "");
  const suite = (name: string, ...programs: Suite["programs"]): Suite => ({
    name,
    description: "",
    folder: "",
    programs,
  });
  const [unit, build, qemu] = [suite("unit"), suite("build", "gcc"), suite("qemu", "gcc", "qemu-img")];
  const { leftOut, advice } = installPrograms([unit, build, qemu]);
  assert.deepEqual(leftOut, [qemu]);
  assert.match(advice, /^Left out, because programs are missing: qemu\.\n.* qemu-utils\.$/);
  assert.deepEqual(installPrograms([unit, build]), { leftOut: [], advice: "" });
  assert.throws(() => installPrograms([qemu]), MissingPrograms);
});
