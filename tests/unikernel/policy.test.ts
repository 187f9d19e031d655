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
const sources = [
  ...["shim/devices.c", "shim/port-grants.c", "shim/register-grants.c", "shim/messages.c"],
  ...["shim/kernel-interface.c", "boot/slots.c", "cpu/interrupts.c"],
];

/** Of functions: no virtio device, or one with or without the legacy interface. */
const kinds = { other: 0, legacy: 1, modern: 2 };

interface Claim {
  readonly address: number;
  readonly kind?: keyof typeof kinds;
  readonly isIo?: boolean;
  readonly base?: number | string;
  readonly size?: number | string;
  readonly line?: number;
  /** Of its table of message vectors, and the Command register. */
  readonly vectors?: number;
  readonly tableBase?: number | string;
  readonly tableSize?: number;
  readonly tableOffset?: number;
  readonly command?: number;
}

/** As the program takes them. */
function written(claim: Claim): string {
  const { address, kind = "legacy", isIo = true, base = 0xc000, size = 64, line = 11 } = claim;
  const { vectors = 0, tableBase = 0xfebd0000, tableSize = 4096, tableOffset = 0, command = 6 } = claim;
  const registers = [address, kinds[kind], Number(isIo), base, size, line];
  return [...registers, vectors, tableBase, tableSize, tableOffset, command].join(",");
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
  return runWith("", ...parameters);
}

/** The same with a command line of the kernel's. */
function runWith(commandLine: string, ...parameters: string[]): { status: number | null; output: string } {
  const { status, stdout } = spawnSync(program, [commandLine, ...parameters], { encoding: "utf8" });
  return { status, output: stdout };
}

interface Granted {
  readonly granted: number[];
  readonly reports: string[];
  readonly allowed: number[];
}

/** Who is granted, what is said of the others, and the mask of interrupt lines. */
function grant(...claims: Claim[]): Granted {
  return grantWith("", ...claims);
}

function grantWith(commandLine: string, ...claims: Claim[]): Granted {
  const { status, output } = runWith(commandLine, "grant", ...claims.map(written));
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
    const claims: Claim[] = [
      { address: 0x18, base: 0x1000, size: 128, line: 10 },
      { address: 0x20, base: 0xffc0, size: 64, line: 11 },
      { address: 0x28, base: 0xc000, line: 5, kind: "other" },
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
      assert.match(reports[0] ?? "", /PCI address 0x0020 is left out: it claims what belongs to another device/);
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
      assert.match(reports[0] ?? "", new RegExp(`it has no usable interrupt line .*line ${line}\\)$`));
    });
  }

  for (const line of [3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15]) {
    test(`interrupt line ${line}`, () => {
      assert.deepEqual(grant({ address: 0x18, line }).allowed, [line]);
    });
  }
});

describe("the unikernel grants memory-mapped devices", () => {
  const base = 0xfeb00000;

  test("that the command line names, with their lines", () => {
    const line = `file=a virtio_mmio.device=512@0x${base.toString(16)}:5  lossy virtio_mmio.device=4K@3221225472:11`;
    assert.deepEqual(grantWith(line), { granted: [base, 3221225472], reports: [], allowed: [5, 11] });
  });

  test("and says nothing of empty slots", () => {
    const { granted, reports } = grantWith("virtio_mmio.device=512@0xfeb02000:5 virtio_mmio.device=512@0xfeb04000:6");
    assert.deepEqual({ granted, reports }, { granted: [0xfeb04000], reports: [] });
  });

  test("but not what is no virtio device", () => {
    const { granted, reports } = grantWith("virtio_mmio.device=512@0xfeb00200:5");
    assert.deepEqual(granted, []);
    assert.match(reports[0] ?? "", /^kernel: the virtio device at 0xfeb00200 is left out: it is none/);
  });

  for (const place of [
    "512@0",
    "512@0x100000",
    "64K@0x3ff8000",
    "512@0xfec00000",
    "512@0xfee00000",
    "0x1000@0xfebff800",
    "512@0xffffff00",
    "512@0xfffffffffffffe00",
    "1K@0xfffffffffffffe00",
    "0@0xfeb00000",
    "1G@0x40000000",
  ]) {
    test(`but no memory, nothing of the board's, and nothing that does not exist: ${place}`, () => {
      const { granted, reports, allowed } = grantWith(`virtio_mmio.device=${place}:5`);
      assert.deepEqual({ granted, allowed }, { granted: [], allowed: [] });
      assert.match(reports[0] ?? "", /is left out: it (claims|has)/);
    });
  }

  for (const value of [
    "",
    "512",
    "512@",
    "512@0x",
    "@0xfeb00000:5",
    "512@0xfeb00000",
    "512@0xfeb00000:",
    "x@0xfeb00000:5",
  ]) {
    test(`but not "${value}", which it reports`, () => {
      const { granted, reports } = grantWith(`virtio_mmio.device=${value} virtio_mmio.device=512@0xfeb04000:6`);
      assert.deepEqual(granted, [0xfeb04000]);
      assert.deepEqual(reports, ["kernel: the command line names a device in a way that is not SIZE@BASE:LINE"]);
    });
  }

  for (const line of ["0", "1", "2", "8", "13", "16", "4294967301", "99999999999999999999"]) {
    test(`but not with interrupt line ${line}`, () => {
      const { granted, reports, allowed } = grantWith(`virtio_mmio.device=512@0xfeb00000:${line}`);
      assert.deepEqual({ granted, allowed }, { granted: [], allowed: [] });
      assert.equal(reports.length, 1);
    });
  }

  test("and no register twice", () => {
    const { granted, reports } = grantWith("virtio_mmio.device=32K@0xfeb00000:5 virtio_mmio.device=512@0xfeb04000:6");
    assert.deepEqual(granted, [0xfeb00000]);
    assert.match(reports[0] ?? "", /it claims what belongs to another device/);
  });
});

