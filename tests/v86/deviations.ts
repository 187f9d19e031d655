/**
 * Where v86's devices are not as the specifications want them, each shown on a device without the stack. A newer v86 that
 * does better fails the test; then its line goes, here and in kernel-shim/v86/README.md.
 */

import assert from "node:assert/strict";
import type { Emulator } from "../../kernel-shim/v86/emulator.js";
import { V86Machine } from "../../kernel-shim/v86/machine.js";
import { quietly } from "./console.js";
import { Guest } from "./guest.js";

/** Bus and function of each device. */
const FILES_ADDRESS = 0x06 << 3;
const CARD_ADDRESS = 0x0a << 3;
const BALLOON_ADDRESS = 0x0b << 3;
const CONSOLE_ADDRESS = 0x0c << 3;

const RECEIVE = 0;
const CONTROL = 2;
const HEADER_BYTES = 12;
const FRAME = Uint8Array.from({ length: 60 }, (_, index) => index);
const ROOM = 2048;

const COMMAND = 0x04;
const PCI_STATUS = 0x06;
const BUS_MASTER = 4;
const INTERRUPT_DISABLE = 0x400;
const INTERRUPT_STATUS = 8;

export interface Deviation {
  /** What the device does, and the rule that says otherwise. */
  readonly name: string;
  readonly run: (emulator: Emulator) => void;
}

/** A card that waits for frames, with buffers for some. */
function receiver(emulator: Emulator): { card: Guest; queue: ReturnType<Guest["createQueue"]> } {
  const card = new Guest(emulator, CARD_ADDRESS);
  const [queue] = card.start(RECEIVE);
  assert.ok(queue);
  for (let count = 0; count < 4; count++) queue.add([], ROOM);
  return { card, queue };
}

/** Sends the 9P request Tversion, which is answered at once. Returns the queue. */
function askFileSystem(files: Guest, prepare?: (queue: ReturnType<Guest["createQueue"]>) => void): number[] {
  const [queue] = files.start(0);
  assert.ok(queue);
  prepare?.(queue);
  const version = [...new TextEncoder().encode("9P2000.L")];
  queue.add([13 + version.length, 0, 0, 0, 100, 0xff, 0xff, 0, 0x20, 0, 0, version.length, 0, ...version], ROOM);
  queue.notify();
  return queue.used();
}

/** Whether the line that the card and the file system share is asserted. */
function isLineAsserted(machine: V86Machine): boolean {
  return machine.waitForInterrupt(0).includes(machine.interruptLine(CARD_ADDRESS, 1));
}

