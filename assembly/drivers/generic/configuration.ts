/** The device configuration, read and written field by field for a caller who knows what it means. [virtio-1.2 §2.5] */
import { Result } from "../../abi/results";
import { Device } from "../../virtio/device";
import {
  configuration,
  configurationBytes,
  configurationGeneration,
  deviceIsGone,
  isModern,
} from "../../virtio/transport/transport";

/** Readings before the fields are said never to stand still. */
const ATTEMPTS: u32 = 16;

/**
 * Whether there are fields of `width` bytes each in the `bytes` from `offset` on.
 *
 * @returns OK; E_ARGUMENT when no field has that width, or lies there; E_RANGE when the configuration ends before
 */
export function checkFields(device: Device, offset: u32, width: u32, bytes: u32): i32 {
  if ((width != 1 && width != 2 && width != 4) || (offset & (width - 1)) != 0) return Result.E_ARGUMENT;
  return <u64>offset + bytes <= configurationBytes(device) ? Result.OK : Result.E_RANGE;
}

/**
 * Reads fields that belong together: between two readings of the device's counter of changes that agree, or, where a legacy
 * device has none, until two readings of all of them agree. [virtio-1.2 §2.5.1, §2.5.4]
 *
 * @param width of each field, which is that of the access
 * @param bytes of all of them, which `checkFields` found to be there
 * @param values address of as many bytes in linear memory
 * @returns OK, E_CONFIGURATION when they never stood still, E_GONE
 */
export function readFields(device: Device, offset: u32, width: u32, bytes: u32, values: u32): i32 {
  const hasGeneration = isModern(device);
  let generation = configurationGeneration(device);
  for (let attempt: u32 = 0; attempt < ATTEMPTS; attempt++) {
    let isSame = attempt != 0;
    // What is read where nothing answers: all ones, on some hosts all zeroes.
    let ones: u32 = 0xff;
    let zeroes: u32 = 0;
    let field: u32 = 0;
    for (let index: u32 = 0; index < bytes; index++, field >>= 8) {
      if ((index & (width - 1)) == 0) field = configuration(device, offset + index, width);
      const value = <u8>field;
      ones &= value;
      zeroes |= value;
      if (load<u8>(values + index) != value) isSame = false;
      store<u8>(values + index, value);
    }
    if ((ones == 0xff || zeroes == 0) && deviceIsGone(device)) {
      device.vanish();
      return Result.E_GONE;
    }
    if (hasGeneration) {
      const before = generation;
      generation = configurationGeneration(device);
      isSame = generation == before;
    }
    if (isSame) return Result.OK;
  }
  return Result.E_CONFIGURATION;
}
