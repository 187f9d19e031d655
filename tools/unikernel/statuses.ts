/** What a unikernel's exit status means, and how it travels through QEMU's. */

/** What the netboot returns: `kernel-shim/unikernel/application/status.ts`. */
const application = [
  "done",
  "there is no network card",
  "there is no disk",
  "a device does not work",
  "no DHCP server answers",
  "the TFTP server does not answer ARP",
  "the TFTP server does not have the file",
  "the file does not fit on the disk",
  "the transfer of the file broke off",
  "the command line names no file",
];

/** Why the kernel ends the machine: `kernel-shim/unikernel/exit.h`. */
export const kernelStatus = {
  outOfBounds: 64,
  port: 65,
  stack: 66,
  trap: 67,
  exception: 68,
  machine: 69,
  pages: 70,
  registers: 71,
} as const;

const kernel: Readonly<Record<number, string>> = {
  [kernelStatus.outOfBounds]: "an access outside linear memory",
  [kernelStatus.port]: "an access to a port that was not granted",
  [kernelStatus.stack]: "the stack is used up",
  [kernelStatus.trap]: "a trap",
  [kernelStatus.exception]: "an exception of the processor",
  [kernelStatus.machine]: "a machine that the kernel cannot work on",
  [kernelStatus.pages]: "memory was given back that was not lent",
  [kernelStatus.registers]: "an access to registers in memory that are not mapped",
};

/** The status that the unikernel ended with; undefined when it is QEMU that ended. */
export function statusOfQemu(exitStatus: number | null): number | undefined {
  if (exitStatus === null || exitStatus < 33 || exitStatus % 2 === 0) return undefined;
  return (exitStatus - 1) / 2 - 16;
}

/** A status in words. */
export function describeStatus(status: number): string {
  return application[status] ?? kernel[status] ?? `status ${status}`;
}
