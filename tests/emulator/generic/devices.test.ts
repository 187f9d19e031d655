/** Devices of four types through the generic device, with chains made by hand, behind every transport. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BlockDevice as EmulatedDisk } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EntropyDevice as EmulatedEntropy } from "../../../kernel-shim/emulated-pc/entropy/device.js";
import type { NetworkBackend, NetworkPort } from "../../../kernel-shim/emulated-pc/net/backend.js";
import { NetDevice as EmulatedCard } from "../../../kernel-shim/emulated-pc/net/device.js";
import { Result, type GenericDevice, type GenericOptions } from "../../../kernel-shim/javascript/index.js";
import { initialSectors } from "../../cases/pattern.js";
import { builds, hosts, machineWith, type GenericMachine } from "./hosts.js";
import * as keyboard from "./keyboard.js";

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;
const SECTORS = 100;
const VIRTIO_F_VERSION_1 = 1n << 32n;
const VIRTIO_NET_F_MAC = 1n << 5n;
const MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
const TOKEN_MAX = Number.MAX_SAFE_INTEGER;

/** Opens a device of which the caller knows `features`, beside those of the ring. */
function openKnowing(ground: GenericMachine, features: bigint, options: Partial<GenericOptions>): GenericDevice {
  return ground.open({ ...options, features: 0xfd_ff00_0000n | features });
}

function ends({ machine, stack }: GenericMachine, device: GenericDevice, buffer: number): void {
  assert.equal(device.events(), 0);
  assert.equal(device.close(), 0);
  stack.freeBuffer(buffer);
  assert.deepEqual(machine.violations, []);
  assert.deepEqual(machine.log, []);
}

/** Keeps what a card sends. */
class Cable implements NetworkBackend {
  port: NetworkPort | undefined;
  readonly sent: Uint8Array[] = [];

  attach(port: NetworkPort): void {
    this.port = port;
  }

  send(frame: Uint8Array): void {
    this.sent.push(frame);
  }
}

