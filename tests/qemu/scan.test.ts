/** The scan of QEMU's machines: what is found, and that it takes no more reads of configuration space than it must. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BlockOperation, Interrupt, Result } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import type { QemuOptions } from "../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";
import { listPciFunctions } from "../../tools/start/pci-step.js";

const disk = { kind: "block", source: "null-co://" } as const;
const card = { kind: "net", backend: { type: "user" } } as const;

const machines: { name: string; options: QemuOptions; functions: number; virtio: readonly string[] }[] = [
  {
    name: "pc with a card and a disk",
    options: { machine: "pc", devices: [card, disk] },
    functions: 6,
    virtio: ["00:02.0", "00:03.0"],
  },
  {
    name: "q35 with a card and a disk",
    options: { machine: "q35", devices: [card, disk] },
    functions: 6,
    virtio: ["00:01.0", "00:02.0"],
  },
  {
    name: "pc with a disk behind two bridges",
    options: {
      machine: "pc",
      devices: [
        { kind: "raw", device: "pci-bridge,id=outer,chassis_nr=1" },
        { kind: "raw", device: "pci-bridge,id=inner,chassis_nr=2,bus=outer,addr=1" },
        { ...disk, bus: "inner", address: "3" },
      ],
    },
    functions: 7,
    virtio: ["02:03.0"],
  },
];

suite("the scan of QEMU's machines", () => {
  for (const { name, options, functions, virtio } of machines) {
    test(`${name}: every function, in exactly the reads that the budget allows`, (context) => {
      const qemu = new QemuMachine(options);
      try {
        const { result } = listPciFunctions(loadStack(qemu));
        context.diagnostic(`${result.configurationReads} reads of configuration space`);
        assert.equal(result.configurationReads, result.configurationReadBudget);
        assert.equal(result.functions.length, functions);
        const found = result.functions.filter((one) => one.virtio?.isLegacy);
        assert.deepEqual(
          found.map(({ address }) => address),
          virtio,
        );
        for (const { resources } of found) assert.ok(resources.every(({ base }) => base !== null));
        assert.deepEqual(qemu.refusals, []);
      } finally {
        qemu.close();
      }
    });
  }

  test("a disk behind two bridges that nobody numbered reads, and interrupts", () => {
    const qemu = new QemuMachine(machines[2]?.options);
    try {
      const stack = loadStack(qemu);
      stack.assignResources();
      const found = stack.scan().find(({ virtio_type }) => virtio_type === 2);
      assert.ok(found);
      const opened = stack.openBlock(found.address);
      const pointer = qemu.allocateBuffer(4096);
      assert.equal(opened.enableInterrupts(), false);
      const segments = [{ pointer, length: 4096 }];
      opened.submit([{ token: 1, operation: BlockOperation.READ, sector: 0, segments }]);
      assert.deepEqual(qemu.waitForInterrupt(2000), [opened.interruptLine]);
      assert.equal(opened.interrupt(), Interrupt.QUEUE);
      assert.deepEqual(opened.poll(), [{ token: 1, result: Result.OK, length: 4096 }]);
      assert.equal(opened.close(), 0);
    } finally {
      qemu.close();
    }
  });
});
