/** The block device and what is behind it. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { ImageFile } from "../../../kernel-shim/emulated-pc/block/image-file.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { legacyProfileNames } from "../../../kernel-shim/emulated-pc/profiles.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { assertViolations, blockGuest, BlockRequest, Guest, submit, WRITE } from "./guest.js";

const ANY_LAYOUT = 2 ** 27;
const FLUSH = 2 ** 9;
const CONFIG_WCE = 2 ** 11;
const IN = 0;
const OUT = 1;
const FLUSH_REQUEST = 4;
const GET_ID = 8;

describe("block device", () => {
  for (const profile of legacyProfileNames) {
    for (const build of ["mapped", "ported"] satisfies Build[]) {
      it(`reads and writes: ${profile}, ${build}`, () => {
        const { pc, disk, device, guest } = blockGuest({ profile, build });
        const queue = guest.start(device.offeredFeatures & ANY_LAYOUT);
        const read = submit(guest, queue, { type: IN, sector: 7, dataBytes: 9 * 512 });
        assert.equal(read.result, 0);
        assert.deepEqual(read.contents, disk.bytes.slice(7 * 512, 16 * 512));
        const write = new BlockRequest(guest, 8192);
        const bytes = Uint8Array.from({ length: 8192 }, (_, index) => index * 7);
        pc.writeBuffer(write.data, bytes);
        write.setHeader(OUT, 32);
        queue.chain(0, write.descriptors(OUT));
        queue.publish(0);
        queue.notify();
        assert.equal(write.result, 0);
        assert.deepEqual(disk.bytes.slice(32 * 512, 48 * 512), bytes);
        assert.equal(queue.usedIndex, 2);
        assertViolations(pc, []);
      });
    }
  }

  it("reports used lengths as the host does", () => {
    const lengths = legacyProfileNames.map((profile) => {
      const { device, guest } = blockGuest({ profile });
      const queue = guest.start(device.offeredFeatures & (ANY_LAYOUT | FLUSH));
      submit(guest, queue, { type: IN });
      submit(guest, queue, { type: OUT });
      return [profile, queue.used(0).length, queue.used(1).length];
    });
    assert.deepEqual(lengths, [
      ["qemu", 513, 1],
      ["virtualbox", 513, 1],
      ["bhyve", 1, 1],
      ["large", 513, 1],
      ["minimal", 0, 0],
      ["gcp", 513, 1],
    ]);
  });

  it("answers GET_ID with 20 bytes, padded with zeroes", () => {
    const { pc, guest } = blockGuest({}, { serial: "disk-0001" });
    const queue = guest.start(ANY_LAYOUT);
    const request = submit(guest, queue, { type: GET_ID, dataBytes: 20 });
    assert.equal(Buffer.from(request.contents).toString("latin1"), "disk-0001".padEnd(20, "\0"));
    assert.equal(queue.used(0).length, 21);
    assertViolations(pc, []);
  });

  it("flushes, and writes through when nobody could flush", () => {
    const { pc, disk, guest } = blockGuest();
    const queue = guest.start(ANY_LAYOUT | FLUSH);
    submit(guest, queue, { type: OUT });
    assert.equal(disk.flushes, 0);
    assert.equal(submit(guest, queue, { type: FLUSH_REQUEST, dataBytes: 0 }).result, 0);
    assert.equal(disk.flushes, 1);
    const withoutFlush = guest.start(ANY_LAYOUT);
    submit(guest, withoutFlush, { type: OUT });
    assert.equal(disk.flushes, 2);
    const switchable = guest.start(ANY_LAYOUT | FLUSH | CONFIG_WCE);
    submit(guest, switchable, { type: OUT });
    assert.equal(disk.flushes, 2);
    guest.write(20 + 32, 1, 0);
    submit(guest, switchable, { type: OUT });
    assert.equal(disk.flushes, 3);
    assertViolations(pc, []);
  });

  it("answers an unknown type with UNSUPP", () => {
    const { pc, guest } = blockGuest();
    assert.equal(submit(guest, guest.start(ANY_LAYOUT), { type: 77 }).result, 2);
    assertViolations(pc, []);
  });

  it("records requests beyond the end and answers IOERR", () => {
    const { pc, guest } = blockGuest();
    const queue = guest.start(ANY_LAYOUT);
    assert.equal(submit(guest, queue, { type: IN, sector: 127, dataBytes: 1024 }).result, 1);
    assert.equal(submit(guest, queue, { type: OUT, sector: 2 ** 40 }).result, 1);
    assertViolations(pc, ["block-capacity", "block-capacity"]);
  });

  it("records writes to a read-only disk and answers IOERR", () => {
    const { pc, disk, guest, device } = blockGuest({}, {}, true);
    assert.ok((device.offeredFeatures & (2 ** 5)) !== 0);
    const before = disk.bytes.slice();
    assert.equal(submit(guest, guest.start(ANY_LAYOUT), { type: OUT }).result, 1);
    assert.deepEqual(disk.bytes, before);
    assertViolations(pc, ["block-read-only"]);
  });

  it("records wrong lengths", () => {
    const { pc, guest } = blockGuest();
    const queue = guest.start(ANY_LAYOUT | FLUSH);
    assert.equal(submit(guest, queue, { type: IN, dataBytes: 500 }).result, 1);
    assert.equal(submit(guest, queue, { type: GET_ID, dataBytes: 19 }).result, 0);
    assert.equal(submit(guest, queue, { type: FLUSH_REQUEST, dataBytes: 512 }).result, 0);
    assertViolations(pc, ["block-data-length", "block-data-length", "block-data-length"]);
  });

  it("records other mistakes in headers, where a legacy request's priority is none", () => {
    const { pc, guest } = blockGuest();
    const queue = guest.start(ANY_LAYOUT);
    submit(guest, queue, { type: IN, reserved: 3, dataBytes: 512 });
    submit(guest, queue, { type: FLUSH_REQUEST, dataBytes: 0, sector: 9 });
    assertViolations(pc, ["block-flush-not-negotiated", "block-flush-sector"]);
  });

  it("records data in the wrong direction", () => {
    const { pc, guest } = blockGuest();
    const queue = guest.start(ANY_LAYOUT);
    const request = new BlockRequest(guest, 512);
    request.setHeader(OUT, 0);
    queue.chain(0, request.descriptors(IN));
    queue.publish(0);
    queue.notify();
    assertViolations(pc, ["block-data-direction"]);
  });

  it("records framing that was not negotiated, and strict hosts stop", () => {
    const { pc, guest } = blockGuest({ profile: "virtualbox" });
    const queue = guest.start(0);
    const request = new BlockRequest(guest, 513);
    request.setHeader(IN, 1);
    const descriptors = [
      { pointer: request.header, length: 16 },
      { pointer: request.data, length: 513, flags: WRITE },
    ];
    queue.chain(0, descriptors);
    queue.publish(0);
    queue.notify();
    assert.equal(request.contents[512], 0);
    assertViolations(pc, ["block-framing"]);
    const strict = blockGuest({ profile: "bhyve" });
    const strictQueue = strict.guest.start(0);
    const strictRequest = new BlockRequest(strict.guest, 513);
    strictQueue.chain(0, [
      { pointer: strictRequest.header, length: 16 },
      { pointer: strictRequest.data, length: 513, flags: WRITE },
    ]);
    strictQueue.publish(0);
    strictQueue.notify();
    assert.equal(strictQueue.usedIndex, 0);
    assertViolations(strict.pc, ["block-framing"]);
  });

  it("takes header, data and status in any layout once that is negotiated", () => {
    const { pc, guest } = blockGuest();
    const queue = guest.start(ANY_LAYOUT);
    const memory = guest.allocate(4096);
    const header = new BlockRequest(guest, 512);
    header.setHeader(OUT, 5);
    pc.writeBuffer(memory, pc.readBuffer(header.header, 16));
    queue.chain(0, [
      { pointer: memory, length: 10 },
      { pointer: memory + 10, length: 6 + 512 },
      { pointer: header.status, length: 1, flags: WRITE },
    ]);
    queue.publish(0);
    queue.notify();
    assert.equal(header.result, 0);
    assertViolations(pc, []);
  });

  it("records a request without room for header or status", () => {
    const { pc, guest } = blockGuest();
    const queue = guest.start(ANY_LAYOUT);
    const request = new BlockRequest(guest, 512);
    queue.chain(0, [{ pointer: request.header, length: 12 }]);
    queue.publish(0);
    queue.notify();
    assert.equal(queue.usedIndex, 0);
    assertViolations(pc, ["block-header"]);
  });

  it("records segments beyond size_max and seg_max", () => {
    const { pc, guest } = blockGuest({}, { sizeMax: 4000, segMax: 2 });
    const queue = guest.start(ANY_LAYOUT | 2 | 4);
    submit(guest, queue, { type: IN, dataBytes: 3 * 4096 });
    assertViolations(pc, ["block-size-max", "block-seg-max"]);
    assert.equal(guest.read(20 + 8, 4), 4000);
    assert.equal(guest.read(20 + 12, 4), 2);
  });

  it("tells of a new capacity", () => {
    const { pc, guest, device } = blockGuest();
    const queue = guest.start(ANY_LAYOUT);
    device.resize(256);
    assert.deepEqual(pc.waitForInterrupt(0), [pc.interruptLine(guest.pciAddress, 1)]);
    assert.equal(guest.read(19, 1), 2);
    assert.equal(guest.read(20, 4), 256);
    assert.equal(submit(guest, queue, { type: IN, sector: 255 }).result, 0);
    assertViolations(pc, []);
  });

  it("lets a test decide the fate of requests", () => {
    const { pc, guest, device } = blockGuest();
    const queue = guest.start(ANY_LAYOUT);
    device.onRequest = ({ sector }) => [{ status: 1 }, { delay: 5_000_000 }, { isLost: true }][sector];
    assert.equal(submit(guest, queue, { sector: 0, first: 0 }).result, 1);
    const delayed = submit(guest, queue, { sector: 1, first: 3 });
    const lost = submit(guest, queue, { sector: 2, first: 6 });
    assert.equal(delayed.result, 0xff);
    guest.read(19, 1);
    assert.deepEqual(pc.waitForInterrupt(4), []);
    assert.equal(pc.waitForInterrupt(4).length, 1);
    assert.equal(delayed.result, 0);
    assert.equal(lost.result, 0xff);
    assertViolations(pc, []);
  });

  it("describes itself as asked", () => {
    const topology = { physicalBlockExp: 3, alignmentOffset: 1, minIoSize: 8, optIoSize: 64 };
    const { guest } = blockGuest({}, { blockSize: 4096, topology });
    assert.equal(guest.read(20, 4), 128);
    assert.equal(guest.read(20 + 20, 4), 4096);
    assert.deepEqual([guest.read(44, 1), guest.read(45, 1), guest.read(46, 2), guest.read(48, 4)], [3, 1, 8, 64]);
  });
});

describe("image files", () => {
  const folder = mkdtempSync(join(tmpdir(), "emulated-disk-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

  function image(name: string, bytes: number): string {
    const path = join(folder, name);
    writeFileSync(path, Buffer.alloc(bytes, name));
    return path;
  }

  it("are read, written and flushed in place", () => {
    const path = image("good", 8192);
    const device = new BlockDevice({ backEnd: new ImageFile(path, false) });
    const pc = new EmulatedPc({ devices: [device] });
    const guest = new Guest(pc, device);
    const queue = guest.start(ANY_LAYOUT | FLUSH);
    const write = new BlockRequest(guest, 512);
    pc.writeBuffer(write.data, new Uint8Array(512).fill(0x5a));
    write.setHeader(OUT, 3);
    queue.chain(0, write.descriptors(OUT));
    queue.publish(0);
    queue.notify();
    assert.equal(submit(guest, queue, { type: FLUSH_REQUEST, dataBytes: 0 }).result, 0);
    assert.equal(submit(guest, queue, { type: IN, sector: 3 }).contents[511], 0x5a);
    device.resize(32);
    assert.equal(submit(guest, queue, { type: IN, sector: 31 }).contents[0], 0);
    pc.close();
    pc.close();
    const bytes = readFileSync(path);
    assert.equal(bytes.length, 16384);
    assert.ok(bytes.subarray(3 * 512, 4 * 512).every((byte) => byte === 0x5a));
    assert.equal(bytes.subarray(0, 4).toString(), "good");
    assertViolations(pc, []);
  });

  it("are not changed when opened read-only", () => {
    const path = image("read-only", 4096);
    const file = new ImageFile(path, true);
    assert.ok(file.isReadOnly);
    assert.throws(() => file.write(0, new Uint8Array(512)));
    file.close();
    assert.equal(readFileSync(path).subarray(0, 9).toString(), "read-only");
  });

  it("that fail answer IOERR", () => {
    const backEnd = new ImageFile(image("failing", 4096), false);
    const device = new BlockDevice({ backEnd });
    const pc = new EmulatedPc({ devices: [device] });
    const guest = new Guest(pc, device);
    const queue = guest.start(ANY_LAYOUT | FLUSH);
    backEnd.close();
    for (const type of [IN, OUT]) assert.equal(submit(guest, queue, { type }).result, 1);
    assert.equal(submit(guest, queue, { type: FLUSH_REQUEST, dataBytes: 0 }).result, 1);
    assertViolations(pc, []);
  });

  it("that cannot be disks are refused", () => {
    assert.throws(() => new ImageFile(join(folder, "missing"), false), /ENOENT/);
    assert.throws(() => new ImageFile(folder, true), /is not a file/);
    assert.throws(() => new ImageFile(image("odd", 1000), false), /no multiple of 512/);
    assert.throws(() => new ImageFile(image("empty", 0), false), /is empty/);
    assert.throws(() => new MemoryDisk(100), /no multiple of 512/);
  });
});
