/** Two computers, each with the stack on a card of v86's, and a cable between the cards. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Interrupt, type NetDevice } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { loadEmulator } from "../../kernel-shim/v86/load-emulator.js";
import { V86Machine } from "../../kernel-shim/v86/machine.js";

const CARD_ADDRESS = 0x0a << 3;
const ROUNDS = 100;

test("frames pass in both directions, and each interrupts the other computer", async () => {
  const emulators = [await loadEmulator(), await loadEmulator()] as const;
  const machines: V86Machine[] = [];
  const cards = emulators.map((emulator, end) => {
    const machine = new V86Machine(emulator, { onSend: (frame) => machines[1 - end]?.receive(frame) });
    machines.push(machine);
    return loadStack(machine).openNet(CARD_ADDRESS);
  });
  const [left, right] = cards as [NetDevice, NetDevice];
  for (let round = 0; round < ROUNDS; round++) {
    const [from, to, end] = round % 2 === 0 ? [left, right, 1] : [right, left, 0];
    assert.equal(to.enableInterrupts(), false);
    const frame = Uint8Array.from({ length: 60 + 14 * round }, (_, index) => index * round);
    assert.ok(from.sendFrame(frame));
    assert.deepEqual(machines[end]?.waitForInterrupt(0), [to.interruptLine]);
    assert.equal(to.interrupt(), Interrupt.QUEUE);
    assert.deepEqual(machines[end].waitForInterrupt(0), []);
    assert.deepEqual(to.receiveFrames(), [frame]);
    from.reclaim();
  }
  for (const machine of machines) assert.deepEqual(machine.refusals, []);
  for (const emulator of emulators) await emulator.destroy();
});
