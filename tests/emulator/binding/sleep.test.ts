/** An entropy device that is suspended and resumed, behind every transport. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EntropyDevice as EmulatedEntropy } from "../../../kernel-shim/emulated-pc/entropy/device.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { profileOf, type FurtherProfileName, type ProfileName } from "../../../kernel-shim/emulated-pc/profiles.js";
import { isMmio } from "../../../kernel-shim/emulated-pc/virtio/transport.js";
import { Result, TransportWanted, type EntropyDevice } from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { assertThrowsResult } from "../../cases/results.js";

const PAGE_BYTES = 4096;
const BYTE = 0xa7;

const hosts: readonly (readonly [ProfileName | FurtherProfileName, vectors: number])[] = [
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
        const isInSlot = isMmio(profileOf(profile).transport);
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
