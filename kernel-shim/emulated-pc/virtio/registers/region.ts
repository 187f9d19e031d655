/** What all register files have in common: faults, widths, and the device configuration. [virtio-1.2 §2.5, §4.1.3.1] */
import type { PortHandler } from "../../pci/function.js";
import { accessWidth } from "../configuration.js";
import type { DriverInterface, VirtioDevice } from "../device.js";
import type { RegionName } from "../faults.js";
import * as rules from "./rules.js";

/** Widths of registers by their offset. */
export type Widths = Readonly<Record<number, number>>;

/** All bits of `width` bytes. */
export function allOnes(width: number): number {
  return 2 ** (8 * width) - 1;
}

export interface Registers extends PortHandler {
  /** Whether a write resets the device: then it begins anew, whichever interface was in use until now. */
  isReset?(offset: number, value: number): boolean;
}

/**
 * A stretch of registers as the machine calls it: the device learns which interface is used, and its faults come
 * between the registers and the driver.
 */
export function registerRegion(
  device: VirtioDevice,
  used: DriverInterface,
  name: RegionName,
  registers: Registers,
): PortHandler {
  return {
    read: (offset, width) => {
      device.useInterface(used);
      const value = registers.read(offset, width);
      return device.faults.readRegister?.(offset, width, value, name) ?? value;
    },
    write: (offset, width, value) => {
      if (device.faults.writeRegister?.(offset, width, value, name) === false) return;
      if (registers.isReset?.(offset, value) !== true) device.useInterface(used);
      registers.write(offset, width, value);
    },
  };
}

/** Whether a register of that width lies at that offset. Records it when not. */
export function checkWidth(device: VirtioDevice, widths: Widths, offset: number, width: number): boolean {
  if (widths[offset] === width) return true;
  device.record(rules.REGISTER_WIDTH, `${width} bytes at offset ${offset}`);
  return false;
}

/** Reads the ISR status, which clears it. [virtio-1.2 §4.1.4.5] */
export function readIsr(device: VirtioDevice): number {
  if (device.isMsixEnabled) device.record(rules.ISR_WITH_MSIX, `status ${device.status}`);
  return device.takeIsr();
}

/** Reads the device configuration with any width, as legacy drivers may. */
export function readConfiguration(device: VirtioDevice, offset: number, width: number): number {
  let value = 0;
  for (let index = width - 1; index >= 0; index--) value = value * 256 + device.readConfiguration(offset + index);
  return value;
}

/** Whether a modern driver accesses a field of the device configuration with the width that it has. */
export function checkConfigurationWidth(device: VirtioDevice, offset: number, width: number): boolean {
  const field = device.configuration.fieldAt(offset);
  // Outside of all fields the device itself records what is wrong.
  if (field === undefined) return true;
  if (accessWidth(field) === width && (offset - field.offset) % width === 0) return true;
  device.record(rules.REGISTER_WIDTH, `${width} bytes of the field ${field.name}, at ${offset - field.offset}`);
  return false;
}
