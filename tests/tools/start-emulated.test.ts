/** `npm start` on the emulated PC: what it prints, what it does to files, and what its exit status says. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { profileNames, profiles, type ProfileName } from "../../kernel-shim/emulated-pc/profiles.js";
import { isMmio, type Transport } from "../../kernel-shim/emulated-pc/virtio/transport.js";
import { arpInFrame, ArpOperation } from "../../kernel-shim/network/arp.js";
import { icmpEchoInFrame } from "../../kernel-shim/network/frames.js";
import { IcmpType } from "../../kernel-shim/network/icmp.js";
import { projectFolder } from "../../tools/build/project.js";
import { startEmulatedPc } from "../../tools/start/emulated-host.js";
import { parseOptions } from "../../tools/start/options.js";
import type { FeaturesResult, RunResult } from "../../tools/start/result.js";
import { run } from "../../tools/start/run.js";
import { SilentReporter } from "../../tools/start/silent-reporter.js";
import { readCapture } from "./pcap-reader.js";
import { assertDocument } from "./schema.js";
import { parseResult, sha256, shellCommand, start, withFolder } from "./start-command.js";

const DEFAULT_DISK_BYTES = 64 * 1024 * 1024;
const SMALL_DISK_BYTES = 1024 * 1024;
const PINGS = 5;
const SECTOR_BYTES = 512;

/** What the driver makes of how a host shows its devices. */
const WAYS: Readonly<Record<Transport, string>> = {
  legacy: "legacy PCI",
  transitional: "modern PCI",
  "modern-io": "modern PCI",
  "modern-memory": "modern PCI",
  "modern-window": "modern PCI",
  "mmio-1": "MMIO version 1",
  "mmio-2": "MMIO version 2",
};

