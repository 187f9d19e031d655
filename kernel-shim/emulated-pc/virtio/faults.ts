/** A stretch of registers: the legacy BAR, one of the structures of a modern device, or an MMIO slot. */
export type RegionName = "legacy" | "common" | "notify" | "isr" | "device" | "mmio";

/**
 * Where a test can make a device misbehave. Every function gets the value that a correct device would use and returns
 * the one that is used instead; what is absent is not touched.
 */
export interface DeviceFaults {
  /** A register read as the driver sees it. `offset` counts from the start of the region. */
  readRegister?: ((offset: number, width: number, value: number, region: RegionName) => number) | undefined;
  /** Called before a register write takes effect; false drops it. */
  writeRegister?: ((offset: number, width: number, value: number, region: RegionName) => boolean) | undefined;
  /** Whether the device has the means for a message vector that its table has. */
  acceptsVector?: ((vector: number) => boolean) | undefined;
  /** Fields of the used ring on their way to memory. */
  usedId?: ((queue: number, value: number) => number) | undefined;
  usedLength?: ((queue: number, value: number) => number) | undefined;
  usedIndex?: ((queue: number, value: number) => number) | undefined;
  usedFlags?: ((queue: number, value: number) => number) | undefined;
  availEvent?: ((queue: number, value: number) => number) | undefined;
  /** The bits of the ISR register that a device is about to raise; 0 raises none. */
  interrupt?: ((bits: number) => number) | undefined;
  /** True: the device neither serves its queues nor interrupts, as QEMU's do after a ring error. */
  silent?: boolean;
}
