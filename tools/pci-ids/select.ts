/** Chooses from `pci.ids` what virtual machines are made of: all of it would be a thousand times as much. */

/** Who makes nothing, or nothing much, but devices of virtual machines. */
const WHOLE_VENDORS = [
  "1234", // QEMU's own display
  "1275", // bhyve's host bridge
  "1414", // Hyper-V
  "15ad", // VMware
  "1ae0", // Google
  "1af4", // virtio
  "1b36", // QEMU
  "1d0f", // Amazon
  "5853", // Xen
  "80ee", // VirtualBox
  "fb5d", // bhyve
];

/** Of other vendors, the devices that virtual machines imitate. */
const DEVICES: Readonly<Record<string, readonly string[]>> = {
  "1000": ["0012", "0030", "0054", "005b", "0060"],
  "1013": ["00b8"],
  "1022": ["2000", "2020", "7450"],
  "1033": ["0194"],
  "106b": ["003f"],
  "10ec": ["8029", "8139", "8168"],
  "8086": [
    ...["0d58", "1004", "100e", "100f", "10c9", "10d3", "1209", "1229", "1237", "2415", "2448", "244e", "2668", "27b9"],
    ...["2829", "2918", "2922", "2930", "2934", "2935", "2936", "2937", "2938", "2939", "293a", "293c", "293e", "29c0"],
    ...["265c", "3420", "5845", "7000", "7010", "7020", "7110", "7111", "7112", "7113", "7190", "7191", "7192"],
  ],
};

/** The head of the file with its licence, and the chosen lines, without subsystems and programming interfaces. */
export function selectPciIds(text: string): string {
  const lines = text.split("\n");
  const head = lines.slice(0, lines.indexOf(""));
  const chosen: string[] = [];
  /** Of the vendor that the lines belong to: undefined: none; null: all. */
  let wanted: readonly string[] | null | undefined;
  for (const line of lines) {
    const [, vendor] = /^([0-9a-f]{4}) {2}/.exec(line) ?? [];
    const [, device] = /^\t([0-9a-f]+) {2}/.exec(line) ?? [];
    if (vendor !== undefined) wanted = WHOLE_VENDORS.includes(vendor) ? null : DEVICES[vendor];
    else if (line.startsWith("C ")) wanted = null;
    else if (device === undefined || (wanted !== null && wanted?.includes(device) !== true)) continue;
    if (wanted !== undefined) chosen.push(line);
  }
  const note = ["# What virtual machines are made of, chosen by tools/pci-ids/main.ts.", "#"];
  return [...note, ...head, "", ...chosen, ""].join("\n");
}
