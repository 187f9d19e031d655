/** The behaviour cases on QEMU's machine microvm, whose devices are memory-mapped. */

import { deviceCases, testBehaviour, transportCases } from "./behaviour.js";

testBehaviour("QEMU microvm, version 1", { machine: "microvm", virtio: "legacy" }, transportCases);
testBehaviour("QEMU microvm, version 2", { machine: "microvm", virtio: "modern" }, deviceCases);
