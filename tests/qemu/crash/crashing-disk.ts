/** A machine with one disk that is killed at a moment of one's choice, and the image that it leaves. */

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { BlockDevice } from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { BlockDevice as BlockDeviceOptions, Properties } from "../../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import { marked, newMark, qemuPid } from "../shim/processes.js";
import { SECTOR_BYTES } from "./disk-history.js";
import { imageAfterPowerFailure } from "./write-log.js";

const VIRTIO_BLOCK = 2;

/** How the disk is stored, and so what is looked at after the crash. */
export type Storage =
  /** The file, as it is. */
  | "raw"
  /** What `qemu-img` makes of it. QEMU keeps tables of this format in its memory until a flush, and loses them. */
  | "qcow2"
  /** What would be left if everything behind the last flush were lost, as in a power failure. */
  | "logged";

export interface CrashingDiskOptions {
  storage: Storage;
  sectors: number;
  /** Where false, QEMU writes through, and says so by not offering flushes. */
  hasCache?: boolean;
  /** Features that the driver may accept. */
  features?: bigint;
}

/** Each cluster that is written first changes QEMU's tables: small ones, for much to be lost. */
const CLUSTER_BYTES = 4096;
/** The log shall count its entries at flushes alone. */
const NEVER = 1_000_000_000;

export class CrashingDisk {
  readonly machine: QemuMachine;
  readonly disk: BlockDevice;
  private readonly folder = mkdtempSync(path.join(tmpdir(), "virtio-crash-"));
  private readonly file = path.join(this.folder, "disk");
  private readonly logFile = path.join(this.folder, "log");
  private readonly mark = newMark();
  private readonly bytes: number;

  constructor(private readonly options: CrashingDiskOptions) {
    this.bytes = options.sectors * SECTOR_BYTES;
    this.createImage();
    this.machine = new QemuMachine({ devices: [this.device()], extraArguments: marked(this.mark) });
    const stack = loadStack(this.machine);
    stack.assignResources();
    const found = stack.scan().find(({ virtio_type }) => virtio_type === VIRTIO_BLOCK);
    assert.ok(found);
    const { features } = options;
    this.disk = stack.openBlock(found.address, features === undefined ? {} : { features });
  }

  /** Kills QEMU at once, or from outside after so many milliseconds, while this program goes on. */
  kill(afterMilliseconds = 0): void {
    const pid = qemuPid(this.mark);
    if (afterMilliseconds === 0) {
      process.kill(pid, "SIGKILL");
      return;
    }
    const script = `sleep ${(afterMilliseconds / 1000).toFixed(4)}; kill -KILL ${pid}`;
    spawn("/bin/sh", ["-c", script], { stdio: "ignore" }).unref();
  }

  /** To be called after the kill: what the disk holds. */
  image(): Uint8Array {
    this.machine.close();
    switch (this.options.storage) {
      case "raw":
        return readFileSync(this.file);
      case "qcow2": {
        const raw = path.join(this.folder, "raw");
        execFileSync("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", this.file, raw]);
        return readFileSync(raw);
      }
      case "logged":
        return imageAfterPowerFailure(readFileSync(this.logFile), new Uint8Array(this.bytes));
    }
  }

  /** Ends what still runs, and removes all files. */
  dispose(): void {
    this.machine.close();
    rmSync(this.folder, { recursive: true });
  }

  private createImage(): void {
    const { storage } = this.options;
    if (storage === "qcow2") {
      const format = ["-f", "qcow2", "-o", `cluster_size=${CLUSTER_BYTES}`];
      execFileSync("qemu-img", ["create", "-q", ...format, this.file, String(this.bytes)]);
      return;
    }
    writeFileSync(this.file, "");
    truncateSync(this.file, this.bytes);
    if (storage === "logged") writeFileSync(this.logFile, "");
  }

  private device(): BlockDeviceOptions {
    const { storage, hasCache = true } = this.options;
    const driveProperties: Properties = { cache: hasCache ? "writeback" : "writethrough" };
    const properties: Properties = hasCache ? {} : { "config-wce": false };
    const common = { kind: "block", driveProperties, properties } as const;
    if (storage !== "logged") return { ...common, file: this.file, format: storage };
    const log = {
      driver: "blklogwrites",
      file: { driver: "file", filename: this.file },
      log: { driver: "file", filename: this.logFile },
      "log-sector-size": SECTOR_BYTES,
      "log-super-update-interval": NEVER,
    };
    return { ...common, source: `json:${JSON.stringify({ driver: "raw", file: log })}` };
  }
}
