/** Puts a disk to use: its whole contents hashed, or written, read back and compared. */

import { createHash } from "node:crypto";
import { Result, SECTOR_BYTES, VirtioError } from "../../kernel-shim/javascript/index.js";
import type { BlockDevice, VirtioStack } from "../../kernel-shim/javascript/index.js";
import { describeConnection } from "./connection.js";
import { fillSectors } from "./contents.js";
import { DiskPass, type DiskPlan, type Visit } from "./disk-pass.js";
import { describeFeatures } from "./features.js";
import { count } from "../command/count.js";
import { describeError } from "../command/errors.js";
import type { DevicePlace } from "./find-devices.js";
import type { Reporter } from "./reporter.js";
import { findRequestBytes } from "./request-size.js";
import type { DiskResult, PassResult } from "./result.js";

export const VIRTIO_BLOCK = 2;
/** [virtio-1.2 §5.2.3] */
const VIRTIO_BLK_F_FLUSH = 1n << 9n;
const NO_LIMIT = 0xffff_ffff;
const MOST_BUFFERS = 64;
/** The contents are the same in every run, so that runs compare. */
const SEED = 0x7669_7274;

/** What happens to a disk's contents. */
export interface DiskTasks {
  /** They are read and hashed as they are. */
  hash: boolean;
  /** They are overwritten, read back and compared; after `hash`. */
  verify: boolean;
}

/** Opens a disk, uses it, and closes it. What does not work is in `problems`. */
export function useDisk(stack: VirtioStack, found: DevicePlace, tasks: DiskTasks, reporter: Reporter): DiskResult {
  const result: DiskResult = {
    address: found.name,
    connection: null,
    features: null,
    serial: null,
    sectors: 0,
    bytes: 0,
    blockBytes: 0,
    isReadOnly: false,
    queueSize: 0,
    mostSegments: null,
    mostSegmentBytes: null,
    geometry: null,
    passes: [],
    sha256: { asFound: null, asWritten: null },
    isVerified: null,
    problems: [],
  };
  try {
    const disk = stack.openBlock(found.address, found.options);
    try {
      describe(disk, result);
      moveContents(new DiskUse(stack, disk, result, reporter), tasks);
    } finally {
      disk.close();
    }
  } catch (error) {
    result.problems.push(describeError(error));
  }
  return result;
}

function describe(disk: BlockDevice, result: DiskResult): void {
  const information = disk.information();
  result.connection = describeConnection(disk);
  result.features = describeFeatures(VIRTIO_BLOCK, information.features_offered, information.features_accepted);
  result.sectors = Number(information.capacity);
  result.bytes = result.sectors * SECTOR_BYTES;
  result.blockBytes = information.block_size;
  result.isReadOnly = information.read_only === 1;
  result.queueSize = information.queue_size;
  result.mostSegments = information.seg_max === NO_LIMIT ? null : information.seg_max;
  result.mostSegmentBytes = information.size_max === NO_LIMIT ? null : information.size_max;
  const { cylinders, heads, sectors } = information;
  result.geometry = cylinders === 0 ? null : { cylinders, heads, sectors };
  result.serial = serialOf(disk);
}

/** The serial number, which a disk need not have. */
function serialOf(disk: BlockDevice): string | null {
  try {
    return disk.id();
  } catch (error) {
    if (error instanceof VirtioError && error.code === Result.E_UNSUPPORTED) {
      return null;
    }
    throw error;
  }
}

function moveContents(use: DiskUse, tasks: DiskTasks): void {
  if (tasks.hash) {
    use.hashContents();
  }
  if (tasks.verify) {
    use.overwrite();
    use.compare();
  }
}

/** An open disk, and the memory that its contents pass through. */
class DiskUse {
  private readonly plan: DiskPlan;

  constructor(
    private readonly stack: VirtioStack,
    private readonly disk: BlockDevice,
    private readonly result: DiskResult,
    private readonly reporter: Reporter,
  ) {
    const bytes = result.bytes - (result.bytes % result.blockBytes);
    if (bytes < result.bytes || bytes === 0) {
      throw new RangeError(`${result.bytes} bytes are no whole number of blocks of ${result.blockBytes} bytes`);
    }
    const requestBytes = findRequestBytes(stack, disk, bytes);
    const bufferCount = Math.min(MOST_BUFFERS, Math.ceil(bytes / requestBytes));
    const memory = stack.machine.allocateBuffer(bufferCount * requestBytes);
    const buffers = Array.from({ length: bufferCount }, (_, index) => memory + index * requestBytes);
    this.plan = { bytes, requestBytes, buffers };
  }

  hashContents(): void {
    const hash = createHash("sha256");
    this.pass("read", (read) => hash.update(read));
    this.result.sha256.asFound = hash.digest("hex");
  }

  overwrite(): void {
    this.pass("write", (room, sector) => {
      fillSectors(room, sector, SEED);
    });
    if (this.disk.information().features_accepted & VIRTIO_BLK_F_FLUSH) {
      this.disk.flush();
    }
  }

  /** Reads what `overwrite` wrote. */
  compare(): void {
    const { result } = this;
    const hash = createHash("sha256");
    const expected = new Uint8Array(this.plan.requestBytes);
    const wrong: number[] = [];
    this.pass("read", (read, sector) => {
      hash.update(read);
      const part = expected.subarray(0, read.length);
      fillSectors(part, sector, SEED);
      if (Buffer.compare(part, read) !== 0) {
        wrong.push(sector);
      }
    });
    result.sha256.asWritten = hash.digest("hex");
    result.isVerified = wrong.length === 0;
    if (wrong[0] !== undefined) {
      result.problems.push(
        `${count(wrong.length, "request")} read back something else, the first at sector ${wrong[0]}`,
      );
    }
  }

  private pass(name: PassResult["name"], visit: Visit): void {
    const progress = this.reporter.progress(`Disk ${this.result.address}: ${name}`, this.plan.bytes);
    try {
      const pass = new DiskPass(this.stack, this.disk, name, this.plan, visit, (more) => {
        progress.advance(more);
      });
      this.result.passes.push(pass.run());
    } finally {
      progress.end();
    }
  }
}
