/** How PCI devices interrupt the unikernel: by messages, which cost no register read, or by their lines. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { BootedMachine, freePort, sendDatagram, userNetwork, type BootOptions } from "../../tools/unikernel/boot.js";
import { makeDisk, mebibyte, netbootImage, temporaryFolder, timeoutMilliseconds, writeRandomFile } from "./bench.js";

/** The first vector of a message: `cpu/interrupts.h`. The lines of a PC have sixteen vectors before it. */
const firstMessageVector = 48;
/** The register, from the device's first port on. Ports begin at multiples of 32. [virtio-1.2 §4.1.4.10] */
const isrStatus = 19;

interface Counts {
  readonly messages: number;
  readonly lines: number;
  readonly isrReads: number;
}

describe("the unikernel is interrupted", () => {
  const folder = temporaryFolder();

  /** Fetches a file, and counts in QEMU's trace. */
  async function count(
    options: Pick<BootOptions, "machine" | "isModern" | "interrupts" | "parameters">,
  ): Promise<Counts> {
    const trace = join(folder, "trace");
    writeRandomFile(join(folder, "file"), 20_000);
    const port = await freePort();
    const machine = new BootedMachine({
      image: await netbootImage(),
      commandLine: "file=file",
      cards: [userNetwork(folder, [{ host: port, machine: 8 }])],
      disks: [makeDisk(join(folder, "disk.img"), mebibyte)],
      timeoutMilliseconds,
      ...options,
      parameters: [
        ...(options.parameters ?? []),
        ...["-D", trace, "-trace", "apic_deliver_irq", "-trace", "memory_region_ops_read", "-d", "int"],
      ],
    });
    await machine.shows("netboot: ready");
    await sendDatagram(port, "stop");
    const { status, output } = await machine.ended;
    assert.equal(status, 0, output);
    const lines = readFileSync(trace, "latin1").split("\n");
    const vectors = lines.flatMap((line) => {
      const [, vector] = /Servicing hardware INT=0x([0-9a-f]+)/.exec(line) ?? [];
      return vector === undefined ? [] : [parseInt(vector, 16)];
    });
    const reads = lines.filter((line) => {
      const [, address] = /memory_region_ops_read .* addr 0x([0-9a-f]+) .* size 1 name 'virtio-pci'/.exec(line) ?? [];
      return address !== undefined && parseInt(address, 16) % 32 === isrStatus;
    });
    return {
      messages: vectors.filter((vector) => vector >= firstMessageVector).length,
      // The timer has the first one.
      lines: vectors.filter((vector) => vector > 32 && vector < firstMessageVector).length,
      isrReads: reads.length,
    };
  }

  for (const machine of ["pc", "q35"] as const) {
    test(`by messages on ${machine}, and reads no ISR status`, async () => {
      const { messages, lines, isrReads } = await count({ machine });
      assert.ok(messages > 0, `${messages} messages`);
      assert.equal(lines, 0);
      assert.equal(isrReads, 0);
    });
  }

  test("by messages of modern devices", async () => {
    const { messages, lines } = await count({ machine: "pc", isModern: true });
    assert.ok(messages > 0, `${messages} messages`);
    assert.equal(lines, 0);
  });

  test("by lines of modern devices", async () => {
    const { messages, lines } = await count({ machine: "pc", isModern: true, interrupts: "intx" });
    assert.equal(messages, 0);
    assert.ok(lines > 0, `${lines} interrupts`);
  });

  test("by lines where the command line says so, and reads the ISR status of each", async () => {
    const { messages, lines, isrReads } = await count({ machine: "pc", interrupts: "intx" });
    assert.equal(messages, 0);
    assert.ok(lines > 0, `${lines} interrupts`);
    assert.ok(isrReads >= lines, `${isrReads} reads`);
  });

  test("by lines where devices have no messages", async () => {
    const { messages, lines } = await count({ machine: "pc", parameters: ["-global", "virtio-pci.vectors=0"] });
    assert.equal(messages, 0);
    assert.ok(lines > 0, `${lines} interrupts`);
  });
});
