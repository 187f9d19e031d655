/** `npm start -- --qemu`: the same on QEMU's own devices. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { icmpEchoInFrame } from "../../kernel-shim/network/frames.js";
import type { RunResult } from "../../tools/start/result.js";
import { readCapture } from "./pcap-reader.js";
import { assertDocument } from "./schema.js";
import { parseResult, sha256, start, withFolder } from "./start-command.js";

test("it gets a lease from QEMU's network, pings the gateway and verifies a disk of 64 MiB", () => {
  withFolder((folder) => {
    const temporary = path.join(folder, "temporary");
    mkdirSync(temporary);
    const outcome = start(["--qemu", "--json", "-", "--pcap", "frames.pcap"], {
      folder,
      environment: { TMPDIR: temporary },
    });
    const result = parseResult(outcome);
    assert.deepEqual(result.problems, []);
    assert.equal(outcome.status, 0);
    assert.match(outcome.stderr, /^(Disk [^\n]+\n)*$/);
    assert.match(result.machine.name, /^QEMU \d+\.\d+/);
    assert.deepEqual([result.machine.build, result.machine.hasVirtualTime], ["ported", false]);
    assert.ok(result.pci !== null && result.pci.configurationReads <= result.pci.configurationReadBudget);
    for (const { address, vendorName, deviceName } of result.pci.functions) {
      assert.ok(vendorName !== null && deviceName !== null, `${address} has a name`);
    }
    const card = result.networkCards[0];
    assert.equal(card?.lease?.router, "10.0.2.2");
    assert.match(card.lease.address, /^10\.0\.2\.\d+$/);
    assert.equal(card.resolution?.mac, "52:55:0a:00:02:02");
    assert.equal(card.pings.filter(({ outcome: ping }) => ping === "reply").length, 5);
    assert.equal(result.disks[0]?.bytes, 64 * 1024 * 1024);
    assert.equal(result.disks[0].isVerified, true);
    assert.ok(readCapture(path.join(folder, "frames.pcap")).filter((frame) => icmpEchoInFrame(frame)).length >= 10);
    const left = readdirSync(temporary).filter((name) => !name.startsWith("tsx-"));
    assert.deepEqual(left, [], "the temporary files are gone");
  });
});

/** An image of 2 MiB, so that a run is about the devices and not about their contents. */
function smallDisk(folder: string): string[] {
  writeFileSync(path.join(folder, "disk.img"), randomBytes(2 * 1024 * 1024));
  return ["--disk", "disk.img", "--write"];
}

/** Runs it on QEMU with a small disk, checks that all of it worked, and returns what it found out. */
function runOnQemu(parameters: readonly string[]): RunResult {
  let result: RunResult | undefined;
  withFolder((folder) => {
    const outcome = start(["--qemu", "--json", "-", ...smallDisk(folder), ...parameters], { folder });
    assert.equal(outcome.status, 0, outcome.stdout + outcome.stderr);
    assertDocument("npm start", outcome.stdout);
    result = parseResult(outcome);
  });
  assert.ok(result);
  assert.deepEqual(result.problems, []);
  assert.equal(result.networkCards[0]?.pings.length, 5);
  assert.equal(result.disks[0]?.isVerified, true);
  return result;
}

test("by itself, QEMU is a pc with transitional devices that are used as modern ones", () => {
  const { pci, slots, networkCards, disks } = runOnQemu([]);
  assert.deepEqual(slots, []);
  for (const { address, connection } of [...networkCards, ...disks]) {
    assert.equal(pci?.functions.find((each) => each.address === address)?.virtio?.isLegacy, true);
    assert.equal(connection?.transport, "modern PCI");
    assert.equal(connection.registers, "memory");
    assert.equal(connection.vectors, 0);
    assert.notEqual(connection.line, null);
  }
});

