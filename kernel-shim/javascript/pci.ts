/** How people write the address of a PCI function. */

/** `bus:device.function` in hexadecimal, as `lspci` writes it. */
export function formatPciAddress(address: number): string {
  const bus = (address >> 8).toString(16).padStart(2, "0");
  const device = ((address >> 3) & 0x1f).toString(16).padStart(2, "0");
  return `${bus}:${device}.${address & 7}`;
}
