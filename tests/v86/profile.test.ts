/** The emulated PC's profile of v86 against v86 itself: to a driver, the cards look the same. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { NetDevice } from "../../kernel-shim/emulated-pc/net/device.js";
import { EmulatedPc } from "../../kernel-shim/emulated-pc/machine.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type { Machine } from "../../kernel-shim/machine.js";
import { loadEmulator } from "../../kernel-shim/v86/load-emulator.js";
import { V86Machine } from "../../kernel-shim/v86/machine.js";

const VIRTIO_NET = 1;
/** COMMON, NOTIFY and ISR. */
const STRUCTURES = [0, 1, 2];

function lookAtCard(machine: Machine): object {
  const stack = loadStack(machine);
  const found = stack.scan().find(({ virtio_type }) => virtio_type === VIRTIO_NET);
  assert.ok(found);
  const { vendor_id, device_id, revision_id, virtio_legacy, interrupt_pin } = found;
  const card = stack.openNet(found.address);
  const information = { ...card.information(), mac: "any" };
  card.close();
  const bars = STRUCTURES.map((index) => ({ ...stack.bar(found.address, index), base: "any" }));
  const identity = { vendor_id, device_id, revision_id, virtio_legacy, interrupt_pin };
  return { ...identity, ...information, bars, capabilities: stack.capabilities(found.address).length };
}

test("identity, features, rings and registers are the same", async () => {
  const emulator = await loadEmulator();
  const device = new NetDevice({});
  assert.deepEqual(
    lookAtCard(new EmulatedPc({ profile: "v86", build: "ported", devices: [device] })),
    lookAtCard(new V86Machine(emulator)),
  );
  await emulator.destroy();
});
