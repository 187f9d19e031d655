/** Modern PCI with all registers in I/O BARs, as v86's card has it: choices of whoever opens it, and a device in need. */

import assert from "node:assert/strict";
import { after, afterEach, beforeEach, suite, test } from "node:test";
import {
  Event,
  Result,
  TransportWanted,
  type NetDevice,
  type VirtioStack,
} from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { loadEmulator } from "../../kernel-shim/v86/load-emulator.js";
import { V86Machine } from "../../kernel-shim/v86/machine.js";
import { assertThrowsResult } from "../cases/results.js";

const CARD_ADDRESS = 0x0a << 3;
const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const COMMAND = 0x04;
const BUS_MASTER = 4;
const INTERRUPT_DISABLE = 0x400;
const BAR_0 = 0x10;

const emulator = await loadEmulator();
after(() => emulator.destroy());

let machine: V86Machine;
let stack: VirtioStack;
let sent: Uint8Array[];
beforeEach(() => {
  sent = [];
  machine = new V86Machine(emulator, { onSend: (frame) => sent.push(frame) });
  stack = loadStack(machine);
});
afterEach(() => machine.close());

/** Frames pass in both directions, as many as go around small rings. */
function assertWorks(card: NetDevice): void {
  for (let round = 0; round < 40; round++) {
    const frame = Uint8Array.from({ length: 60 + round }, (_, index) => index + round);
    assert.ok(card.sendFrame(frame));
    assert.deepEqual(sent, [frame]);
    sent = [];
    card.reclaim();
    machine.receive(frame);
    assert.deepEqual(card.receiveFrames(), [frame]);
  }
  assert.deepEqual(machine.refusals, []);
}

suite("v86's card", () => {
  for (const queue_size_max of [16, 100, 1024, 5000]) {
    test(`rings of at most ${queue_size_max} entries`, () => {
      const card = stack.openNet(CARD_ADDRESS, { queue_size_max });
      const { receive_queue_size, transmit_queue_size } = card.information();
      const size = Math.min(2 ** Math.floor(Math.log2(queue_size_max)), 1024);
      assert.deepEqual([receive_queue_size, transmit_queue_size], [size, size]);
      assertWorks(card);
    });
  }

  test("modern PCI can be insisted on, and legacy PCI in vain", () => {
    const refused = { transport: TransportWanted.LEGACY_PCI };
    assertThrowsResult(() => stack.openNet(CARD_ADDRESS, refused), Result.E_NOT_VIRTIO);
    assertWorks(stack.openNet(CARD_ADDRESS, { transport: TransportWanted.MODERN_PCI }));
  });

  test("Interrupt Disable, which v86 has set at its start, is clear while the card is open", () => {
    const command = (): number => stack.scan().find(({ address }) => address === CARD_ADDRESS)?.command ?? 0;
    const disabled = command() | INTERRUPT_DISABLE;
    machine.kernel.out32(CONFIG_ADDRESS, 0x8000_0000 | (CARD_ADDRESS << 8) | COMMAND);
    machine.kernel.out16(CONFIG_DATA, disabled);
    const card = stack.openNet(CARD_ADDRESS);
    assert.equal(command() & (INTERRUPT_DISABLE | BUS_MASTER), BUS_MASTER);
    card.close();
    assert.equal(command() & INTERRUPT_DISABLE, INTERRUPT_DISABLE);
  });

  test("without MSI-X, vectors fall back to the interrupt line", () => {
    const card = stack.openNet(CARD_ADDRESS, { vectors: 3 });
    assert.deepEqual(card.messages, []);
    card.enableInterrupts();
    machine.receive(new Uint8Array(60));
    assert.deepEqual(machine.waitForInterrupt(0), [card.interruptLine]);
    assert.equal(card.interrupt(), 1);
  });

  test("DEVICE_NEEDS_RESET breaks the card, and a reset brings it back", () => {
    const card = stack.openNet(CARD_ADDRESS);
    emulator.card.virtio.needs_reset();
    stack.service(1);
    assert.equal(card.events() & Event.BROKEN, Event.BROKEN);
    assertThrowsResult(() => card.sendFrame(new Uint8Array(60)), Result.E_BROKEN);
    card.reset();
    assertWorks(card);
  });

  test("registers that a kernel has moved are found where they are", () => {
    const { kernel, pciGrant } = machine;
    const bases = [0xc800, 0xc900, 0xc700, 0xc600];
    const moveTo = (ports: readonly number[]): void => {
      for (const [index, port] of ports.entries()) {
        kernel.out32(CONFIG_ADDRESS, 0x8000_0000 | (CARD_ADDRESS << 8) | (BAR_0 + 4 * index));
        kernel.out32(CONFIG_DATA, port);
      }
    };
    const moved = bases.map((_, index) => pciGrant.ioBase + 0x100 * index);
    moveTo(moved);
    stack.scan();
    const card = stack.openNet(CARD_ADDRESS);
    assert.deepEqual(
      moved.map((_, index) => Number(stack.bar(0x0b << 3, index).size > 0n)),
      [1, 1, 1, 1],
      "other functions can be sized meanwhile",
    );
    assertWorks(card);
    card.close();
    moveTo(bases);
  });
});
