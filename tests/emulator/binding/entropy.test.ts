/** Random bytes from an entropy device: none that it did not write is ever handed out. [virtio-1.2 §5.4.6] */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EntropyDevice as EmulatedEntropy } from "../../../kernel-shim/emulated-pc/entropy/device.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { legacyProfileNames, type ProfileName } from "../../../kernel-shim/emulated-pc/profiles.js";
import {
  DeviceTimeout,
  Event,
  Result,
  VirtioError,
  type EntropyDevice,
  type VirtioStack,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { Build } from "../../../kernel-shim/machine.js";

const PAGE_BYTES = 4096;
const QUEUE_SIZE = 8;
const builds: readonly Build[] = ["mapped", "ported"];

interface EntropyMachine {
  machine: EmulatedPc;
  emulated: EmulatedEntropy;
  stack: VirtioStack;
  device: EntropyDevice;
}

/** The n-th byte that the source of a machine below gives. */
function byteAt(index: number): number {
  return (index * 31 + 7) & 0xff;
}

/** A machine with an entropy device, whose source gives at most `most(turn)` bytes at a time. */
function entropyMachine(build: Build, profile: ProfileName, most: (turn: number) => number): EntropyMachine {
  let given = 0;
  let turn = 0;
  const emulated = new EmulatedEntropy({
    source: (target) => {
      const count = Math.min(most(turn++), target.length);
      for (let index = 0; index < count; index++) target[index] = byteAt(given++);
      return count;
    },
  });
  const machine = new EmulatedPc({ build, profile, completion: "deferred", devices: [emulated] });
  const stack = loadStack(machine);
  return { machine, emulated, stack, device: stack.openEntropy(machine.addressOf(emulated)) };
}

function expected(from: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => byteAt(from + index));
}

function closes({ machine, device }: EntropyMachine): void {
  assert.equal(device.close(), 0);
  assert.deepEqual(machine.violations, []);
}

