/** The behaviour cases on QEMU's machine q35, with devices whose legacy interface is used. */

import { TransportWanted } from "../../kernel-shim/javascript/index.js";
import { pciCases } from "../cases/pci/index.js";
import { testBehaviour, transportCases } from "./behaviour.js";

testBehaviour(
  "QEMU q35, legacy devices with message vectors",
  { machine: "q35", virtio: "legacy", vectors: 4 },
  { ...transportCases, ...pciCases },
);
testBehaviour(
  "QEMU q35, transitional devices used as legacy ones",
  { machine: "q35", virtio: "transitional", transport: TransportWanted.LEGACY_PCI },
  transportCases,
);
