/** Callers of the generic device who ask for what cannot be, or for little: each is refused with its own code. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { NetDevice as EmulatedCard } from "../../../kernel-shim/emulated-pc/net/device.js";
import {
  GenericChainLayout,
  GenericOptionsLayout,
  Result,
  resultName,
  SegmentLayout,
  VirtioError,
  writeRecord,
  type GenericDevice,
  type Segment,
  type VirtioExports,
} from "../../../kernel-shim/javascript/index.js";
import { builds, legacyHost, machineWith, modernHost } from "./hosts.js";
import { EVENT_QUEUE, KeyboardDevice, STATUS_QUEUE, VIRTIO_ID_INPUT } from "./keyboard.js";

const PAGE_BYTES = 4096;
const MEBIBYTE = 1024 * 1024;
const ALL_FEATURES = 0xffff_ffff_ffff_ffffn;

function isResult(actual: number, expected: number, message?: string): void {
  assert.equal(resultName(actual), resultName(expected), message);
}

const refuses = (expected: number, call: () => unknown): void => {
  assert.throws(call, (error) => {
    assert.ok(error instanceof VirtioError, String(error));
    isResult(error.code, expected);
    return true;
  });
};

for (const build of builds) {
  describe(`the generic device's callers (${build})`, () => {
    const keyboardMachine = (host = legacyHost) => {
      const emulated = new KeyboardDevice();
      const ground = machineWith(build, host, emulated);
      return { ...ground, emulated, buffer: ground.machine.allocateBuffer(PAGE_BYTES) };
    };
    /** Opens it with both queues. */
    const openKeyboard = (host = legacyHost) => {
      const ground = keyboardMachine(host);
      return { ...ground, device: ground.open({ features: ALL_FEATURES, queue_count: 2 }) };
    };

    test("name a type that is there, and queues that the device has", () => {
      const { machine, stack, address, open } = keyboardMachine();
      const { exports, privateMemory, view } = stack;
      const pointer = privateMemory.take(GenericOptionsLayout.size);
      const openRaw = (type: number, queue_count: number): number => {
        writeRecord(view, GenericOptionsLayout, pointer, { features: ALL_FEATURES, type, queue_count });
        return exports.generic_open(address, pointer);
      };
      isResult(exports.generic_open(address, 0), Result.E_ARGUMENT, "no options");
      isResult(exports.generic_open(address, view.byteLength - 8), Result.E_ARGUMENT);
      isResult(openRaw(0, 1), Result.E_ARGUMENT);
      isResult(openRaw(VIRTIO_ID_INPUT, 0), Result.E_ARGUMENT);
      isResult(openRaw(VIRTIO_ID_INPUT, 0x1_0000), Result.E_ARGUMENT);
      isResult(openRaw(VIRTIO_ID_INPUT, 0xffff_ffff), Result.E_ARGUMENT);
      refuses(Result.E_NOT_VIRTIO, () => open({ type: 4 }));
      refuses(Result.E_QUEUE_SIZE, () => open({ queue_count: 3 }));
      // More than the arena can hold.
      refuses(Result.E_MEMORY, () => open({ queue_count: 0xffff }));
      const device = open({ queue_count: 2 });
      refuses(Result.E_IN_USE, () => open());
      refuses(Result.E_IN_USE, () => stack.openEntropy(address));
      assert.equal(device.close(), 0);
      open().close();
      assert.deepEqual(machine.violations, []);
    });

    test("cannot use the calls of another driver on the handle, nor those of the generic one on another's", () => {
      const card = machineWith(build, legacyHost, new EmulatedCard());
      const { handle } = card.open({ queue_count: 2 });
      const { exports } = card.stack;
      for (const name of ["net_transmit", "net_receive", "net_release", "net_reclaim", "block_poll"] as const) {
        isResult(exports[name](handle, 0x1_0000, 0), Result.E_HANDLE, name);
      }
      isResult(exports.net_information(handle, 0x1_0000), Result.E_HANDLE);
      isResult(exports.net_await_all(handle), Result.E_HANDLE);
      isResult(exports.block_submit(handle, 0x1_0000, 0), Result.E_HANDLE);
      isResult(exports.entropy_poll(handle, 0x1_0000, 0), Result.E_HANDLE);

      const emulated = new EmulatedDisk({ backEnd: new MemoryDisk(PAGE_BYTES) });
      const disk = machineWith(build, legacyHost, emulated);
      const opened = disk.stack.openBlock(disk.address);
      const of: VirtioExports = disk.stack.exports;
      isResult(of.generic_submit(opened.handle, 0, 0x1_0000, 0), Result.E_HANDLE);
      isResult(of.generic_poll(opened.handle, 0, 0x1_0000, 0), Result.E_HANDLE);
      isResult(of.generic_read_configuration(opened.handle, 0, 1, 1, 0x1_0000), Result.E_HANDLE);
      isResult(of.generic_write_configuration(opened.handle, 0, 1, 0), Result.E_HANDLE);
      assert.equal(opened.deviceInformation().type, 2, "which any handle has");
      isResult(of.device_information(opened.handle, 0), Result.E_ARGUMENT);
      isResult(of.device_information(opened.handle + 1, 0x1_0000), Result.E_HANDLE);
    });

    test("name queues that are open", () => {
      const { device, machine } = openKeyboard();
      for (const queue of [2, 3, 0xffff, 0xffff_ffff]) {
        refuses(Result.E_ARGUMENT, () => device.submit(queue, []));
        refuses(Result.E_ARGUMENT, () => device.poll(queue));
      }
      assert.deepEqual(device.submit(0, []), { accepted: 0, refusal: 0 });
      assert.deepEqual(device.poll(1, 0), []);
      assert.equal(device.close(), 0);
      assert.deepEqual(machine.violations, []);
    });

    test("may submit nothing, and poll without room", () => {
      const { device, stack, machine, buffer } = openKeyboard();
      const { exports } = stack;
      isResult(exports.generic_submit(device.handle, STATUS_QUEUE, 0x1_0000, 0), Result.OK);
      isResult(exports.generic_submit(device.handle, STATUS_QUEUE, 0, 0), Result.E_ARGUMENT);
      isResult(exports.generic_poll(device.handle, STATUS_QUEUE, 0, 0), Result.E_ARGUMENT);
      isResult(exports.generic_poll(device.handle, STATUS_QUEUE, 0x1_0000, 0xffff_ffff), Result.E_ARGUMENT);
      device.submit(STATUS_QUEUE, [{ token: 1, readable: [{ pointer: buffer, length: 8 }] }]);
      machine.waitForInterrupt(1);
      assert.equal(exports.generic_poll(device.handle, STATUS_QUEUE, 0x1_0000, 0), 0);
      assert.deepEqual(device.poll(STATUS_QUEUE), [{ token: 1, result: Result.OK, length: 0 }]);
      assert.equal(device.close(), 0);
      assert.deepEqual(machine.violations, []);
    });

    test("are told of a chain that makes no sense, and the chains before it go out", () => {
      const { device, stack, machine, buffer } = openKeyboard();
      const { view, privateMemory, exports } = stack;
      const good: Segment = { pointer: buffer, length: 8 };
      const cases: readonly (readonly [string, readonly Segment[], number])[] = [
        ["none", [], Result.E_SEGMENTS],
        ["an empty one", [good, { pointer: buffer, length: 0 }], Result.E_SEGMENTS],
        ["behind the last pointer", [{ pointer: 0xffff_fff0, length: 0x20 }], Result.E_SEGMENTS],
        ["of foreign memory", [{ pointer: buffer + PAGE_BYTES - 8, length: 64 * MEBIBYTE }], Result.E_ADDRESS],
        ["more than the ring ever has room for", Array<Segment>(5).fill(good), Result.E_SEGMENTS],
      ];
      for (const [name, readable, expected] of cases) {
        const before = { token: 7, readable: [good] };
        const { accepted, refusal } = device.submit(STATUS_QUEUE, [before, { token: 8, readable }, before]);
        // Of one that is too long, an empty ring alone can tell.
        const isTooLong = readable.length === 5;
        assert.equal(accepted, 1, name);
        isResult(refusal, isTooLong ? Result.E_FULL : expected, name);
        assert.deepEqual(device.waitForCompletions(STATUS_QUEUE), [{ token: 7, result: Result.OK, length: 0 }], name);
        isResult(device.submit(STATUS_QUEUE, [{ token: 8, readable }]).refusal, expected, name);
        isResult(device.submit(STATUS_QUEUE, [{ token: 8, writable: readable }]).refusal, expected, name);
      }

      const pointer = privateMemory.take(GenericChainLayout.size);
      const submitRaw = (segments: number, readable: number, writable: number): number => {
        writeRecord(view, GenericChainLayout, pointer, { segments, readable, writable });
        assert.equal(exports.generic_submit(device.handle, STATUS_QUEUE, pointer, 1), 0);
        return view.getInt32(pointer + GenericChainLayout.fields.result.offset, true);
      };
      isResult(submitRaw(0x1_0000, 0xffff_ffff, 2), Result.E_ARGUMENT, "the sum has 33 bits");
      isResult(submitRaw(0x1_0000, 0xffff_ffff, 1), Result.E_SEGMENTS, "the sum has 33 bits, and 32 of them are 0");
      isResult(submitRaw(0, 1, 0), Result.E_ARGUMENT);
      isResult(submitRaw(view.byteLength - SegmentLayout.size, 1, 1), Result.E_ARGUMENT);
      isResult(submitRaw(0, 0, 0), Result.E_SEGMENTS);
      assert.deepEqual(device.poll(STATUS_QUEUE), []);
      assert.equal(device.close(), 0);
      assert.deepEqual(machine.violations, []);
    });

    test("never make a chain longer than 2^32 bytes", () => {
      const segments = 2 ** 32 / MEBIBYTE;
      const emulated = new KeyboardDevice({ queueSizes: [16, 2 * segments] });
      const { machine, open } = machineWith(build, legacyHost, emulated);
      const device = open({ queue_count: 2 });
      const pointer = machine.allocateBuffer(MEBIBYTE);
      const chain = (count: number) => {
        const writable = Array<Segment>(count).fill({ pointer, length: MEBIBYTE });
        return { token: 1, writable };
      };
      isResult(device.submit(STATUS_QUEUE, [chain(segments + 1)]).refusal, Result.E_SEGMENTS);
      assert.equal(device.submit(STATUS_QUEUE, [chain(segments)]).accepted, 1);
      assert.equal(device.waitForCompletions(STATUS_QUEUE).length, 1);
      assert.equal(device.close(), 0);
      assert.deepEqual(machine.violations, []);
    });

    test("hear that a queue is full, and that it is not any more", () => {
      const { device, machine, emulated, buffer } = openKeyboard();
      const event = (token: number) => ({ token, writable: [{ pointer: buffer + token * 8, length: 8 }] });
      const all = Array.from({ length: 17 }, (_, token) => event(token));
      assert.deepEqual(device.submit(EVENT_QUEUE, all), { accepted: 16, refusal: Result.E_FULL });
      const readable = [{ pointer: buffer, length: 8 }];
      assert.equal(device.submit(STATUS_QUEUE, [{ token: 1, readable }]).accepted, 1, "the other queue is not");
      machine.waitForInterrupt(1);
      emulated.sendEvent(0, 0, 0);
      assert.equal(device.waitForCompletions(EVENT_QUEUE).length, 1);
      assert.deepEqual(device.submit(EVENT_QUEUE, [event(20), event(21)]), { accepted: 1, refusal: Result.E_FULL });
      assert.equal(device.close(), 17);
      assert.equal(device.poll(EVENT_QUEUE).length, 16);
      assert.equal(device.poll(STATUS_QUEUE).length, 1);
      assert.deepEqual(machine.violations, []);
    });

    for (const host of [legacyHost, modernHost]) {
      test(`read and write what is a field of the configuration: profile ${host.profile}`, () => {
        const { device, stack, machine } = openKeyboard(host);
        const { exports, privateMemory } = stack;
        const { handle } = device;
        const values = privateMemory.take(256);
        const read = (offset: number, width: number, count: number, pointer = values): number =>
          exports.generic_read_configuration(handle, offset, width, count, pointer);
        for (const width of [0, 3, 5, 8, 0xffff_ffff]) {
          isResult(read(0, width, 1), Result.E_ARGUMENT, `width ${width}`);
          isResult(exports.generic_write_configuration(device.handle, 0, width, 0), Result.E_ARGUMENT);
        }
        for (const [offset, width] of [
          [1, 2],
          [2, 4],
          [3, 4],
        ] as const) {
          isResult(read(offset, width, 1), Result.E_ARGUMENT, `${width} bytes at ${offset}`);
          isResult(exports.generic_write_configuration(device.handle, offset, width, 0), Result.E_ARGUMENT);
        }
        for (const [offset, count] of [
          [PAGE_BYTES, 1],
          [0xffff_fffc, 1],
          [0xffff_ffff, 1],
          [0xffff_fff0, 16],
        ] as const) {
          isResult(read(offset, 1, count), Result.E_RANGE, `${count} at ${offset}`);
          isResult(exports.generic_write_configuration(device.handle, offset, 1, 0), Result.E_RANGE);
        }
        isResult(read(0, 1, PAGE_BYTES + 1), Result.E_RANGE);
        isResult(read(0, 1, 1, 0), Result.E_ARGUMENT);
        isResult(read(0, 4, 0xffff_ffff), Result.E_ARGUMENT);
        isResult(read(8, 1, 2, stack.view.byteLength - 1), Result.E_ARGUMENT);
        isResult(read(8, 1, 0), Result.OK);
        isResult(read(8, 1, 128), Result.OK);
        assert.equal(device.close(), 0);
        isResult(read(8, 1, 1), Result.E_HANDLE);
        assert.deepEqual(machine.violations, []);
      });
    }

    test("get fields that belong together as they were at one moment", () => {
      for (const host of [legacyHost, modernHost]) {
        const { device, emulated } = openKeyboard(host);
        const { bytes } = emulated.configuration;
        const region = host === legacyHost ? "legacy" : "device";
        let changes = 0;
        let reads = 0;
        let most = 1;
        emulated.faults.readRegister = (offset, _width, value, where) => {
          // In the middle of a reading.
          if (where === region && value === bytes[12] && offset % 8 === 4 && changes < most) {
            changes++;
            bytes.fill(changes, 8, 16);
            emulated.configurationChanged();
          }
          if (where === region) reads++;
          return value;
        };
        bytes.fill(0, 8, 16);
        assert.deepEqual(device.readConfiguration(8, 1, 8), Array<number>(8).fill(1), host.profile);
        assert.equal(changes, 1);
        assert.ok(reads >= 16, "read again");
        changes = 0;
        most = Number.MAX_SAFE_INTEGER;
        bytes.fill(0, 8, 16);
        reads = 0;
        refuses(Result.E_CONFIGURATION, () => device.readConfiguration(8, 1, 8));
        assert.equal(reads, 16 * 8, "and given up");
        delete emulated.faults.readRegister;
        device.close();
      }
    });

    test("may ask for rings that are smaller than the device's, where it lets them", () => {
      const { open, buffer } = keyboardMachine(modernHost);
      const device = open({ queue_count: 2, queue_size_max: 5 });
      const chains = Array.from({ length: 6 }, (_, token) => ({ token, writable: [{ pointer: buffer, length: 8 }] }));
      assert.deepEqual(device.submit(EVENT_QUEUE, chains), { accepted: 4, refusal: Result.E_FULL });
      assert.equal(device.close(), 4);
    });

    test("who ask for smaller rings of a legacy device get those that it has", () => {
      const { open, machine, buffer } = keyboardMachine(legacyHost);
      const device = open({ queue_count: 2, queue_size_max: 5 });
      const chains = Array.from({ length: 16 }, (_, token) => ({ token, writable: [{ pointer: buffer, length: 8 }] }));
      assert.deepEqual(device.submit(EVENT_QUEUE, chains), { accepted: 16, refusal: Result.OK });
      assert.equal(device.close(), 16);
      assert.deepEqual(machine.violations, []);
    });

    test("who ask for features that a ring must have support for do not get them", () => {
      const emulated = new KeyboardDevice({
        features: 0xff00_0000 + 0xff_ffff - 2 ** 30,
        modernFeatures: 2 ** 32 * (2 ** 19 - 1),
      });
      const { machine, open } = machineWith(build, modernHost, emulated);
      const device: GenericDevice = open({ features: ALL_FEATURES });
      const { features_accepted } = device.deviceInformation();
      assert.equal(features_accepted, 0x4_0003_20ff_ffffn, "the type's, EVENT_IDX, VERSION_1, ACCESS_PLATFORM");
      assert.equal(device.close(), 0);
      assert.deepEqual(machine.violations, []);
    });
  });
}
