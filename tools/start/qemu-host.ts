/** QEMU's own devices for a run: a network card on its user network, and a disk. */

import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { FoundQemu } from "../../kernel-shim/qemu/find-qemu.js";
import type { Board, BlockDevice, NetDevice, QemuDevice } from "../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../kernel-shim/qemu/qemu-machine.js";
import type { DiskFile } from "./files.js";
import type { Host } from "./host.js";

/** Vectors of each device: one for its configuration, one for each queue that the driver uses. */
const VECTORS = 4;

/** What QEMU is to be. */
export interface QemuChoice {
  readonly program: FoundQemu;
  readonly machine: Board;
  /** Devices have no legacy interface, and interrupt by messages where they can. On q35 they are behind root ports. */
  readonly isModern: boolean;
}

/** Starts QEMU. Throws `QemuError` when it does not start. */
export function startQemu(
  { program, machine: board, isModern }: QemuChoice,
  disk: DiskFile | null,
  temporaryDiskBytes: number,
  capture: string | null,
): Host {
  const image = disk === null ? new TemporaryImage(temporaryDiskBytes) : null;
  const card: NetDevice = { kind: "net", backend: { type: "user" } };
  if (capture !== null) {
    card.capture = capture;
  }
  const block: BlockDevice = {
    kind: "block",
    file: image?.file ?? disk?.path ?? "",
    readOnly: disk?.isWritable === false,
    serial: "virtio-wasm",
    driveProperties: { format: disk?.format ?? "raw" },
  };
  const devices = [card, block];
  try {
    const machine = new QemuMachine({
      program: program.path,
      machine: board,
      ...(isModern ? { virtio: "modern" } : {}),
      devices: isModern && board === "q35" ? behindRootPorts(devices) : devices,
    });
    const hasPci = board !== "microvm";
    return {
      machine,
      hasPci,
      vectors: isModern && hasPci ? VECTORS : 0,
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

/** Each behind a PCI Express root port of its own. */
function behindRootPorts(devices: readonly (BlockDevice | NetDevice)[]): QemuDevice[] {
  return devices.flatMap((device, index): QemuDevice[] => {
    const bus = `port${index + 1}`;
    return [
      { kind: "raw", device: `pcie-root-port,id=${bus},bus=pcie.0,chassis=${index + 1}` },
      { ...device, bus },
    ];
  });
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
