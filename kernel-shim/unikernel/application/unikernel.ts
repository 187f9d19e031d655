/**
 * What an application asks of the unikernel, beside what the driver stack asks: the import module `unikernel`.
 *
 * Pointers are addresses in linear memory. A range that is not wholly inside ends the machine, as a trap.
 */

/** Prints `length` bytes on the console. */
@external("unikernel", "write") export declare function write(text: u32, length: u32): void;
/** Copies the command line, at most `capacity` bytes of it, and returns how many. */
@external("unikernel", "command_line") export declare function command_line(text: u32, capacity: u32): u32;
/**
 * Describes the device with that number, counted from 0, of those that the kernel lets the application have.
 *
 * @param record address of a `DeviceDescription` to be filled
 * @returns 1; 0 when there are not so many
 */
@external("unikernel", "device") export declare function device(index: u32, record: u32): u32;
/**
 * Sleeps until a device interrupts, or the kernel's `now_ns` reaches `deadline`.
 *
 * @returns the numbers of the interrupts, one bit each, as in the descriptions of devices; every device that they belong to
 *   must be asked. 0 at the deadline
 */
@external("unikernel", "wait") export declare function wait(deadline: u64): u64;
/** How often the processor has slept in `wait`. */
@external("unikernel", "sleeps") export declare function sleeps(): u64;
/** For how many nanoseconds in all. */
@external("unikernel", "slept_ns") export declare function slept_ns(): u64;
/** Begins a SHA-256 digest. There is one at a time. */
@external("unikernel", "sha256_start") export declare function sha256_start(): void;
/** Adds `length` bytes to it. */
@external("unikernel", "sha256_update") export declare function sha256_update(bytes: u32, length: u32): void;
/** Ends it and writes its 32 bytes. */
@external("unikernel", "sha256_finish") export declare function sha256_finish(digest: u32): void;
