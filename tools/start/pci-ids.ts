/**
 * Reads lists in the format of `pci.ids`, the names that `lspci` shows: classes with their subclasses, vendors with their
 * devices. Subsystems and programming interfaces are left out.
 */

export interface PciIds {
  /** By base class. */
  readonly classes: ReadonlyMap<number, string>;
  /** By base class × 256 + subclass. */
  readonly subclasses: ReadonlyMap<number, string>;
  readonly vendors: ReadonlyMap<number, string>;
  /** By vendor × 65536 + device. */
  readonly devices: ReadonlyMap<number, string>;
}

const VENDOR = /^([0-9a-f]{4}) {2}(.+)$/;
const CLASS = /^C ([0-9a-f]{2}) {2}(.+)$/;
const BELOW = /^\t([0-9a-f]+) {2}(.+)$/;

/** Lines that are nothing of all that, comments among them, are passed over. */
export function parsePciIds(text: string): PciIds {
  const classes = new Map<number, string>();
  const subclasses = new Map<number, string>();
  const vendors = new Map<number, string>();
  const devices = new Map<number, string>();
  let below: { names: Map<number, string>; base: number } | null = null;
  for (const line of text.split("\n")) {
    const [, vendor, vendorName = ""] = VENDOR.exec(line) ?? [];
    const [, classCode, className = ""] = CLASS.exec(line) ?? [];
    const [, code, name = ""] = BELOW.exec(line) ?? [];
    if (vendor !== undefined) {
      const id = parseInt(vendor, 16);
      vendors.set(id, vendorName);
      below = { names: devices, base: id * 0x1_0000 };
    } else if (classCode !== undefined) {
      const id = parseInt(classCode, 16);
      classes.set(id, className);
      below = { names: subclasses, base: id * 0x100 };
    } else if (code !== undefined) {
      below?.names.set(below.base + parseInt(code, 16), name);
    }
  }
  return { classes, subclasses, vendors, devices };
}
