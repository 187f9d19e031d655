/**
 * How many receive buffers there are, and how large they are: a set-up in which a frame that the host delivers can never
 * be received is refused. A host with MRG_RXBUF waits for buffers that hold all of a frame, and everything behind it
 * waits as well.
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Result } from "../../../kernel-shim/javascript/abi.js";
import { onBothBuilds } from "../../hostile/fixed/ground.js";
import { frameOf } from "../../hostile/traced-network.js";
import { PatientReceiver } from "../../raw-stack/patient-receiver.js";
import { RawCard } from "../../raw-stack/raw-card.js";

const ANY_LAYOUT = 2 ** 27;
const MRG_RXBUF = 2 ** 15;
/** The most that QEMU delivers from a neighbour on a socket, and the header before it. */
const DELIVERED_MAX = 69_632;
const HEADER_BYTES = 12;
const BUFFERS_MAX = 40;
const SIZES = [0, 64, 512, 1536, 1728, 1792, 2048, 4096, 8192, 65_536, 65_600];

const layouts: Readonly<Record<string, number>> = {
  ANY_LAYOUT: MRG_RXBUF + ANY_LAYOUT,
  "a descriptor for the header": MRG_RXBUF,
};

describe("receive buffers with MRG_RXBUF", () => {
  for (const [layout, features] of Object.entries(layouts)) {
    for (const bufferBytes of SIZES) {
      // Of large ones, two are enough.
      const most = bufferBytes >= 65_536 ? 4 : BUFFERS_MAX;
      onBothBuilds(`1 to ${most} of ${bufferBytes} bytes are refused or hold any frame, ${layout}`, (build) => {
        const machine = { memoryBytes: 16 * 1024 * 1024 };
        const card = new RawCard({ build, machine }, { features, queueSizes: [256, 16] });
        for (let count = 1; count <= most; count++) {
          const result = card.open({ receive_buffers: count, receive_buffer_bytes: bufferBytes });
          if (result < 0) {
            assert.equal(result, Result.E_ARGUMENT, `${count} of ${bufferBytes} bytes`);
            const isEnough = count * bufferBytes >= DELIVERED_MAX + HEADER_BYTES;
            assert.ok(!isEnough || bufferBytes > 65_536, `${count} of ${bufferBytes} bytes are enough`);
            card.isLeftAlone();
            continue;
          }
          const host = new PatientReceiver(card);
          for (const bytes of [60, 1514, DELIVERED_MAX, 65_000, DELIVERED_MAX, 60]) {
            const arrived = host.arrive(frameOf(bytes, bytes));
            assert.equal(arrived, "delivered", `${bytes} bytes, with ${count} buffers of ${bufferBytes}`);
            const frames = card.takeFrames();
            if (bytes < DELIVERED_MAX) assert.equal(Buffer.compare(frames[0] ?? Buffer.of(), frameOf(bytes, bytes)), 0);
          }
          card.device.faults.silent = false;
          card.closes();
        }
      });
    }
  }

  for (const entries of [4, 8, 16, 32, 64, 128, 256, 1024]) {
    for (const [layout, features] of Object.entries(layouts)) {
      onBothBuilds(`as many as a ring of ${entries} takes, of the default size, hold any frame, ${layout}`, (build) => {
        const machine = { memoryBytes: 16 * 1024 * 1024 };
        const card = new RawCard({ build, machine }, { features, queueSizes: [entries, 16] });
        card.ok(card.open());
        const host = new PatientReceiver(card);
        for (const bytes of [DELIVERED_MAX, 60, DELIVERED_MAX, 1514]) {
          assert.equal(host.arrive(frameOf(bytes, bytes)), "delivered", `${bytes} bytes`);
          const frames = card.takeFrames();
          if (bytes < DELIVERED_MAX) assert.equal(frames.length, 1);
        }
        const { receive_buffers, receive_buffer_bytes } = card.information();
        assert.ok(receive_buffers * receive_buffer_bytes >= DELIVERED_MAX + HEADER_BYTES);
        card.device.faults.silent = false;
        card.closes();
      });
    }
  }
});

describe("receive buffers without MRG_RXBUF", () => {
  for (const [layout, features] of [
    ["ANY_LAYOUT", ANY_LAYOUT],
    ["a descriptor for the header", 0],
  ] as const) {
    onBothBuilds(`each hold a frame of the MTU or are refused, ${layout}`, (build) => {
      for (const bufferBytes of SIZES) {
        const card = new RawCard({ build }, { features, queueSizes: [256, 16] });
        const result = card.open({ receive_buffers: 2, receive_buffer_bytes: bufferBytes });
        if (result < 0) {
          assert.equal(result, Result.E_ARGUMENT);
          assert.ok(bufferBytes < 1536, `${bufferBytes} bytes are enough`);
          continue;
        }
        const host = new PatientReceiver(card);
        for (const bytes of [60, 1514, DELIVERED_MAX, 1518, 1514, 60]) {
          const arrived = host.arrive(frameOf(bytes, bytes));
          assert.equal(arrived, bytes === DELIVERED_MAX ? "dropped" : "delivered");
          assert.equal(card.takeFrames().length, arrived === "delivered" ? 1 : 0);
        }
        card.device.faults.silent = false;
        card.closes();
      }
    });
  }
});
