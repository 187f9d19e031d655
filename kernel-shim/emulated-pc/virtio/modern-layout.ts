/** Where hosts put the registers of modern PCI devices. [virtio-1.2 §4.1.4] */
import type { MsixPlace } from "../pci/msix.js";

/** A stretch of a base address, as a capability describes it. */
export interface RegionPlace {
  readonly bar: number;
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

export interface NotifyPlace extends RegionPlace {
  /** notify_off_multiplier: queue n is notified of at n × multiplier. */
  readonly multiplier: number;
}

export interface ModernBar {
  readonly index: number;
  readonly kind: "io" | "memory" | "memory64";
  /** Bytes, a power of two. */
  readonly size: number;
  readonly isPrefetchable?: boolean;
}

export interface ModernLayout {
  readonly bars: readonly ModernBar[];
  readonly common: RegionPlace;
  readonly isr: RegionPlace;
  /** As long as the device's configuration at least. */
  readonly device: RegionPlace;
  /** In the host's order of preference. */
  readonly notify: readonly [NotifyPlace, ...NotifyPlace[]];
  /** Where message vectors are, if the host has any. */
  readonly msix: MsixPlace;
  /** What the configuration window leads to: everything, everything but notifications, or nothing. */
  readonly window: "everything" | "no notifications" | "nothing";
}

/** Without queue_notify_data and queue_reset, which not all hosts have. */
export const SHORT_COMMON_BYTES = 56;

/** QEMU: everything in BAR 4, MSI-X in BAR 1, which leaves BAR 0 for the legacy registers. */
export const qemuLayout: ModernLayout = {
  bars: [
    { index: 1, kind: "memory", size: 0x1000 },
    { index: 4, kind: "memory64", size: 0x4000, isPrefetchable: true },
  ],
  common: { bar: 4, offset: 0, length: 0x1000 },
  isr: { bar: 4, offset: 0x1000, length: 0x1000 },
  device: { bar: 4, offset: 0x2000, length: 0x1000 },
  notify: [{ bar: 4, offset: 0x3000, length: 0x1000, multiplier: 4 }],
  msix: { bar: 1, table: 0, pendingBits: 0x800 },
  window: "everything",
};

/** QEMU with `modern-pio-notify=on`: notifications by one port first. */
export const qemuPortNotifyLayout: ModernLayout = {
  ...qemuLayout,
  bars: [...qemuLayout.bars, { index: 2, kind: "io", size: 4 }],
  notify: [{ bar: 2, offset: 0, length: 4, multiplier: 0 }, ...qemuLayout.notify],
};

/** v86: an I/O base address for each structure, and no MSI-X. */
export const v86Layout: ModernLayout = {
  bars: [
    { index: 0, kind: "io", size: 64 },
    { index: 1, kind: "io", size: 16 },
    { index: 2, kind: "io", size: 16 },
    { index: 3, kind: "io", size: 128 },
    { index: 4, kind: "memory", size: 0x1000 },
  ],
  common: { bar: 0, offset: 0, length: 64 },
  notify: [{ bar: 1, offset: 0, length: 16, multiplier: 2 }],
  isr: { bar: 2, offset: 0, length: 1 },
  device: { bar: 3, offset: 0, length: 128 },
  msix: { bar: 4, table: 0, pendingBits: 0x800 },
  window: "nothing",
};

/** VirtualBox 7: all in BAR 2, notifications 2 bytes apart. */
export const virtualboxLayout: ModernLayout = {
  bars: [
    { index: 1, kind: "memory", size: 0x1000 },
    { index: 2, kind: "memory", size: 0x1000 },
  ],
  notify: [{ bar: 2, offset: 0, length: 64, multiplier: 2 }],
  common: { bar: 2, offset: 0x40, length: SHORT_COMMON_BYTES },
  isr: { bar: 2, offset: 0x78, length: 1 },
  device: { bar: 2, offset: 0x80, length: 0x100 },
  msix: { bar: 1, table: 0, pendingBits: 0x800 },
  window: "everything",
};

export const crosvmLayout: ModernLayout = {
  bars: [{ index: 0, kind: "memory64", size: 0x8000 }],
  common: { bar: 0, offset: 0, length: SHORT_COMMON_BYTES },
  isr: { bar: 0, offset: 0x1000, length: 1 },
  device: { bar: 0, offset: 0x2000, length: 0x1000 },
  notify: [{ bar: 0, offset: 0x3000, length: 0x1000, multiplier: 4 }],
  msix: { bar: 0, table: 0x6000, pendingBits: 0x7000 },
  window: "nothing",
};

export const cloudHypervisorLayout: ModernLayout = {
  bars: [{ index: 0, kind: "memory64", size: 0x8_0000 }],
  common: { bar: 0, offset: 0, length: SHORT_COMMON_BYTES },
  isr: { bar: 0, offset: 0x2000, length: 1 },
  device: { bar: 0, offset: 0x4000, length: 0x1000 },
  notify: [{ bar: 0, offset: 0x6000, length: 0x1000, multiplier: 4 }],
  msix: { bar: 0, table: 0x8000, pendingBits: 0x4_8000 },
  window: "everything",
};

/** That of Cloud Hypervisor, where notifications through the window are lost. */
export const firecrackerLayout: ModernLayout = { ...cloudHypervisorLayout, window: "no notifications" };