describe("the unikernel gives message vectors", () => {
  /** What is printed of one or more devices with tables. */
  function print(commandLine: string, ...claims: Claim[]): string[] {
    const { status, output } = runWith(commandLine, "grant", ...claims.map(written));
    assert.equal(status, 0, output);
    return output.split("\n").filter((line) => /^(kernel|granted|messages|table|entry)/.test(line));
  }

  test("to a device with a table, three at most, and programs them", () => {
    assert.deepEqual(print("", { address: 0x18, vectors: 4, tableOffset: 0x800 }), [
      "table at 0xfebd0800 of 48",
      "granted 0x0018",
      "messages 16 to 18",
      ...["entry 0xfee01000 0x0 0x30 0x0", "entry 0xfee01000 0x0 0x31 0x0", "entry 0xfee01000 0x0 0x32 0x0"],
    ]);
  });

  test("to each device others, as long as there are any", () => {
    const claims = Array.from({ length: 24 }, (_, index) => ({
      ...{ address: 0x18 + 8 * index, base: 0xc000 + 64 * index, vectors: 2, tableBase: 0xfeb00000 + 4096 * index },
    }));
    const lines = print("", ...claims);
    assert.equal(lines.filter((line) => line.startsWith("granted")).length, 24);
    const messages = lines.filter((line) => line.startsWith("messages"));
    assert.deepEqual(
      messages,
      Array.from({ length: 23 }, (_, index) => `messages ${16 + 2 * index} to ${17 + 2 * index}`),
    );
  });

  test("to a device without a line that devices have, too", () => {
    assert.ok(print("", { address: 0x18, vectors: 2, line: 255 }).includes("messages 16 to 17"));
  });

  for (const [why, commandLine, claim] of [
    ["the command line says so", "file=a interrupts=intx", {}],
    ["the processor takes none", "no-apic", {}],
    ["the device has none", "", { vectors: 0 }],
    ["the device does not answer to memory", "", { command: 5 }],
    ["the table is nowhere", "", { tableBase: 0 }],
    ["the table is behind the end of its register", "", { tableOffset: 4096 }],
    ["the table ends behind the end of its register", "", { tableOffset: 4096 - 32 }],
    ["only the entries that are used end before it", "", { tableOffset: 4096 - 48 }],
    ["the table is memory", "", { tableBase: 0x100000 }],
    ["the table is the interrupt controller", "", { tableBase: 0xfee00000 }],
    ["the table is another device's", "virtio_mmio.device=512@0xfeb04000:6", { tableBase: 0xfeb04000 }],
  ] as const) {
    test(`but only its line where ${why}`, () => {
      const lines = print(commandLine, { address: 0x18, vectors: 4, ...claim });
      assert.ok(lines.includes("granted 0x0018"), lines.join("\n"));
      assert.ok(!lines.some((line) => /^(messages|table|entry)/.test(line)), lines.join("\n"));
    });
  }

  test("and leaves out a device that has neither", () => {
    const claim = { address: 0x18, line: 0, vectors: 4, tableBase: 0 };
    assert.match(
      print("", claim).join("\n"),
      /^kernel: .*PCI address 0x0018 is left out: it has no usable interrupt line/,
    );
    assert.equal(run("port", "0xc000,1", written(claim)).status, kernelStatus.port);
  });
});

