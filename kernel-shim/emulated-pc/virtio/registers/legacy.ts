/**
 * The legacy virtio registers behind an I/O base address. [virtio-1.2 §4.1.4.10]
 *
 * A register has one width. Another one is recorded; tolerant hosts answer it as the low part of the register, or its
 * extension with zeroes, strict ones with all ones.
 */
import type { PortHandler } from "../../pci/function.js";
import { DRIVER_OK } from "../constants.js";
import type { VirtioDevice } from "../device.js";
import { LEGACY_ALIGNMENT, legacyLayout } from "../ring-layout.js";
import {
  allOnes,
  checkWidth,
  readConfiguration,
  readIsr,
  registerRegion,
  type Registers,
  type Widths,
} from "./region.js";
import * as rules from "./rules.js";
import { VectorRegisters } from "./vectors.js";

const DEVICE_FEATURES = 0;
const DRIVER_FEATURES = 4;
const QUEUE_ADDRESS = 8;
const QUEUE_SIZE = 12;
const QUEUE_SELECT = 14;
const QUEUE_NOTIFY = 16;
const DEVICE_STATUS = 18;
const ISR_STATUS = 19;
/** The two vectors are there while MSI-X is enabled only. */
const CONFIG_MSIX_VECTOR = 20;
const QUEUE_MSIX_VECTOR = 22;
const CONFIGURATION = 20;
const CONFIGURATION_WITH_MSIX = 24;

const WIDTHS: Widths = {
  [DEVICE_FEATURES]: 4,
  [DRIVER_FEATURES]: 4,
  [QUEUE_ADDRESS]: 4,
  [QUEUE_SIZE]: 2,
  [QUEUE_SELECT]: 2,
  [QUEUE_NOTIFY]: 2,
  [DEVICE_STATUS]: 1,
  [ISR_STATUS]: 1,
  [CONFIG_MSIX_VECTOR]: 2,
  [QUEUE_MSIX_VECTOR]: 2,
};

/** Bytes of ports that a device with so many bytes of configuration needs: a power of two. */
export function legacyBytes(configurationBytes: number): number {
  let bytes = 32;
  while (bytes < CONFIGURATION_WITH_MSIX + configurationBytes) bytes *= 2;
  return bytes;
}

/** @param vectors entries of the function's MSI-X table */
export function legacyRegisters(device: VirtioDevice, vectors: number): PortHandler {
  return registerRegion(device, "legacy", "legacy", new LegacyRegisters(device, vectors));
}

class LegacyRegisters implements Registers {
  private queueSelect = 0;
  private readonly vectors: VectorRegisters;

  constructor(
    private readonly device: VirtioDevice,
    vectors: number,
  ) {
    this.vectors = new VectorRegisters(device, vectors);
    device.resetListeners.push(() => (this.queueSelect = 0));
  }

  read(offset: number, width: number): number {
    const { configuration } = this;
    if (offset >= configuration) return readConfiguration(this.device, offset - configuration, width);
    if (!this.accepts(offset, width)) return allOnes(width);
    return (this.readRegister(offset) & allOnes(width)) >>> 0;
  }

  isReset(offset: number, value: number): boolean {
    return offset === DEVICE_STATUS && value === 0;
  }

  write(offset: number, width: number, value: number): void {
    const { configuration, device } = this;
    if (offset >= configuration) device.writeConfiguration(offset - configuration, value, width);
    else if (this.accepts(offset, width)) this.writeRegister(offset, value);
  }

  private get configuration(): number {
    return this.device.isMsixEnabled ? CONFIGURATION_WITH_MSIX : CONFIGURATION;
  }

  private accepts(offset: number, width: number): boolean {
    if (checkWidth(this.device, WIDTHS, offset, width)) return true;
    return WIDTHS[offset] !== undefined && !this.device.profile.strictWidths;
  }

  private readRegister(offset: number): number {
    const { device } = this;
    const queue = device.queues[this.queueSelect];
    switch (offset) {
      case DEVICE_FEATURES:
        return device.offeredFeatures;
      case DRIVER_FEATURES:
        return device.negotiatedFeatures;
      case QUEUE_ADDRESS:
        return queue?.isEnabled === true ? queue.areas.descriptorArea / LEGACY_ALIGNMENT : 0;
      case QUEUE_SIZE:
        return queue?.size ?? 0;
      case QUEUE_SELECT:
        return this.queueSelect;
      case DEVICE_STATUS:
        return device.status;
      case ISR_STATUS:
        return readIsr(device);
      case CONFIG_MSIX_VECTOR:
        return this.vectors.readConfiguration();
      case QUEUE_MSIX_VECTOR:
        return this.vectors.readQueue(queue);
      default:
        return 0;
    }
  }

  private writeRegister(offset: number, value: number): void {
    const { device } = this;
    switch (offset) {
      case DRIVER_FEATURES:
        device.setDriverFeatures(value >>> 0);
        break;
      case QUEUE_ADDRESS:
        this.setQueueAddress(value >>> 0);
        break;
      case QUEUE_SELECT:
        if (value < device.profile.queueSelectLimit) this.queueSelect = value;
        break;
      case QUEUE_NOTIFY:
        device.notify(value);
        break;
      case DEVICE_STATUS:
        if ((value & DRIVER_OK) !== 0) this.vectors.checkRead();
        device.setStatus(value & 0xff);
        break;
      case CONFIG_MSIX_VECTOR:
        this.vectors.writeConfiguration(value);
        break;
      case QUEUE_MSIX_VECTOR:
        this.vectors.writeQueue(device.queues[this.queueSelect], value);
        break;
      default:
        device.record(rules.LEGACY_READ_ONLY, `write at offset ${offset}`);
    }
  }

  private setQueueAddress(pageFrame: number): void {
    const { device } = this;
    const queue = device.requireQueue(this.queueSelect, "queue");
    if (queue === undefined) return;
    if (pageFrame === 0) device.releaseQueue(queue);
    else device.enableQueue(queue, legacyLayout(pageFrame * LEGACY_ALIGNMENT, queue.size));
  }
}