for (const build of builds) {
  for (const host of hosts) {
    describe(`the generic device (${build}, ${host.name})`, () => {
      test("gets random bytes from an entropy device", () => {
        const emulated = new EmulatedEntropy({ source: (target) => target.fill(0x5a, 0, 10).length && 10 });
        const ground = machineWith(build, host, emulated);
        const device = ground.open();
        const buffer = ground.machine.allocateBuffer(PAGE_BYTES);
        const writable = [
          { pointer: buffer, length: 7 },
          { pointer: buffer + 100, length: 9 },
        ];
        assert.deepEqual(device.submit(0, [{ token: TOKEN_MAX, writable }]), { accepted: 1, refusal: 0 });
        assert.deepEqual(device.waitForCompletions(0), [{ token: TOKEN_MAX, result: Result.OK, length: 10 }]);
        assert.deepEqual([...ground.machine.readBuffer(buffer, 8)], [...Array<number>(7).fill(0x5a), 0]);
        assert.deepEqual([...ground.machine.readBuffer(buffer + 100, 4)], [0x5a, 0x5a, 0x5a, 0]);
        ends(ground, device, buffer);
      });

      test("writes and reads a disk, and reads its capacity", () => {
        const ground = machineWith(
          build,
          host,
          new EmulatedDisk({ backEnd: new MemoryDisk(initialSectors(0, SECTORS)) }),
        );
        const { machine } = ground;
        const device = ground.open();
        assert.deepEqual(device.readConfiguration(0, 4, 2), [SECTORS, 0]);
        const buffer = machine.allocateBuffer(PAGE_BYTES);
        const [header, data, status] = [buffer, buffer + SECTOR_BYTES, buffer + 3 * SECTOR_BYTES];
        const move = (isWrite: boolean, sector: number, length: number): void => {
          const words = Uint32Array.of(isWrite ? 1 : 0, 0, sector, 0);
          machine.writeBuffer(header, new Uint8Array(words.buffer));
          machine.writeBuffer(status, Uint8Array.of(0xff));
          const parts = {
            header: { pointer: header, length: 16 },
            data: { pointer: data, length },
            status: { pointer: status, length: 1 },
          };
          const chain = isWrite
            ? { token: sector, readable: [parts.header, parts.data], writable: [parts.status] }
            : { token: sector, readable: [parts.header], writable: [parts.data, parts.status] };
          assert.deepEqual(device.submit(0, [chain]), { accepted: 1, refusal: 0 });
          const [completion] = device.waitForCompletions(0);
          assert.ok(completion !== undefined);
          assert.deepEqual([completion.token, completion.result], [sector, Result.OK]);
          assert.ok(completion.length <= (isWrite ? 1 : length + 1), "no more than the device may write");
          assert.deepEqual([...machine.readBuffer(status, 1)], [0]);
        };
        move(false, 5, 2 * SECTOR_BYTES);
        assert.deepEqual(machine.readBuffer(data, 2 * SECTOR_BYTES), initialSectors(5, 2));
        const written = Uint8Array.from({ length: SECTOR_BYTES }, (_, index) => (index * 7) & 0xff);
        machine.writeBuffer(data, written);
        move(true, 6, SECTOR_BYTES);
        machine.writeBuffer(data, new Uint8Array(2 * SECTOR_BYTES));
        move(false, 5, 2 * SECTOR_BYTES);
        assert.deepEqual(machine.readBuffer(data, SECTOR_BYTES), initialSectors(5, 1));
        assert.deepEqual(machine.readBuffer(data + SECTOR_BYTES, SECTOR_BYTES), written);
        ends(ground, device, buffer);
      });

      test("sends and receives a card's frames, each in its queue, and reads its address", () => {
        const cable = new Cable();
        const ground = machineWith(build, host, new EmulatedCard({ backend: cable, mac: "52:54:00:12:34:56" }));
        const { machine } = ground;
        const device = openKnowing(ground, VIRTIO_NET_F_MAC, { queue_count: 2 });
        const { features_accepted } = device.deviceInformation();
        // The smallest card has none that can be read.
        assert.equal((features_accepted & VIRTIO_NET_F_MAC) !== 0n, host.profile !== "minimal");
        if (features_accepted & VIRTIO_NET_F_MAC) assert.deepEqual(device.readConfiguration(0, 1, 6), MAC);
        const headerBytes = features_accepted & VIRTIO_F_VERSION_1 ? 12 : 10;
        const buffer = machine.allocateBuffer(2 * PAGE_BYTES);
        const frame = Uint8Array.from({ length: 64 }, (_, index) => (index < 6 ? 0xff : index));
        const pieces = (at: number, length: number) => [
          { pointer: at, length: headerBytes },
          { pointer: at + headerBytes, length },
        ];

        assert.equal(device.submit(0, [{ token: 1, writable: pieces(buffer, 1526) }]).accepted, 1);
        machine.writeBuffer(buffer + PAGE_BYTES + headerBytes, frame);
        const readable = pieces(buffer + PAGE_BYTES, frame.length);
        assert.equal(device.submit(1, [{ token: 2, readable }]).accepted, 1);
        assert.deepEqual(device.waitForCompletions(1), [{ token: 2, result: Result.OK, length: 0 }]);
        assert.deepEqual(cable.sent, [frame]);

        cable.port?.receive(frame.map((byte) => byte ^ 1));
        const [received] = device.waitForCompletions(0);
        assert.deepEqual(received, { token: 1, result: Result.OK, length: headerBytes + frame.length });
        const bytes = machine.readBuffer(buffer + headerBytes, frame.length);
        assert.deepEqual(
          bytes,
          frame.map((byte) => byte ^ 1),
        );
        ends(ground, device, buffer);
      });

      test("types on a keyboard, whose configuration is selected by writing to it", () => {
        const emulated = new keyboard.KeyboardDevice();
        const ground = machineWith(build, host, emulated);
        const { machine } = ground;
        const device = openKnowing(ground, BigInt(keyboard.FEATURE_SELECT), { queue_count: 2 });
        const { select, size, union } = keyboard.configuration;
        device.writeConfiguration(select, 1, keyboard.ID_NAME);
        const [bytes = 0] = device.readConfiguration(size, 1);
        const name = Uint8Array.from(device.readConfiguration(union, 1, bytes));
        assert.equal(new TextDecoder().decode(name), keyboard.KEYBOARD_NAME);

        const buffer = machine.allocateBuffer(PAGE_BYTES);
        const segment = (index: number) => ({
          pointer: buffer + index * keyboard.EVENT_BYTES,
          length: keyboard.EVENT_BYTES,
        });
        const events = [0, 1, 2, 3].map((token) => ({ token, writable: [segment(token)] }));
        assert.deepEqual(device.submit(keyboard.EVENT_QUEUE, events), { accepted: 4, refusal: 0 });
        machine.waitForInterrupt(1);
        assert.deepEqual(device.poll(keyboard.EVENT_QUEUE), []);
        emulated.sendEvent(1, 30, 1);
        emulated.sendEvent(0, 0, 0);
        const completions = device.waitForCompletions(keyboard.EVENT_QUEUE);
        assert.deepEqual(
          completions.map(({ token, length }) => [token, length]),
          [
            [0, 8],
            [1, 8],
          ],
        );
        assert.deepEqual([...machine.readBuffer(buffer, 8)], [1, 0, 30, 0, 1, 0, 0, 0]);

        const light = Uint8Array.of(0x11, 0, 1, 0, 1, 0, 0, 0);
        machine.writeBuffer(buffer + 1024, light);
        const readable = [{ pointer: buffer + 1024, length: light.length }];
        device.submit(keyboard.STATUS_QUEUE, [{ token: 9, readable }]);
        assert.deepEqual(device.waitForCompletions(keyboard.STATUS_QUEUE), [
          { token: 9, result: Result.OK, length: 0 },
        ]);
        assert.deepEqual(emulated.statusReceived, [light]);

        assert.equal(device.close(), 2, "two events are still waited for");
        assert.deepEqual(
          device.poll(keyboard.EVENT_QUEUE).map(({ token, result }) => [token, result]),
          [
            [2, Result.E_RESET],
            [3, Result.E_RESET],
          ],
        );
        assert.deepEqual(machine.violations, []);
      });

      test("says how it is reached", () => {
        const ground = machineWith(build, host, new keyboard.KeyboardDevice());
        const device = ground.open({ queue_count: 2 });
        const { type, transport, vectors, queue_count, features_offered, features_accepted } =
          device.deviceInformation();
        assert.deepEqual(
          { type, transport, vectors, queue_count },
          { type: keyboard.VIRTIO_ID_INPUT, transport: host.transport, vectors: host.vectors ?? 0, queue_count: 2 },
        );
        assert.equal(features_offered & 1n, 1n);
        assert.equal(features_accepted & 1n, 0n, "what belongs to the device type is accepted if asked for");
        assert.equal(features_accepted & ~features_offered, 0n);
        assert.equal(device.close(), 0);
        assert.deepEqual(ground.machine.violations, []);
      });
    });
  }
}
