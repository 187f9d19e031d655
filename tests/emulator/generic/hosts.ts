/** Hosts that show a device each in another way, and a machine of theirs whose device is opened as a generic one. */

import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import type { ProfileName } from "../../../kernel-shim/emulated-pc/profiles.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { isMmio, type Transport as ShownTransport } from "../../../kernel-shim/emulated-pc/virtio/transport.js";
import {
  Transport,
  TransportWanted,
  type GenericDevice,
  type GenericOptions,
  type VirtioStack,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { Build } from "../../../kernel-shim/machine.js";

export const builds: readonly Build[] = ["mapped", "ported"];

export interface Host {
  readonly name: string;
  readonly profile: ProfileName;
  /** The profile's unless given. */
  readonly shown?: ShownTransport;
  readonly wanted?: TransportWanted;
  readonly vectors?: number;
  /** How the stack reaches it. */
  readonly transport: Transport;
}

export const hosts: readonly Host[] = [
  { name: "legacy PCI", profile: "qemu", transport: Transport.LEGACY_PCI },
  { name: "legacy PCI without features", profile: "minimal", transport: Transport.LEGACY_PCI },
  { name: "legacy PCI with message vectors", profile: "gcp", vectors: 3, transport: Transport.LEGACY_PCI },
  { name: "transitional PCI", profile: "qemu-transitional", transport: Transport.MODERN_PCI_MEMORY },
  {
    name: "transitional PCI as legacy",
    profile: "qemu-transitional",
    wanted: TransportWanted.LEGACY_PCI,
    transport: Transport.LEGACY_PCI,
  },
  {
    name: "modern PCI in memory with message vectors",
    profile: "cloud-hypervisor",
    vectors: 3,
    transport: Transport.MODERN_PCI_MEMORY,
  },
  { name: "modern PCI in ports", profile: "v86", transport: Transport.MODERN_PCI_PORTS },
  {
    name: "modern PCI by configuration space",
    profile: "qemu-modern",
    shown: "modern-window",
    wanted: TransportWanted.MODERN_PCI,
    transport: Transport.MODERN_PCI_WINDOW,
  },
  { name: "MMIO 1", profile: "microvm-1", transport: Transport.MMIO_1 },
  { name: "MMIO 2", profile: "microvm-2", transport: Transport.MMIO_2 },
];

export const legacyHost: Host = { name: "", profile: "qemu", transport: Transport.LEGACY_PCI };
export const modernHost: Host = { name: "", profile: "qemu-modern", transport: Transport.MODERN_PCI_MEMORY };

export interface GenericMachine {
  readonly machine: EmulatedPc;
  readonly stack: VirtioStack;
  readonly address: number;
  /** Opens the device. */
  readonly open: (options?: Partial<GenericOptions>) => GenericDevice;
}

/** A machine with one device, which is not open yet. */
export function machineWith(build: Build, host: Host, emulated: VirtioDevice): GenericMachine {
  const { profile, shown, wanted, vectors } = host;
  const shownAs = shown === undefined ? {} : { transport: shown };
  const machine = new EmulatedPc({ build, profile, completion: "deferred", devices: [emulated], ...shownAs });
  const stack = loadStack(machine);
  if (isMmio(machine.transportOf(emulated))) {
    const { base, bytes } = machine.slotOf(emulated);
    const slot = { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes };
    const address = Number(base);
    return { machine, stack, address, open: (options) => stack.openGeneric(address, { ...slot, ...options }) };
  }
  stack.scan();
  const address = machine.addressOf(emulated);
  const given = {
    ...(wanted === undefined ? {} : { transport: wanted }),
    ...(vectors === undefined ? {} : { vectors }),
  };
  return { machine, stack, address, open: (options) => stack.openGeneric(address, { ...given, ...options }) };
}
