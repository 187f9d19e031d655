/**
 * Fields of the device configuration that take more than one read.
 *
 * The device counts changes: such a field is read between two readings of the counter that agree. [virtio-1.2 §2.5.1] A
 * legacy device has no counter, so there the field is read until two readings of it agree. [virtio-1.2 §2.5.4]
 */
import { Device } from "./device";
import { configuration32, configuration8, configurationGeneration, isModern } from "./transport/transport";

/** Readings before the field is said never to stand still. */
const ATTEMPTS: u32 = 16;

/** The field never stood still, or is all ones, which no field of a virtio device is. */
export const UNSTABLE: u64 = 0xffff_ffff_ffff_ffff;

/** The 64-bit field at `offset`, or UNSTABLE. */
export function configuration64(device: Device, offset: u32): u64 {
  return stable(device, offset, 4, 2);
}

/** The array of six bytes at `offset`, the first lowest, or UNSTABLE. */
export function configurationAddress(device: Device, offset: u32): u64 {
  return stable(device, offset, 1, 6);
}

/** `count` units of `width` bytes each, 1 or 4, which are the units that the device knows the field in. */
function stable(device: Device, offset: u32, width: u32, count: u32): u64 {
  const hasGeneration = isModern(device);
  let before = UNSTABLE;
  let generation = configurationGeneration(device);
  for (let attempt: u32 = 0; attempt < ATTEMPTS; attempt++) {
    let now: u64 = 0;
    for (let unit = count; unit-- != 0;) {
      const at = offset + unit * width;
      const value = width == 1 ? configuration8(device, at) : configuration32(device, at);
      now = (now << (width * 8)) | value;
    }
    if (hasGeneration) {
      const after = configurationGeneration(device);
      if (after == generation) return now;
      generation = after;
    } else if (now == before && now != UNSTABLE) {
      return now;
    }
    before = now;
  }
  return UNSTABLE;
}
