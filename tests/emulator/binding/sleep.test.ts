/** An entropy device that is suspended and resumed, behind every transport. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EntropyDevice as EmulatedEntropy } from "../../../kernel-shim/emulated-pc/entropy/device.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { type ProfileName, profiles } from "../../../kernel-shim/emulated-pc/profiles.js";
import { isMmio } from "../../../kernel-shim/emulated-pc/virtio/transport.js";
import { Result, TransportWanted, type EntropyDevice } from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { assertThrowsResult } from "../../cases/results.js";

const PAGE_BYTES = 4096;
const BYTE = 0xa7;

const hosts: readonly (readonly [ProfileName, vectors: number])[] = [
  ["qemu", 0],
  ["gcp", 2],
  ["qemu-transitional", 0],
  ["qemu-modern", 2],
  ["crosvm", 0],
  ["v86", 0],
  ["firecracker", 2],
  ["microvm-1", 0],
  ["microvm-2", 0],
];

/** Random bytes are asked for, and come. */
function assertWorks(device: EntropyDevice): void {
  assert.deepEqual(device.randomBytes(100), new Uint8Array(100).fill(BYTE));
}

/** Base address registers. [PCI 3.0 §6.2.5.1] */
const FIRST_BAR = 0x10;
const LAST_BAR = 0x24;
const SIZING = 0xffff_ffff;

/** What is asked of the machine while an entropy device with messages sleeps and wakes up. */
function watched(profile: ProfileName) {
  const emulated = new EmulatedEntropy({ source: (target) => (target.fill(BYTE), target.length) });
  const machine = new EmulatedPc({ profile, completion: "deferred", devices: [emulated] });
  const connected: { table: bigint; status: number }[] = [];
  const connect = machine.connectMessages.bind(machine);
  machine.connectMessages = (table, vectors) => {
    connected.push({ table, status: emulated.status });
    return connect(table, vectors);
  };
  const device = loadStack(machine).openEntropy(machine.addressOf(emulated), { vectors: 2 });
  const [first] = connected.splice(0);
  assert.ok(first);
  let sizings = 0;
  const pciFunction = machine.functionOf(emulated);
  const write = pciFunction.write.bind(pciFunction);
  pciFunction.write = (offset, width, value) => {
    if (offset >= FIRST_BAR && offset <= LAST_BAR && value >>> 0 === SIZING) sizings++;
    write(offset, width, value);
  };
  return { machine, device, table: first.table, connected, sizings: () => sizings };
}

for (const profile of ["gcp", "qemu-modern", "firecracker"] as const) {
  describe(`messages of a device that is resumed: ${profile}`, () => {
    test("stay as they are when it was not suspended", () => {
      const { machine, device, connected } = watched(profile);
      const { messages } = device;
      const { configurationReads, configurationWrites } = machine.counters;
      device.resume();
      assert.deepEqual(connected, []);
      assert.equal(machine.counters.configurationReads, configurationReads);
      assert.equal(machine.counters.configurationWrites, configurationWrites);
      assert.deepEqual(device.messages, messages);
      assertWorks(device);
    });

    test("are programmed before it can send one", () => {
      const { machine, device, table, connected, sizings } = watched(profile);
      assert.equal(device.suspend(), 0);
      device.resume();
      assert.deepEqual(connected, [{ table, status: 0 }]);
      assert.equal(sizings(), 0);
      assertWorks(device);
      device.resume();
      assert.equal(connected.length, 1, "once");
      assert.deepEqual(machine.violations, []);
    });

    test("are programmed where they were after the machine was without power, and the live device is not sized", () => {
      const { machine, device, table, connected, sizings } = watched(profile);
      assert.equal(device.suspend(), 0);
      machine.powerCycle();
      device.resume();
      assert.deepEqual(
        connected.map((each) => each.table),
        [table],
      );
      assert.equal(sizings(), 0);
      assertWorks(device);
      assert.deepEqual(machine.violations, []);
    });
  });
}

for (const build of ["mapped", "ported"] as const satisfies readonly Build[]) {
  describe(`an entropy device that sleeps (${build})`, () => {
    for (const [profile, vectors] of hosts) {
      test(`gives up its requests once, and random bytes again afterwards: ${profile}`, () => {
        let isSilent = false;
        const emulated = new EmulatedEntropy({
          source: (target) => (isSilent ? 0 : (target.fill(BYTE), target.length)),
        });
        const machine = new EmulatedPc({ build, profile, completion: "deferred", devices: [emulated] });
        const stack = loadStack(machine);
        const isInSlot = isMmio(profiles[profile].transport);
        const slot = isInSlot ? machine.slotOf(emulated) : undefined;
        const device = stack.openEntropy(
          slot === undefined ? machine.addressOf(emulated) : 0,
          slot === undefined
            ? { vectors }
            : { transport: TransportWanted.MMIO, mmio_base: slot.base, mmio_bytes: slot.bytes },
        );
        const buffer = machine.allocateBuffer(PAGE_BYTES);
        for (const sleep of ["awake", "without power"]) {
          assertWorks(device);
          isSilent = true;
          assert.equal(device.request([{ token: 7, pointer: buffer, length: 16 }]).accepted, 1);
          assert.equal(device.suspend(), 1, "a request is out");
          assert.equal(device.suspend(true), 0);
          if (sleep === "without power") machine.powerCycle();
          assert.deepEqual(device.poll(), [{ token: 7, result: Result.E_RESET, length: 0 }]);
          assertThrowsResult(() => device.poll(), Result.E_SUSPENDED);
          assertThrowsResult(() => device.request([{ token: 8, pointer: buffer, length: 16 }]), Result.E_SUSPENDED);
          isSilent = false;
          device.resume();
        }
        assertWorks(device);
        assert.equal(device.suspend(), 0);
        assert.equal(device.close(), 0);
        assert.equal(machine.mappingCount, 0);
        assert.deepEqual(machine.violations, []);
      });
    }
  });
}