const virtio: readonly Deviation[] = [
  {
    name: "buffers are used before DRIVER_OK [virtio-1.2 §2.1.2]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      card.negotiate();
      const queue = card.createQueue(RECEIVE);
      queue.add([], ROOM);
      emulator.receive(FRAME);
      assert.deepEqual(queue.used(), [0]);
    },
  },
  {
    name: "queues are used that were never enabled [virtio-1.2 §4.1.4.3]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      card.negotiate();
      const queue = card.createQueue(RECEIVE, false);
      card.status = 15;
      queue.add([], ROOM);
      emulator.receive(FRAME);
      assert.deepEqual(queue.used(), [0]);
    },
  },
  {
    name: "after a reset, frames go into rings at physical address 0 [virtio-1.2 §2.4.1]",
    run(emulator) {
      const { card } = receiver(emulator);
      card.status = 0;
      // As an available ring: one buffer. As a used ring: one was used.
      card.memory.setUint16(2, 1, true);
      emulator.receive(FRAME);
      assert.equal(card.memory.getUint16(2, true), 2);
      card.fill(0, 4096, 0);
    },
  },
  {
    name: "num_buffers of a received frame is 256, not 1 [virtio-1.2 §5.1.6.4.1]",
    run(emulator) {
      const { card, queue } = receiver(emulator);
      emulator.receive(FRAME);
      assert.equal(card.memory.getUint16(queue.buffer(0) + HEADER_BYTES - 2, true), 256);
    },
  },
  {
    name: "config_generation stays the same when the configuration changes [virtio-1.2 §4.1.4.3.1]",
    run(emulator) {
      const machine = new V86Machine(emulator);
      const { card } = receiver(emulator);
      const generations = [true, false, true].map((isUp) => {
        machine.setLink(isUp);
        assert.equal(card.readConfiguration(6, 2), isUp ? 1 : 0);
        return card.readCommon(0x15, 1);
      });
      assert.deepEqual(generations, [0, 0, 0]);
    },
  },
  {
    name: "driver_feature has all that is offered before the driver has written anything [virtio-1.2 §4.1.4.3.1]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      card.status = 0;
      assert.equal(card.readCommon(0x0c, 4), card.readCommon(0x04, 4));
    },
  },
  {
    name: "a feature too many, taken back before FEATURES_OK, is held against the driver until a reset [virtio-1.2 §2.2.2]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      card.negotiate();
      card.status = 0;
      card.status = 3;
      card.writeCommon(0x08, 4, 0);
      card.writeCommon(0x0c, 4, 2);
      card.writeCommon(0x0c, 4, 0);
      card.status = 11;
      assert.equal(card.status, 3);
    },
  },
  {
    name: "the upper halves of ring addresses are ignored [virtio-1.2 §4.1.4.3]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      card.negotiate();
      for (const area of [0x24, 0x2c, 0x34]) {
        card.writeCommon(area, 4, 1);
        assert.equal(card.readCommon(area, 4), 0);
      }
    },
  },
  {
    name: "the window in configuration space shows nothing [virtio-1.2 §4.1.4.9.1]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      const PCI_CFG = 5;
      let window = card.readPci(0x34, 1);
      while (card.readPci(window + 3, 1) !== PCI_CFG) window = card.readPci(window + 1, 1);
      card.writePci(window + 4, 1, 0);
      card.writePci(window + 8, 4, 0x12);
      card.writePci(window + 12, 4, 2);
      assert.equal(card.readPci(window + 16, 2), 0);
      assert.equal(card.readCommon(0x12, 2), 3, "num_queues");
    },
  },
  {
    name: "behind a control command that the card does not know, others wait for another notification [virtio-1.2 §5.1.6.5]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      const [queue] = card.start(CONTROL);
      assert.ok(queue);
      queue.add([99, 0], 1);
      queue.add([1, 1, 0x52, 0x54, 0, 0, 0, 1], 1);
      queue.notify();
      assert.deepEqual(queue.used(), [0]);
    },
  },
  {
    name: "9P: with EVENT_IDX, buffers interrupt that the driver did not ask for [virtio-1.2 §2.7.7.2]",
    run(emulator) {
      const files = new Guest(emulator, FILES_ADDRESS);
      assert.deepEqual(
        askFileSystem(files, (queue) => queue.setUsedEvent(5)),
        [0],
      );
      assert.equal(files.readIsr(), 1);
    },
  },
  {
    name: "console: the buffer of PORT_READY comes back twice [virtio-1.2 §2.7.8]",
    run(emulator) {
      const console = new Guest(emulator, CONSOLE_ADDRESS);
      const [events, control] = console.start(2, 3);
      assert.ok(events && control);
      for (let count = 0; count < 8; count++) events.add([], ROOM);
      control.add([0, 0, 0, 0, 3, 0, 1, 0]);
      control.notify();
      assert.deepEqual(control.used(), [0, 0]);
    },
  },
  {
    name: "console: events are written to buffers that were not offered [virtio-1.2 §2.7.6]",
    run(emulator) {
      const console = new Guest(emulator, CONSOLE_ADDRESS);
      const [events, control] = console.start(2, 3);
      assert.ok(events && control);
      control.add([0, 0, 0, 0, 0, 0, 1, 0]);
      control.notify();
      assert.deepEqual(events.used(), [0, 0, 0, 0]);
    },
  },
  {
    name: "balloon: the driver's field `actual` cannot be written [virtio-1.2 §5.5.6.1]",
    run(emulator) {
      const balloon = new Guest(emulator, BALLOON_ADDRESS);
      balloon.start(0, 1);
      const before = balloon.readConfiguration(4, 4);
      balloon.writeConfiguration(4, 4, before + 5);
      assert.equal(balloon.readConfiguration(4, 4), before);
    },
  },
];

