/** Lets a unikernel fetch a file: QEMU serves it, a temporary disk takes it, and the disk is compared with the file. */

import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TemporaryFolder } from "../command/cleanup.js";
import { BootedMachine, freePort, sendDatagram, userNetwork, type BootOptions } from "./boot.js";

const mebibyte = 1024 * 1024;
const defaultFileBytes = 8 * mebibyte;
const timeoutMilliseconds = 120_000;
/** Ports that the netboot listens at. */
const stopPort = 8;

export interface Fetched {
  /** What the unikernel ended with; undefined when QEMU failed. */
  readonly status: number | undefined;
  readonly output: string;
  /** SHA-256 of the file, computed here. */
  readonly sha256: string;
  /** Whether the disk holds the file. */
  readonly isSame: boolean;
}

/**
 * Boots `image`, waits until it has fetched `file`, and tells it to stop. Leaves nothing behind, also when a signal ends
 * this process.
 *
 * @param machine what QEMU makes
 * @param file its path; undefined: random bytes
 * @param print is given what appears on the console, in whole lines
 */
export async function fetchFile(
  image: string,
  machine: Pick<BootOptions, "machine" | "isModern" | "interrupts">,
  file: string | undefined,
  print?: (lines: string) => void,
): Promise<Fetched> {
  const temporary = new TemporaryFolder("unikernel-");
  const folder = temporary.path;
  try {
    const served = join(folder, "file");
    if (file === undefined) writeFileSync(served, randomBytes(defaultFileBytes));
    else copyFileSync(file, served);
    const bytes = statSync(served).size;
    const disk = join(folder, "disk.img");
    writeFileSync(disk, "");
    truncateSync(disk, Math.ceil(bytes / mebibyte) * mebibyte + mebibyte);

    const port = await freePort();
    const booted = new BootedMachine({
      image,
      ...machine,
      commandLine: "file=file",
      cards: [userNetwork(folder, [{ host: port, machine: stopPort }])],
      disks: [disk],
      timeoutMilliseconds,
      ...(print === undefined ? {} : { print }),
    });
    // If it ends before, that is told by its status.
    await booted.shows("netboot: ready").then(
      () => sendDatagram(port, "stop"),
      () => undefined,
    );
    const { status, output } = await booted.ended;
    const contents = readFileSync(served);
    const isSame = readFileSync(disk).subarray(0, bytes).equals(contents);
    return { status, output, sha256: createHash("sha256").update(contents).digest("hex"), isSame };
  } finally {
    temporary.remove();
  }
}
