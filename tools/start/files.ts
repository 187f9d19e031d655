/** The files that the command line names, checked without changing any. */

import { accessSync, closeSync, constants, openSync, statSync, type Stats } from "node:fs";
import path from "node:path";
import { SECTOR_BYTES } from "../../kernel-shim/javascript/index.js";
import { CommandError } from "../command/command-error.js";
import { userPath } from "../user-path.js";
import { imageFormat, type ImageFormat } from "./image-format.js";

/** A disk image. */
export interface DiskFile {
  /** Absolute. */
  path: string;
  format: ImageFormat;
  /** Whether its contents may be changed. */
  isWritable: boolean;
}

/** A file that frames are captured in. */
export interface CaptureFile {
  /** Absolute. */
  path: string;
  /** Whether somebody reads it while it is written. */
  isFifo: boolean;
}

export interface DiskRules {
  /** Whether its contents may be changed. */
  isWritable: boolean;
  /** Whether images that are containers are opened as such; they are refused otherwise. */
  takesContainers: boolean;
  /** Whether the image is a disk's raw contents, whatever these begin with. */
  isRaw: boolean;
}

/** Checks that `name` can be a disk. Throws `CommandError`. */
export function checkDiskFile(name: string, { isWritable, takesContainers, isRaw }: DiskRules): DiskFile {
  const file = absolute(name);
  const found = stat(file);
  if (found === null) {
    throw new CommandError(`there is no file ${file}; give --disk the name of a disk image`);
  }
  if (found.isDirectory()) {
    throw new CommandError(`${file} is a directory; give --disk the name of a disk image`);
  }
  if (!found.isFile()) {
    throw new CommandError(`${file} is no ordinary file; copy its contents into one and give --disk that`);
  }
  if (found.size === 0) {
    throw new CommandError(`${file} is empty; a disk has at least one sector of ${SECTOR_BYTES} bytes`);
  }
  tryToOpen(file, "r", "make it readable");
  const format = isRaw ? "raw" : imageFormat(file);
  if (format !== "raw" && !takesContainers) {
    throw new CommandError(
      `${file} is a ${format} image, and the emulated PC takes raw ones; ` +
        `make one with: qemu-img convert -O raw IMAGE RAW, or add --qemu (or --raw, if it is raw after all)`,
    );
  }
  if (format === "raw" && found.size % SECTOR_BYTES !== 0) {
    const larger = Math.ceil(found.size / SECTOR_BYTES) * SECTOR_BYTES;
    throw new CommandError(
      `${file} has ${found.size} bytes, no whole number of ${SECTOR_BYTES}-byte sectors; ` +
        `extend a copy of it with: truncate -s ${larger} FILE`,
    );
  }
  if (isWritable) tryToOpen(file, "r+", "leave out --write to only read it");
  return { path: file, format, isWritable };
}

/**
 * Checks that something can be written to `name`, which must not be the disk. Throws `CommandError`.
 *
 * @param option that names the file
 */
export function checkOutputFile(name: string, option: string, disk: DiskFile | null): CaptureFile {
  const file = absolute(name);
  const found = stat(file);
  if (found === null) {
    checkFolder(file, option);
    return { path: file, isFifo: false };
  }
  if (found.isDirectory()) {
    throw new CommandError(`${file} is a directory; give ${option} the name of a file`);
  }
  const image = disk === null ? null : stat(disk.path);
  if (image?.dev === found.dev && image.ino === found.ino) {
    throw new CommandError(`${option} would overwrite the disk image ${file}; give it another name`);
  }
  // Whoever waits at the other end of a FIFO would take this opening for all there is.
  if (!found.isFIFO()) tryToOpen(file, "r+", `give ${option} another name`);
  return { path: file, isFifo: found.isFIFO() };
}

function checkFolder(file: string, option: string): void {
  const folder = path.dirname(file);
  if (stat(folder)?.isDirectory() !== true) {
    throw new CommandError(`there is no folder ${folder}; make it, or give ${option} another name`);
  }
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch {
    throw new CommandError(`nothing can be written to ${folder}; give ${option} another name`);
  }
}

/** Opens and closes: what access rights say is not the whole truth on every file system. */
function tryToOpen(file: string, flags: "r" | "r+", remedy: string): void {
  try {
    closeSync(openSync(file, flags));
  } catch (error) {
    const verb = flags === "r" ? "read" : "written";
    throw new CommandError(`${file} cannot be ${verb} (${errorCode(error)}); ${remedy}`);
  }
}

function absolute(name: string): string {
  return userPath("start", name);
}

function stat(file: string): Stats | null {
  try {
    return statSync(file);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") {
      return null;
    }
    throw new CommandError(`${file} cannot be looked at (${code}); give the name of another file`);
  }
}

function errorCode(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