const pci: readonly Deviation[] = [
  {
    name: "the class code is 000200, an unclassified device, for all of them [PCI 3.0 appendix D]",
    run(emulator) {
      for (const address of [FILES_ADDRESS, CARD_ADDRESS, BALLOON_ADDRESS, CONSOLE_ADDRESS]) {
        assert.equal(new Guest(emulator, address).readPci(0x08, 4) >>> 8, 0x000200);
      }
    },
  },
  {
    name: "32-bit writes of Command are ignored [PCI 3.0 §6.2.2]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      card.writePci(COMMAND, 2, 7);
      card.writePci(COMMAND, 4, 0);
      assert.equal(card.readPci(COMMAND, 2), 7);
    },
  },
  {
    name: "with Bus Master off, devices reach memory all the same [PCI 3.0 §6.2.2]",
    run(emulator) {
      const { card, queue } = receiver(emulator);
      const command = card.readPci(COMMAND, 2);
      card.writePci(COMMAND, 2, command & ~BUS_MASTER);
      emulator.receive(FRAME);
      assert.deepEqual(queue.used(), [0]);
      card.writePci(COMMAND, 2, command);
    },
  },
  {
    name: "with I/O Space off, ports answer all the same [PCI 3.0 §6.2.2]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      card.writePci(COMMAND, 2, 0);
      assert.equal(card.readCommon(0x12, 2), 3, "num_queues");
      card.writePci(COMMAND, 2, 7);
    },
  },
  {
    name: "Interrupt Disable disables nothing, and Interrupt Status stays 0 [PCI 3.0 §6.2.2, §6.2.3]",
    run(emulator) {
      const machine = new V86Machine(emulator);
      const { card } = receiver(emulator);
      card.writePci(COMMAND, 2, 7 | INTERRUPT_DISABLE);
      emulator.receive(FRAME);
      assert.equal(card.readPci(PCI_STATUS, 2) & INTERRUPT_STATUS, 0);
      assert.ok(isLineAsserted(machine));
      card.writePci(COMMAND, 2, 7);
    },
  },
  {
    name: "a function that is served lowers the line under another that still interrupts [PCI 3.0 §2.2.6]",
    run(emulator) {
      const machine = new V86Machine(emulator);
      const files = new Guest(emulator, FILES_ADDRESS);
      const { card } = receiver(emulator);
      askFileSystem(files);
      emulator.receive(FRAME);
      assert.ok(isLineAsserted(machine));
      assert.equal(card.readIsr(), 1);
      assert.ok(!isLineAsserted(machine), "of the file system nobody hears");
      assert.equal(files.readIsr(), 1);
    },
  },
  {
    name: "a register of configuration space reads as it was when its address was written [PCI 3.0 §3.2.2.3.2]",
    run(emulator) {
      const card = new Guest(emulator, CARD_ADDRESS);
      card.writePci(COMMAND, 2, 7);
      card.select(COMMAND);
      card.out(0xcfc, 2, 3);
      assert.equal(card.in(0xcfc, 2), 7);
      assert.equal(card.readPci(COMMAND, 2), 3);
      card.writePci(COMMAND, 2, 7);
    },
  },
  {
    name: "a narrow write to a function that is not there throws a TypeError in JavaScript [PCI 3.0 §6.1]",
    run(emulator) {
      const absent = new Guest(emulator, 0x1f << 3);
      assert.throws(() => absent.writePci(COMMAND, 1, 0), TypeError);
      assert.throws(() => absent.writePci(COMMAND, 2, 0), TypeError);
    },
  },
  {
    name: "addressing functions 2 and then 6 of a slot, or 7, restarts the computer [PCI 3.0 §3.2.2.3.2]",
    run(emulator) {
      const { card } = receiver(emulator);
      assert.equal(card.status, 15);
      card.select(0, 2);
      card.select(0, 6);
      assert.equal(card.status, 0);
    },
  },
];

/** In the order of the README. */
export const deviations: readonly Deviation[] = [...virtio, ...pci].map(({ name, run }) => ({
  name,
  run(emulator) {
    // Resets the devices.
    new V86Machine(emulator).close();
    quietly(() => run(emulator));
  },
}));
