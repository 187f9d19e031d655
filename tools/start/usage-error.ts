/** What was asked for cannot be done. The message is one line that says what to do; the exit status is 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
