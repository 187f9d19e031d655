/**
 * A kernel that can lie: stands between the stack and an honest kernel, and answers what a test tells it to. It keeps
 * a list of what it lent as the stack sees it, and lets a test act between any two imports.
 */
import type { KernelImports } from "../../kernel-shim/machine.js";

export type ImportName = keyof KernelImports;

type Import<Name extends ImportName> = (...parameters: Parameters<KernelImports[Name]>) => Answer<Name>;
type Answer<Name extends ImportName> = ReturnType<KernelImports[Name]>;

/** In place of an import: gets the honest one, and what the stack passed, all numbers without a sign. */
export type Lies = {
  [Name in ImportName]?: (honest: Import<Name>, ...parameters: Parameters<KernelImports[Name]>) => Answer<Name>;
};

/** More imports than any call of the stack should need: it does not come to an end. */
export class EndlessCall extends Error {}

export class LyingKernel {
  readonly imports: KernelImports;
  lies: Lies = {};
  /** Called behind every import with the number it has, counted from 1; the moment in which something else happens. */
  between: ((number: number, name: ImportName) => void) | undefined;
  /** How many imports there were since it was set to 0. */
  calls = 0;
  /** At so many, the next import throws EndlessCall. */
  limit = 20_000_000;
  /** Pages of what `dma_alloc` gave and was not given back, by pointer. */
  readonly lent = new Map<number, number>();
  /** Calls of `dma_free` that give back something else, or a second time. */
  readonly wrongReturns: string[] = [];

  constructor(private readonly honest: KernelImports) {
    this.imports = {
      in8: this.imported("in8"),
      in16: this.imported("in16"),
      in32: this.imported("in32"),
      out8: this.imported("out8"),
      out16: this.imported("out16"),
      out32: this.imported("out32"),
      dma_alloc: this.imported("dma_alloc"),
      dma_free: this.imported("dma_free"),
      dma_address: this.imported("dma_address"),
      wmb: this.imported("wmb"),
      rmb: this.imported("rmb"),
      mb: this.imported("mb"),
      relax: this.imported("relax"),
      now_ns: this.imported("now_ns"),
      log: this.imported("log"),
      phys_read8: this.imported("phys_read8"),
      phys_read16: this.imported("phys_read16"),
      phys_read32: this.imported("phys_read32"),
      phys_write8: this.imported("phys_write8"),
      phys_write16: this.imported("phys_write16"),
      phys_write32: this.imported("phys_write32"),
    };
  }

  private imported<Name extends ImportName>(name: Name): Import<Name> {
    const honest = this.honest[name].bind(this.honest) as Import<Name>;
    return (...given) => {
      this.calls++;
      if (this.calls > this.limit) throw new EndlessCall(`more than ${this.limit} imports`);
      // What the module passes as u32 arrives as a signed number.
      const parameters = given.map((value) => value >>> 0) as typeof given;
      const lie = this.lies[name];
      const answer = lie === undefined ? honest(...parameters) : lie(honest, ...parameters);
      const [first = 0, second = 0] = parameters;
      if (name === "dma_alloc") this.wasLent(Number(answer) >>> 0, first);
      if (name === "dma_free") this.wasReturned(first, second);
      this.between?.(this.calls, name);
      return answer;
    };
  }

  private wasLent(pointer: number, pages: number): void {
    if (pointer !== 0) this.lent.set(pointer, pages);
  }

  private wasReturned(pointer: number, pages: number): void {
    if (this.lent.get(pointer) !== pages) {
      const lent = this.lent.get(pointer) ?? 0;
      this.wrongReturns.push(`${pages} pages at 0x${pointer.toString(16)}, of which ${lent} were lent`);
    }
    this.lent.delete(pointer);
  }
}
