/** v86's user network on the other side of its card: a lease, the router's address, and pings that come back. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { LogLevel } from "v86";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { loadEmulator } from "../../kernel-shim/v86/load-emulator.js";
import { V86Machine } from "../../kernel-shim/v86/machine.js";
import { useNetworkCard } from "../../tools/start/network-step.js";

const CARD = { name: "00:0a.0", type: 1, address: 0x0a << 3, options: {} };
/** Of v86's `LogLevel`: PCI and virtio. */
const LOG_PCI_AND_VIRTIO = 0x20_0800 as unknown as LogLevel;
/** How v86's log names what a driver should not have done. */
const MISTAKE = /warning|bug/i;

suite("v86's user network", () => {
  test("DHCP lease, ARP, five pings of the router", async () => {
    const emulator = await loadEmulator({ userNetwork: true });
    const machine = new V86Machine(emulator);
    const { problems, lease, resolution, pings } = useNetworkCard(loadStack(machine), CARD);
    assert.deepEqual(problems, []);
    assert.equal(lease?.address, "192.168.86.100");
    assert.equal(lease.router, "192.168.86.1");
    assert.equal(resolution?.mac, "52:54:00:01:02:03");
    assert.deepEqual(
      pings.map(({ outcome }) => outcome),
      Array.from({ length: 5 }, () => "reply"),
    );
    assert.deepEqual(machine.refusals, []);
    machine.close();
    await emulator.destroy();
  });

  test("v86's debug build finds no mistake of the driver's in this", async (context) => {
    const { mock } = context.mock.method(console, "log", () => undefined);
    const emulator = await loadEmulator({ userNetwork: true, logLevel: LOG_PCI_AND_VIRTIO }, "debug");
    const machine = new V86Machine(emulator);
    const { problems } = useNetworkCard(loadStack(machine), CARD);
    machine.close();
    await emulator.destroy();
    assert.deepEqual(problems, []);
    const said = mock.calls.map(({ arguments: words }) => words.map(String).join(" "));
    assert.ok(
      said.some((line) => line.includes("DRIVER_OK")),
      "it says what the driver does",
    );
    assert.deepEqual(
      said.filter((line) => MISTAKE.test(line)),
      [],
    );
  });
});
