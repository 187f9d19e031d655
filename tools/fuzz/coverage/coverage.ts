/**
 * Which branches of the stack a campaign reaches: the same sources compiled without optimisation, so that every branch
 * of the source is one of the module, with calls that say which of them were reached.
 */

import type { Build } from "../../../kernel-shim/machine.js";
import { unoptimisedStack } from "../../build/compile.js";
import { compileCached } from "../../build/compile-cache.js";
import { type Branch, COVERAGE_IMPORT, COVERAGE_MODULE, instrument } from "./instrument.js";
import { parseSources, readStack } from "./stack-sources.js";

/** A module with more imports than the kernel's. */
export interface InstrumentedModule {
  readonly module: WebAssembly.Module;
  readonly imports: WebAssembly.Imports;
}

export interface FileCoverage {
  /** Relative to the project's folder. */
  readonly file: string;
  readonly branches: number;
  readonly reached: number;
  readonly unreached: readonly Branch[];
}

export interface CoverageReport {
  readonly branches: number;
  readonly reached: number;
  /** Files with branches, by name. */
  readonly files: readonly FileCoverage[];
}

/** How many branches the stack's sources have. */
export function countBranches(): number {
  return instrument(parseSources(readStack())).branches.length;
}

/** Branches of both builds, reached in any of them: what one build leaves out, the other one has. */
export class Coverage {
  private constructor(
    private readonly modules: ReadonlyMap<Build, InstrumentedModule>,
    private readonly branches: readonly Branch[],
    private readonly wasReached: Uint8Array,
  ) {}

  /** Compiles the stack for these builds. */
  static async create(builds: readonly Build[]): Promise<Coverage> {
    const { sources, branches } = instrument(parseSources(readStack()));
    const wasReached = new Uint8Array(branches.length);
    const reached = (branch: number): number => {
      wasReached[branch] = 1;
      return 0;
    };
    const modules = new Map<Build, InstrumentedModule>();
    for (const build of builds) {
      const binary = await compileCached(`coverage-${build}`, unoptimisedStack(build, sources));
      const module = new WebAssembly.Module(new Uint8Array(binary));
      modules.set(build, { module, imports: { [COVERAGE_MODULE]: { [COVERAGE_IMPORT]: reached } } });
    }
    return new Coverage(modules, branches, wasReached);
  }

  /** The module to run for this build. */
  moduleOf(build: Build): InstrumentedModule {
    const module = this.modules.get(build);
    if (module === undefined) throw new Error(`coverage was not asked for of the ${build} build`);
    return module;
  }

  /** What has been reached so far. */
  report(): CoverageReport {
    const files = new Map<string, { branches: number; unreached: Branch[] }>();
    this.branches.forEach(({ file: name, line, column, kind }, number) => {
      const file = files.get(name) ?? { branches: 0, unreached: [] };
      files.set(name, file);
      file.branches++;
      if (this.wasReached[number] === 0) file.unreached.push({ file: name, line, column, kind });
    });
    const list = Array.from(files, ([file, { branches, unreached }]) => ({
      file,
      branches,
      reached: branches - unreached.length,
      unreached,
    }));
    const sum = (of: (file: FileCoverage) => number): number => list.reduce((total, file) => total + of(file), 0);
    return { branches: sum((file) => file.branches), reached: sum((file) => file.reached), files: list };
  }
}
