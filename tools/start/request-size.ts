/** How large requests to a disk may be. */

import {
  BlockOperation,
  DeviceTimeout,
  Result,
  SECTOR_BYTES,
  VirtioError,
  type BlockDevice,
  type VirtioStack,
} from "../../kernel-shim/javascript/index.js";

/** Large enough that the rate is one of bytes, small enough for many in flight. */
const LARGEST_REQUEST = 64 * 1024;

/** Bytes that one request may have on this disk, found out by reading its first `bytes` bytes or less. */
export function findRequestBytes(stack: VirtioStack, disk: BlockDevice, bytes: number): number {
  const blockBytes = Math.max(disk.information().block_size, SECTOR_BYTES);
  const wholeBlocks = (length: number): number => Math.max(blockBytes, Math.floor(length / blockBytes) * blockBytes);
  let length = wholeBlocks(Math.min(LARGEST_REQUEST, bytes));
  const pointer = stack.machine.allocateBuffer(length);
  try {
    for (;;) {
      const request = { token: 0, sector: 0, operation: BlockOperation.READ, segments: [{ pointer, length }] };
      const { refusal } = disk.submit([request]);
      if (refusal === 0) {
        const completion = disk.waitForCompletions()[0];
        if (completion === undefined) {
          throw new DeviceTimeout("the disk did not answer its first request");
        }
        if (completion.result !== Result.OK) {
          throw new VirtioError("read at sector 0", completion.result);
        }
        return length;
      }
      if (refusal !== Result.E_SEGMENTS || length === blockBytes) {
        throw new VirtioError("read at sector 0", refusal);
      }
      length = wholeBlocks(length / 2);
    }
  } finally {
    stack.freeBuffer(pointer);
  }
}
