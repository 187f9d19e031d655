/** What a kernel tells the stack once, and learns from it first. */
import { Result } from "../../../assembly/abi/results";
import { allocatePrivate } from "../../../assembly/memory/arena";
import { physicalAddress } from "../../../assembly/memory/addresses";
import { abi_version, forget_translations, heap_base, initialize } from "../../../assembly/stack";
import { arenaAddress } from "../scripted/arena";
import { memory_translate, script_clear } from "../scripted/script";

const END: u32 = (<u32>memory.size()) << 16;

/** Lies behind everything else that is static. */
const data: u32 = <u32>memory.data(16);

// The order matters: the stack is initialised once.
describe("the stack", () => {
  it("speaks version 2 of the interface", () => {
    expect(abi_version()).toBe(2);
  });

  it("says where its own data ends", () => {
    expect(heap_base()).toBeGreaterThan(data + 15);
    expect(heap_base()).toBeLessThan(END);
  });

  it("refuses private memory that is not there", () => {
    expect(initialize(0, 4096)).toBe(Result.E_ARGUMENT);
    expect(initialize(END - 4096, 4097)).toBe(Result.E_ARGUMENT);
    expect(initialize(END, 1)).toBe(Result.E_ARGUMENT);
    expect(initialize(0xffff_fff1, 15)).toBe(Result.E_ARGUMENT);
    expect(initialize(0xffff_0000, 0xffff_ffff)).toBe(Result.E_ARGUMENT, "ends beyond 2^32");
  });

  it("refuses private memory over the module's own data", () => {
    expect(initialize(ASC_MEMORY_BASE, 65536)).toBe(Result.E_ARGUMENT);
    expect(initialize(heap_base() - 1, 65536)).toBe(Result.E_ARGUMENT);
    expect(initialize(ASC_MEMORY_BASE - 65536, 65537)).toBe(Result.E_ARGUMENT);
  });

  it("refuses private memory that holds nothing", () => {
    expect(initialize(arenaAddress, 0)).toBe(Result.E_ARGUMENT);
    expect(initialize(arenaAddress, 31)).toBe(Result.E_ARGUMENT);
    expect(initialize(arenaAddress + 1, 46)).toBe(Result.E_ARGUMENT, "31 bytes when rounded");
    expect(initialize(arenaAddress + 9, 3)).toBe(Result.E_ARGUMENT, "ends before it starts when rounded");
  });

  it("takes private memory, rounded to whole blocks", () => {
    expect(initialize(arenaAddress + 1, 15 + 4096)).toBe(Result.OK);
    expect(allocatePrivate(4096 - 16)).toBe(arenaAddress + 16 + 16);
  });

  it("takes it only once", () => {
    expect(initialize(arenaAddress, 4096)).toBe(Result.E_INITIALIZE);
    expect(initialize(0, 0)).toBe(Result.E_INITIALIZE);
  });

  it("forgets physical addresses when it is told to", () => {
    script_clear();
    memory_translate(0x9000_0000, 0x1000);
    expect(physicalAddress(0x9000_0000)).toBe(0x1000);
    memory_translate(0x9000_0000, 0x2000);
    forget_translations();
    expect(physicalAddress(0x9000_0000)).toBe(0x2000);
  });
});
