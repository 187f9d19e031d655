/**
 * QEMU's virtio keyboard, a device that the stack has no driver for, through the generic device: its name, the keys that
 * somebody presses, and its lights. [virtio-1.2 §5.8]
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Event,
  Result,
  Transport,
  TransportWanted,
  type GenericDevice,
  type GenericOptions,
} from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type { QemuDevice, QemuOptions } from "../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";

const VIRTIO_ID_INPUT = 18;
const EVENT_QUEUE = 0;
const STATUS_QUEUE = 1;
const EVENT_BYTES = 8;
const EVENTS = 16;
const WAIT = 5000;
/** The configuration. [virtio-1.2 §5.8.4] */
const SELECT = 0;
const SIZE = 2;
const UNION = 8;
const ID_NAME = 1;
/** Of Linux's input events. */
const EV_SYN = 0;
const EV_KEY = 1;
const EV_LED = 0x11;
const KEY_A = 30;
const KEY_ENTER = 28;

interface Place {
  readonly name: string;
  readonly options: QemuOptions;
  readonly devices: readonly QemuDevice[];
  readonly open?: Partial<GenericOptions>;
  /** Nobody assigns it addresses. */
  readonly isUnassigned?: true;
  readonly transport: Transport;
  readonly vectors: number;
}

const keyboard = (device: string): QemuDevice => ({ kind: "raw", device: `${device},id=keyboard` });

const places: readonly Place[] = [
  {
    name: "pc",
    options: { machine: "pc" },
    devices: [keyboard("virtio-keyboard-pci")],
    transport: Transport.MODERN_PCI_MEMORY,
    vectors: 0,
  },
  {
    name: "pc, by configuration space",
    options: { machine: "pc" },
    devices: [keyboard("virtio-keyboard-pci")],
    isUnassigned: true,
    transport: Transport.MODERN_PCI_WINDOW,
    vectors: 0,
  },
  {
    name: "q35, behind a root port, with message vectors",
    options: { machine: "q35" },
    devices: [
      { kind: "raw", device: "pcie-root-port,id=port1,bus=pcie.0,chassis=1,addr=2" },
      keyboard("virtio-keyboard-pci,bus=port1"),
    ],
    open: { vectors: 2 },
    transport: Transport.MODERN_PCI_MEMORY,
    vectors: 2,
  },
  {
    name: "microvm, registers of version 1",
    options: { machine: "microvm", virtio: "legacy" },
    devices: [keyboard("virtio-keyboard-device")],
    transport: Transport.MMIO_1,
    vectors: 0,
  },
  {
    name: "microvm, registers of version 2",
    options: { machine: "microvm", virtio: "modern" },
    devices: [keyboard("virtio-keyboard-device")],
    transport: Transport.MMIO_2,
    vectors: 0,
  },
];

/** How it is opened: by its PCI address, or the slot that it is in. */
function open(machine: QemuMachine, { options, open: given, isUnassigned }: Place): GenericDevice {
  const stack = loadStack(machine);
  if (options.machine === "microvm") {
    const { base, bytes } = machine.mmioSlot("keyboard");
    const slot = { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes };
    return stack.openGeneric(Number(base), { queue_count: 2, ...slot });
  }
  if (isUnassigned !== true) stack.assignResources();
  return stack.openGeneric(machine.pciAddress("keyboard"), { queue_count: 2, ...given });
}

/** Somebody presses keys, or lets them go. */
function press(machine: QemuMachine, down: boolean, ...keys: readonly string[]): void {
  const events = keys.map((data) => ({ type: "key", data: { down, key: { type: "qcode", data } } }));
  machine.qmp("input-send-event", { events });
}

function nameOf(device: GenericDevice): string {
  device.writeConfiguration(SELECT, 1, ID_NAME);
  const [bytes = 0] = device.readConfiguration(SIZE, 1);
  return String.fromCharCode(...device.readConfiguration(UNION, 1, bytes));
}

for (const place of places) {
  test(`QEMU's keyboard types what is pressed: ${place.name}`, () => {
    const machine = new QemuMachine({ ...place.options, devices: place.devices });
    try {
      const device = open(machine, place);
      const { type, transport, vectors } = device.deviceInformation();
      assert.deepEqual([type, transport, vectors], [VIRTIO_ID_INPUT, place.transport, place.vectors]);
      assert.match(nameOf(device), /^QEMU Virtio Keyboard/);

      const memory = machine.allocateBuffer((EVENTS + 1) * EVENT_BYTES);
      const buffers = Array.from({ length: EVENTS }, (_, token) => ({
        token,
        writable: [{ pointer: memory + token * EVENT_BYTES, length: EVENT_BYTES }],
      }));
      assert.deepEqual(device.submit(EVENT_QUEUE, buffers), { accepted: EVENTS, refusal: 0 });
      assert.deepEqual(device.poll(EVENT_QUEUE), []);
      const typed: number[][] = [];
      /** Waits until the keyboard has written so many events in all, and gives each buffer back. */
      const read = (count: number): void => {
        while (typed.length < count) {
          const completions = device.waitForCompletions(EVENT_QUEUE, WAIT);
          assert.notEqual(completions.length, 0, `${typed.length} events of ${count}`);
          for (const { token, result, length } of completions) {
            assert.deepEqual([result, length], [Result.OK, EVENT_BYTES]);
            const bytes = machine.readBuffer(memory + token * EVENT_BYTES, EVENT_BYTES);
            const view = new DataView(bytes.buffer);
            typed.push([view.getUint16(0, true), view.getUint16(2, true), view.getUint32(4, true)]);
            assert.equal(device.submit(EVENT_QUEUE, buffers.slice(token, token + 1)).accepted, 1);
          }
        }
      };
      press(machine, true, "a", "ret");
      read(3);
      press(machine, false, "ret");
      read(5);
      assert.deepEqual(typed, [
        [EV_KEY, KEY_A, 1],
        [EV_KEY, KEY_ENTER, 1],
        [EV_SYN, 0, 0],
        [EV_KEY, KEY_ENTER, 0],
        [EV_SYN, 0, 0],
      ]);

      const light = memory + EVENTS * EVENT_BYTES;
      machine.writeBuffer(light, Uint8Array.of(EV_LED, 0, 1, 0, 1, 0, 0, 0));
      device.submit(STATUS_QUEUE, [{ token: 99, readable: [{ pointer: light, length: EVENT_BYTES }] }]);
      assert.deepEqual(device.waitForCompletions(STATUS_QUEUE, WAIT), [{ token: 99, result: Result.OK, length: 0 }]);

      device.reset();
      const back = device.poll(EVENT_QUEUE);
      assert.equal(back.length, EVENTS);
      assert.ok(back.every(({ result }) => result === Result.E_RESET));
      assert.equal(device.submit(EVENT_QUEUE, buffers).accepted, EVENTS);
      press(machine, false, "a");
      read(7);
      assert.deepEqual(typed.slice(5), [
        [EV_KEY, KEY_A, 0],
        [EV_SYN, 0, 0],
      ]);
      assert.equal(device.events() & ~Event.CONFIGURATION, 0);
      assert.equal(device.close(), EVENTS);
      assert.equal(device.poll(EVENT_QUEUE).length, EVENTS);
      assert.deepEqual(machine.refusals, []);
      assert.equal(machine.stderr, "");
    } finally {
      machine.close();
    }
  });
}
