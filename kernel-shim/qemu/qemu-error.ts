/** The one kind of error this shim throws for what QEMU did or failed to do. */

/** QEMU could not be started, ended, refused a command or gave no answer. The message says which, for people. */
export class QemuError extends Error {
  override readonly name = "QemuError";
}

/** A line of QEMU's in quotation marks, as much of it as a message for people can take. */
export function quote(line: string): string {
  const MOST = 100;
  return JSON.stringify(line.length > MOST ? `${line.slice(0, MOST)}…` : line);
}
