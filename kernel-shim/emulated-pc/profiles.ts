/** The hosts that the emulated PC can be, by name. */
import * as further from "./profiles/further.js";
import { bhyve, large, minimal, qemu, virtualbox } from "./profiles/legacy.js";
import type { Profile } from "./profiles/profile.js";

export type { BlockProfile, NetProfile, Profile } from "./profiles/profile.js";

/** Hosts that need no more of a driver than legacy PCI and an interrupt line. */
export const profiles = { qemu, virtualbox, bhyve, large, minimal } as const;

export type ProfileName = keyof typeof profiles;

export const profileNames = Object.keys(profiles) as readonly ProfileName[];

/** Hosts that need modern PCI, memory-mapped devices, or messages of a driver, or offer them beside legacy PCI. */
export const furtherProfiles = {
  "qemu-transitional": further.qemuTransitional,
  "qemu-modern": further.qemuModern,
  "qemu-port-notify": further.qemuPortNotify,
  "virtualbox-7": further.virtualbox7,
  crosvm: further.crosvm,
  "cloud-hypervisor": further.cloudHypervisor,
  firecracker: further.firecracker,
  "firecracker-mmio": further.firecrackerMmio,
  gcp: further.gcp,
  v86: further.v86,
  "microvm-1": further.microvmLegacy,
  "microvm-2": further.microvmModern,
} as const;

export type FurtherProfileName = keyof typeof furtherProfiles;

export const furtherProfileNames = Object.keys(furtherProfiles) as readonly FurtherProfileName[];

/** The profile of that name. */
export function profileOf(name: ProfileName | FurtherProfileName): Profile {
  return { ...profiles, ...furtherProfiles }[name];
}
