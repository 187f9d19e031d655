/** The slots for memory-mapped devices that QEMU's board microvm has. [QEMU include/hw/i386/microvm.h] */

import type { MmioSlot } from "../machine.js";

const FIRST_ADDRESS = 0xfeb0_0000n;
const SLOT_BYTES = 512;
/** As many as one I/O APIC has room for. */
const SLOTS = 8;
const FIRST_INPUT = 16;

export const MICROVM_SLOTS: readonly MmioSlot[] = Array.from({ length: SLOTS }, (_, index) => ({
  base: FIRST_ADDRESS + BigInt(index * SLOT_BYTES),
  bytes: SLOT_BYTES,
  interrupt: FIRST_INPUT + index,
}));
