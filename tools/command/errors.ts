/** Errors in one line each, for people: what the operating system refused and what to do, and which errors are bugs. */

import { QemuError } from "../../kernel-shim/qemu/qemu-error.js";
import { CommandError } from "./command-error.js";

/** Set to anything but nothing, it has commands print where an error comes from. */
export const DEBUG_VARIABLE = "VIRTIO_DEBUG";

/** An error of the operating system, as Node reports it. */
type SystemError = NodeJS.ErrnoException & { code: string };

/** What the operating system's errors mean, and what to do about them. */
const MEANINGS: Readonly<Record<string, string>> = {
  EACCES: "permission is denied; see who may use it with: ls -ld",
  EADDRINUSE: "the address is in use; end the program that uses it",
  EBUSY: "it is in use; end the program that uses it",
  EDQUOT: "the disk quota is used up; make room",
  EEXIST: "there is such a file already; remove it, or give another name",
  EFBIG: "the file becomes too large for its file system; give another place",
  EIO: "the storage fails; see what the system's log says",
  EISDIR: "it is a directory; give the name of a file",
  ELOOP: "its symbolic links go round in a circle; give another name",
  EMFILE: "too many files are open; allow more with: ulimit -n",
  ENAMETOOLONG: "the name is too long; give a shorter one",
  ENFILE: "too many files are open on this computer; end other programs",
  ENODEV: "there is no such device; give another name",
  ENOENT: "it does not exist; see whether the name is right",
  ENOMEM: "there is too little memory; end other programs",
  ENOSPC: "no space is left there; make room",
  ENOTDIR: "a part of its path is no directory; see whether the name is right",
  ENOTEMPTY: "the directory is not empty; remove what is in it",
  ENXIO: "nobody is at its other end; start the other program first",
  EPERM: "that is not allowed; see who may use it with: ls -ld",
  EPIPE: "whoever read it has gone; start that program anew",
  EROFS: "its file system is read-only; give another place",
  ETXTBSY: "it is a program that runs; end it",
};

/** What was tried, by the name of the system call. */
const ATTEMPTS: Readonly<Record<string, string>> = {
  access: "use",
  chmod: "change the rights of",
  copyfile: "copy",
  ftruncate: "change the size of",
  lstat: "look at",
  mkdir: "make",
  mkdtemp: "make a temporary folder",
  open: "open",
  opendir: "list",
  read: "read",
  rename: "replace",
  rm: "remove",
  rmdir: "remove",
  scandir: "list",
  spawn: "start",
  stat: "look at",
  truncate: "change the size of",
  unlink: "remove",
  utime: "change the times of",
  write: "write",
};

function isSystemError(error: unknown): error is SystemError {
  if (!(error instanceof Error)) return false;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return typeof code === "string" && typeof syscall === "string";
}

function describeSystemError({ code, syscall = "", path, message }: SystemError): string {
  const meaning = MEANINGS[code];
  if (meaning === undefined) return inOneLine(message);
  // A program that is started comes with its name.
  const [call = "", ...program] = syscall.split(" ");
  const name = path ?? program.join(" ");
  return `cannot ${ATTEMPTS[call] ?? call}${name === "" ? "" : ` ${name}`} (${code}): ${meaning}`;
}

function inOneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, " ");
}

/** Whether what went wrong lies outside of this project, so that people can do something about it. */
export function isExpected(error: unknown): boolean {
  return error instanceof CommandError || error instanceof QemuError || isSystemError(error);
}

/** What went wrong, on one line and without a stack trace. */
export function describeError(error: unknown): string {
  if (isSystemError(error)) return describeSystemError(error);
  return inOneLine(error instanceof Error ? error.message : String(error));
}

/** What a command that cannot go on says last: one line, and the stack for those who ask for it. */
export function describeFailure(command: string, error: unknown): string {
  const line = isExpected(error)
    ? describeError(error)
    : `${command} has a bug: ${describeError(error)}. Please report it with what ${DEBUG_VARIABLE}=1 makes it print.`;
  const isDebugging = (process.env[DEBUG_VARIABLE] ?? "") !== "";
  const stack = error instanceof Error ? error.stack : undefined;
  return isDebugging && stack !== undefined ? `${line}\n${stack}` : line;
}
