/** A device that the kernel lets the application have: how to open it, and how it interrupts. */
import { DeviceOptions } from "../../../assembly/abi/records";
import { interrupt, interrupt_vector } from "./stack";

/** Whatever the driver can use, but for addresses that are not physical ones. [virtio-1.2 §6] */
const FEATURES: u64 = ~((<u64>1) << 33);

/** Most entries of a queue, so that there is memory for many devices. Memory-mapped ones of QEMU could have 1024. */
const QUEUE_SIZE_MAX: u32 = 256;

/** As the kernel describes it: `struct device` in `shim/devices.h`. */
@unmanaged
export class DeviceDescription {
  mmio_base: u64;
  mmio_bytes: u32;
  transport: u32;
  address: u32;
  type: u32;
  line: u32;
  vectors: u32;
  first_message: u32;
}

/** What an open call needs to know of a device, at the beginning of its options. */
export function describeOptions(options: u32, description: DeviceDescription): void {
  const record = changetype<DeviceOptions>(options);
  record.features = FEATURES;
  record.transport = description.transport;
  record.mmio_base = description.mmio_base;
  record.mmio_bytes = description.mmio_bytes;
  record.vectors = description.vectors;
  record.queue_size_max = QUEUE_SIZE_MAX;
}

/** Tells an open device of those of its interrupts that are among what `wait` returned. */
export function askDevice(handle: i32, description: DeviceDescription, interrupts: u64): void {
  if ((interrupts >> description.line) & 1) interrupt(handle);
  for (let vector: u32 = 0; vector < description.vectors; vector++) {
    if ((interrupts >> (description.first_message + vector)) & 1) interrupt_vector(handle, vector);
  }
}
