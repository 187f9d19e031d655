/** The imports `mmio_*` of machines whose devices have no registers in memory: nothing of the kind is granted. */

import type { MmioImports } from "../machine.js";

export const noMmio: MmioImports = {
  mmio_map: () => 0,
  mmio_unmap: () => undefined,
  mmio_read8: () => 0xff,
  mmio_read16: () => 0xffff,
  mmio_read32: () => 0xffff_ffff,
  mmio_write8: () => undefined,
  mmio_write16: () => undefined,
  mmio_write32: () => undefined,
};