/** What every run that worked has in its document. */
function checkWorked(result: RunResult, profile: ProfileName = "qemu"): void {
  assert.deepEqual(result.problems, []);
  assert.equal(result.worked, true);
  assert.match(result.conclusion, /^All of it worked: /);
  const { transport, hasInterruptPin } = profiles[profile];
  if (isMmio(transport)) {
    assert.equal(result.pci, null);
    assert.deepEqual(result.slots.map(({ type }) => type).sort(), [1, 2]);
  } else {
    assert.ok(result.pci !== null);
    assert.ok(result.pci.configurationReads > 0);
    assert.ok(result.pci.configurationReads <= result.pci.configurationReadBudget);
    assert.deepEqual(result.slots, []);
  }
  for (const { connection } of [...result.networkCards, ...result.disks]) {
    assert.equal(connection?.transport, WAYS[transport]);
    assert.equal(connection.line !== null, hasInterruptPin);
    assert.equal(connection.vectors > 0, !hasInterruptPin);
  }
  for (const card of result.networkCards) {
    checkFeatures(card.features);
    assert.match(card.mac ?? "", /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    assert.equal(card.lease?.router, card.resolution?.address);
    assert.equal(card.pings.length, PINGS);
    for (const { outcome, milliseconds } of card.pings) {
      assert.equal(outcome, "reply");
      assert.ok((milliseconds ?? 0) > 0);
    }
  }
  for (const disk of result.disks) {
    checkFeatures(disk.features);
    assert.equal(disk.sectors * SECTOR_BYTES, disk.bytes);
    for (const pass of disk.passes) {
      assert.equal(pass.bytes, disk.bytes);
      assert.ok(pass.requests > 0 && pass.megabytesPerSecond > 0 && pass.requestsPerSecond > 0);
      assert.ok(pass.notificationsPerRequest > 0 && pass.notificationsPerRequest <= 1);
      assert.ok(pass.interruptsPerRequest >= 0 && pass.interruptsPerRequest <= 1);
    }
  }
}

/** Everything offered was either accepted or refused, and nothing else was accepted. */
function checkFeatures(features: FeaturesResult | null): void {
  assert.ok(features !== null);
  assert.deepEqual([...features.accepted, ...features.refused].sort(), [...features.offered].sort());
}

/** Its lines are what is measured, which differs from run to run. */
const isMeasured = (line: string): boolean => /^ +(passes|write|read) /.test(line);

test("README.md shows what it prints, in excerpts", () => {
  const page = readFileSync(path.join(projectFolder, "README.md"), "utf8");
  const [, shown = ""] = /```\n(virtio\.wasm on [^`]*)```/.exec(page) ?? [];
  const printed = start([]).stdout.split("\n");
  let next = 0;
  for (const line of shown.split("\n").filter((text) => text.trim() !== "…")) {
    const wanted = isMeasured(line) ? /^ +(passes|write|read) / : line.replaceAll(/\d+\.\d{3} ms/g, "# ms");
    const matches = (text: string): boolean =>
      typeof wanted === "string" ? text.replaceAll(/\d+\.\d{3} ms/g, "# ms") === wanted : wanted.test(text);
    const found = printed.findIndex((text, index) => index >= next && matches(text));
    assert.ok(found >= 0, `"${line}" is printed, at its place`);
    next = found + 1;
  }
  assert.ok(next > 30, "all of it is looked at");
});

/** Where nobody watches, there is a line now and then if it takes long, and no bar. */
function checkProgress(stderr: string): void {
  assert.match(stderr, /^(Disk [\d:.]+: (read|write): [^\n]+\n)*$/);
}

test("it prints every section, and says last that all of it worked", () => {
  const { status, stdout, stderr } = start([]);
  checkProgress(stderr);
  assert.match(stdout, /^virtio\.wasm on emulated PC, profile qemu\n/);
  assert.match(stdout, /^PCI: \d+ functions, found with \d+ reads of configuration space \(budget \d+\)$/m);
  assert.match(stdout, /^ {2}00:00\.0 Host bridge: Intel .*\n +\[8086:1237\] \(rev 02\)$/m);
  assert.match(stdout, /Red Hat, Inc\. Virtio network device\s+\[1af4:1000\]/);
  assert.match(stdout, /^ {4}accepted +VIRTIO_NET_F_MAC /m);
  assert.match(stdout, /^ {4}refused +VIRTIO_\w+/m);
  assert.match(stdout, /^ {2}ARP +10\.0\.2\.2 is at 52:55:0a:00:02:02, known after \d+\.\d+ ms/m);
  assert.match(stdout, /^ {2}ping +(\d+\.\d+ ms, ){4}\d+\.\d+ ms$/m);
  assert.match(stdout, /^ {2}clock +virtual: /m);
  assert.match(stdout, /^ {2}capacity +64 MiB in 131072 sectors of 512 bytes, writable$/m);
  assert.match(stdout, /MB\/s +requests\/s +requests +notifications +interrupts$/m);
  const end = stdout.split("\n\n").at(-1)?.replaceAll("\n", " ") ?? "";
  assert.match(end, /^All of it worked: .*10\.0\.2\.2 answered 5 pings, 67108864 bytes of disk written, read back/);
  assert.ok(!stdout.includes("\u001b"), "no colours");
  for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  assert.ok(
    stdout.split("\n").every((line) => line === line.trimEnd()),
    "no spaces at the ends of lines",
  );
  assert.equal(status, 0);
});

test("--json FILE writes the document, and the words are printed as ever", () => {
  withFolder((folder) => {
    const { status, stdout } = start(["--json", "result.json"], { folder });
    assert.equal(status, 0);
    assert.match(stdout, /^All of it worked: /m);
    const text = readFileSync(path.join(folder, "result.json"), "utf8");
    assertDocument("npm start", text);
    checkWorked(JSON.parse(text) as RunResult);
    assert.deepEqual(readdirSync(folder), ["result.json"]);
  });
});

test("--json - prints one document and nothing else", () => {
  const outcome = start(["--json", "-"]);
  checkProgress(outcome.stderr);
  assertDocument("npm start", outcome.stdout);
  const result = parseResult(outcome);
  checkWorked(result);
  assert.equal(outcome.status, 0);
  assert.deepEqual(result.machine, { name: "emulated PC, profile qemu", build: "mapped", hasVirtualTime: true });
  assert.equal(result.networkCards.length, 1);
  assert.equal(result.disks.length, 1);
  const disk = result.disks[0];
  assert.equal(disk?.bytes, DEFAULT_DISK_BYTES);
  assert.equal(disk.isVerified, true);
  assert.deepEqual(
    disk.passes.map(({ name }) => name),
    ["write", "read"],
  );
});

test("--profile list explains every profile, with the devices that it has", () => {
  const { status, stdout, stderr } = start(["--profile", "list"]);
  assert.equal(stderr, "");
  assert.equal(status, 0);
  const sections = stdout.split("\n\n");
  const sectionOf = (title: string): string => sections.find((text) => text.startsWith(`${title}\n`)) ?? "";
  for (const profile of profileNames) {
    const section = sectionOf(profile);
    assert.match(section, /network card +queues: receive \d+, transmit \d+/, profile);
    assert.match(section, /disk +queue of \d+, requests of up to \d+ segments?\b/, profile);
    assert.match(section, /offers +(VIRTIO_|nothing optional)/, profile);
  }
  assert.match(sectionOf("qemu-modern"), /02:00\.0 SCSI storage controller: Red Hat, Inc\. Virtio 1\.0 block device/);
  assert.match(sectionOf("firecracker"), /interrupts +3 message vectors for each device, and no line/);
  assert.match(sectionOf("microvm-1"), /0xfeb02e00 virtio type 2, registers of version 1, interrupt line 47/);
  assert.match(
    sectionOf("Every PC has"),
    /00:03\.0 PCI bridge: Red Hat, Inc\. QEMU PCI-PCI bridge \[1b36:0001\] \(rev 00\)/,
  );
  for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
});

/** Those with devices of which each has its own limits: they have the whole disk to show them on. */
const THOROUGH: readonly ProfileName[] = ["qemu", "virtualbox", "bhyve", "large", "minimal"];

for (const profile of THOROUGH) {
  test(`all of it works on the profile ${profile}`, () => {
    const result = parseResult(start(["--json", "-", "--profile", profile]));
    checkWorked(result, profile);
    assert.equal(result.machine.name, `emulated PC, profile ${profile}`);
    assert.equal(result.disks[0]?.isVerified, true);
  });
}

/** Does what the command does, without a process of its own. */
function runWithSmallDisk(parameters: readonly string[]): RunResult {
  const request = parseOptions(parameters);
  assert.ok(request.kind === "run" && request.options.host.kind === "emulated");
  const { host: choice, build } = request.options;
  const host = startEmulatedPc(choice.profile, build, null, SMALL_DISK_BYTES, null);
  try {
    return run(host, { hash: false, verify: true }, new SilentReporter());
  } finally {
    host.close();
  }
}

for (const profile of profileNames.filter((name) => !THOROUGH.includes(name))) {
  for (const build of ["mapped", "ported"] as const) {
    test(`all of it works on the profile ${profile}, ${build}, with a small disk`, () => {
      const result = runWithSmallDisk(["--profile", profile, ...(build === "ported" ? ["--ported"] : [])]);
      checkWorked(result, profile);
      assert.equal(result.machine.name, `emulated PC, profile ${profile}`);
      assert.equal(result.machine.build, build);
      assert.equal(result.disks[0]?.bytes, SMALL_DISK_BYTES);
      assert.equal(result.disks[0].isVerified, true);
    });
  }
}

test("what is said of a host with memory-mapped devices fits the terminal", () => {
  withFolder((folder) => {
    writeFileSync(path.join(folder, "disk.img"), randomBytes(SMALL_DISK_BYTES));
    const { status, stdout } = start(["--profile", "microvm-1", "--disk", "disk.img"], { folder });
    assert.equal(status, 0);
    assert.match(stdout, /^Memory-mapped: 2 devices in 24 slots$/m);
    assert.match(stdout, /^ {2}0xfeb02e00 {2}virtio type 2, registers of version 1, interrupt line 47$/m);
    assert.match(stdout, /^ {2}transport +MMIO version 1, registers in memory, interrupts on line 46$/m);
    assert.doesNotMatch(stdout, /^PCI: /m);
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  });
});

test("the ported build does what the mapped build does", () => {
  const mapped = parseResult(start(["--json", "-"]));
  const ported = parseResult(start(["--json", "-", "--ported"]));
  checkWorked(ported);
  assert.equal(ported.machine.build, "ported");
  assert.deepEqual(ported.pci, mapped.pci);
  assert.deepEqual(ported.networkCards, mapped.networkCards);
  assert.deepEqual(ported.disks[0]?.sha256, mapped.disks[0]?.sha256);
});

test("an image is hashed through the driver, and not changed", () => {
  withFolder((folder) => {
    const image = path.join(folder, "disk.img");
    writeFileSync(image, randomBytes(1024 * 1024));
    const before = { hash: sha256(image), changed: statSync(image).mtimeMs };
    const outcome = start(["--json", "-", "--disk", "disk.img"], { folder });
    const result = parseResult(outcome);
    checkWorked(result);
    const disk = result.disks[0];
    assert.deepEqual(disk?.sha256, { asFound: before.hash, asWritten: null });
    assert.equal(disk.isReadOnly, true);
    assert.equal(disk.isVerified, null);
    assert.ok(disk.features?.accepted.includes("VIRTIO_BLK_F_RO"));
    assert.equal(sha256(image), before.hash);
    assert.equal(statSync(image).mtimeMs, before.changed);
    assert.deepEqual(readdirSync(folder), ["disk.img"]);
  });
});

test("with --write the image is hashed, overwritten and verified", () => {
  withFolder((folder) => {
    const image = path.join(folder, "disk.img");
    writeFileSync(image, randomBytes(1024 * 1024));
    const before = sha256(image);
    const result = parseResult(start(["--json", "-", "--disk", image, "--write"]));
    checkWorked(result);
    const disk = result.disks[0];
    assert.deepEqual(disk?.sha256, { asFound: before, asWritten: sha256(image) });
    assert.notEqual(sha256(image), before);
    assert.equal(disk.isVerified, true);
    assert.equal(statSync(image).size, 1024 * 1024);
  });
});

for (const sectors of [1, 127, 129]) {
  test(`an image of ${sectors} sectors is read and written to its end and not further`, () => {
    withFolder((folder) => {
      const image = path.join(folder, "disk.img");
      writeFileSync(image, randomBytes(sectors * SECTOR_BYTES));
      const before = sha256(image);
      const result = parseResult(start(["--json", "-", "--disk", image, "--write"]));
      checkWorked(result);
      assert.deepEqual(result.disks[0]?.sha256, { asFound: before, asWritten: sha256(image) });
      assert.equal(statSync(image).size, sectors * SECTOR_BYTES);
    });
  });
}

test("--pcap captures what passed, in a file that Wireshark opens", () => {
  withFolder((folder) => {
    const { status } = start(["--pcap", "frames.pcap"], { folder });
    assert.equal(status, 0);
    const frames = readCapture(path.join(folder, "frames.pcap"));
    const arp = frames.map(arpInFrame).filter((packet) => packet !== null);
    const echoes = frames.map(icmpEchoInFrame).filter((echo) => echo !== null);
    assert.ok(
      arp.some(({ operation, targetAddress }) => operation === ArpOperation.REQUEST && targetAddress === "10.0.2.2"),
    );
    assert.ok(
      arp.some(({ operation, senderAddress }) => operation === ArpOperation.REPLY && senderAddress === "10.0.2.2"),
    );
    assert.equal(echoes.filter(({ message }) => message.type === IcmpType.ECHO_REQUEST).length, PINGS);
    assert.equal(echoes.filter(({ message }) => message.type === IcmpType.ECHO_REPLY).length, PINGS);
  });
});

test("--pcap replaces a file of that name", () => {
  withFolder((folder) => {
    const file = path.join(folder, "frames.pcap");
    writeFileSync(file, Buffer.alloc(1024 * 1024, 0xff));
    assert.equal(start(["--pcap", file]).status, 0);
    assert.ok(readCapture(file).length > 0);
    assert.ok(readFileSync(file).length < 1024 * 1024);
  });
});

test("a reader that goes away early gets no stack trace", () => {
  const { stdout, stderr } = spawnSync("sh", ["-c", `${shellCommand("")} | head -n 1`], { encoding: "utf8" });
  assert.equal(stdout, "virtio.wasm on emulated PC, profile qemu\n");
  assert.equal(stderr, "");
});
