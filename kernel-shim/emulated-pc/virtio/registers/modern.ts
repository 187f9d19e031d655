/**
 * The registers of modern PCI: the structures that vendor capabilities describe, wherever the host put them.
 * [virtio-1.2 §4.1.4.3 to §4.1.4.6]
 */
import type { PortHandler } from "../../pci/function.js";
import { DRIVER_OK } from "../constants.js";
import type { VirtioDevice } from "../device.js";
import { wordOf } from "../feature-sets.js";
import type { DeviceQueue } from "../queue.js";
import { separateLayout } from "../ring-layout.js";
import { GenerationCheck } from "./generation.js";
import { QueueSetup } from "./queue-setup.js";
import {
  allOnes,
  checkConfigurationWidth,
  checkWidth,
  readConfiguration,
  readIsr,
  registerRegion,
  type Registers,
  type Widths,
} from "./region.js";
import * as rules from "./rules.js";
import { StatusRegister } from "./status.js";
import { VectorRegisters } from "./vectors.js";

const DEVICE_FEATURE_SELECT = 0x00;
const DEVICE_FEATURE = 0x04;
const DRIVER_FEATURE_SELECT = 0x08;
const DRIVER_FEATURE = 0x0c;
const CONFIG_MSIX_VECTOR = 0x10;
const NUM_QUEUES = 0x12;
const DEVICE_STATUS = 0x14;
const CONFIG_GENERATION = 0x15;
const QUEUE_SELECT = 0x16;
const QUEUE_SIZE = 0x18;
const QUEUE_MSIX_VECTOR = 0x1a;
const QUEUE_ENABLE = 0x1c;
const QUEUE_NOTIFY_OFF = 0x1e;
/** queue_desc, queue_driver and queue_device follow each other, each in two halves. */
const QUEUE_ADDRESSES = 0x20;
const QUEUE_ADDRESSES_END = 0x38;
/** Without NOTIF_CONFIG_DATA, which no host offers here, it is not read. */
const QUEUE_NOTIFY_DATA = 0x38;
const QUEUE_RESET = 0x3a;

const WIDTHS: Widths = {
  [DEVICE_FEATURE_SELECT]: 4,
  [DEVICE_FEATURE]: 4,
  [DRIVER_FEATURE_SELECT]: 4,
  [DRIVER_FEATURE]: 4,
  [CONFIG_MSIX_VECTOR]: 2,
  [NUM_QUEUES]: 2,
  [DEVICE_STATUS]: 1,
  [CONFIG_GENERATION]: 1,
  [QUEUE_SELECT]: 2,
  [QUEUE_SIZE]: 2,
  [QUEUE_MSIX_VECTOR]: 2,
  [QUEUE_ENABLE]: 2,
  [QUEUE_NOTIFY_OFF]: 2,
  ...Object.fromEntries([0x20, 0x24, 0x28, 0x2c, 0x30, 0x34].map((offset) => [offset, 4])),
  [QUEUE_NOTIFY_DATA]: 2,
  [QUEUE_RESET]: 2,
};

/** Feature words that the select registers reach. */
const FEATURE_WORDS = 2;

/** The four structures of one device, each for the place that a capability names. */
export interface ModernRegisters {
  readonly common: PortHandler;
  readonly isr: PortHandler;
  readonly device: PortHandler;
  /** @param multiplier notify_off_multiplier of the capability */
  notify(multiplier: number): PortHandler;
}

/** @param vectors entries of the function's MSI-X table */
export function modernRegisters(device: VirtioDevice, vectors: number): ModernRegisters {
  const generation = new GenerationCheck(device);
  const common = new CommonConfiguration(device, vectors, generation);
  return {
    common: registerRegion(device, "modern", "common", common),
    isr: registerRegion(device, "modern", "isr", isrStatus(device, generation)),
    device: registerRegion(device, "modern", "device", deviceConfiguration(device, generation)),
    notify: (multiplier) => registerRegion(device, "modern", "notify", notification(device, generation, multiplier)),
  };
}

/** [virtio-1.2 §4.1.4.3] */
class CommonConfiguration implements Registers {
  private deviceFeatureSelect = 0;
  private driverFeatureSelect = 0;
  private queueSelect = 0;
  private readonly statusRegister: StatusRegister;
  private readonly vectors: VectorRegisters;
  private readonly setup: QueueSetup;

  constructor(
    private readonly device: VirtioDevice,
    vectors: number,
    private readonly generation: GenerationCheck,
  ) {
    this.statusRegister = new StatusRegister(device);
    this.vectors = new VectorRegisters(device, vectors);
    this.setup = new QueueSetup(device);
    device.resetListeners.push(() => {
      this.deviceFeatureSelect = 0;
      this.driverFeatureSelect = 0;
      this.queueSelect = 0;
    });
  }

  isReset(offset: number, value: number): boolean {
    return offset === DEVICE_STATUS && value === 0;
  }

  read(offset: number, width: number): number {
    if (offset === CONFIG_GENERATION) this.generation.generationRead();
    else this.generation.otherAccess();
    return checkWidth(this.device, WIDTHS, offset, width) ? this.readRegister(offset) : allOnes(width);
  }

  write(offset: number, width: number, value: number): void {
    this.generation.otherAccess();
    if (!checkWidth(this.device, WIDTHS, offset, width)) return;
    if (offset !== DEVICE_STATUS) this.statusRegister.otherWrite();
    this.writeRegister(offset, value);
  }

  private get queue(): DeviceQueue | undefined {
    return this.device.queues[this.queueSelect];
  }

