/** QEMU's user network on the other side: a lease from its DHCP server, and its gateway answers pings. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";
import { functionAt } from "../../tools/start/find-devices.js";
import { useNetworkCard, VIRTIO_NET } from "../../tools/start/network-step.js";

suite("QEMU's user network", () => {
  for (const machine of ["pc", "q35"] as const) {
    for (const virtio of ["legacy", "transitional", "modern"] as const) {
      test(`${machine}, ${virtio}: DHCP lease, ARP, five pings of the gateway`, () => {
        const qemu = new QemuMachine({ machine, virtio, devices: [{ kind: "net", backend: { type: "user" } }] });
        try {
          const stack = loadStack(qemu);
          stack.assignResources();
          const found = stack.scan().find(({ virtio_type }) => virtio_type === VIRTIO_NET);
          assert.ok(found);
          const { problems, lease, resolution, pings } = useNetworkCard(stack, functionAt(found.address));
          assert.deepEqual(problems, []);
          assert.equal(lease?.address, "10.0.2.15");
          assert.equal(lease.router, "10.0.2.2");
          assert.equal(resolution?.address, "10.0.2.2");
          assert.deepEqual(
            pings.map(({ outcome }) => outcome),
            Array.from({ length: 5 }, () => "reply"),
          );
          assert.deepEqual(qemu.refusals, []);
        } finally {
          qemu.close();
        }
      });
    }
  }
});
