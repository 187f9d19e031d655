/** Resolves file names as the person at the terminal means them. */

import path from "node:path";

/**
 * The absolute path of a file that the command line names. npm runs its scripts in the project's folder, and says in
 * INIT_CWD where the person stands who called it; commands that were started otherwise stand there themselves.
 *
 * @param command the npm script that this process runs: "start", "unikernel", …. Another one in the environment means
 *   that npm did not start this process itself, and what it says about folders is not of this command's caller.
 */
export function userPath(command: string, name: string): string {
  const { npm_lifecycle_event: script, INIT_CWD: folder } = process.env;
  return script === command && folder !== undefined ? path.resolve(folder, name) : path.resolve(name);
}