for (const [machine, bus] of [
  ["pc", /^00:/],
  ["q35", /^0[12]:00\.0$/],
] as const) {
  test(`--modern on ${machine}: devices without the legacy interface, which interrupt by messages`, () => {
    const { machine: described, pci, networkCards, disks } = runOnQemu(["--modern", "--machine", machine]);
    assert.match(described.name, new RegExp(`, ${machine}$`));
    for (const { address, connection } of [...networkCards, ...disks]) {
      assert.match(address, bus);
      assert.equal(pci?.functions.find((each) => each.address === address)?.virtio?.isLegacy, false);
      assert.equal(connection?.transport, "modern PCI");
      assert.ok(connection.vectors >= 2);
      assert.equal(connection.line, null);
    }
  });
}

for (const [parameters, version] of [
  [["--machine", "microvm"], 1],
  [["--machine", "microvm", "--modern"], 2],
] as const) {
  test(`${parameters.join(" ")}: memory-mapped devices of version ${version}, and no PCI`, () => {
    const { pci, slots, networkCards, disks, conclusion } = runOnQemu(parameters);
    assert.equal(pci, null);
    assert.deepEqual(
      slots.map((slot) => [slot.type, slot.version]),
      [
        [2, version],
        [1, version],
      ],
    );
    for (const { address, connection } of [...networkCards, ...disks]) {
      const slot = slots.find(({ base }) => base === `0x${address}`);
      const transport = `MMIO version ${version}`;
      assert.deepEqual(connection, { transport, registers: "memory", line: slot?.line, vectors: 0 });
    }
    assert.match(conclusion, /^All of it worked: 2 memory-mapped devices found, /);
  });
}

test("what is said of a microvm fits the terminal", () => {
  withFolder((folder) => {
    const { status, stdout } = start(["--qemu", "--machine", "microvm", ...smallDisk(folder)], { folder });
    assert.equal(status, 0);
    assert.match(stdout, /^Memory-mapped: 2 devices in 8 slots$/m);
    assert.match(stdout, /^ {2}0xfeb00e00 {2}virtio type 1, registers of version 1, interrupt line 23$/m);
    assert.match(stdout, /^ {2}transport +MMIO version 1, registers in memory, interrupts on line 23$/m);
    assert.doesNotMatch(stdout, /^PCI: /m);
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  });
});

test("QEMU's disk is hashed and not changed, and overwritten only with --write", () => {
  withFolder((folder) => {
    const image = path.join(folder, "disk.img");
    writeFileSync(image, randomBytes(2 * 1024 * 1024));
    const before = sha256(image);
    const read = parseResult(start(["--qemu", "--json", "-", "--disk", image]));
    assert.deepEqual(read.problems, []);
    assert.deepEqual(read.disks[0]?.sha256, { asFound: before, asWritten: null });
    assert.equal(read.disks[0].isReadOnly, true);
    assert.equal(sha256(image), before);

    const written = parseResult(start(["--qemu", "--json", "-", "--disk", image, "--write"]));
    assert.deepEqual(written.problems, []);
    assert.deepEqual(written.disks[0]?.sha256, { asFound: before, asWritten: sha256(image) });
    assert.notEqual(sha256(image), before);
  });
});

test("while QEMU starts, nothing is in the temporary folder that a signal could leave there", () => {
  withFolder((folder) => {
    const temporary = path.join(folder, "temporary");
    mkdirSync(temporary);
    const listing = path.join(folder, "listing");
    const script = `#!/bin/sh
      if [ "$1" = --version ]; then echo "QEMU emulator version 7.2.0"; exit; fi
      ls ${temporary} > ${listing}
      exit 1`;
    writeFileSync(path.join(folder, "qemu-system-x86_64"), script, { mode: 0o755 });
    const environment = { TMPDIR: temporary, PATH: `${folder}${path.delimiter}${process.env["PATH"] ?? ""}` };
    const { status, stdout, stderr } = start(["--qemu"], { environment });
    assert.equal(status, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /^[^\n]*QEMU[^\n]*\n$/, "one line");
    const found = readFileSync(listing, "utf8").split("\n");
    assert.deepEqual(
      found.filter((name) => name !== "" && !name.startsWith("tsx-")),
      [],
    );
  });
});
