/**
 * Builds a bootable image: application and driver stack, translated to C, and the kernel around them. What is up to date
 * is left alone: a fingerprint of all that went in is kept beside the image.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { flagOf, missingFrom, namesOf } from "../build/parts.js";
import { outputFolder, projectFolder, type Parts } from "../build/project.js";
import { devicePagesEnd, devicePagesStart } from "./layout.js";
import { libraryParts, link, type Linking } from "./link.js";
import { withMemoryAt } from "./memory-place.js";
import { runProgram, runScript } from "./programs.js";

export type Compiler = "gcc" | "clang";

/** How accesses outside linear memory are noticed: by what is not mapped, or by comparing before each access. */
export type MemoryCheck = "guard-pages" | "comparisons";

export interface ImageOptions {
  /** Where the image is put, below `build/unikernel/`. */
  readonly name: string;
  /** The AssemblyScript file that exports `main`, relative to the project's folder, without `.ts`. */
  readonly application?: string;
  readonly linking?: Linking;
  /** What the stack has where it is a library; all that it can use when left out. */
  readonly parts?: Parts;
  readonly compiler?: Compiler;
  readonly memoryCheck?: MemoryCheck;
  /** Build even if nothing changed. */
  readonly force?: boolean;
  /** Is told what is being done, when there is something to be done. */
  readonly begin?: (what: string) => void;
}

export interface Image {
  readonly path: string;
  readonly bytes: number;
}

/** The application of `npm run unikernel`. */
export const netboot = "kernel-shim/unikernel/application/index";

const kernelFolder = join(projectFolder, "kernel-shim/unikernel");

const languageFlags = ["-std=c11", "-O2", "-ffreestanding", "-fno-pie", "-fno-stack-protector", "-mno-red-zone"];
const plainFlags = ["-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-Wall", "-Wextra", "-Werror"];
/** Interrupt handlers save no vector registers, so nothing of the kernel may use one. */
const kernelFlags = ["-mgeneral-regs-only", "-Wmissing-prototypes", "-Wshadow"];
/** wasm2c writes everything that a module could need, used or not. */
const moduleFlags = ["-Wno-unused", "-Wno-unused-parameter", "-fno-math-errno"];

/** All files in a folder of the project, in an order that does not depend on the file system. */
function filesIn(folder: string): string[] {
  return readdirSync(join(projectFolder, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(projectFolder, join(entry.parentPath, entry.name)))
    .sort();
}

/** One number for all that goes into an image. */
async function fingerprint(application: string, compiler: Compiler, ...options: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(await runProgram(compiler, ["--version"]));
  hash.update([application, ...options].join(" "));
  const folders = ["assembly", "kernel-shim/unikernel", "tools/unikernel", dirname(application)];
  const files = [...folders.flatMap(filesIn), "package-lock.json", "build/virtio.wasm", "build/virtio-abi.h"];
  for (const file of files) hash.update(file).update(readFileSync(join(projectFolder, file)));
  return hash.digest("hex");
}

/** The kernel's sources, in an order that does not depend on the file system. */
function kernelSources(): string[] {
  return readdirSync(kernelFolder, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.[cS]$/.test(name))
    .map((name) => join(kernelFolder, name))
    .sort();
}

/** Builds an image. Throws `CompileError` or `ProgramError`; then an image that was there stays. */
export async function buildImage({
  name,
  application = netboot,
  linking = "library",
  parts = libraryParts,
  compiler = "gcc",
  memoryCheck = "guard-pages",
  force = false,
  begin = () => undefined,
}: ImageOptions): Promise<Image> {
  const folder = join(outputFolder, "unikernel", name);
  const path = join(folder, "unikernel.elf");
  const record = join(folder, "fingerprint");
  const current = await fingerprint(application, compiler, linking, memoryCheck, ...namesOf(parts));
  const isUpToDate = existsSync(path) && existsSync(record) && readFileSync(record, "utf8") === current;
  if (isUpToDate && !force) return { path, bytes: statSync(path).size };

  begin("linking the modules");
  mkdirSync(folder, { recursive: true });
  const module = join(folder, "module.c");
  const linked = await link(application, linking, parts, folder);
  begin("translating them to C");
  await translate(linked, "virtio", module);
  const isPlaceKnown = memoryCheck === "guard-pages";
  if (isPlaceKnown) writeFileSync(module, withMemoryAt(readFileSync(module, "utf8"), "LINEAR_MEMORIES"));
  const sha256 = createRequire(import.meta.url).resolve("@chainsafe/as-sha256/build/optimized.wasm");
  await translate(sha256, "sha256", join(folder, "sha256-module.c"));

  // Every module that is merged in has everything.
  const without = linking === "merged" ? [] : missingFrom(parts);
  const includes = [folder, join(kernelFolder, "wasm"), join(kernelFolder, "wasm/include"), outputFolder];
  const common = [
    ...languageFlags,
    ...plainFlags,
    ...includes.map((include) => `-I${include}`),
    `-DDMA_START=${devicePagesStart}u`,
    `-DDMA_END=${devicePagesEnd}u`,
    ...without.map((part) => `-DVIRTIO_${flagOf(part)}`),
    `-DWASM_RT_MEMCHECK_GUARD_PAGES=${memoryCheck === "guard-pages" ? 1 : 0}`,
  ];
  const objects: string[] = [];
  const compileFile = async (source: string, flags: readonly string[], object: string): Promise<void> => {
    const path = join(folder, object);
    begin(`compiling ${relative(projectFolder, source)}`);
    await runProgram(compiler, [...common, ...flags, "-c", source, "-o", path]);
    objects.push(path);
  };
  const layout = ["-include", join(kernelFolder, "memory/layout.h")];
  await compileFile(module, isPlaceKnown ? [...moduleFlags, ...layout] : moduleFlags, "module.o");
  await compileFile(join(folder, "sha256-module.c"), moduleFlags, "sha256-module.o");
  for (const source of kernelSources()) {
    await compileFile(source, kernelFlags, `${relative(kernelFolder, source).replaceAll("/", "-")}.o`);
  }

  const script = join(kernelFolder, "boot/image.ld");
  const linkFlags = ["-nostdlib", "-static", "-no-pie", "-s", `-Wl,-T,${script}`, "-Wl,--build-id=none,-z,noexecstack"];
  await runProgram(compiler, [...linkFlags, ...objects, "-o", `${path}.new`]);
  renameSync(`${path}.new`, path);
  writeFileSync(record, current);
  return { path, bytes: statSync(path).size };
}

/** Translates a module to C. `module` becomes a part of the names in it. */
function translate(wasm: string, module: string, output: string): Promise<string> {
  return runScript("wabt/bin/wasm2c", [wasm, `--module-name=${module}`, "-o", output]);
}
