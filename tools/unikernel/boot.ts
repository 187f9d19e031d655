/** Boots an image in QEMU. The one place that knows QEMU's command line for it. */

import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { onSignal } from "../command/cleanup.js";
import { statusOfQemu } from "./statuses.js";

export type MachineType = "pc" | "q35" | "microvm";

/** How devices interrupt: by messages where they can, or by their lines. */
export type Interrupts = "msix" | "intx";

export interface BootOptions {
  /** The image's path. */
  readonly image: string;
  readonly machine?: MachineType;
  /** Whether its devices are modern ones only; otherwise they have the legacy interface. */
  readonly isModern?: boolean;
  /** How PCI devices interrupt; by messages when left out. */
  readonly interrupts?: Interrupts;
  /** What the application reads as its command line. */
  readonly commandLine?: string;
  /** What is behind each network card: a value of QEMU's `-netdev`, without its `id`. */
  readonly cards?: readonly string[];
  /** The raw image behind each disk. */
  readonly disks?: readonly string[];
  /** More of QEMU's options. */
  readonly parameters?: readonly string[];
  /** After this many milliseconds the machine is ended whatever it does. */
  readonly timeoutMilliseconds: number;
  /** Is given what appears on the console, in whole lines as long as the machine runs. */
  readonly print?: (lines: string) => void;
}

/** A UDP port of this computer that leads to one of the machine's. */
export interface Forward {
  readonly host: number;
  readonly machine: number;
}

/** QEMU's own network: DHCP, a TFTP server for a folder, and ports that lead in. */
export function userNetwork(folder: string | undefined, forwards: readonly Forward[] = []): string {
  const tftp = folder === undefined ? "" : `,tftp=${folder}`;
  const ports = forwards.map(({ host, machine }) => `,hostfwd=udp:127.0.0.1:${host}-:${machine}`);
  return `user${tftp}${ports.join("")}`;
}

/** A UDP port that nobody uses at the moment. */
export async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.on("error", reject);
    socket.bind(0, "127.0.0.1", resolve);
  });
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/**
 * One processor, in a machine that could have another. QEMU before 8.1 translates memory barriers to nothing where there
 * can be only one processor, although its devices work in threads of their own: notifications and interrupts get lost.
 */
const processors = ["-smp", "1,maxcpus=2"];

/**
 * How QEMU makes each machine. Without ACPI, the interrupts of a microvm's devices are lines that the interrupt
 * controllers of a PC have, and its firmware is a smaller one.
 */
const machines: Readonly<Record<MachineType, { readonly type: string; readonly bus: "pci" | "device" }>> = {
  pc: { type: "pc", bus: "pci" },
  q35: { type: "q35", bus: "pci" },
  microvm: { type: "microvm,acpi=off", bus: "device" },
};

/** A microvm's slots, without the one whose interrupt line is the clock's and cannot be level-triggered. */
const slots = [7, 6, 5, 4, 2, 1, 0];

/** Those that have only the modern interface; on a microvm, the other version of the registers. */
const modernDevices = {
  pci: ["-global", "virtio-pci.disable-legacy=on"],
  device: ["-global", "virtio-mmio.force-legacy=false"],
} as const;

function qemuParameters(options: BootOptions): string[] {
  const {
    image,
    machine = "pc",
    isModern = false,
    interrupts,
    commandLine = "",
    cards = [],
    disks = [],
    parameters = [],
  } = options;
  const { type, bus } = machines[machine];
  const device = (kind: string, more: string, position: number): string[] => [
    "-device",
    `virtio-${kind}-${bus},${more}${bus === "device" ? `,bus=virtio-mmio-bus.${slots[position]}` : ""}`,
  ];
  const noFirmware = bus === "pci" ? ",romfile=" : "";
  return [
    ...["-M", type, "-accel", "tcg", ...processors, "-m", "64", "-nodefaults", "-display", "none", "-no-reboot"],
    ...(isModern ? modernDevices[bus] : []),
    ...["-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
    ...[
      "-kernel",
      image,
      "-append",
      interrupts === undefined ? commandLine : `${commandLine} interrupts=${interrupts}`,
    ],
    ...cards.flatMap((card, index) => {
      const [kind = "", ...rest] = card.split(",");
      const netdev = [kind, `id=net${index}`, ...rest].join(",");
      return ["-netdev", netdev, ...device("net", `netdev=net${index}${noFirmware}`, index)];
    }),
    ...disks.flatMap((disk, index) => [
      ...["-drive", `if=none,id=disk${index},format=raw,file=${disk}`],
      ...device("blk", `drive=disk${index}`, cards.length + index),
    ]),
    ...parameters,
  ];
}

export interface Ending {
  /** What the unikernel ended with; undefined when QEMU failed or was ended. */
  readonly status: number | undefined;
  /** All that was printed on the console, and by QEMU. */
  readonly output: string;
}

/** A machine that runs, or has ended. It ends with this process, unless that is killed. */
export class BootedMachine {
  readonly ended: Promise<Ending>;
  private readonly child: ChildProcess;
  private text = "";
  /** How much of it was printed. */
  private printed = 0;
  private isOver = false;
  private wake: () => void = () => undefined;

  constructor(private readonly options: BootOptions) {
    const child = spawn("qemu-system-x86_64", qemuParameters(options), { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    const collect = (chunk: Buffer): void => {
      this.text += chunk.toString("latin1");
      this.print(this.text.lastIndexOf("\n") + 1);
      this.wake();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const timer = setTimeout(() => this.kill(), options.timeoutMilliseconds);
    const forget = onSignal(() => this.kill());
    this.ended = new Promise((resolve, reject) => {
      child.on("error", (error) => {
        clearTimeout(timer);
        forget();
        reject(error);
      });
      child.on("close", (exitStatus) => {
        clearTimeout(timer);
        forget();
        this.print(this.text.length);
        this.isOver = true;
        this.wake();
        resolve({ status: statusOfQemu(exitStatus), output: this.text });
      });
    });
  }

  /** Waits until the console shows the text `count` times. Throws when the machine ends before. */
  async shows(text: string, count = 1): Promise<void> {
    while (this.text.split(text).length <= count) {
      if (this.isOver) throw new Error(`the machine ended without "${text}":\n${this.text}`);
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  /** The process, for measurements from outside. */
  get processId(): number | undefined {
    return this.child.pid;
  }

  /** Ends the machine. */
  kill(): void {
    this.child.kill("SIGKILL");
  }

  /** Hands on what was collected and not printed yet, up to `end`. */
  private print(end: number): void {
    if (end <= this.printed) return;
    this.options.print?.(this.text.slice(this.printed, end));
    this.printed = end;
  }
}

/** Sends one datagram to a port of this computer. */
export async function sendDatagram(port: number, text: string): Promise<void> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.send(text, port, "127.0.0.1", (error) => (error === null ? resolve() : reject(error)));
  });
  await new Promise<void>((resolve) => socket.close(resolve));
}
