/** Does what an application must not do: the first word of the command line says what. */
import { dma_alloc, dma_free, in8, out8 } from "../../../assembly/kernel";
import { findOption, readCommandLine } from "../../../kernel-shim/unikernel/application/command-line";
import { pci_scan } from "../../../kernel-shim/unikernel/application/stack";
import { print } from "../../../kernel-shim/unikernel/application/text";
import { command_line, write } from "../../../kernel-shim/unikernel/application/unikernel";

/** Where the linear memory of 16 MiB ends. */
const END: u32 = 16 << 20;
/** The speaker's port: it exists, and reading it does no harm. */
const SPEAKER: u32 = 0x61;

/** It lies among the ports of configuration space. */
const RESET_BUTTON: u32 = 0xcf9;
const RESET: u32 = 6;

const PAGE: u32 = 4096;

let depth: u32 = 0;

/** Calls itself for ever, in a way that no compiler makes a loop of. */
function descend(level: u32): u32 {
  depth++;
  return level == u32.MAX_VALUE ? 0 : descend(level + 1) + depth;
}

function freeTwice(): void {
  const pages = dma_alloc(2);
  dma_free(pages, 2);
  dma_free(pages, 2);
}

function divide(by: u32): u32 {
  return END / by;
}

/** What the kernel calls. Returns only when nothing stopped it. */
export function main(): u32 {
  readCommandLine();
  print("before\n");
  if (findOption("last-byte")) store<u8>(END - 1, 1);
  if (findOption("read-behind")) print(load<u32>(END - 3) == 0 ? "zero\n" : "not zero\n");
  if (findOption("read-for-nothing")) load<u32>(END - 3);
  if (findOption("write-behind")) store<u8>(END, 1);
  // An index that the optimiser does not know, and 4 GiB and more with the constant added.
  if (findOption("write-far")) store<u64>(depth - 1, 1, 0x00ff_fff0);
  if (findOption("fill-behind")) memory.fill(END - 8, 1, 16);
  if (findOption("records-behind")) pci_scan(END - 8, 1);
  if (findOption("text-behind")) write(END - 1, 2);
  if (findOption("command-line-behind")) command_line(END - 1, 64);
  if (findOption("port")) in8(SPEAKER);
  if (findOption("reset-button")) out8(RESET_BUTTON, RESET);
  if (findOption("port-range")) in8(0x1_0000);
  if (findOption("free-unlent")) dma_free(0x0010_0000 + PAGE, 1);
  if (findOption("free-private")) dma_free(<u32>heap.alloc(2 * PAGE), 1);
  if (findOption("free-part")) dma_free(dma_alloc(3), 2);
  if (findOption("free-more")) dma_free(dma_alloc(3), 4);
  if (findOption("free-within")) dma_free(dma_alloc(3) + PAGE, 2);
  if (findOption("free-odd")) dma_free(dma_alloc(1) + 1, 1);
  if (findOption("free-nothing")) dma_free(dma_alloc(1), 0);
  if (findOption("free-twice")) freeTwice();
  if (findOption("free-lent")) dma_free(dma_alloc(3), 3);
  if (findOption("recursion")) depth = descend(0);
  if (findOption("unreachable")) unreachable();
  if (findOption("divide")) depth = divide(depth);
  print("after\n");
  return 0;
}
