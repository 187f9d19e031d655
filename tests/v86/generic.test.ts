/** v86's devices that have no driver here, and the card's control queue, by hand: opened as generic devices. */

import assert from "node:assert/strict";
import { after, afterEach, beforeEach, suite, test } from "node:test";
import { Event, Message, Result, type GenericDevice, type VirtioStack } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { loadEmulator } from "../../kernel-shim/v86/load-emulator.js";
import { V86Machine } from "../../kernel-shim/v86/machine.js";
import { ALL_FEATURES } from "../cases/features.js";
import { assertResets, assertThrowsResult } from "../cases/results.js";

const FILES_ADDRESS = 0x06 << 3;
const CARD_ADDRESS = 0x0a << 3;
const BALLOON_ADDRESS = 0x0b << 3;
const CONSOLE_ADDRESS = 0x0c << 3;
const PAGE = 4096;

const emulator = await loadEmulator();
after(() => emulator.destroy());

let machine: V86Machine;
let stack: VirtioStack;
beforeEach(() => {
  machine = new V86Machine(emulator);
  stack = loadStack(machine);
});
afterEach(() => {
  assert.deepEqual(machine.refusals, []);
  machine.close();
});

function open(address: number, queue_count: number): GenericDevice {
  return stack.openGeneric(address, { features: ALL_FEATURES, queue_count });
}

/** Gives the device a chain and takes it back: what the device wrote, at most `room` bytes. */
function exchange(device: GenericDevice, queue: number, request: Uint8Array, room = 0): Uint8Array {
  const pointer = machine.allocateBuffer(2 * PAGE);
  machine.writeBuffer(pointer, request);
  const readable = [{ pointer, length: request.length }];
  const writable = room === 0 ? [] : [{ pointer: pointer + PAGE, length: room }];
  assert.deepEqual(device.submit(queue, [{ token: 7, readable, writable }]), { accepted: 1, refusal: Result.OK });
  const [completion, ...others] = device.waitForCompletions(queue);
  assert.deepEqual(others, []);
  assert.ok(completion);
  assert.deepEqual([completion.token, completion.result], [7, Result.OK]);
  const answer = machine.readBuffer(pointer + PAGE, completion.length);
  stack.freeBuffer(pointer);
  return answer;
}

/** A number of so many bytes, or a string behind its length, as 9P and virtio lay them out. */
type Field = readonly [1 | 2 | 4 | 8, number] | string;

function pack(...fields: readonly Field[]): Uint8Array {
  const bytes = fields.flatMap((field) => {
    const text = typeof field === "string" ? [...new TextEncoder().encode(field)] : [];
    const [width, value] = typeof field === "string" ? ([2, text.length] as const) : field;
    return [...Array.from({ length: width }, (_, index) => Math.floor(value / 256 ** index) % 256), ...text];
  });
  return Uint8Array.from(bytes);
}

suite("the 9P file system", () => {
  const ROOM = 1024;
  const HEADER = 7;
  const QID_BYTES = 13;
  const NO_FID = 0xffff_ffff;
  const GETATTR_BASIC = 0x7ff;
  /** Of a mode. */
  const [FILE_TYPE, DIRECTORY] = [0xf000, 0x4000] as const;
  const [TVERSION, TATTACH, TWALK, TGETATTR] = [100, 104, 110, 24] as const;

  /** Sends a message, checks that the answer is to it, and returns what is behind the answer's header. */
  function ask(files: GenericDevice, type: number, ...fields: readonly Field[]): Uint8Array {
    const body = pack(...fields);
    const tag = type === TVERSION ? 0xffff : 1;
    const message = new Uint8Array([...pack([4, HEADER + body.length], [1, type], [2, tag]), ...body]);
    const answer = exchange(files, 0, message, ROOM);
    assert.deepEqual([...answer.subarray(0, HEADER)], [...pack([4, answer.length], [1, type + 1], [2, tag])]);
    return answer.subarray(HEADER);
  }

  test("says its tag, agrees on a version, and lets the root be attached and looked at", () => {
    const files = open(FILES_ADDRESS, 1);
    const [length = 0] = files.readConfiguration(0, 2);
    assert.equal(String.fromCharCode(...files.readConfiguration(2, 1, length)), "host9p");
    assert.deepEqual(ask(files, TVERSION, [4, 8192], "9P2000.L"), pack([4, 8192], "9P2000.L"));
    assert.equal(ask(files, TATTACH, [4, 1], [4, NO_FID], "", "", [4, 0]).length, QID_BYTES);
    assert.deepEqual(ask(files, TWALK, [4, 1], [4, 2], [2, 0]), pack([2, 0]));
    const attributes = ask(files, TGETATTR, [4, 2], [8, GETATTR_BASIC]);
    const mode = new DataView(attributes.buffer).getUint32(HEADER + 8 + QID_BYTES, true);
    assert.equal(mode & FILE_TYPE, DIRECTORY);
    files.close();
  });

  test("answers more often than its ring is long", () => {
    const files = open(FILES_ADDRESS, 1);
    for (let round = 0; round < 100; round++) ask(files, TVERSION, [4, 4096 + round], "9P2000.L");
  });
});

