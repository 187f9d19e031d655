/**
 * The kernel interface: everything the stack asks of the kernel that hosts it.
 *
 * Integers only, one declaration a line, the same list in the same order in every shim. The import module is
 * `kernel`. `kernel-shim/README.md` says how to write a shim.
 *
 * A *pointer* is a 32-bit number that names a byte of memory which devices can reach. In the mapped build it is
 * an index into the module's linear memory. In the ported build (`--use PORTED=1`) that memory lies outside, and
 * a pointer is whatever number the kernel's `phys_*` functions understand, as a rule the physical address.
 *
 * A call to an import is also a barrier for every compiler on the way (asc, wasm-opt, the engine, wasm2c and the
 * C compiler behind it): none of them may move a load or store of memory across it. The stack's hand-over of
 * memory to and from devices rests on this, so these functions must stay imports.
 */

// Port space. `port` is 0 to 0xffff; values are zero-extended.
@external("kernel", "in8") export declare function in8(port: u32): u32;
@external("kernel", "in16") export declare function in16(port: u32): u32;
@external("kernel", "in32") export declare function in32(port: u32): u32;
@external("kernel", "out8") export declare function out8(port: u32, value: u32): void;
@external("kernel", "out16") export declare function out16(port: u32, value: u32): void;
@external("kernel", "out32") export declare function out32(port: u32, value: u32): void;

// Builds with a transport whose registers lie in memory only.
/**
 * Grants the registers of a device: `bytes` of them from physical address `address` on, a multiple of 4. Returns a window:
 * the register at byte `o` is accessed at window + o. 0: the kernel does not grant them. What is mapped twice is ended twice.
 */
@external("kernel", "mmio_map") export declare function mmio_map(address: u64, bytes: u32): u32;
/** Ends exactly what one `mmio_map` granted. */
@external("kernel", "mmio_unmap") export declare function mmio_unmap(window: u32, bytes: u32): void;
// Exactly one access of exactly that width, naturally aligned, little-endian. `pointer` is a window + an offset.
@external("kernel", "mmio_read8") export declare function mmio_read8(pointer: u32): u32;
@external("kernel", "mmio_read16") export declare function mmio_read16(pointer: u32): u32;
@external("kernel", "mmio_read32") export declare function mmio_read32(pointer: u32): u32;
@external("kernel", "mmio_write8") export declare function mmio_write8(pointer: u32, value: u32): void;
@external("kernel", "mmio_write16") export declare function mmio_write16(pointer: u32, value: u32): void;
@external("kernel", "mmio_write32") export declare function mmio_write32(pointer: u32, value: u32): void;

/** Lends `pages` pages of 4096 bytes: zeroed, page-aligned, physically contiguous. Returns a pointer, or 0. */
@external("kernel", "dma_alloc") export declare function dma_alloc(pages: u32): u32;
/** Gives back exactly what one `dma_alloc` lent. No device reaches it any more. */
@external("kernel", "dma_free") export declare function dma_free(pointer: u32, pages: u32): void;
/**
 * The physical address of the page of 4096 bytes that begins at `pointer`; `NO_ADDRESS`, or any number that is no multiple
 * of 4096, when devices may not reach all of it. The stack remembers the answer until `forget_translations`.
 */
@external("kernel", "dma_address") export declare function dma_address(pointer: u32): u64;

/** What is written before is visible to devices before what is written after. */
@external("kernel", "wmb") export declare function wmb(): void;
/** What is read after was not read earlier than what is read before. */
@external("kernel", "rmb") export declare function rmb(): void;
/** Both of the above, and writes before it are visible before any read after it. */
@external("kernel", "mb") export declare function mb(): void;
/** One turn of a waiting loop: a pause, a yield, or time for an emulated device to work in. */
@external("kernel", "relax") export declare function relax(): void;

/** Nanoseconds of a clock that never goes back; where it starts is the kernel's choice. */
@external("kernel", "now_ns") export declare function now_ns(): u64;
/** A message for the kernel's log: one of `Message`, and two numbers that it explains. */
@external("kernel", "log") export declare function log(message: u32, first: u32, second: u32): void;

// Ported build only: device-shared memory outside linear memory. Little-endian, naturally aligned.
@external("kernel", "phys_read8") export declare function phys_read8(pointer: u32): u32;
@external("kernel", "phys_read16") export declare function phys_read16(pointer: u32): u32;
@external("kernel", "phys_read32") export declare function phys_read32(pointer: u32): u32;
@external("kernel", "phys_write8") export declare function phys_write8(pointer: u32, value: u32): void;
@external("kernel", "phys_write16") export declare function phys_write16(pointer: u32, value: u32): void;
@external("kernel", "phys_write32") export declare function phys_write32(pointer: u32, value: u32): void;

/** What `dma_address` answers for a page that was not lent to devices. */
export const NO_ADDRESS: u64 = 0xffff_ffff_ffff_ffff;
