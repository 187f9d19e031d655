/** The hosts that the emulated PC can be, by name. */
import * as legacy from "./profiles/legacy.js";
import * as mmio from "./profiles/mmio.js";
import * as modern from "./profiles/modern.js";
import type { Profile } from "./profiles/profile.js";

export type { BlockProfile, NetProfile, Profile } from "./profiles/profile.js";

export const profiles = {
  qemu: legacy.qemu,
  virtualbox: legacy.virtualbox,
  bhyve: legacy.bhyve,
  large: legacy.large,
  minimal: legacy.minimal,
  "qemu-transitional": modern.qemuTransitional,
  "qemu-modern": modern.qemuModern,
  "qemu-port-notify": modern.qemuPortNotify,
  "virtualbox-7": modern.virtualbox7,
  crosvm: modern.crosvm,
  "cloud-hypervisor": modern.cloudHypervisor,
  firecracker: modern.firecracker,
  "firecracker-mmio": mmio.firecrackerMmio,
  gcp: legacy.gcp,
  v86: modern.v86,
  "microvm-1": mmio.microvmLegacy,
  "microvm-2": mmio.microvmModern,
} as const satisfies Readonly<Record<string, Profile>>;

export type ProfileName = keyof typeof profiles;

export const profileNames = Object.keys(profiles) as readonly ProfileName[];

/** Hosts that need no more of a driver than legacy PCI. */
export const legacyProfileNames = profileNames.filter((name) => profiles[name].transport === "legacy");