  private readRegister(offset: number): number {
    const { device, queue } = this;
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        return this.deviceFeatureSelect;
      case DEVICE_FEATURE:
        return this.deviceFeatureSelect < FEATURE_WORDS ? wordOf(device.offered, this.deviceFeatureSelect) : 0;
      case DRIVER_FEATURE_SELECT:
        return this.driverFeatureSelect;
      case DRIVER_FEATURE:
        return this.driverFeatureSelect < FEATURE_WORDS ? wordOf(device.negotiated, this.driverFeatureSelect) : 0;
      case CONFIG_MSIX_VECTOR:
        return this.vectors.readConfiguration();
      case NUM_QUEUES:
        return device.queues.length;
      case DEVICE_STATUS:
        return this.statusRegister.read();
      case CONFIG_GENERATION:
        return device.configurationGeneration;
      case QUEUE_SELECT:
        return this.queueSelect;
      case QUEUE_SIZE:
        return queue?.size ?? 0;
      case QUEUE_MSIX_VECTOR:
        return this.vectors.readQueue(queue);
      case QUEUE_ENABLE:
        return queue?.isEnabled === true ? 1 : 0;
      case QUEUE_NOTIFY_OFF:
        return this.queueSelect;
      case QUEUE_RESET:
        return this.setup.readReset(queue);
      default:
        return queue === undefined || offset >= QUEUE_ADDRESSES_END
          ? 0
          : this.setup.readAddress(queue, offset - QUEUE_ADDRESSES);
    }
  }

  private writeRegister(offset: number, value: number): void {
    const { device } = this;
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        this.deviceFeatureSelect = value >>> 0;
        break;
      case DRIVER_FEATURE_SELECT:
        this.driverFeatureSelect = value >>> 0;
        break;
      case DRIVER_FEATURE:
        if (this.driverFeatureSelect < FEATURE_WORDS)
          device.setDriverFeatureWord(this.driverFeatureSelect, value >>> 0);
        break;
      case CONFIG_MSIX_VECTOR:
        this.vectors.writeConfiguration(value);
        break;
      case DEVICE_STATUS:
        if ((value & DRIVER_OK) !== 0) this.vectors.checkRead();
        this.statusRegister.write(value);
        break;
      case QUEUE_SELECT:
        this.queueSelect = value;
        break;
      case QUEUE_SIZE:
      case QUEUE_MSIX_VECTOR:
      case QUEUE_ENABLE:
      case QUEUE_RESET:
        this.writeQueueRegister(offset, value);
        break;
      default:
        if (offset >= QUEUE_ADDRESSES && offset < QUEUE_ADDRESSES_END) this.writeQueueRegister(offset, value);
        else device.record(rules.COMMON_READ_ONLY, `write at offset ${offset}`);
    }
  }

  private writeQueueRegister(offset: number, value: number): void {
    const queue = this.device.requireQueue(this.queueSelect, "queue");
    if (queue === undefined) return;
    if (offset === QUEUE_RESET) this.setup.writeReset(queue, value);
    else if (offset === QUEUE_MSIX_VECTOR) this.vectors.writeQueue(queue, value);
    else if (offset === QUEUE_SIZE) this.setup.writeSize(queue, value);
    else if (offset === QUEUE_ENABLE) this.enableQueue(queue, value);
    else this.setup.writeAddress(queue, offset - QUEUE_ADDRESSES, value);
  }

  private enableQueue(queue: DeviceQueue, value: number): void {
    const { device } = this;
    if (value !== 1) {
      device.record(rules.QUEUE_ENABLE_ZERO, `queue ${queue.index}, ${value}`);
      device.fail();
      return;
    }
    this.statusRegister.checkFeaturesOkRead();
    const areas = this.setup.complete(queue);
    if (areas !== null) device.enableQueue(queue, separateLayout(areas, queue.size));
  }
}

/** [virtio-1.2 §4.1.4.5] */
function isrStatus(device: VirtioDevice, generation: GenerationCheck): Registers {
  const widths: Widths = { 0: 1 };
  return {
    read: (offset, width) => {
      generation.otherAccess();
      return checkWidth(device, widths, offset, width) ? readIsr(device) : allOnes(width);
    },
    write: (offset) => device.record(rules.ISR_READ_ONLY, `write of the ISR status, at offset ${offset}`),
  };
}

/** [virtio-1.2 §4.1.4.6] */
function deviceConfiguration(device: VirtioDevice, generation: GenerationCheck): Registers {
  return {
    read: (offset, width) => {
      if (!checkConfigurationWidth(device, offset, width)) return allOnes(width);
      generation.configurationRead(offset);
      return readConfiguration(device, offset, width);
    },
    write: (offset, width, value) => {
      generation.otherAccess();
      if (checkConfigurationWidth(device, offset, width)) device.writeConfiguration(offset, value, width);
    },
  };
}

/** [virtio-1.2 §4.1.4.4, §4.1.5.2] */
function notification(device: VirtioDevice, generation: GenerationCheck, multiplier: number): Registers {
  return {
    read: (offset, width) => {
      generation.otherAccess();
      device.record(rules.NOTIFICATION_READ, `read of a notification address, at offset ${offset}`);
      return allOnes(width);
    },
    write: (offset, width, value) => {
      generation.otherAccess();
      if (width !== 2) {
        device.record(rules.REGISTER_WIDTH, `notification of ${width} bytes`);
        return;
      }
      if (offset !== value * multiplier) {
        device.record(rules.NOTIFICATION_ADDRESS, `queue ${value} at offset ${offset}, multiplier ${multiplier}`);
      }
      // Hosts with a multiplier look at the address, the others at the value.
      device.notify(multiplier === 0 ? value : Math.floor(offset / multiplier));
    },
  };
}
