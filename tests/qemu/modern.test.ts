/** The behaviour cases on QEMU's modern PCI devices: with an interrupt line, and with messages behind root ports. */

import { deviceCases, testBehaviour, transportCases } from "./behaviour.js";

testBehaviour(
  "QEMU pc, modern devices notified by a port",
  { machine: "pc", virtio: "modern", properties: { "modern-pio-notify": true } },
  transportCases,
);
testBehaviour(
  "QEMU q35, modern devices behind root ports with message vectors",
  { machine: "q35", virtio: "modern", isBehindRootPorts: true, vectors: 4 },
  deviceCases,
);
