/** Measures how long it takes from QEMU's start to the first packet that a unikernel sends. */

import { createSocket } from "node:dgram";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TemporaryFolder } from "../command/cleanup.js";
import { BootedMachine, freePort, type BootOptions } from "./boot.js";

const diskBytes = 1024 * 1024;
const timeoutMilliseconds = 60_000;

export interface FirstPacket {
  /** Milliseconds of each boot, shortest first. */
  readonly milliseconds: readonly number[];
  /** What the last machine printed; of use where it ended without a packet. */
  readonly output: string;
}

/**
 * Boots a machine with a card and a disk several times. Each time is from before QEMU's process is made until its packet,
 * which asks for a lease, is received here. Ends early when a machine sends nothing.
 *
 * @param boots how often
 */
export async function measureFirstPacket(
  options: Pick<BootOptions, "image" | "machine" | "isModern" | "interrupts">,
  boots: number,
): Promise<FirstPacket> {
  const temporary = new TemporaryFolder("unikernel-");
  const wire = createSocket("udp4");
  try {
    await new Promise<void>((resolve) => wire.bind(0, "127.0.0.1", resolve));
    const disk = join(temporary.path, "disk.img");
    writeFileSync(disk, "");
    truncateSync(disk, diskBytes);
    const end = (name: string, port: number): string => `${name}.type=inet,${name}.host=127.0.0.1,${name}.port=${port}`;
    const milliseconds: number[] = [];
    let output = "";
    while (milliseconds.length < boots) {
      const card = `dgram,${end("local", await freePort())},${end("remote", wire.address().port)}`;
      const start = performance.now();
      const packet = new Promise<number>((resolve) => wire.once("message", () => resolve(performance.now() - start)));
      const settings = { commandLine: "file=file", cards: [card], disks: [disk], timeoutMilliseconds };
      const machine = new BootedMachine({ ...options, ...settings });
      const taken = await Promise.race([packet, machine.ended]);
      machine.kill();
      ({ output } = await machine.ended);
      if (typeof taken !== "number") break;
      milliseconds.push(taken);
    }
    return { milliseconds: milliseconds.sort((first, second) => first - second), output };
  } finally {
    wire.close();
    temporary.remove();
  }
}
