/** A device that the kernel lets the application have: how to open it, and how it interrupts. */
import { DeviceOptions } from "../../../assembly/abi/records";
import { interrupt } from "./stack";

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
}

/** What an open call needs to know of a device, at the beginning of its options. */
export function describeOptions(options: u32, description: DeviceDescription): void {
  const record = changetype<DeviceOptions>(options);
  record.features = FEATURES;
  record.transport = description.transport;
  record.mmio_base = description.mmio_base;
  record.mmio_bytes = description.mmio_bytes;
  record.queue_size_max = QUEUE_SIZE_MAX;
}

/** Asks an open device, if its interrupt is among those that `wait` returned. */
export function askDevice(handle: i32, description: DeviceDescription, interrupts: u32): void {
  if (interrupts & (1 << description.line)) interrupt(handle);
}