describe("the unikernel grants modern PCI devices", () => {
  const claim: Claim = { address: 0x18, kind: "modern", isIo: false, base: 0xfebc0000, size: 0x8000 };
  const map = (address: number, bytes: number): string => `map,${address},${bytes}`;

  function windows(claims: readonly Claim[], ...steps: string[]): number {
    const { status, output } = runWith("", "registers", ...steps, ...claims.map(written));
    assert.equal(status, 0, output);
    return output.split("\n").filter((line) => line.startsWith("window") && line !== "window 0x0").length;
  }

  test("what their base address registers lead to, in memory and by ports", () => {
    const both = [claim, { address: 0x20, kind: "modern", base: 0xd000, tableBase: 0xfebe0000, line: 10 }] as const;
    const { granted, reports, allowed } = grant(...both);
    assert.deepEqual({ granted, reports, allowed }, { granted: [0x18, 0x20], reports: [], allowed: [10, 11] });
    assert.equal(windows(both, map(0xfebc0000, 0x1000), map(0xfebc7ffc, 4), map(0xfebe0000, 4)), 3);
    assert.equal(run("port", "0xd000,1", ...both.map(written)).status, 0);
  });

  test("but not the table of message vectors, even among registers", () => {
    const inOne = { ...claim, vectors: 4, tableBase: 0xfebc0000, tableSize: 0x8000, tableOffset: 0x6000 };
    const table = 0xfebc6000;
    assert.equal(windows([inOne], map(table, 4), map(table + 60, 8), map(table - 4, 8), map(0xfebc0000, 0x8000)), 0);
    assert.equal(windows([inOne], map(table - 4, 4), map(table + 64, 4), map(0xfebc0000, 0x6000)), 3);
  });

  test("but no table that reaches into another's registers", () => {
    const hostile = { ...claim, address: 0x20, base: 0xfebb0000, vectors: 2048, tableBase: 0xfebbf000 };
    const claims = [claim, { ...hostile, tableSize: 0x1000, tableOffset: 0x1000 - 48 }];
    assert.deepEqual(grant(...claims).granted, [0x18, 0x20]);
    assert.equal(windows(claims, map(0xfebc0000, 0x8000), map(0xfebc0000, 4)), 2);
  });

  for (const base of [0, 0x100000, 0xfec00000, 0xfee00000, 0xfebff000]) {
    test(`but none whose registers are memory, the board's, or nowhere: ${base}`, () => {
      const { granted, reports, allowed } = grant({ ...claim, base, tableBase: 0 });
      assert.deepEqual({ granted, allowed }, { granted: [], allowed: [] });
      assert.match(reports[0] ?? "", /is left out: it (claims|has)/);
    });
  }

  test("but none whose registers are another's", () => {
    const { granted, reports } = grant(claim, { ...claim, address: 0x20, base: 0xfebc7000, tableBase: 0xfeb00000 });
    assert.deepEqual(granted, [0x18]);
    assert.match(reports[0] ?? "", /it claims what belongs to another device/);
  });
});

describe("the unikernel leaves out a device that is one too many", () => {
  /** A command line with so many memory-mapped devices. */
  function slots(count: number): string {
    const words = Array.from(
      { length: count },
      (_, index) => `virtio_mmio.device=512@${0xc0000000 + 0x4000 * index}:5`,
    );
    return words.join(" ");
  }

  test("to be granted registers, before it has any of them, or messages", () => {
    const refused: Claim = { address: 0x18, kind: "modern", isIo: false, base: 0xfebc0000, vectors: 2, line: 10 };
    const claims = [refused, { address: 0x20, vectors: 2, tableBase: 0xfebe0000 }];
    const { status, output } = runWith(slots(127), "grant", ...claims.map(written));
    assert.equal(status, 0, output);
    const lines = output.split("\n").filter((line) => /^(kernel|messages|table|granted 0x00)/.test(line));
    assert.match(lines[0] ?? "", /^kernel: the virtio device at PCI address 0x0018 is left out: it is one too many/);
    assert.deepEqual(lines.slice(1), ["table at 0xfebe0000 of 32", "granted 0x0020", "messages 16 to 17"]);
    assert.deepEqual(grantWith(slots(127), ...claims).allowed, [5, 11]);
    const { output: mapped } = runWith(slots(127), "registers", "map,0xfebc0000,4", written(refused));
    assert.match(mapped, /^window 0x0$/m);
  });

  test("to be remembered", () => {
    const claims = Array.from({ length: 26 }, (_, index) => ({
      ...{ address: 0x18 + 8 * index, base: 0xc000 + 64 * index, line: index < 24 ? 11 : 10 },
    }));
    const { granted, reports, allowed } = grantWith(slots(128), ...claims);
    assert.equal(granted.length, 152);
    assert.deepEqual(allowed, [5, 11]);
    assert.equal(reports.length, 2);
    for (const report of reports) assert.match(report, /is left out: it is one too many/);
    const access = (port: string) => runWith(slots(128), "port", port, ...claims.map(written)).status;
    assert.deepEqual([access("0xc5c0,1"), access("0xc600,1")], [0, kernelStatus.port]);
  });
});

