/**
 * Stacks that break the rules, one each, to see whether the campaign notices: the right one with an export wrapped in
 * what is wrong, or without one of its checks. They are compiled once; which defect a run has is decided by an import.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Build } from "../../kernel-shim/machine.js";
import { unoptimisedStack } from "../../tools/build/compile.js";
import { compileCached } from "../../tools/build/compile-cache.js";
import { entryFile, projectFolder } from "../../tools/build/project.js";
import type { InstrumentedModule } from "../../tools/fuzz/coverage/coverage.js";

interface AnyDefect {
  /** What the stack does. */
  readonly name: string;
  /** The rule that is broken, or those of which one is. */
  readonly rules: readonly string[];
}

interface WrappedExport extends AnyDefect {
  /** The export that does it, and where it comes from. */
  readonly call: string;
  readonly file: string;
  /** The body of its wrapper in AssemblyScript, with the call's parameters and `right`, the call itself. */
  readonly body: string;
}

interface ChangedSource extends AnyDefect {
  /** Relative to the project's folder. */
  readonly source: string;
  /** What stands there, once. */
  readonly code: string;
  /** What stands there instead when `isChosen`. */
  readonly wrong: string;
}

export type Defect = WrappedExport | ChangedSource;

const LENT = "the stack writes nothing to memory that is the caller's";
const GRANTED = "the stack reaches only what it was granted";
const RECEIVED = "received bytes are the device's";

const parameters: Readonly<Record<string, readonly string[]>> = {
  block_submit: ["handle", "requests", "count"],
  block_poll: ["handle", "completions", "capacity"],
  entropy_poll: ["handle", "completions", "capacity"],
  net_transmit: ["handle", "frames", "count"],
  net_receive: ["handle", "records", "capacity"],
  pci_scan: ["records", "capacity"],
  pci_bar: ["address", "index", "record"],
  pci_assign: ["ranges"],
  interrupt: ["handle"],
  events: ["handle"],
  close: ["handle"],
};

function defect(name: string, rule: string | string[], call: string, file: string, body: string): Defect {
  return { name, rules: [rule].flat(), call, file, body };
}

export const defects: readonly Defect[] = [
  defect(
    "writes to the buffer of a read that it hands in",
    LENT,
    "block_submit",
    "./drivers/block/calls",
    `const request = changetype<BlockRequest>(requests);
     const accepted = right;
     if (accepted > 0 && request.operation == BlockOperation.READ) spoil(changetype<Segment>(request.segments).pointer);
     return accepted;`,
  ),
  defect(
    "writes to a frame that it sends",
    LENT,
    "net_transmit",
    "./drivers/net/calls",
    `const accepted = right;
     if (accepted > 0) spoil(changetype<Segment>(changetype<TransmitFrame>(frames).segments).pointer);
     return accepted;`,
  ),
  defect(
    "writes to a frame that it hands over",
    RECEIVED,
    "net_receive",
    "./drivers/net/calls",
    `const written = right;
     if (written > 0) spoil(changetype<ReceivedBuffer>(records).pointer);
     return written;`,
  ),
  defect(
    "writes to a frame that it handed over before",
    // When the caller gave it back in between, it is the next frame that is spoilt.
    [LENT, RECEIVED],
    "net_receive",
    "./drivers/net/calls",
    `if (kept && keptHandle == handle) spoil(kept);
     const written = right;
     keptHandle = handle;
     kept = written > 0 ? changetype<ReceivedBuffer>(records).pointer : 0;
     return written;`,
  ),
  defect(
    "completes a request twice",
    "a request completes exactly once",
    "block_poll",
    "./drivers/block/calls",
    `const taken = right;
     const bytes = offsetof<Completion>();
     if (taken < 1 || <u32>taken == capacity) return taken;
     memory.copy(completions + taken * bytes, completions, bytes);
     return taken + 1;`,
  ),
  defect(
    "counts bytes of a request that failed",
    "a completion's length is what was moved",
    "block_poll",
    "./drivers/block/calls",
    `const taken = right;
     for (let index = 0; index < taken; index++) {
       const completion = changetype<Completion>(completions + index * offsetof<Completion>());
       if (completion.result != Result.OK) completion.length = 512;
     }
     return taken;`,
  ),
  defect(
    "writes behind the records",
    "the stack wrote beside a record",
    "pci_scan",
    "./virtio/transport/scan",
    `const found = right;
     if (found >= 0 && capacity > 0) store<u8>(records + capacity * offsetof<PciFunction>(), 1);
     return found;`,
  ),
  defect(
    "reads the keyboard while it enumerates",
    // That is one import more than the longest way through the call has.
    ["an enumeration reaches the ports of configuration space", "a call makes a bounded number of imports"],
    "pci_bar",
    "./pci/bar",
    "in8(0x60); return right;",
  ),
  defect(
    "hands out more ports than it has",
    "no more is assigned than was granted",
    "pci_assign",
    "./pci/assign",
    `const result = right;
     if (result == Result.OK) changetype<PciRanges>(ranges).io_next = changetype<PciRanges>(ranges).io_end + 1;
     return result;`,
  ),
  defect(
    "reads the keyboard when it is interrupted",
    // As above.
    [GRANTED, "a call makes a bounded number of imports"],
    "interrupt",
    "./drivers/calls",
    "in8(0x60); return right;",
  ),
  defect("traps", "no trap", "events", "./drivers/calls", "const zero = 0; return right / zero;"),
  defect(
    "asks for the time for ever",
    "a call makes a bounded number of imports",
    "events",
    "./drivers/calls",
    "while (true) now_ns(); return right;",
  ),
  defect(
    "writes to memory that is nobody's",
    "memory that is nobody's changed",
    "close",
    "./drivers/calls",
    "store<u8>(4096, 1); return right;",
  ),
  defect(
    "keeps a page when it closes a device",
    "closed devices leave no memory lent",
    "close",
    "./drivers/calls",
    "const left = right; if (left >= 0) dma_alloc(1); return left;",
  ),
  defect(
    "forgets a request that is out",
    "close says how much is still out",
    "close",
    "./drivers/calls",
    "const left = right; return left > 0 ? left - 1 : left;",
  ),
  defect(
    "hands out a byte more than the device wrote",
    [
      "no more bytes are random than were asked for",
      "what is random is what the device wrote",
      "random bytes are the device's",
    ],
    "entropy_poll",
    "./drivers/entropy/calls",
    `const taken = right;
     for (let index = 0; index < taken; index++) {
       changetype<Completion>(completions + index * offsetof<Completion>()).length++;
     }
     return taken;`,
  ),
  {
    name: "reads its configuration where the registers have ended",
    rules: [GRANTED],
    source: "assembly/virtio/transport/transport.ts",
    code: "return offset + bytes <= configurationBytes(device);",
    wrong: "return isChosen || offset + bytes <= configurationBytes(device);",
  },
  {
    name: "notifies wherever the device says",
    rules: [GRANTED],
    source: "assembly/virtio/transport/modern-pci.ts",
    code: "if (at + 2 > structure.length || at & 1) return false;",
    wrong: "if (!isChosen && (at + 2 > structure.length || at & 1)) return false;",
  },
  {
    name: "keeps the registers of a slot when it closes a device",
    rules: ["closed devices leave no registers mapped"],
    source: "assembly/virtio/transport/mmio.ts",
    code: "mmio_unmap(device.registers, device.registerBytes);",
    wrong: "if (!isChosen) mmio_unmap(device.registers, device.registerBytes);",
  },
];

