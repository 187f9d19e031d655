/**
 * What PCI classes, vendors and devices are called: the classes of a PC, and the devices that virtual machines are
 * made of. Everything else is shown by its numbers.
 */

/** By base class and subclass. [PCI Code and ID Assignment §1] */
const SUBCLASSES: Readonly<Record<number, string>> = {
  0x0100: "SCSI storage controller",
  0x0101: "IDE interface",
  0x0106: "SATA controller",
  0x0108: "Non-volatile memory controller",
  0x0200: "Ethernet controller",
  0x0300: "VGA compatible controller",
  0x0380: "Display controller",
  0x0403: "Audio device",
  0x0500: "RAM memory",
  0x0600: "Host bridge",
  0x0601: "ISA bridge",
  0x0604: "PCI bridge",
  0x0680: "Bridge",
  0x0700: "Serial controller",
  0x0780: "Communication controller",
  0x0880: "System peripheral",
  0x0c03: "USB controller",
  0x0c05: "SMBus",
};

/** By base class alone. */
const CLASSES: Readonly<Record<number, string>> = {
  0x00: "Unclassified device",
  0x01: "Mass storage controller",
  0x02: "Network controller",
  0x03: "Display controller",
  0x04: "Multimedia controller",
  0x05: "Memory controller",
  0x06: "Bridge",
  0x07: "Communication controller",
  0x08: "System peripheral",
  0x09: "Input device controller",
  0x0c: "Serial bus controller",
  0x0d: "Wireless controller",
  0x12: "Processing accelerator",
};

const VENDORS: Readonly<Record<number, string>> = {
  0x1022: "AMD",
  0x1234: "QEMU",
  0x15ad: "VMware",
  0x1af4: "Red Hat",
  0x1b36: "Red Hat",
  0x8086: "Intel",
  0x10ec: "Realtek",
  0x80ee: "InnoTek",
  0xfb5d: "bhyve",
};

/** By vendor × 65536 + device. */
const DEVICES: Readonly<Record<number, string>> = {
  0x10ec_8139: "RTL8139 Fast Ethernet",
  0x1234_1111: "VGA",
  0x1b36_0001: "QEMU PCI-PCI bridge",
  0x1b36_0008: "QEMU PCIe host bridge",
  0x1b36_000c: "QEMU PCIe root port",
  0x1b36_000d: "QEMU XHCI host controller",
  0x1b36_000e: "QEMU PCIe-PCI bridge",
  0x8086_100e: "82540EM Gigabit Ethernet controller",
  0x8086_1237: "82441FX (440FX)",
  0x8086_2448: "82801 PCI bridge",
  0x8086_244e: "82801 PCI bridge",
  0x8086_2918: "82801IB (ICH9) LPC controller",
  0x8086_2922: "82801IR (ICH9R) SATA controller",
  0x8086_2930: "82801I (ICH9) SMBus controller",
  0x8086_29c0: "82G33/P35 (Q35) DRAM controller",
  0x8086_7000: "82371SB (PIIX3) ISA",
  0x8086_7010: "82371SB (PIIX3) IDE",
  0x8086_7113: "82371AB (PIIX4) ACPI",
};

const VIRTIO_VENDOR = 0x1af4;
/** Modern devices carry their type in the device id, from here on. [virtio-1.2 §4.1.2.1] */
const FIRST_MODERN_DEVICE = 0x1040;

/** By virtio device type. [virtio-1.2 §5] */
const VIRTIO_TYPES: Readonly<Record<number, string>> = {
  1: "network card",
  2: "block device",
  3: "console",
  4: "entropy source",
  5: "memory balloon",
  8: "SCSI host",
  9: "9P transport",
  16: "GPU",
  18: "input device",
  19: "socket device",
};

export function className(classCode: number): string {
  return SUBCLASSES[classCode >> 8] ?? CLASSES[classCode >> 16] ?? "Device";
}

export function vendorName(vendor: number): string | null {
  return VENDORS[vendor] ?? null;
}

/** `virtioType` is 0 for what is no virtio device. */
export function deviceName(vendor: number, device: number, virtioType: number): string | null {
  if (vendor === VIRTIO_VENDOR && virtioType !== 0) {
    const generation = device >= FIRST_MODERN_DEVICE ? "virtio 1.0" : "virtio";
    return `${generation} ${VIRTIO_TYPES[virtioType] ?? `device of type ${virtioType}`}`;
  }
  return DEVICES[vendor * 0x1_0000 + device] ?? null;
}
