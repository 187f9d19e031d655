/**
 * What PCI classes, vendors and devices are called: the words of `lspci`, from the part of `pci.ids` about classes and
 * what virtual machines are made of. Everything else is shown by its numbers.
 */

import { readFileSync } from "node:fs";
import { parsePciIds } from "./pci-ids.js";

const { classes, subclasses, vendors, devices } = parsePciIds(
  readFileSync(new URL("virtual-machines.pci.ids", import.meta.url), "utf8"),
);

/** `classCode` has base class, subclass and programming interface. */
export function className(classCode: number): string {
  const code = `[${(classCode >> 8).toString(16).padStart(4, "0")}]`;
  return subclasses.get(classCode >> 8) ?? `${classes.get(classCode >> 16) ?? "Class"} ${code}`;
}

export function vendorName(vendor: number): string | null {
  return vendors.get(vendor) ?? null;
}

export function deviceName(vendor: number, device: number): string | null {
  return devices.get(vendor * 0x1_0000 + device) ?? null;
}
