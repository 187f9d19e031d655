/** The one kind of error this shim throws for what QEMU did or failed to do. */

/** QEMU could not be started, ended, refused a command or gave no answer. The message says which, for people. */
export class QemuError extends Error {
  override readonly name = "QemuError";
}
