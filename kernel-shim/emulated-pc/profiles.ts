/** The hosts that the emulated PC can be, by name. */
import { bhyve, gcp, large, minimal, qemu, virtualbox } from "./profiles/legacy.js";
import * as mmio from "./profiles/mmio.js";
import * as modern from "./profiles/modern.js";
import type { Profile } from "./profiles/profile.js";

export type { BlockProfile, NetProfile, Profile } from "./profiles/profile.js";

/** Hosts that need no more of a driver than legacy PCI and an interrupt line. */
export const profiles = { qemu, virtualbox, bhyve, large, minimal } as const;

export type ProfileName = keyof typeof profiles;

export const profileNames = Object.keys(profiles) as readonly ProfileName[];

/** Hosts that need modern PCI, memory-mapped devices, or messages of a driver, or offer them beside legacy PCI. */
export const furtherProfiles = {
  "qemu-transitional": modern.qemuTransitional,
  "qemu-modern": modern.qemuModern,
  "qemu-port-notify": modern.qemuPortNotify,
  "virtualbox-7": modern.virtualbox7,
  crosvm: modern.crosvm,
  "cloud-hypervisor": modern.cloudHypervisor,
  firecracker: modern.firecracker,
  "firecracker-mmio": mmio.firecrackerMmio,
  gcp,
  v86: modern.v86,
  "microvm-1": mmio.microvmLegacy,
  "microvm-2": mmio.microvmModern,
} as const;

export type FurtherProfileName = keyof typeof furtherProfiles;

export const furtherProfileNames = Object.keys(furtherProfiles) as readonly FurtherProfileName[];

/** The profile of that name. */
export function profileOf(name: ProfileName | FurtherProfileName): Profile {
  return { ...profiles, ...furtherProfiles }[name];
}
