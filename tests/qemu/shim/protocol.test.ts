/** What QEMU writes is taken for what its protocols allow, and for nothing else; anything else is one clear error. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Channel } from "../../../kernel-shim/qemu/channel.js";
import { QemuError } from "../../../kernel-shim/qemu/qemu-error.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import { Qmp } from "../../../kernel-shim/qemu/qmp.js";
import { Qtest } from "../../../kernel-shim/qemu/qtest.js";

const TIMEOUT = 50;

let folder: string;
let toQemu: number;
let fromQemu: number;
let hasEnded: boolean;
let channel: Channel;
const describeError = (what: string): Error => new QemuError(what);

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "virtio-protocol-test-"));
  const fifos = ["in", "out"].map((name) => path.join(folder, name));
  assert.equal(spawnSync("mkfifo", fifos).status, 0);
  const [input = 0, output = 0] = fifos.map((fifo) => openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK));
  toQemu = input;
  fromQemu = output;
  hasEnded = false;
  const incoming = openSync(path.join(folder, "out"), constants.O_RDONLY | constants.O_NONBLOCK);
  channel = new Channel(toQemu, incoming, () => hasEnded);
  descriptors = [toQemu, fromQemu, incoming];
});
let descriptors: number[] = [];
afterEach(() => {
  descriptors.forEach((descriptor) => closeSync(descriptor));
  rmSync(folder, { recursive: true });
});

/** Plays QEMU: what is written before a request is its answer. */
function answer(text: string): void {
  writeSync(fromQemu, text);
}

function end(): void {
  hasEnded = true;
  closeSync(fromQemu);
  descriptors = descriptors.filter((descriptor) => descriptor !== fromQemu);
}

/** Checks that `action` throws a QemuError of these words. */
function assertFails(action: () => unknown, words: RegExp): void {
  assert.throws(action, (error) => error instanceof QemuError && words.test(error.message));
}

/** What was sent, line by line. */
function sent(): string[] {
  const bytes = Buffer.alloc(65536);
  return bytes.toString("latin1", 0, readSync(toQemu, bytes)).split("\n").slice(0, -1);
}

describe("the qtest protocol", () => {
  let qtest: Qtest;
  beforeEach(() => {
    qtest = new Qtest(channel, TIMEOUT, describeError);
  });

  test("numbers arrive, also behind changes of interrupt lines", () => {
    answer("OK 0x00fe\nIRQ raise 10\nIRQ lower 10\nIRQ raise 11\nOK 0xfffe\nOK 0xfffffffe\r\nOK\n");
    assert.equal(qtest.in8(1), 0xfe);
    assert.equal(qtest.in16(2), 0xfffe);
    assert.equal(qtest.in32(3), 0xffff_fffe);
    qtest.out8(4, 5);
    assert.deepEqual([...qtest.assertedInputs], [11]);
    assert.deepEqual(sent(), ["inb 1", "inw 2", "inl 3", "outb 4 5"]);
  });

  test("registers and memory are read in numbers of 16 digits, whatever the width", () => {
    answer("OK 0x00000000000000fe\nOK 0x000000000000fffe\nOK 0x00000000fffffffe\nOK\nOK\nOK\n");
    assert.equal(qtest.read8(1), 0xfe);
    assert.equal(qtest.read16(2), 0xfffe);
    assert.equal(qtest.read32(4), 0xffff_fffe);
    qtest.write8(5, 6);
    qtest.write16(6, 7);
    qtest.write32(8, 9);
    assert.deepEqual(sent(), ["readb 1", "readw 2", "readl 4", "writeb 5 6", "writew 6 7", "writel 8 9"]);
    answer("OK 0x0001\n");
    assertFails(() => qtest.read8(1), /^QEMU answered "OK 0x0001" to the request "readb 1"$/);
  });

  for (const line of ["OK zzz", "OK -1", "OK", "OK ", "OK 0x", "OK 12", "OK 0x00FE", "OK 0x00fe ", "OK 0x00fe 1"]) {
    test(`"${line}" is no number`, () => {
      answer(`${line}\nOK 0x0001\n`);
      assertFails(() => qtest.in8(1), /^QEMU answered "OK.*" to the request "inb 1"$/);
    });
  }

  for (const [line, read] of [
    ["OK 0x0100", () => qtest.in8(1)],
    ["OK 0x10000", () => qtest.in16(1)],
    ["OK 0x100000000", () => qtest.in32(1)],
  ] as const) {
    test(`"${line}" is more than the width that was asked for`, () => {
      answer(`${line}\n`);
      assertFails(read, /^QEMU answered "OK 0x.*0" to the request "in[bwl] 1"$/);
    });
  }

  for (const line of ["OK 0x0001", "OKAY", "ok", "", "FAIL Unknown command", "ERR", "IRQ raise", "IRQ raise -1"]) {
    test(`"${line}" is no answer to a write`, () => {
      answer(`${line}\n`);
      assertFails(() => qtest.out8(1, 2), /^QEMU answered ".*" to the request "outb 1 2"$/);
    });
  }

  test("after an answer that makes no sense no request is sent any more, and each throws the same", () => {
    answer("OK zzz\nOK 0x0001\n");
    assertFails(() => qtest.in8(1), /"OK zzz"/);
    sent();
    assertFails(() => qtest.in8(1), /"OK zzz"/);
    assertFails(() => qtest.receiveInterrupts(0), /"OK zzz"/);
    assert.throws(() => sent(), { code: "EAGAIN" });
  });

  test("an answer that breaks off is none", () => {
    answer("OK 0x00");
    assertFails(() => qtest.in8(1), /^QEMU gave no answer to the request "inb 1" for 0\.05 seconds$/);
  });

  test("an answer that breaks off as QEMU ends is none", () => {
    answer("OK 0x0001");
    end();
    assertFails(() => qtest.in8(1), /^QEMU ended at the request "inb 1"$/);
  });

  test("what comes without being asked for is a change of an interrupt line, or an error", () => {
    answer("IRQ raise 5\n");
    qtest.receiveInterrupts(0);
    assert.deepEqual([...qtest.assertedInputs], [5]);
    answer("Formatting 'file'\n");
    assertFails(() => qtest.receiveInterrupts(0), /^QEMU wrote "Formatting 'file'" without being asked$/);
  });
});

