/** QEMU's own devices for a run: a network card on its user network, and a disk. */

import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { FoundQemu } from "../../kernel-shim/qemu/find-qemu.js";
import type { NetDevice } from "../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";
import type { DiskFile } from "./files.js";
import type { Host } from "./host.js";

/** Starts QEMU. Throws `QemuError` when it does not start. */
export function startQemu(
  program: FoundQemu,
  disk: DiskFile | null,
  temporaryDiskBytes: number,
  capture: string | null,
): Host {
  const image = disk === null ? new TemporaryImage(temporaryDiskBytes) : null;
  const card: NetDevice = { kind: "net", backend: { type: "user" } };
  if (capture !== null) {
    card.capture = capture;
  }
  try {
    const machine = new QemuMachine({
      program: program.path,
      devices: [
        card,
        {
          kind: "block",
          file: image?.file ?? disk?.path ?? "",
          readOnly: disk?.isWritable === false,
          serial: "virtio-wasm",
          driveProperties: { format: disk?.format ?? "raw" },
        },
      ],
    });
    return {
      machine,
      hasVirtualTime: false,
      complaints: () => {
        const refused = machine.refusals.map(
          ({ kind, address }) => `the driver tried a ${kind} at 0x${address.toString(16)}, which was not granted`,
        );
        const words = machine.stderr.trim();
        return words === "" ? refused : [...refused, `QEMU wrote: ${words.replaceAll(/\s*\n\s*/g, "; ")}`];
      },
      close: () => {
        machine.close();
      },
    };
  } finally {
    // QEMU has opened it, if it is ever going to; so nothing is left behind, however the run ends.
    image?.remove();
  }
}

/**
 * An empty disk image that only processes can reach: it has lost its name before QEMU opens it, so that nothing of it is
 * left whatever ends this process.
 */
class TemporaryImage {
  readonly file: string;
  private readonly folder = mkdtempSync(path.join(tmpdir(), "virtio-wasm-"));
  private readonly descriptor: number;

  constructor(bytes: number) {
    const named = path.join(this.folder, "disk.img");
    this.descriptor = openSync(named, "wx+");
    const nameless = `/proc/${process.pid}/fd/${this.descriptor}`;
    // Linux has such names; elsewhere the image is removed when QEMU has opened it.
    const isNameless = existsSync(nameless);
    if (isNameless) this.removeFolder();
    this.file = isNameless ? nameless : named;
    ftruncateSync(this.descriptor, bytes);
  }

  remove(): void {
    closeSync(this.descriptor);
    this.removeFolder();
  }

  private removeFolder(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
