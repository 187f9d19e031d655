/**
 * The legacy virtio registers behind an I/O base address. [virtio-1.2 §4.1.4.10]
 *
 * A register has one width. Another one is recorded; tolerant hosts answer it as the low part of the register, or its
 * extension with zeroes, strict ones with all ones.
 */
import type { PortHandler } from "../pci/function.js";
import * as constants from "./constants.js";
import type { VirtioDevice } from "./device.js";
import * as rules from "./rules.js";

/** Widths of the common registers by offset. */
const WIDTHS: Readonly<Record<number, number>> = {
  [constants.REGISTER_DEVICE_FEATURES]: 4,
  [constants.REGISTER_DRIVER_FEATURES]: 4,
  [constants.REGISTER_QUEUE_ADDRESS]: 4,
  [constants.REGISTER_QUEUE_SIZE]: 2,
  [constants.REGISTER_QUEUE_SELECT]: 2,
  [constants.REGISTER_QUEUE_NOTIFY]: 2,
  [constants.REGISTER_DEVICE_STATUS]: 1,
  [constants.REGISTER_ISR]: 1,
  [constants.REGISTER_CONFIGURATION_VECTOR]: 2,
  [constants.REGISTER_QUEUE_VECTOR]: 2,
};

export interface RegisterFileHost {
  readonly strictWidths: boolean;
  isMsixEnabled(): boolean;
}

/** Bytes of ports that a device with so many bytes of configuration needs: a power of two. */
export function registerFileBytes(configurationBytes: number): number {
  let bytes = 32;
  while (bytes < constants.CONFIGURATION_OFFSET_WITH_MSIX + configurationBytes) bytes *= 2;
  return bytes;
}

export class RegisterFile implements PortHandler {
  constructor(
    private readonly device: VirtioDevice,
    private readonly host: RegisterFileHost,
  ) {}

  read(offset: number, width: number): number {
    const value = this.readCorrectly(offset, width);
    return this.device.faults.readRegister?.(offset, width, value) ?? value;
  }

  write(offset: number, width: number, value: number): void {
    if (this.device.faults.writeRegister?.(offset, width, value) === false) return;
    const configuration = this.configurationOffset;
    if (offset >= configuration) {
      this.device.writeConfiguration(offset - configuration, value, width);
      return;
    }
    if (this.checkWidth(offset, width)) this.writeRegister(offset, value);
  }

  private get configurationOffset(): number {
    return this.host.isMsixEnabled() ? constants.CONFIGURATION_OFFSET_WITH_MSIX : constants.CONFIGURATION_OFFSET;
  }

  private readCorrectly(offset: number, width: number): number {
    const configuration = this.configurationOffset;
    const ones = 2 ** (8 * width) - 1;
    if (offset < configuration) return this.checkWidth(offset, width) ? (this.readRegister(offset) & ones) >>> 0 : ones;
    let value = 0;
    for (let index = width - 1; index >= 0; index--) {
      value = value * 256 + this.device.readConfiguration(offset - configuration + index);
    }
    return value;
  }

  private checkWidth(offset: number, width: number): boolean {
    const expected = WIDTHS[offset];
    if (expected === width) return true;
    this.device.record(rules.REGISTER_WIDTH, `${width} bytes at offset ${offset}`);
    return expected !== undefined && !this.host.strictWidths;
  }

  private readRegister(offset: number): number {
    const device = this.device;
    switch (offset) {
      case constants.REGISTER_DEVICE_FEATURES:
        return device.offeredFeatures;
      case constants.REGISTER_DRIVER_FEATURES:
        return device.negotiatedFeatures;
      case constants.REGISTER_QUEUE_ADDRESS:
        return device.queue?.pageFrame ?? 0;
      case constants.REGISTER_QUEUE_SIZE:
        return device.queue?.size ?? 0;
      case constants.REGISTER_QUEUE_SELECT:
        return device.queueSelect;
      case constants.REGISTER_DEVICE_STATUS:
        return device.status;
      case constants.REGISTER_ISR:
        return device.takeIsr();
      case constants.REGISTER_CONFIGURATION_VECTOR:
        return device.configurationMessageVector;
      case constants.REGISTER_QUEUE_VECTOR:
        return device.queue?.vector ?? constants.VIRTIO_MSI_NO_VECTOR;
      default:
        return 0;
    }
  }

  private writeRegister(offset: number, value: number): void {
    const device = this.device;
    switch (offset) {
      case constants.REGISTER_DRIVER_FEATURES:
        device.setDriverFeatures(value >>> 0);
        break;
      case constants.REGISTER_QUEUE_ADDRESS:
        device.setQueueAddress(value >>> 0);
        break;
      case constants.REGISTER_QUEUE_SELECT:
        device.setQueueSelect(value);
        break;
      case constants.REGISTER_QUEUE_NOTIFY:
        device.notify(value);
        break;
      case constants.REGISTER_DEVICE_STATUS:
        device.setStatus(value & 0xff);
        break;
      case constants.REGISTER_CONFIGURATION_VECTOR:
        device.setConfigurationMessageVector(value);
        break;
      case constants.REGISTER_QUEUE_VECTOR:
        device.setQueueMessageVector(value);
        break;
      default:
        device.record(rules.REGISTER_READ_ONLY, `write at offset ${offset}`);
    }
  }
}
