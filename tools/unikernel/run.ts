/** Builds the unikernel, boots it, and judges what it did; loaded once it is clear that there is something to do. */

import { relative } from "node:path";
import { CompileError } from "../build/compile.js";
import { projectFolder } from "../build/project.js";
import { beginStep, type Step } from "../command/progress.js";
import { EXIT_IMPOSSIBLE, EXIT_PROBLEM } from "../command/run-command.js";
import { ensurePrograms } from "../setup/system-packages.js";
import { fetchFile, type Fetched } from "./fetch.js";
import { measureFirstPacket } from "./first-packet.js";
import { buildImage, type Image } from "./image.js";
import type { Options } from "./options.js";
import { ProgramError } from "./programs.js";
import { describeStatus } from "./statuses.js";

async function build({ linking, compiler, memoryCheck }: Options): Promise<Image> {
  const name = [linking, compiler, memoryCheck].join("-");
  let step: Step | undefined;
  const begin = (what: string): void => {
    if (step === undefined) {
      // The AssemblyScript compiler comes first, and works in one stretch.
      step = beginStep({ what: "Building the image" });
      step.begin(what);
    } else {
      step.note(what);
    }
  };
  try {
    return await buildImage({ name, linking, compiler, memoryCheck, begin });
  } finally {
    step?.end();
  }
}

/** What the unikernel prints appears as it comes. */
async function fetch(image: Image, { machine, modern, interrupts, file }: Options): Promise<Fetched> {
  const step = beginStep({ what: "Fetching the file in QEMU" });
  try {
    return await fetchFile(image.path, { machine, isModern: modern, interrupts }, file, (lines) =>
      step.aside(() => process.stdout.write(lines)),
    );
  } finally {
    step.end();
  }
}

const boots = 20;

/** Says how long the first packet takes. */
async function measure(image: Image, { machine, modern, interrupts }: Options): Promise<number> {
  const step = beginStep({ what: `Booting ${boots} times` });
  try {
    const settings = { image: image.path, machine, isModern: modern, interrupts };
    const { milliseconds, output } = await measureFirstPacket(settings, boots);
    step.end();
    if (milliseconds.length < boots) {
      console.error(`The unikernel ended without a packet. ${output}`.trim());
      return EXIT_IMPOSSIBLE;
    }
    const [least, median, most] = [0, boots >> 1, boots - 1].map((index) => milliseconds[index]?.toFixed(0));
    console.log(`First packet ${median} ms after QEMU's start (${least} to ${most} ms, ${boots} boots)`);
    return 0;
  } finally {
    step.end();
  }
}

async function work(options: Options): Promise<number> {
  const { file, compiler, buildOnly, firstPacket } = options;
  ensurePrograms([compiler, ...(buildOnly ? [] : (["qemu-system-x86_64"] as const))]);
  const image = await build(options);
  console.log(`${relative(projectFolder, image.path)}: ${image.bytes} bytes`);
  if (buildOnly) return 0;
  if (firstPacket) return measure(image, options);

  const { status, output, sha256, isSame } = await fetch(image, options);
  if (status === undefined) {
    console.error("QEMU ended without a word from the unikernel.");
    return EXIT_IMPOSSIBLE;
  }
  if (status !== 0) {
    console.error(`The unikernel ended: ${describeStatus(status)}.`);
    return status;
  }
  if (!isSame || !output.includes(sha256)) {
    console.error("The disk does not hold the file.");
    return EXIT_PROBLEM;
  }
  console.log(`${sha256}  ${file ?? "(random bytes)"}`);
  return 0;
}

/** Does what was asked for, and returns the exit status of the command. */
export async function run(options: Options): Promise<number> {
  try {
    return await work(options);
  } catch (error) {
    if (!(error instanceof CompileError) && !(error instanceof ProgramError)) throw error;
    // What compilers say has lines of its own.
    console.error(error.message);
    return EXIT_IMPOSSIBLE;
  }
}
