/** The speed of a card, which QEMU offers to modern drivers where it was told one. [virtio-1.2 §5.1.4] */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type { Properties } from "../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";

const VIRTIO_NET_F_SPEED_DUPLEX = 1n << 63n;
const UNKNOWN_SPEED = 0xffff_ffff;
const UNKNOWN_DUPLEX = 0xff;

suite("the speed of QEMU's cards", () => {
  for (const [virtio, properties, speed, duplex] of [
    ["modern", { speed: 10_000, duplex: "full" }, 10_000, 1],
    ["modern", { speed: 100, duplex: "half" }, 100, 0],
    ["modern", { duplex: "half" }, UNKNOWN_SPEED, 0],
    ["modern", {}, UNKNOWN_SPEED, UNKNOWN_DUPLEX],
    ["legacy", { speed: 10_000, duplex: "full" }, UNKNOWN_SPEED, UNKNOWN_DUPLEX],
  ] as const satisfies readonly (readonly ["modern" | "legacy", Properties, number, number])[]) {
    test(`${virtio}, made with ${JSON.stringify(properties)}`, () => {
      const device = { kind: "net", backend: { type: "user" }, properties } as const;
      const qemu = new QemuMachine({ machine: "pc", virtio, devices: [device] });
      try {
        const stack = loadStack(qemu);
        stack.assignResources();
        const found = stack.scan().find(({ virtio_type }) => virtio_type === 1);
        assert.ok(found);
        const information = stack.openNet(found.address).information();
        assert.equal(information.speed, speed);
        assert.equal(information.duplex, duplex);
        const isOffered = (information.features_offered & VIRTIO_NET_F_SPEED_DUPLEX) !== 0n;
        assert.equal(isOffered, virtio === "modern" && Object.keys(properties).length > 0);
        assert.deepEqual(qemu.refusals, []);
      } finally {
        qemu.close();
      }
    });
  }
});