for (const build of builds) {
  describe(`an entropy device (${build})`, () => {
    for (const profile of legacyProfileNames) {
      test(`gives all the bytes that are asked for, however few it has at a time: ${profile}`, () => {
        const entropy = entropyMachine(build, profile, (turn) => [5, 1, 4096, 17][turn % 4] ?? 1);
        assert.deepEqual(entropy.device.randomBytes(10_000), expected(0, 10_000));
        closes(entropy);
      });
    }

    test("says of each request how much of its buffer is random, and leaves the rest alone", () => {
      const entropy = entropyMachine(build, "qemu", (turn) => turn + 1);
      const { machine, device } = entropy;
      const buffer = machine.allocateBuffer(PAGE_BYTES);
      machine.writeBuffer(buffer, new Uint8Array(PAGE_BYTES).fill(0xee));
      const requests = [0, 1, 2].map((index) => ({ token: index, pointer: buffer + index * 64, length: 64 }));
      assert.deepEqual(device.request(requests), { accepted: 3, refusal: 0 });
      machine.waitForInterrupt(1);
      const completions = device.poll();
      assert.deepEqual(
        completions.map(({ token, result, length }) => [token, result, length]),
        [
          [0, Result.OK, 1],
          [1, Result.OK, 2],
          [2, Result.OK, 3],
        ],
      );
      const bytes = machine.readBuffer(buffer, 3 * 64);
      assert.deepEqual(bytes.subarray(0, 2), Uint8Array.of(byteAt(0), 0xee));
      assert.deepEqual(bytes.subarray(64, 67), Uint8Array.of(byteAt(1), byteAt(2), 0xee));
      machine.freeBuffer(buffer);
      closes(entropy);
    });

    test("never makes a request longer than it was, whatever length the device states", () => {
      const entropy = entropyMachine(build, "qemu", () => 4);
      const { machine, emulated, device } = entropy;
      emulated.faults.usedLength = () => 0xffff_ffff;
      const buffer = machine.allocateBuffer(PAGE_BYTES);
      device.request([{ token: 1, pointer: buffer, length: 16 }]);
      machine.waitForInterrupt(1);
      assert.deepEqual(device.poll(), [{ token: 1, result: Result.OK, length: 16 }]);
      machine.freeBuffer(buffer);
      assert.equal(device.close(), 0);
    });

    test("takes requests until its ring is full, and again when some came back", () => {
      const entropy = entropyMachine(build, "minimal", () => 16);
      const { machine, device } = entropy;
      const buffer = machine.allocateBuffer(PAGE_BYTES);
      const request = (token: number) => ({ token, pointer: buffer + (token % 64) * 16, length: 16 });
      const many = Array.from({ length: QUEUE_SIZE + 1 }, (_, token) => request(token));
      for (let round = 0; round < 20; round++) {
        assert.deepEqual(device.request(many), { accepted: QUEUE_SIZE, refusal: Result.E_FULL });
        assert.deepEqual(device.request(many.slice(0, 1)), { accepted: 0, refusal: Result.E_FULL });
        machine.waitForInterrupt(1);
        assert.equal(device.poll(3).length, 3);
        assert.deepEqual(device.request(many.slice(0, 1)), { accepted: 1, refusal: 0 });
        machine.waitForInterrupt(1);
        assert.equal(device.poll().length, QUEUE_SIZE - 2);
      }
      machine.freeBuffer(buffer);
      closes(entropy);
    });

    test("refuses buffers that are none", () => {
      const entropy = entropyMachine(build, "qemu", () => 16);
      const { machine, device } = entropy;
      const buffer = machine.allocateBuffer(PAGE_BYTES);
      const refusal = (pointer: number, length: number) => device.request([{ token: 1, pointer, length }]).refusal;
      assert.equal(refusal(buffer, 0), Result.E_SEGMENTS);
      assert.equal(refusal(0xffff_fff0, 0x20), Result.E_SEGMENTS);
      assert.equal(refusal(buffer, 64 * 1024 * 1024), Result.E_ADDRESS);
      assert.deepEqual(device.poll(), []);
      machine.freeBuffer(buffer);
      closes(entropy);
    });

    test("gives back what a reset or close catches in flight once, and works after the reset", () => {
      const entropy = entropyMachine(build, "qemu", (turn) => (turn < 1 ? 0 : 8));
      const { machine, device } = entropy;
      const buffer = machine.allocateBuffer(PAGE_BYTES);
      const ask = (token: number) => device.request([{ token, pointer: buffer + 64 * token, length: 8 }]);
      ask(1);
      machine.waitForInterrupt(1);
      assert.deepEqual(device.poll(), []);
      device.reset();
      assert.deepEqual(ask(2), { accepted: 0, refusal: Result.E_FULL }, "what was in flight comes first");
      assert.deepEqual(device.poll(), [{ token: 1, result: Result.E_RESET, length: 0 }]);
      assert.deepEqual(device.randomBytes(8), expected(0, 8));
      ask(3);
      assert.equal(device.close(), 1);
      assert.deepEqual(device.poll(), [{ token: 3, result: Result.E_RESET, length: 0 }]);
      assert.throws(() => device.poll(), VirtioError);
      machine.freeBuffer(buffer);
      assert.deepEqual(machine.violations, []);
    });

    test("that has no bytes is noticed by whoever set a time-out, and by nobody else", () => {
      const emulated = new EmulatedEntropy({ source: () => 0 });
      const machine = new EmulatedPc({ build, completion: "deferred", devices: [emulated] });
      const stack = loadStack(machine);
      const address = machine.addressOf(emulated);
      const patient = stack.openEntropy(address);
      patient.timeoutMilliseconds = 20;
      assert.throws(() => patient.randomBytes(4), DeviceTimeout);
      assert.equal(patient.events(), 0);
      assert.equal(patient.close(), 0);
      const watched = stack.openEntropy(address, { timeout_ns: 1_000_000n });
      watched.timeoutMilliseconds = 20;
      assert.throws(
        () => watched.randomBytes(4),
        (error) => error instanceof VirtioError && error.code === Result.E_BROKEN,
      );
      assert.equal(watched.events(), Event.BROKEN);
      watched.reset();
      assert.equal(watched.close(), 0);
      assert.deepEqual(machine.violations, []);
    });
  });
}
