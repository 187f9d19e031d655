/**
 * What the unikernel lets the driver stack have, whatever devices say in configuration space; and what it says of the
 * stack's messages. Its files run as a program of this computer, because QEMU's devices do not lie.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { Message } from "../../build/abi.js";
import { outputFolder, projectFolder } from "../../tools/build/project.js";
import { kernelStatus } from "../../tools/unikernel/statuses.js";
import { temporaryFolder } from "./bench.js";

const kernelFolder = join(projectFolder, "kernel-shim/unikernel");
const sources = ["shim/devices.c", "shim/port-grants.c", "shim/kernel-interface.c", "cpu/interrupts.c"];

interface Claim {
  readonly address: number;
  readonly isLegacy?: boolean;
  readonly isIo?: boolean;
  readonly base?: number | string;
  readonly size?: number | string;
  readonly line?: number;
}

/** As the program takes them. */
function written({ address, isLegacy = true, isIo = true, base = 0xc000, size = 64, line = 11 }: Claim): string {
  return [address, Number(isLegacy), Number(isIo), base, size, line].join(",");
}

const folder = temporaryFolder();
const program = join(folder, "policy");

before(() => {
  const own = join(projectFolder, "tests/unikernel/policy");
  const parameters = [
    ...["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-DWASM_RT_MEMCHECK_GUARD_PAGES=1"],
    ...["-include", join(own, "ports.h"), `-I${outputFolder}`, `-I${join(kernelFolder, "wasm")}`],
    ...sources.map((source) => join(kernelFolder, source)),
    ...[join(own, "main.c"), "-o", program],
  ];
  const { status, stderr } = spawnSync("gcc", parameters, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});

function run(...parameters: string[]): { status: number | null; output: string } {
  const { status, stdout } = spawnSync(program, parameters, { encoding: "utf8" });
  return { status, output: stdout };
}

/** Who is granted, what is said of the others, and the mask of interrupt lines. */
function grant(...claims: Claim[]): { granted: number[]; reports: string[]; allowed: number[] } {
  const { status, output } = run("grant", ...claims.map(written));
  assert.equal(status, 0, output);
  const lines = output.split("\n");
  const masks = Number(/^masks (0x.{4})$/m.exec(output)?.[1]);
  return {
    granted: lines.filter((line) => line.startsWith("granted")).map((line) => Number(line.slice("granted ".length))),
    reports: lines.filter((line) => line.startsWith("kernel: ")),
    // Lines 0 and 2 are the kernel's own.
    allowed: Array.from({ length: 16 }, (_, line) => line).filter((line) => ((masks | 5) >> line) % 2 === 0),
  };
}

describe("the unikernel grants", () => {
  test("the ports and lines of legacy virtio devices, and of nothing else", () => {
    const claims = [
      { address: 0x18, base: 0x1000, size: 128, line: 10 },
      { address: 0x20, base: 0xffc0, size: 64, line: 11 },
      { address: 0x28, base: 0xc000, line: 5, isLegacy: false },
    ];
    assert.deepEqual(grant(...claims), { granted: [0x18, 0x20], reports: [], allowed: [10, 11] });
    for (const access of ["0x1000,1", "0x107c,4", "0xffff,1", "0xcf8,4", "0xcfc,1", "0xcfe,2"]) {
      assert.equal(run("port", access, ...claims.map(written)).status, 0, access);
    }
    for (const access of ["0xfff,1", "0x107d,4", "0xffff,2", "0xc000,1", "0xcf9,1", "0xcf8,1", "0xcff,2", "0x60,1"]) {
      assert.equal(run("port", access, ...claims.map(written)).status, kernelStatus.port, access);
    }
  });

  for (const [base, size] of [
    [0x20, 2],
    [0x60, 64],
    [0xcc0, 64],
    [0xcf8, 8],
    [0xff0, 64],
    [0, 0x10000],
    [0x10000, 64],
    [0xffe0, 64],
    [0xc000, "0xffffffffffffffff"],
    ["0xffffffffffffffc0", 64],
  ] as const) {
    test(`no ports of the system board, and none that do not exist: ${size} from ${base} on`, () => {
      const claims = [{ address: 0x18, base, size }, { address: 0x20 }];
      const { granted, reports, allowed } = grant(...claims);
      assert.deepEqual(granted, [0x20]);
      assert.equal(reports.length, 1);
      assert.match(reports[0] ?? "", /^kernel: the virtio device at PCI address 0x0018 is left out: it (claims|has)/);
      assert.deepEqual(allowed, [11]);
      assert.equal(run("port", "0xcf9,1", ...claims.map(written)).status, kernelStatus.port);
      assert.equal(run("port", "0x64,1", ...claims.map(written)).status, kernelStatus.port);
    });
  }

  for (const [base, size] of [
    [0xc000, 64],
    [0xc03f, 1],
    [0xbfc0, 65],
    [0xb000, 0x2000],
  ] as const) {
    test(`no port twice: ${size} from 0x${base.toString(16)} on are another device's`, () => {
      const { granted, reports } = grant(
        { address: 0x18 },
        { address: 0x20, base, size },
        { address: 0x28, base: 0xd000 },
      );
      assert.deepEqual(granted, [0x18, 0x28]);
      assert.equal(reports.length, 1);
      assert.match(reports[0] ?? "", /PCI address 0x0020 is left out: it claims ports of another device/);
    });
  }

  test("no device without ports", () => {
    const claims = [
      { address: 0x18, isIo: false },
      { address: 0x20, base: 0 },
      { address: 0x28, size: 0 },
    ];
    const { granted, reports } = grant(...claims);
    assert.deepEqual(granted, []);
    assert.equal(reports.filter((report) => report.includes("it has no ports")).length, 3);
  });

  for (const line of [0, 1, 2, 8, 13, 16, 255]) {
    test(`no interrupt line ${line}, which PCI devices do not have`, () => {
      const { granted, reports, allowed } = grant({ address: 0x18, line });
      assert.deepEqual(granted, []);
      assert.deepEqual(allowed, []);
      assert.match(reports[0] ?? "", new RegExp(`interrupt line that PCI devices have .*line ${line}\\)$`));
    });
  }

  for (const line of [3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15]) {
    test(`interrupt line ${line}`, () => {
      assert.deepEqual(grant({ address: 0x18, line }).allowed, [line]);
    });
  }
});

describe("the unikernel logs", () => {
  for (const [name, number] of Object.entries(Message)) {
    test(`${name} in words`, () => {
      const { status, output } = run("log", String(number));
      assert.equal(status, 0);
      assert.match(output, new RegExp(`^virtio: [a-z ]+ \\(${number}: 0x1, 0x2\\)\n$`));
      assert.doesNotMatch(output, /unknown/);
    });
  }

  test("a number that is no message as one that it does not know", () => {
    assert.equal(run("log", "99").output, "virtio: a message unknown to this kernel (99: 0x1, 0x2)\n");
  });
});