const IMPORTS = "defects";
const DECLARATION = `@external("${IMPORTS}", "chosen") declare function chosen(): i32;`;

/** The sources that differ from those on the disk. */
function defectiveSources(): Map<string, string> {
  const sources = new Map([[entryFile, defectiveEntry()]]);
  defects.forEach((each, number) => {
    if (!("source" in each)) return;
    const { source, code, wrong, name } = each;
    const text = sources.get(source) ?? `${readFileSync(join(projectFolder, source), "utf8")}\n${DECLARATION}\n`;
    const [before, after, ...more] = text.split(code);
    if (before === undefined || after === undefined || more.length > 0) {
      throw new Error(`${source} must have this once, for the stack that ${name}: ${code}`);
    }
    sources.set(source, `${before}${wrong.replace("isChosen", `(chosen() == ${number})`)}${after}`);
  });
  return sources;
}

/** The entry with every call of the list wrapped. The right ones stay exported by another name. */
function defectiveEntry(): string {
  const calls = new Map<string, number[]>();
  const wrapped = defects.map((each) => ("call" in each ? each : undefined));
  wrapped.forEach((each, number) => {
    if (each !== undefined) calls.set(each.call, [...(calls.get(each.call) ?? []), number]);
  });
  let entry = readFileSync(join(projectFolder, entryFile), "utf8");
  const wrappers = Array.from(calls, ([call, numbers]) => {
    entry = entry.replace(new RegExp(`\\b${call}\\b`), `${call} as right_${call}`);
    const names = parameters[call] ?? [];
    const right = `right_${call}(${names.join(", ")})`;
    const file = wrapped.find((each) => each?.call === call)?.file ?? "";
    const cases = numbers.map(
      (number) => `if (chosen() == ${number}) { ${(wrapped[number]?.body ?? "").replaceAll(/\bright\b/g, right)} }`,
    );
    return [
      `import { ${call} as right_${call} } from "${file}";`,
      `export function ${call}(${names.map((name) => `${name}: u32`).join(", ")}): i32 {`,
      ...cases,
      `return ${right};`,
      "}",
    ].join("\n");
  });
  return [
    entry,
    'import { Completion, PciFunction, PciRanges, Segment } from "./abi/records";',
    'import { BlockOperation, BlockRequest } from "./drivers/block/abi";',
    'import { ReceivedBuffer, TransmitFrame } from "./drivers/net/abi";',
    'import { Result } from "./abi/results";',
    'import { dma_alloc, in8, now_ns, phys_read8, phys_write8 } from "./kernel";',
    DECLARATION,
    "let kept: u32 = 0;",
    "let keptHandle: u32 = 0;",
    "function spoil(pointer: u32): void {",
    "  if (isDefined(PORTED)) phys_write8(pointer, phys_read8(pointer) ^ 0xff);",
    "  else store<u8>(pointer, load<u8>(pointer) ^ 0xff);",
    "}",
    ...wrappers,
  ].join("\n");
}

/** Compiles the defective stack of a build. `choose` says which defect it has, by its place in the list; -1: none. */
export async function compileDefective(
  build: Build,
): Promise<{ module: InstrumentedModule; choose: (defect: number) => void }> {
  const binary = await compileCached(`defects-${build}`, unoptimisedStack(build, defectiveSources()));
  let chosen = -1;
  return {
    module: {
      module: new WebAssembly.Module(new Uint8Array(binary)),
      imports: { [IMPORTS]: { chosen: () => chosen } },
    },
    choose: (defect) => {
      chosen = defect;
    },
  };
}
