/**
 * The emulated PC for a run: a network card on a network with a router, and a disk, which is behind the PCI-to-PCI bridge
 * unless the host has another place for it.
 */

import { ImageFile } from "../../kernel-shim/emulated-pc/block/image-file.js";
import { BlockDevice } from "../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../kernel-shim/emulated-pc/machine.js";
import { CaptureBackend } from "../../kernel-shim/emulated-pc/net/capture.js";
import { NetDevice } from "../../kernel-shim/emulated-pc/net/device.js";
import { Responder } from "../../kernel-shim/emulated-pc/net/responder/responder.js";
import type { ProfileName } from "../../kernel-shim/emulated-pc/profiles.js";
import { describeViolation } from "../../kernel-shim/emulated-pc/violations.js";
import type { Build } from "../../kernel-shim/machine.js";
import type { DiskFile } from "./files.js";
import type { Host } from "./host.js";

/** Violations that are told in full; more of them say nothing new. */
const MOST_COMPLAINTS = 5;

/** Switches the machine on. Throws what opening the files throws. */
export function startEmulatedPc(
  profile: ProfileName,
  build: Build,
  disk: DiskFile | null,
  temporaryDiskBytes: number,
  capture: string | null,
): Host {
  const backEnd = disk === null ? new MemoryDisk(temporaryDiskBytes) : new ImageFile(disk.path, !disk.isWritable);
  // As on a real host, requests take their time and interrupt when they are done.
  const machine = new EmulatedPc({ profile, build, completion: "deferred" });
  const { hasInterruptPin, hasRootPorts = false, layout, messageVectors } = machine.profile;
  const bus = hasRootPorts ? undefined : machine.bridge?.bus;
  machine.addDevice(new BlockDevice({ backEnd, serial: "virtio-wasm" }), bus === undefined ? {} : { bus });
  const router = new Responder();
  const backend = capture === null ? router : new CaptureBackend(capture, router);
  machine.addDevice(new NetDevice({ backend }));
  return {
    machine,
    hasPci: layout !== "none",
    vectors: hasInterruptPin ? 0 : messageVectors,
    hasVirtualTime: true,
    complaints: () => {
      const told = machine.violations.slice(0, MOST_COMPLAINTS).map(describeViolation);
      const untold = machine.violationCount - told.length;
      return untold > 0 ? [...told, `and ${untold} more violations of the specification`] : told;
    },
    close: () => {
      machine.close();
    },
  };
}
