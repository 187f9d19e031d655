/**
 * One QEMU process: its start, its channels, its memory file, and an end that leaves nothing behind.
 *
 * Everything QEMU and this program share lives in one temporary folder on a tmpfs: guest RAM, the firmware image, the
 * FIFOs and what QEMU writes on stderr. Once QEMU has opened them all the folder is removed; both sides go on with
 * the open files, and the operating system frees them when the last side ends, however it ends.
 *
 * QEMU runs under a small shell that holds the reading end of a *lifeline* FIFO. This program holds the only writing
 * end. When it closes (close(), exit, a signal, a crash, SIGKILL) the shell ends QEMU and removes the folder.
 */

import { spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import path from "node:path";
import { Channel } from "./channel.js";
import { QemuError } from "./qemu-error.js";
import { sleep } from "./sleep.js";

/** Files that QEMU's command line has to name. */
export interface QemuFiles {
  /** Guest RAM, already as long as it shall be. */
  memory: string;
  /** Firmware that halts the processor. */
  firmware: string;
  /** Base names of the FIFOs `.in` and `.out`, for `-chardev pipe`. */
  qtest: string;
  qmp: string;
}

/** Where temporary folders go if it is there and has room: always a tmpfs on Linux. */
const SHARED_MEMORY_FOLDER = "/dev/shm";
/** Room for the files beside guest RAM. */
const ROOM_BESIDE_MEMORY = 1 << 20;

/** How long QEMU may take to end by itself, and how long the shell may take to end it, in milliseconds. */
const QUIT_TIMEOUT = 5_000;
const KILL_TIMEOUT = 15_000;

/**
 * Descriptors: 0 lifeline, 1 nothing (QEMU prints there what nobody waits for), 2 QEMU's stderr, 3 a FIFO that ends for
 * the reader once QEMU has ended, 4 one that ends once this shell has, too. The shell gives away what only QEMU may
 * hold. `kill -0` goes on finding QEMU until it has ended: the shell is its parent, and notices at the next `sleep`. A
 * QEMU that was stopped has to go on to end.
 */
const SUPERVISOR = `
"$@" </dev/null &
qemu=$!
exec 2>/dev/null 3>&-
trap "" HUP INT TERM
read -r lifeline
kill "$qemu"
kill -CONT "$qemu"
turns=0
while sleep 0.02 && kill -0 "$qemu" && [ $turns -lt 250 ]; do turns=$((turns + 1)); done
kill -KILL "$qemu"
rm -rf -- "$0"
`;

/** A firmware image: 64 KiB that end in the reset vector, where the processor stops for good. */
function haltingFirmware(): Uint8Array {
  const RESET_VECTOR_FROM_END = 16;
  const CLI_HLT_JUMP_BACK = [0xfa, 0xf4, 0xeb, 0xfd];
  const image = new Uint8Array(65536);
  image.set(CLI_HLT_JUMP_BACK, image.length - RESET_VECTOR_FROM_END);
  return image;
}

function hasRoom(folder: string, bytes: number): boolean {
  try {
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= bytes;
  } catch {
    return false;
  }
}

function makeFolder(memoryBytes: number): string {
  const parent = hasRoom(SHARED_MEMORY_FOLDER, memoryBytes + ROOM_BESIDE_MEMORY) ? SHARED_MEMORY_FOLDER : os.tmpdir();
  return mkdtempSync(path.join(parent, "virtio-qemu-"));
}

function makeFifos(files: string[]): void {
  const made = spawnSync("mkfifo", ["-m", "600", "--", ...files], { encoding: "utf8" });
  if (made.status !== 0) {
    throw new QemuError(`mkfifo failed: ${made.error?.message ?? made.stderr.trim()}`);
  }
}

export class QemuProcess {
  /** The qtest protocol. */
  readonly qtest: Channel;
  /** The QEMU Machine Protocol. */
  readonly qmp: Channel;
  /** Guest RAM: the byte at offset N is the one at physical address N. */
  readonly memoryDescriptor: number;

  private readonly folder: string;
  private readonly errorDescriptor: number;
  private readonly lifeline: number;
  private readonly runningDescriptor: number;
  private readonly aliveDescriptor: number;
  private readonly descriptors: number[] = [];
  private isClosed = false;
  private finalErrors = "";

  /**
   * Starts QEMU; returns without waiting for it.
   *
   * @param program path of QEMU
   * @param memoryBytes size of guest RAM
   * @param commandLine makes the arguments from the names of the files
   */
  constructor(program: string, memoryBytes: number, commandLine: (files: QemuFiles) => string[]) {
    const { O_RDONLY, O_WRONLY, O_RDWR, O_NONBLOCK, O_APPEND, O_CREAT } = constants;
    this.folder = makeFolder(memoryBytes);
    const inFolder = (name: string): string => path.join(this.folder, name);
    const open = (name: string, flags: number): number => {
      const descriptor = openSync(inFolder(name), flags, 0o600);
      this.descriptors.push(descriptor);
      return descriptor;
    };
    try {
      makeFifos(["lifeline", "running", "alive", "qtest.in", "qtest.out", "qmp.in", "qmp.out"].map(inFolder));
      writeFileSync(inFolder("firmware"), haltingFirmware());
      this.memoryDescriptor = open("memory", O_RDWR | O_CREAT);
      ftruncateSync(this.memoryDescriptor, memoryBytes);
      this.errorDescriptor = open("stderr", O_RDWR | O_CREAT | O_APPEND);

      // Reading ends come first, and are non-blocking, because opening a FIFO for one direction waits for the other.
      // A FIFO opened for both directions never waits, and never reports a vanished reader: the answers tell that.
      const lifelineReader = open("lifeline", O_RDONLY | O_NONBLOCK);
      this.lifeline = open("lifeline", O_WRONLY);
      const blockingLifelineReader = open("lifeline", O_RDONLY);
      this.aliveDescriptor = open("alive", O_RDONLY | O_NONBLOCK);
      const aliveWriter = open("alive", O_WRONLY);
      this.runningDescriptor = open("running", O_RDONLY | O_NONBLOCK);
      const runningWriter = open("running", O_WRONLY);
      const channel = (name: string): Channel =>
        new Channel(open(`${name}.in`, O_RDWR | O_NONBLOCK), open(`${name}.out`, O_RDONLY | O_NONBLOCK), () =>
          this.hasClosed(this.runningDescriptor),
        );
      this.qtest = channel("qtest");
      this.qmp = channel("qmp");

      const files: QemuFiles = {
        memory: inFolder("memory"),
        firmware: inFolder("firmware"),
        qtest: inFolder("qtest"),
        qmp: inFolder("qmp"),
      };
      const shell = spawn("/bin/sh", ["-c", SUPERVISOR, this.folder, program, ...commandLine(files)], {
        detached: true,
        stdio: [blockingLifelineReader, "ignore", this.errorDescriptor, runningWriter, aliveWriter],
      });
      // Its failure shows as the end of the channels; an unheard "error" event would be thrown instead.
      shell.on("error", () => {});
      shell.unref();
      this.closeDescriptors(lifelineReader, blockingLifelineReader, runningWriter, aliveWriter);
    } catch (error) {
      this.closeDescriptors(...this.descriptors);
      rmSync(this.folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** What QEMU wrote on stderr so far. */
  get stderr(): string {
    if (this.isClosed) {
      return this.finalErrors;
    }
    const text = Buffer.alloc(fstatSync(this.errorDescriptor).size);
    const length = readSync(this.errorDescriptor, text, 0, text.length, 0);
    return text.toString("utf8", 0, length);
  }

  /** To be called once QEMU has answered on both channels: from here on no file of its is to be found. */
  forgetFiles(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /**
   * Ends QEMU and returns when it is gone. A second call does nothing.
   *
   * @param quit asks QEMU to end, which lets it complete its disk images; may throw
   */
  close(quit: () => void): void {
    if (this.isClosed) {
      return;
    }
    try {
      if (!this.hasClosed(this.runningDescriptor)) {
        quit();
        this.waitUntil(() => this.hasClosed(this.runningDescriptor), QUIT_TIMEOUT);
      }
    } catch {
      // The shell ends it all the same.
    }
    this.closeDescriptors(this.lifeline);
    this.waitUntil(() => this.hasClosed(this.aliveDescriptor), KILL_TIMEOUT);
    this.finalErrors = this.stderr;
    this.isClosed = true;
    this.closeDescriptors(...this.descriptors);
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** True when nobody is left who holds the writing end of a FIFO that nothing is written to. */
  private hasClosed(descriptor: number): boolean {
    try {
      return readSync(descriptor, Buffer.alloc(1)) === 0;
    } catch {
      return false;
    }
  }

  private waitUntil(condition: () => boolean, timeout: number): void {
    const end = performance.now() + timeout;
    while (!condition() && performance.now() < end) {
      sleep(1);
    }
  }

  private closeDescriptors(...descriptors: number[]): void {
    for (const descriptor of descriptors) {
      const index = this.descriptors.indexOf(descriptor);
      if (index >= 0) {
        this.descriptors.splice(index, 1);
        closeSync(descriptor);
      }
    }
  }
}
