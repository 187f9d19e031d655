/** Tells disk images that are containers, with a header and a map of their own, from raw ones. */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** A format of disk images, in QEMU's words. */
export type ImageFormat = "raw" | "qcow" | "qcow2" | "qed" | "vmdk" | "vdi" | "vhdx" | "vpc" | "parallels" | "dmg";

interface Mark {
  readonly format: ImageFormat;
  readonly bytes: string;
  /** Where the bytes are; below 0: counted from the end of the file. */
  readonly offset: number;
}

/** What a file of each format begins or ends with. */
const MARKS: readonly Mark[] = [
  { format: "qcow", bytes: "QFI\xfb\0\0\0\x01", offset: 0 },
  { format: "qcow2", bytes: "QFI\xfb", offset: 0 },
  { format: "qed", bytes: "QED\0", offset: 0 },
  { format: "vmdk", bytes: "KDMV", offset: 0 },
  { format: "vmdk", bytes: "COWD", offset: 0 },
  { format: "vmdk", bytes: "# Disk DescriptorFile", offset: 0 },
  { format: "vdi", bytes: "\x7f\x10\xda\xbe", offset: 0x40 },
  { format: "vhdx", bytes: "vhdxfile", offset: 0 },
  { format: "vpc", bytes: "conectix", offset: 0 },
  // A disk of a fixed size has nothing but a footer.
  { format: "vpc", bytes: "conectix", offset: -512 },
  { format: "parallels", bytes: "WithoutFreeSpace", offset: 0 },
  { format: "parallels", bytes: "WithouFreSpacExt", offset: 0 },
  { format: "dmg", bytes: "koly", offset: -512 },
];

/** The format of an image by its marks: "raw" when it has none. Throws what opening and reading throw. */
export function imageFormat(file: string): ImageFormat {
  const descriptor = openSync(file, "r");
  try {
    const { size } = fstatSync(descriptor);
    const isThere = ({ bytes, offset }: Mark): boolean => {
      const found = Buffer.alloc(bytes.length);
      const position = offset < 0 ? size + offset : offset;
      return position >= 0 && readSync(descriptor, found, 0, found.length, position) === found.length
        ? found.equals(Buffer.from(bytes, "latin1"))
        : false;
    };
    return MARKS.find(isThere)?.format ?? "raw";
  } finally {
    closeSync(descriptor);
  }
}
