/**
 * Disks whose image fails on purpose: QEMU's `blkdebug` driver between the device and the file, and what QEMU shall do
 * with errors. [QEMU, docs/devel/blkdebug.rst]
 */

import type { BlockDevice, Properties } from "../../../kernel-shim/qemu/options.js";
import type { Case } from "../../cases/context.js";
import { runCases } from "../../cases/run.js";
import { QemuGround } from "../ground.js";

/** Numbers of Linux for what a host's file can answer. */
export const HOST_ERRORS = { EIO: 5, ENOSPC: 28 } as const;

/** One rule: at an event of QEMU's block layer, requests of one kind begin to fail. */
export interface InjectedError {
  /** Of QEMU's block layer; "none": from the start. */
  event: "none" | "read_aio" | "write_aio" | "flush_to_disk";
  iotype: "read" | "write" | "flush";
  errno: number;
  /** The first request alone. */
  once?: boolean;
  /** Requests that include this sector; all when left out. */
  sector?: number;
}

export interface Faults {
  errors?: readonly InjectedError[];
  /** Bytes that the image takes at once: QEMU cuts longer requests. */
  largestTransfer?: number;
  /** Further properties of the device. */
  properties?: Properties;
}

function withFaults({ file, ...device }: BlockDevice, faults: Faults): BlockDevice {
  const image = {
    driver: "blkdebug",
    image: { driver: "file", filename: file },
    ...(faults.errors && { "inject-error": faults.errors }),
    ...(faults.largestTransfer && { "max-transfer": faults.largestTransfer }),
  };
  return {
    ...device,
    source: `json:${JSON.stringify({ driver: "raw", file: image })}`,
    properties: {
      ...device.properties,
      // The driver is told; otherwise QEMU stops the machine when the host has no space.
      rerror: "report",
      werror: "report",
      // Merged into one, requests would share each other's errors.
      "request-merging": false,
      ...faults.properties,
    },
  };
}

let grounds = 0;

/** Registers a case as a test, on a machine of its own. */
export function runWithFaults(faults: Faults, each: Case): void {
  const machine = grounds++ % 2 === 0 ? "pc" : "q35";
  const changes = { disk: (device: BlockDevice) => withFaults(device, faults) };
  runCases(new QemuGround(`QEMU ${machine}, an image that fails`, { machine }, 1, changes), { errors: [each] });
}
