/** The ways in which a machine can show one and the same device. [virtio-1.2 §4.1, §4.2] */
import type { Profile } from "../profiles.js";
import type { DriverInterface } from "./device.js";
import { type ModernLayout, qemuLayout, v86Layout } from "./modern-layout.js";

/**
 * - `legacy`: PCI, legacy registers in an I/O base address.
 * - `transitional`: PCI, legacy registers, and the modern ones in memory.
 * - `modern-io`: PCI, modern registers in I/O base addresses.
 * - `modern-memory`: PCI, modern registers in memory.
 * - `modern-window`: the same, but firmware assigns no base address: only the configuration window is left.
 * - `mmio-1`, `mmio-2`: memory-mapped, with that version of the registers.
 */
export type PciTransport = "legacy" | "transitional" | "modern-io" | "modern-memory" | "modern-window";
export type MmioTransport = "mmio-1" | "mmio-2";
export type Transport = PciTransport | MmioTransport;

export function isMmio(transport: Transport): transport is MmioTransport {
  return transport === "mmio-1" || transport === "mmio-2";
}

/** The interfaces that a transport has, first the one that is in use after a reset. */
export function interfacesOf(transport: Transport): readonly [DriverInterface, ...DriverInterface[]] {
  if (transport === "transitional") return ["legacy", "modern"];
  return transport === "legacy" || transport === "mmio-1" ? ["legacy"] : ["modern"];
}

/** Where the modern registers are, as the host has it if that fits the transport; null without any. */
export function modernLayoutOf(transport: PciTransport, { modernLayout }: Profile): ModernLayout | null {
  if (transport === "legacy") return null;
  const wantsPorts = transport === "modern-io";
  const isFitting =
    modernLayout !== undefined &&
    isInPorts(modernLayout) === wantsPorts &&
    (transport !== "transitional" || modernLayout.bars.every(({ index }) => index !== 0));
  if (isFitting) return modernLayout;
  return wantsPorts ? v86Layout : qemuLayout;
}

function isInPorts({ bars, common }: ModernLayout): boolean {
  return bars.find(({ index }) => index === common.bar)?.kind === "io";
}