suite("the console", () => {
  const [RECEIVE, TRANSMIT, EVENTS, CONTROL] = [0, 1, 2, 3] as const;
  const [DEVICE_READY, DEVICE_ADD, PORT_READY] = [0, 1, 3] as const;
  const PORTS = 4;

  test("says its size, prints what it is sent, and delivers keys", () => {
    const console = open(CONSOLE_ADDRESS, 4);
    assert.deepEqual(console.readConfiguration(0, 2, 2), [80, 25]);
    assert.deepEqual(console.readConfiguration(4, 4), [PORTS]);
    let printed = "";
    const listen = (bytes: Uint8Array): void => {
      printed += new TextDecoder().decode(bytes);
    };
    emulator.v86.add_listener("virtio-console0-output-bytes", listen);
    exchange(console, TRANSMIT, new TextEncoder().encode("hello, console"));
    emulator.v86.remove_listener("virtio-console0-output-bytes", listen);
    assert.equal(printed, "hello, console");

    const pointer = machine.allocateBuffer(PAGE);
    console.submit(RECEIVE, [{ token: 1, writable: [{ pointer, length: 16 }] }]);
    assert.equal(console.enableInterrupts(), false);
    emulator.type(new TextEncoder().encode("ls\n"));
    assert.deepEqual(machine.waitForInterrupt(0), [console.interruptLine]);
    assert.equal(console.interrupt(), 1);
    assert.deepEqual(console.poll(RECEIVE), [{ token: 1, result: Result.OK, length: 3 }]);
    assert.equal(new TextDecoder().decode(machine.readBuffer(pointer, 3)), "ls\n");
  });

  test("tells of its ports", () => {
    const console = open(CONSOLE_ADDRESS, 4);
    const pointer = machine.allocateBuffer(PAGE);
    const buffers = Array.from({ length: 8 }, (_, token) => ({
      token,
      writable: [{ pointer: pointer + 64 * token, length: 64 }],
    }));
    assert.equal(console.submit(EVENTS, buffers).accepted, 8);
    exchange(console, CONTROL, pack([4, 0xffff_ffff], [2, DEVICE_READY], [2, 1]));
    assert.deepEqual(
      console.poll(EVENTS).map(({ token, length }) => [...machine.readBuffer(pointer + 64 * token, length)]),
      Array.from({ length: PORTS }, (_, port) => [...pack([4, port], [2, DEVICE_ADD], [2, 0])]),
    );
  });

  test("is broken once it gives the buffer of PORT_READY back twice, and works after a reset", () => {
    const console = open(CONSOLE_ADDRESS, 4);
    const pointer = machine.allocateBuffer(PAGE);
    const buffers = [0, 1, 2].map((token) => ({ token, writable: [{ pointer: pointer + 64 * token, length: 64 }] }));
    console.submit(EVENTS, buffers);
    const ready = pack([4, 0], [2, PORT_READY], [2, 1]);
    assertThrowsResult(() => exchange(console, CONTROL, ready), Result.E_BROKEN);
    assert.equal(console.events() & Event.BROKEN, Event.BROKEN);
    assert.ok(machine.log.some(({ message }) => message === Message.BAD_USED_INDEX || message === Message.BAD_USED_ID));
    console.reset();
    assertResets(console.poll(CONTROL), [7]);
    assertResets(console.poll(EVENTS), [0, 1, 2]);
    exchange(console, TRANSMIT, new Uint8Array(4));
  });
});

test("the balloon counts the pages that it is given, and those that it gives back", () => {
  const [INFLATE, DEFLATE] = [0, 1] as const;
  const balloon = open(BALLOON_ADDRESS, 2);
  const actual = (): number => balloon.readConfiguration(4, 4)[0] ?? 0;
  const before = actual();
  exchange(balloon, INFLATE, pack([4, 0x1000], [4, 0x1001], [4, 0x1002]));
  assert.equal(actual(), before + 3);
  exchange(balloon, DEFLATE, pack([4, 0x1001], [4, 0x1000], [4, 0x1002]));
  assert.equal(actual(), before);
});

test("the card takes another address through its control queue", () => {
  const [CONTROL, CLASS_MAC, ADDRESS_SET] = [2, 1, 1] as const;
  const address = [0x52, 0x54, 0, 0xaa, 0xbb, 0xcc];
  const card = open(CARD_ADDRESS, 3);
  assert.deepEqual([...exchange(card, CONTROL, Uint8Array.of(CLASS_MAC, ADDRESS_SET, ...address), 1)], [0]);
  assert.deepEqual(card.readConfiguration(0, 1, 6), address);
  card.close();
  assert.deepEqual([...stack.openNet(CARD_ADDRESS).mac()], address);
});
