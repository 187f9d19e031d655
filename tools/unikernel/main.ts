/**
 * `npm run unikernel`: builds the unikernel, boots it in QEMU, lets it fetch a file onto its disk, and compares.
 *
 * Exit status: 0 the disk holds the file, 1 it holds something else, 2 the image could not be built or booted; otherwise
 * what the unikernel ended with.
 */

import { CompileError } from "../build/compile.js";
import { ensurePrograms, MissingPrograms } from "../setup/system-packages.js";
import { fetchFile } from "./fetch.js";
import { buildImage } from "./image.js";
import { parseOptions, type Options } from "./options.js";
import { ProgramError } from "./programs.js";
import { describeStatus } from "./statuses.js";

const exitWrongContents = 1;
const exitImpossible = 2;

async function run({ file, machine, linking, compiler, memoryCheck, buildOnly }: Options): Promise<number> {
  ensurePrograms([compiler, ...(buildOnly ? [] : (["qemu-system-x86_64"] as const))]);
  const name = [linking, compiler, memoryCheck].join("-");
  const image = await buildImage({ name, linking, compiler, memoryCheck });
  console.log(`${image.path}: ${image.bytes} bytes (${linking}, ${compiler}, ${memoryCheck})`);
  if (buildOnly) return 0;

  const { status, output, sha256, isSame } = await fetchFile(image.path, machine, file);
  process.stdout.write(output);
  if (status === undefined) {
    console.error("QEMU ended without a word from the unikernel.");
    return exitImpossible;
  }
  if (status !== 0) {
    console.error(`The unikernel ended: ${describeStatus(status)}.`);
    return status;
  }
  if (!isSame || !output.includes(sha256)) {
    console.error("The disk does not hold the file.");
    return exitWrongContents;
  }
  console.log(`${sha256}  ${file ?? "(random bytes)"}`);
  return 0;
}

try {
  process.exitCode = await run(parseOptions());
} catch (error) {
  const isExpected = error instanceof MissingPrograms || error instanceof CompileError || error instanceof ProgramError;
  if (!isExpected && (error as NodeJS.ErrnoException).code === undefined) throw error;
  console.error((error as Error).message);
  process.exitCode = exitImpossible;
}
