/**
 * Makes one WebAssembly module of an application and the driver stack, in one of two ways.
 *
 * - `library`: AssemblyScript compiles both together. Calls are inlined, what is not used disappears.
 * - `merged`: the application is compiled alone against the stack's exports, and wasm-merge joins it with
 *   `build/virtio.wasm`, which has everything. The application owns the memory; the stack imports it.
 *
 * Either way the module has a memory of fixed size, imports `kernel` and `unikernel`, and exports `main` and the calls
 * of the stack that the kernel makes itself.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readAbi, type FunctionSignature } from "../build/abi-model.js";
import { compileRelease } from "../build/optimize.js";
import { compileOptionsFor, namesOf } from "../build/parts.js";
import { projectFolder, type Parts } from "../build/project.js";
import { applicationStart, memoryPages } from "./layout.js";
import { runScript } from "./programs.js";

export type Linking = "library" | "merged";

/** The file that applications import the stack from, relative to the project's folder. */
const stackFile = "kernel-shim/unikernel/application/stack.ts";
/** What the stack is made of where it is compiled together with the application: all that the application can use. */
export const libraryParts: Parts = {
  drivers: ["block", "net"],
  transports: ["legacy-pci", "mmio", "modern-pci"],
  extras: ["msix"],
};

/** The calls that `kernel-shim/unikernel/shim/devices.c` makes, each with the part that it belongs to. */
const callsOfKernel = { pci_scan: "legacy-pci", pci_bar: "legacy-pci", pci_msix: "msix", mmio_identify: "mmio" };

/** The stack's exports as declarations of imports from the module `virtio`. */
function declarations(): string {
  const { exports } = readAbi((name) => readFileSync(join(projectFolder, name), "utf8"));
  return exports.map(declaration).join("\n");
}

function declaration({ name, parameters, result }: FunctionSignature): string {
  const list = parameters.map((parameter) => `${parameter.name}: ${parameter.type.scalar}`).join(", ");
  return `@external("virtio", "${name}") export declare function ${name}(${list}): ${result?.scalar ?? "void"};`;
}

/**
 * Links an application with the stack and writes the module.
 *
 * @param application the file that exports `main`, relative to the project's folder, without `.ts`
 * @param parts of the stack where it is a library
 * @param folder where the module and what it is made of are written
 * @returns the module's path
 */
export async function link(application: string, linking: Linking, parts: Parts, folder: string): Promise<string> {
  const entry = "unikernel-entry";
  const exportMain = `export { main } from "./${application}";\n`;
  const calls = Object.entries(callsOfKernel).flatMap(([call, part]) => (namesOf(parts).includes(part) ? [call] : []));
  const exportCalls = `export { ${calls.join(", ")} } from "./assembly/index";\n`;
  const isLibrary = linking === "library";
  const stack = compileOptionsFor(parts);
  const { binary } = await compileRelease({
    config: "kernel-shim/unikernel/asconfig.json",
    target: "application",
    entries: [`${entry}.ts`],
    options: [
      ...["--memoryBase", String(applicationStart)],
      ...["--initialMemory", String(memoryPages)],
      ...["--maximumMemory", String(memoryPages)],
      ...(isLibrary ? stack.options : []),
    ],
    sources: new Map([
      [`${entry}.ts`, isLibrary ? exportMain + exportCalls : exportMain],
      ...(isLibrary ? stack.sources : ([[stackFile, declarations()]] as const)),
    ]),
  });
  const applicationFile = join(folder, "application.wasm");
  writeFileSync(applicationFile, binary);
  if (isLibrary) return applicationFile;

  const merged = join(folder, "merged.wasm");
  // The application goes by the name under which the stack imports its memory.
  const modules = [applicationFile, "env", join(projectFolder, "build/virtio.wasm"), "virtio"];
  await runScript("binaryen/bin/wasm-merge", [...modules, "--enable-bulk-memory", "-o", merged]);
  return merged;
}
