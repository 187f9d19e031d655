/**
 * Writes the archive that Linux unpacks as its first file system.
 * [Linux Documentation/driver-api/early-userspace/buffer-format.rst: "newc"]
 */

/** A file of the archive, or a folder if it has no contents. */
export interface Entry {
  /** Its path, without a leading slash. Folders come before what is in them. */
  readonly name: string;
  readonly contents?: Uint8Array;
  readonly isExecutable?: boolean;
}

const magic = "070701";
const trailerName = "TRAILER!!!";
const alignment = 4;

/** File types and permissions. [inode(7)] */
const regularFile = 0o100644;
const executableFile = 0o100755;
const folder = 0o040755;

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & (alignment - 1))]);
}

function record(inode: number, mode: number, links: number, name: string, contents: Uint8Array): Buffer {
  const nameBytes = Buffer.from(`${name}\0`);
  // inode, mode, user, group, links, time, size, device (two numbers), device of a special file (two), name, checksum
  const fields = [inode, mode, 0, 0, links, 0, contents.length, 0, 0, 0, 0, nameBytes.length, 0];
  const header = magic + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  return Buffer.concat([padded(Buffer.concat([Buffer.from(header), nameBytes])), padded(Buffer.from(contents))]);
}

/** The archive of these entries; everything in it is root's. */
export function writeInitramfs(entries: readonly Entry[]): Buffer {
  const records = entries.map(({ name, contents, isExecutable = false }, index) => {
    if (contents === undefined) return record(index + 1, folder, 2, name, Buffer.alloc(0));
    return record(index + 1, isExecutable ? executableFile : regularFile, 1, name, contents);
  });
  return Buffer.concat([...records, record(0, 0, 1, trailerName, Buffer.alloc(0))]);
}