describe("the unikernel maps registers", () => {
  const line = "virtio_mmio.device=512@0xfeb00000:5 virtio_mmio.device=64K@0xc0000000:6";

  /** What the steps print, behind the mapping and unmapping of pages that granting itself took. */
  function steps(...parameters: string[]): { status: number | null; lines: string[] } {
    const { status, output } = runWith(line, "registers", ...parameters);
    return { status, lines: output.split("\n").slice(0, -1) };
  }

  test("that are granted, each range in a window of its own", () => {
    const { status, lines } = steps("map,0xfeb00000,0x200", "map,0xfeb00100,0x100", "map,0xc0000000,0x10000");
    assert.equal(status, 0);
    assert.deepEqual(lines, [
      ...["pages 0x10000 at 0xfeb00000 of 0x1000", "window 0x10000"],
      ...["pages 0x20000 at 0xfeb00000 of 0x1000", "window 0x20100"],
      ...["pages 0x30000 at 0xc0000000 of 0x10000", "window 0x30000"],
    ]);
  });

  test("twice in the same window, until both mappings have ended", () => {
    const map = "map,0xfeb00000,0x200";
    const unmap = "unmap,0x10000,0x200";
    const { status, lines } = steps(map, map, unmap, "at,0x10000,4", unmap, map);
    assert.equal(status, 0);
    const pages = "pages 0x10000 at 0xfeb00000 of 0x1000";
    const window = "window 0x10000";
    assert.deepEqual(lines, [pages, window, window, "at 0x10000", "no pages 0x10000 of 0x1000", pages, window]);
  });

  for (const range of [
    "0xfeaffffc,8",
    "0xfeb00000,0x204",
    "0xfeb00200,4",
    "0xfeb001fc,8",
    "0xfeb00000,0",
    "0xfee00000,0x400",
    "0x1000,0x1000",
    "0xc0000004,0x10000",
    "0xfffffffffffffffc,8",
  ]) {
    test(`but not what is not: ${range}`, () => {
      assert.deepEqual(steps(`map,${range}`), { status: 0, lines: ["window 0x0"] });
    });
  }

  test("and lets accesses through that are within them", () => {
    const { status, lines } = steps(
      "map,0xfeb00000,0x200",
      "at,0x10000,4",
      "at,0x101fc,4",
      "at,0x101ff,1",
      "at,0x101fe,2",
    );
    assert.equal(status, 0);
    assert.deepEqual(lines.slice(2), ["at 0x10000", "at 0x101fc", "at 0x101ff", "at 0x101fe"]);
  });

  for (const access of [
    ...["at,0,4", "at,0xfffc,4", "at,0x10200,1", "at,0x101ff,2", "at,0x10002,4", "at,0x10001,2"],
    ...["at,0x20000,4", "at,0x410000,4", "at,0xfffffffc,4"],
    ...["unmap,0x10000,0x100", "unmap,0x10004,0x200", "unmap,0,0x200", "unmap,0x20000,0x200", "unmap,0x420000,0x200"],
  ]) {
    test(`and ends the machine at ${access}`, () => {
      assert.equal(steps("map,0xfeb00000,0x200", access).status, kernelStatus.registers);
    });
  }

  test("and ends the machine at what is mapped no more", () => {
    const { status } = steps("map,0xfeb00000,0x200", "unmap,0x10000,0x200", "at,0x10000,4");
    assert.equal(status, kernelStatus.registers);
  });

  test("as long as there is a window", () => {
    const ranges = Array.from({ length: 65 }, (_, index) => `map,${0xc0000000 + index * 4},4`);
    const { lines } = steps(...ranges);
    assert.equal(lines.filter((each) => each.startsWith("pages")).length, 64);
    assert.deepEqual(lines.slice(-2), [
      "kernel: registers at 0xc0000100, 4 bytes, are not mapped: all windows are in use",
      "window 0x0",
    ]);
  });

  test("of at most 64 KiB from the start of a page", () => {
    const large = written({ address: 0x18, kind: "modern", isIo: false, base: 0xc0000800, size: 0x10000 });
    const { output } = run("registers", "map,0xc0000800,0xf800", "map,0xc0000800,0xf801", large);
    assert.deepEqual(output.split("\n").slice(0, -1), [
      "pages 0x10000 at 0xc0000000 of 0x10000",
      "window 0x10800",
      "kernel: registers at 0xc0000800, 63489 bytes, are not mapped: they are larger than a window",
      "window 0x0",
    ]);
  });
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
