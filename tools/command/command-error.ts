/** A command cannot do what it was asked for. The message says why and what to do; the exit status is 2. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
}