describe("the QEMU Machine Protocol", () => {
  let qmp: Qmp;
  beforeEach(() => {
    qmp = new Qmp(channel, TIMEOUT, describeError);
  });

  test("an answer is told from events and from answers to other commands", () => {
    answer(
      `{"event": "STOP"}\r\n{"return": 7, "id": 0}\r\n{"error": {"desc": "late"}, "id": 0}\r\n{"return": 8, "id": 1}\r\n`,
    );
    assert.equal(qmp.execute("query"), 8);
    assert.deepEqual(qmp.events, [{ event: "STOP", data: {} }]);
  });

  for (const line of ["Formatting 'file'", "", '{"return": {}, "id": 1', "[1]", "null", "7", '{"a": 1}}']) {
    test(`"${line}" is no message`, () => {
      answer(`${line}\n{"return": {}, "id": 1}\n`);
      const words = /^QEMU wrote ".*" on its QMP channel, which is no message of the protocol$/;
      assertFails(() => qmp.execute("query"), words);
      assertFails(() => qmp.execute("query"), words);
      assertFails(() => qmp.events, words);
      assertFails(() => qmp.waitForEvent("STOP", 0, 10), words);
    });
  }

  test("a long line is cut in the error", () => {
    answer(`${"x".repeat(5000)}\n`);
    assert.throws(
      () => qmp.execute("query"),
      (error: Error) => error.message.length < 200,
    );
  });
});

test("what QEMU prints on its standard output is no answer: a snapshot is taken while the machine runs", () => {
  const image = path.join(folder, "disk.img");
  const snapshot = path.join(folder, "snapshot.qcow2");
  writeFileSync(image, Buffer.alloc(65536));
  const machine = new QemuMachine({ devices: [{ kind: "block", file: image }] });
  try {
    const hostBridge = machine.kernel.in32(0xcfc);
    // QEMU prints "Formatting '…'" there.
    machine.qmp("blockdev-snapshot-sync", { device: "disk0-drive", "snapshot-file": snapshot, format: "qcow2" });
    assert.equal(existsSync(snapshot), true);
    assert.equal(machine.kernel.in32(0xcfc), hostBridge);
    assert.deepEqual(machine.waitForInterrupt(1), []);
  } finally {
    machine.close();
  }
});
