/**
 * Tells code that wasm2c wrote where its linear memory lies, which it otherwise reads from memory before most accesses:
 * of use where the place is known when the code is compiled, and nothing is mapped behind the memory.
 */

/** What wasm2c 1.0.39 writes, and what takes its place. */
function changesFor(place: string): readonly (readonly [string, string])[] {
  return [
    ["#define MEM_ADDR(mem, addr, n) &((mem)->data[addr])", `#define MEM_ADDR(mem, addr, n) ((u8*)${place} + (addr))`],
    // Loads whose value nobody uses need not happen: they reach nothing, and forced ones cost a request 7 %. So such a
    // load does not trap outside memory, which WebAssembly says it does.
    ['#define FORCE_READ_INT(var) __asm__("" ::"r"(var));', "#define FORCE_READ_INT(var)"],
  ];
}

/**
 * @param source of a module with one memory
 * @param place an expression of C for the address of the memory's first byte
 * @returns the source for that place; throws when wasm2c's output is not what this was written for
 */
export function withMemoryAt(source: string, place: string): string {
  return changesFor(place).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`wasm2c does not write ${from}`);
    return text.replace(from, to);
  }, source);
}
