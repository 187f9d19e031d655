/** The behaviour cases on QEMU's machine pc, the long ones among them. */

import { longBlockCases } from "../cases/block/index.js";
import { longNetCases } from "../cases/net/index.js";
import { pciCases } from "../cases/pci/index.js";
import { deviceCases, testBehaviour } from "./behaviour.js";

testBehaviour(
  "QEMU pc, legacy devices",
  { machine: "pc", virtio: "legacy" },
  { ...deviceCases, ...pciCases, ...longBlockCases, ...longNetCases },
);
testBehaviour("QEMU pc, transitional devices", { machine: "pc", virtio: "transitional" }, deviceCases);
