/** The files that the command line names, checked without changing any. */

import { accessSync, closeSync, constants, openSync, statSync, type Stats } from "node:fs";
import path from "node:path";
import { SECTOR_BYTES } from "../../kernel-shim/javascript/index.js";
import { UsageError } from "./usage-error.js";

/** A raw disk image. */
export interface DiskFile {
  /** Absolute. */
  path: string;
  bytes: number;
  /** Whether its contents may be changed. */
  isWritable: boolean;
}

/** Checks that `name` can be a disk. Throws `UsageError`. */
export function checkDiskFile(name: string, isWritable: boolean): DiskFile {
  const file = resolve(name);
  const found = stat(file);
  if (found === null) {
    throw new UsageError(`there is no file ${file}; give --disk the name of a raw disk image`);
  }
  if (found.isDirectory()) {
    throw new UsageError(`${file} is a directory; give --disk the name of a raw disk image`);
  }
  if (!found.isFile()) {
    throw new UsageError(`${file} is no ordinary file; copy its contents into one and give --disk that`);
  }
  if (found.size === 0) {
    throw new UsageError(`${file} is empty; a disk has at least one sector of ${SECTOR_BYTES} bytes`);
  }
  if (found.size % SECTOR_BYTES !== 0) {
    const larger = Math.ceil(found.size / SECTOR_BYTES) * SECTOR_BYTES;
    throw new UsageError(
      `${file} has ${found.size} bytes, no whole number of ${SECTOR_BYTES}-byte sectors; ` +
        `extend a copy of it with: truncate -s ${larger} FILE`,
    );
  }
  tryToOpen(file, isWritable ? "r+" : "r", isWritable ? "leave out --write to only read it" : "make it readable");
  return { path: file, bytes: found.size, isWritable };
}

/** Checks that a capture can be written to `name`, which must not be the disk. Throws `UsageError`. */
export function checkCaptureFile(name: string, disk: DiskFile | null): string {
  const file = resolve(name);
  const found = stat(file);
  if (found === null) {
    checkFolder(file);
    return file;
  }
  if (found.isDirectory()) {
    throw new UsageError(`${file} is a directory; give --pcap the name of a file`);
  }
  const image = disk === null ? null : stat(disk.path);
  if (image?.dev === found.dev && image.ino === found.ino) {
    throw new UsageError(`--pcap would overwrite the disk image ${file}; give it another name`);
  }
  tryToOpen(file, "r+", "give --pcap another name");
  return file;
}

function checkFolder(file: string): void {
  const folder = path.dirname(file);
  if (stat(folder)?.isDirectory() !== true) {
    throw new UsageError(`there is no folder ${folder}; make it, or give --pcap another name`);
  }
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch {
    throw new UsageError(`nothing can be written to ${folder}; give --pcap another name`);
  }
}

/** Opens and closes: what access rights say is not the whole truth on every file system. */
function tryToOpen(file: string, flags: "r" | "r+", remedy: string): void {
  try {
    closeSync(openSync(file, flags));
  } catch (error) {
    const verb = flags === "r" ? "read" : "written";
    throw new UsageError(`${file} cannot be ${verb} (${errorCode(error)}); ${remedy}`);
  }
}

/** npm runs its scripts in the project's folder, and says where the person was who called it. */
function resolve(name: string): string {
  const { npm_lifecycle_event: script, INIT_CWD: origin } = process.env;
  return script === "start" && origin !== undefined ? path.resolve(origin, name) : path.resolve(name);
}

function stat(file: string): Stats | null {
  try {
    return statSync(file);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") {
      return null;
    }
    throw new UsageError(`${file} cannot be looked at (${code}); give the name of another file`);
  }
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
