/** The life of a device that was opened as a generic one: interrupts, events, reset, removal, close, lies, time-outs. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { COMMAND_BUS_MASTER } from "../../../kernel-shim/emulated-pc/pci/registers.js";
import { Event, Interrupt, Result, Transport, VirtioError } from "../../../kernel-shim/javascript/index.js";
import { builds, hosts, legacyHost, machineWith, modernHost } from "./hosts.js";
import { EVENT_BYTES, EVENT_QUEUE, KeyboardDevice, STATUS_QUEUE } from "./keyboard.js";

const PAGE_BYTES = 4096;
const COMMAND = 0x04;
const FILL = 0xee;
const MILLISECOND = 1_000_000;

const refuses = (code: Result, call: () => unknown): void => {
  assert.throws(call, (error) => error instanceof VirtioError && error.code === code);
};

for (const build of builds) {
  /** A keyboard that is open, and a buffer that every event and status goes to or comes from. */
  const openKeyboard = (host = legacyHost, timeout_ns = 0n) => {
    const emulated = new KeyboardDevice();
    const ground = machineWith(build, host, emulated);
    const device = ground.open({ queue_count: 2, timeout_ns });
    const pointer = ground.machine.allocateBuffer(PAGE_BYTES);
    const segments = [{ pointer, length: EVENT_BYTES }];
    const waitForEvent = (...tokens: number[]) =>
      device.submit(
        EVENT_QUEUE,
        tokens.map((token) => ({ token, writable: segments })),
      );
    /** Once the device has looked at its queue. */
    const press = () => {
      for (let turns = 0; !emulated.sendEvent(0, 0, 0); turns++) {
        assert.ok(turns < 1000, "there is no buffer for an event");
        ground.machine.relax();
      }
    };
    const sendStatus = (token: number) => device.submit(STATUS_QUEUE, [{ token, readable: segments }]);
    return { ...ground, emulated, device, pointer, waitForEvent, press, sendStatus };
  };
  const tokens = (completions: readonly { token: number; result: number }[]) =>
    completions.map(({ token, result }) => [token, result]);

  describe(`a generic device's life (${build})`, () => {
    for (const host of hosts) {
      test(`interrupts for any of its queues: ${host.name}`, () => {
        const { machine, stack, press, device, waitForEvent, sendStatus } = openKeyboard(host);
        assert.equal(device.enableInterrupts(), false);
        waitForEvent(1, 2);
        assert.deepEqual(stack.service(1), []);
        press();
        const isIts = ({ pending }: { pending: number }) => (pending & Interrupt.QUEUE) !== 0;
        assert.ok(stack.service(1).every(isIts));
        assert.equal(device.enableInterrupts(), true, "an event was not taken yet");
        assert.deepEqual(tokens(device.poll(EVENT_QUEUE)), [[1, Result.OK]]);
        assert.equal(device.enableInterrupts(), false);
        sendStatus(3);
        assert.equal(stack.service(1).filter(isIts).length, 1);
        assert.equal(device.enableInterrupts(), true, "in the second queue");
        assert.deepEqual(tokens(device.poll(STATUS_QUEUE)), [[3, Result.OK]]);
        assert.equal(device.enableInterrupts(), false);
        device.disableInterrupts();
        press();
        assert.deepEqual(tokens(device.poll(EVENT_QUEUE)), [[2, Result.OK]]);
        assert.equal(device.close(), 0);
        assert.deepEqual(machine.violations, []);
      });

      test(`tells of changes of the configuration: ${host.name}`, () => {
        const { machine, stack, emulated, device } = openKeyboard(host);
        emulated.configurationChanged();
        const serviced = stack.service(1);
        assert.equal(serviced.length, 1);
        assert.ok((serviced[0]?.pending ?? 0) & Interrupt.CONFIGURATION);
        assert.equal(device.events(), Event.CONFIGURATION);
        assert.equal(device.events(), 0);
        assert.equal(device.close(), 0);
        assert.deepEqual(machine.violations, []);
      });

      test(`gives back what a reset caught in flight, each once and in its queue: ${host.name}`, () => {
        const { machine, press, device, waitForEvent, sendStatus } = openKeyboard(host);
        waitForEvent(1, 2, 3);
        press();
        sendStatus(4);
        const before = device.deviceInformation();
        device.reset();
        assert.deepEqual(device.deviceInformation(), before);
        assert.deepEqual(waitForEvent(5), { accepted: 0, refusal: Result.E_FULL }, "what was in flight comes first");
        assert.deepEqual(tokens(device.poll(STATUS_QUEUE)), [[4, Result.E_RESET]]);
        assert.equal(sendStatus(6).accepted, 1, "each queue for itself");
        assert.deepEqual(tokens(device.poll(EVENT_QUEUE, 2)), [
          [1, Result.E_RESET],
          [2, Result.E_RESET],
        ]);
        assert.deepEqual(waitForEvent(7), { accepted: 0, refusal: Result.E_FULL });
        assert.deepEqual(tokens(device.poll(EVENT_QUEUE)), [[3, Result.E_RESET]]);
        assert.equal(waitForEvent(8).accepted, 1);
        press();
        assert.deepEqual(tokens(device.poll(EVENT_QUEUE)), [[8, Result.OK]]);
        assert.deepEqual(tokens(device.waitForCompletions(STATUS_QUEUE)), [[6, Result.OK]]);
        assert.equal(device.close(), 0);
        assert.deepEqual(machine.violations, []);
      });
    }

    test("ends when the last completion of the last queue was taken", () => {
      const { machine, open, device, waitForEvent, sendStatus } = openKeyboard();
      waitForEvent(1, 2);
      sendStatus(3);
      assert.equal(device.close(), 3);
      assert.equal(device.deviceInformation().transport, Transport.NONE);
      refuses(Result.E_HANDLE, () => waitForEvent(4));
      refuses(Result.E_HANDLE, () => device.readConfiguration(0, 1));
      refuses(Result.E_HANDLE, () => device.writeConfiguration(0, 1, 1));
      assert.deepEqual(tokens(device.poll(STATUS_QUEUE)), [[3, Result.E_RESET]]);
      refuses(Result.E_ARGUMENT, () => device.poll(2));
      assert.deepEqual(tokens(device.poll(EVENT_QUEUE)), [
        [1, Result.E_RESET],
        [2, Result.E_RESET],
      ]);
      refuses(Result.E_HANDLE, () => device.poll(EVENT_QUEUE));
      assert.equal(open({ queue_count: 2 }).close(), 0, "it can be opened again");
      assert.deepEqual(machine.violations, []);
    });

    for (const host of [legacyHost, modernHost]) {
      test(`notices when a configuration of all ones means that the device is gone: ${host.profile}`, () => {
        const { machine, emulated, device, waitForEvent } = openKeyboard(host);
        emulated.configuration.bytes.fill(0xff, 8);
        assert.deepEqual(device.readConfiguration(8, 1, 4), [0xff, 0xff, 0xff, 0xff], "which alone means nothing");
        assert.equal(device.events(), 0);
        waitForEvent(1);
        machine.removeDevice(emulated);
        refuses(Result.E_GONE, () => device.readConfiguration(8, 1, 4));
        assert.equal(device.events(), Event.GONE);
        refuses(Result.E_GONE, () => device.writeConfiguration(8, 1, 0));
        refuses(Result.E_GONE, () => waitForEvent(2));
        refuses(Result.E_GONE, () => device.poll(EVENT_QUEUE));
        refuses(Result.E_GONE, () => device.enableInterrupts());
        assert.equal(device.close(), 1);
        assert.deepEqual(tokens(device.poll(EVENT_QUEUE)), [[1, Result.E_RESET]]);
      });
    }

    test("never makes a completion longer than what the device may write", () => {
      const { machine, emulated, device, pointer, waitForEvent, press, sendStatus } = openKeyboard();
      emulated.faults.usedLength = () => 0xffff_ffff;
      machine.writeBuffer(pointer, new Uint8Array(PAGE_BYTES).fill(FILL));
      waitForEvent(1);
      sendStatus(2);
      press();
      assert.equal(device.poll(EVENT_QUEUE)[0]?.length, EVENT_BYTES);
      assert.deepEqual(device.waitForCompletions(STATUS_QUEUE)[0]?.length, 0, "nothing is writable");
      assert.deepEqual([...machine.readBuffer(pointer + EVENT_BYTES, 2)], [FILL, FILL]);
      assert.equal(device.close(), 0);
    });

    for (const [lie, faults] of [
      ["an id that is none of a chain in flight", { usedId: () => 7 }],
      ["an index that moved too far", { usedIndex: (_queue: number, value: number) => value + 5 }],
    ] as const) {
      test(`is broken by ${lie}, until a reset`, () => {
        const { emulated, device, waitForEvent, press, sendStatus } = openKeyboard();
        waitForEvent(1);
        sendStatus(2);
        Object.assign(emulated.faults, faults);
        press();
        refuses(Result.E_BROKEN, () => device.poll(EVENT_QUEUE));
        assert.equal(device.events(), Event.BROKEN);
        refuses(Result.E_BROKEN, () => device.poll(STATUS_QUEUE));
        refuses(Result.E_BROKEN, () => waitForEvent(3));
        refuses(Result.E_BROKEN, () => device.readConfiguration(8, 1));
        refuses(Result.E_BROKEN, () => device.writeConfiguration(8, 1, 1));
        for (const name of Object.keys(faults)) Reflect.deleteProperty(emulated.faults, name);
        device.reset();
        assert.deepEqual(tokens(device.poll(EVENT_QUEUE)), [[1, Result.E_RESET]]);
        assert.deepEqual(tokens(device.poll(STATUS_QUEUE)), [[2, Result.E_RESET]]);
        sendStatus(4);
        assert.deepEqual(tokens(device.waitForCompletions(STATUS_QUEUE)), [[4, Result.OK]]);
        assert.equal(device.close(), 0);
      });
    }

    test("breaks for all of its queues: nothing more is taken from any, until a reset", () => {
      const { machine, emulated, device, waitForEvent, press, sendStatus } = openKeyboard();
      waitForEvent(1);
      sendStatus(2);
      emulated.faults.usedId = (queue, id) => (queue === EVENT_QUEUE ? 7 : id);
      press();
      for (let turns = 0; emulated.statusReceived.length === 0 && turns < 1000; turns++) machine.relax();
      assert.equal(emulated.statusReceived.length, 1, "there is something to take");
      refuses(Result.E_BROKEN, () => device.poll(EVENT_QUEUE));
      refuses(Result.E_BROKEN, () => device.poll(STATUS_QUEUE));
      delete emulated.faults.usedId;
      device.reset();
      assert.deepEqual(tokens(device.poll(STATUS_QUEUE)), [[2, Result.E_RESET]]);
      assert.equal(device.close(), 1);
    });

    test("touches no register once the device is gone, however long its chains are out", () => {
      const { machine, emulated, device, waitForEvent } = openKeyboard(legacyHost, BigInt(MILLISECOND));
      waitForEvent(1);
      let reads = 0;
      emulated.faults.readRegister = (_offset, width) => {
        reads++;
        return 2 ** (8 * width) - 1;
      };
      refuses(Result.E_GONE, () => device.interrupt());
      assert.notEqual(reads, 0);
      reads = 0;
      for (let polls = 0; polls < 5; polls++) {
        machine.time.advanceTo(machine.time.now + 2 * MILLISECOND);
        refuses(Result.E_GONE, () => device.poll(EVENT_QUEUE));
      }
      assert.equal(reads, 0);
      assert.equal(device.close(), 1);
    });

    test("notices when a configuration of all zeroes means that memory is read which is nobody's", () => {
      const { machine, emulated, device } = openKeyboard(modernHost);
      emulated.configuration.bytes.fill(0);
      assert.deepEqual(device.readConfiguration(8, 1, 4), [0, 0, 0, 0], "which alone means nothing");
      emulated.faults.readRegister = () => 0;
      assert.deepEqual(device.readConfiguration(8, 1, 4), [0, 0, 0, 0], "nor while the function answers in memory");
      assert.equal(device.events(), 0);
      const pciFunction = machine.functionOf(emulated);
      const read = pciFunction.read.bind(pciFunction);
      // Its bus mastering alone is on.
      pciFunction.read = (offset, width) => (offset === COMMAND ? COMMAND_BUS_MASTER : read(offset, width));
      refuses(Result.E_GONE, () => device.readConfiguration(8, 1, 4));
      assert.equal(device.events(), Event.GONE);
      assert.equal(device.close(), 0);
    });

    test("says when the device needs a reset", () => {
      const { machine, stack, emulated, device, sendStatus } = openKeyboard(modernHost);
      emulated.fail();
      assert.equal(stack.service(1).length, 1);
      assert.equal(device.events(), Event.BROKEN | Event.CONFIGURATION);
      device.reset();
      sendStatus(1);
      assert.deepEqual(tokens(device.waitForCompletions(STATUS_QUEUE)), [[1, Result.OK]]);
      assert.equal(device.close(), 0);
      assert.deepEqual(machine.violations, []);
    });

    test("waits for ever for an event, unless the caller set a time-out", () => {
      const wait = (timeout: bigint) => {
        const ground = openKeyboard(legacyHost, timeout);
        ground.waitForEvent(1);
        const { machine, device } = ground;
        for (let polls = 0; polls < 5; polls++) {
          machine.time.advanceTo(machine.time.now + MILLISECOND);
          assert.deepEqual(device.poll(STATUS_QUEUE), [], "nothing is out there");
          assert.deepEqual(device.poll(EVENT_QUEUE), []);
        }
        return ground;
      };
      const patient = wait(0n);
      assert.equal(patient.device.events(), 0);
      patient.press();
      assert.deepEqual(tokens(patient.device.poll(EVENT_QUEUE)), [[1, Result.OK]]);
      assert.equal(patient.device.close(), 0);
      refuses(Result.E_BROKEN, () => wait(BigInt(MILLISECOND)));
    });
  });
}
