/** What the tests of the unikernel share: images, temporary folders, files of random bytes. */

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { buildImage, type ImageOptions } from "../../tools/unikernel/image.js";

/** The netboot as `npm run unikernel` builds it. */
export async function netbootImage(): Promise<string> {
  return (await buildImage({ name: "library-gcc-guard-pages" })).path;
}

/** An image of the application that misbehaves. */
export async function misbehavingImage(memoryCheck: NonNullable<ImageOptions["memoryCheck"]>): Promise<string> {
  const application = "tests/unikernel/applications/misbehave";
  return (await buildImage({ name: `misbehave-${memoryCheck}`, application, memoryCheck })).path;
}

/** A folder that is gone after the tests of a file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "unikernel-test-"));
  after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Writes a file of random bytes, and returns them. */
export function writeRandomFile(path: string, bytes: number): Buffer {
  const contents = randomBytes(bytes);
  writeFileSync(path, contents);
  return contents;
}

/** Makes an empty disk image. */
export function makeDisk(path: string, bytes: number): string {
  writeFileSync(path, "");
  truncateSync(path, bytes);
  return path;
}

export const mebibyte = 1024 * 1024;

/** No machine runs longer. */
export const timeoutMilliseconds = 60_000;
