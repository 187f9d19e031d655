/**
 * The registers of a memory-mapped device, in version 1 (legacy) or 2. [virtio-1.2 §4.2.2, §4.2.4]
 */
import type { PortHandler } from "../../pci/function.js";
import type { Rule } from "../../violations.js";
import type { VirtioDevice } from "../device.js";
import { wordOf } from "../feature-sets.js";
import type { DeviceQueue } from "../queue.js";
import { legacyLayout, separateLayout } from "../ring-layout.js";
import { GenerationCheck } from "./generation.js";
import { MmioIdentity } from "./mmio-identity.js";
import { QueueSetup } from "./queue-setup.js";
import { allOnes, checkConfigurationWidth, readConfiguration, registerRegion, type Registers } from "./region.js";
import * as rules from "./rules.js";
import { StatusRegister } from "./status.js";

const DEVICE_FEATURES = 0x010;
const DEVICE_FEATURES_SEL = 0x014;
const DRIVER_FEATURES = 0x020;
const DRIVER_FEATURES_SEL = 0x024;
const GUEST_PAGE_SIZE = 0x028;
const QUEUE_SEL = 0x030;
const QUEUE_NUM_MAX = 0x034;
const QUEUE_NUM = 0x038;
const QUEUE_ALIGN = 0x03c;
const QUEUE_PFN = 0x040;
const QUEUE_READY = 0x044;
const QUEUE_NOTIFY = 0x050;
const INTERRUPT_STATUS = 0x060;
const INTERRUPT_ACK = 0x064;
const STATUS = 0x070;
/** Low and high half of three addresses, two words in three belonging to nothing else. */
const QUEUE_DESC_LOW = 0x080;
const QUEUE_DESC_HIGH = 0x084;
const QUEUE_DRIVER_LOW = 0x090;
const QUEUE_DRIVER_HIGH = 0x094;
const QUEUE_DEVICE_LOW = 0x0a0;
const QUEUE_DEVICE_HIGH = 0x0a4;
const QUEUE_RESET = 0x0c0;
const CONFIG_GENERATION = 0x0fc;
const CONFIGURATION = 0x100;

const ADDRESSES = [
  QUEUE_DESC_LOW,
  QUEUE_DESC_HIGH,
  QUEUE_DRIVER_LOW,
  QUEUE_DRIVER_HIGH,
  QUEUE_DEVICE_LOW,
  QUEUE_DEVICE_HIGH,
];

const READ_ONLY = [DEVICE_FEATURES, QUEUE_NUM_MAX, INTERRUPT_STATUS];
const WRITE_ONLY = [
  DEVICE_FEATURES_SEL,
  DRIVER_FEATURES,
  DRIVER_FEATURES_SEL,
  QUEUE_SEL,
  QUEUE_NUM,
  QUEUE_NOTIFY,
  INTERRUPT_ACK,
];
const READ_AND_WRITE = [STATUS];
/** What one version has and the other does not. */
const OF_VERSION = {
  1: { readOnly: [], writeOnly: [GUEST_PAGE_SIZE, QUEUE_ALIGN], readAndWrite: [QUEUE_PFN] },
  2: { readOnly: [CONFIG_GENERATION], writeOnly: ADDRESSES, readAndWrite: [QUEUE_READY, QUEUE_RESET] },
} as const;

/** What has to be true of a queue before it is set up. */
interface Checked {
  isUnused: boolean;
  hasSize: boolean;
}

/** @param identity what the slot says of itself, which is there without a device too */
export function mmioRegisters(device: VirtioDevice, version: 1 | 2, identity: MmioIdentity): PortHandler {
  const registers = new MmioRegisters(device, version, identity);
  return registerRegion(device, version === 1 ? "legacy" : "modern", "mmio", registers);
}

class MmioRegisters implements Registers {
  /** −1: nothing is selected since the reset. */
  private deviceFeaturesSelect = -1;
  private driverFeaturesSelect = -1;
  private queueSelect = 0;
  private guestPageSize = 0;
  private queueAlign = 0;
  /** Bits of InterruptStatus that the driver has seen. */
  private interruptSeen = 0;
  private checked: Checked = { isUnused: false, hasSize: false };
  private readonly sized = new Set<DeviceQueue>();
  private stopUnread: DeviceQueue | null = null;
  private readonly statusRegister: StatusRegister;
  private readonly generation: GenerationCheck;
  private readonly setup: QueueSetup;
  private readonly readable: ReadonlySet<number>;
  private readonly writable: ReadonlySet<number>;

  constructor(
    private readonly device: VirtioDevice,
    private readonly version: 1 | 2,
    private readonly identity: MmioIdentity,
  ) {
    this.statusRegister = new StatusRegister(device);
    this.generation = new GenerationCheck(device);
    this.setup = new QueueSetup(device);
    const { readOnly, writeOnly, readAndWrite } = OF_VERSION[version];
    this.readable = new Set([...READ_ONLY, ...READ_AND_WRITE, ...readOnly, ...readAndWrite]);
    this.writable = new Set([...WRITE_ONLY, ...READ_AND_WRITE, ...writeOnly, ...readAndWrite]);
    device.resetListeners.push(() => this.forget());
  }

  isReset(offset: number, value: number): boolean {
    return offset === STATUS && value === 0;
  }

  read(offset: number, width: number): number {
    if (offset >= CONFIGURATION) {
      this.identity.checkOrder(offset);
      return this.readConfiguration(offset - CONFIGURATION, width);
    }
    if (offset === CONFIG_GENERATION) this.generation.generationRead();
    else this.otherAccess();
    if (!this.identity.checkWidth(offset, width)) return allOnes(width);
    if (this.identity.has(offset)) return this.identity.read(offset);
    this.identity.checkOrder(offset);
    if (this.readable.has(offset)) return this.readRegister(offset);
    this.recordWrongRegister(offset, rules.REGISTER_WRITE_ONLY);
    return 0;
  }

  write(offset: number, width: number, value: number): void {
    this.otherAccess();
    if (offset >= CONFIGURATION) {
      const inFields = offset - CONFIGURATION;
      if (this.version === 1 || checkConfigurationWidth(this.device, inFields, width)) {
        this.device.writeConfiguration(inFields, value, width);
      }
      return;
    }
    if (!this.identity.checkWidth(offset, width)) return;
    this.identity.checkOrder(offset);
    if (!this.writable.has(offset)) {
      this.recordWrongRegister(offset, rules.MMIO_READ_ONLY);
      return;
    }
    if (offset !== STATUS && this.version === 2) this.statusRegister.otherWrite();
    this.checkStopRead();
    this.writeRegister(offset, value >>> 0);
  }

  private get queue(): DeviceQueue | undefined {
    return this.device.queues[this.queueSelect];
  }

  private readConfiguration(offset: number, width: number): number {
    if (this.version === 1) return readConfiguration(this.device, offset, width);
    if (!checkConfigurationWidth(this.device, offset, width)) return allOnes(width);
    this.generation.configurationRead(offset);
    return readConfiguration(this.device, offset, width);
  }

  private readRegister(offset: number): number {
    const { device, queue } = this;
    switch (offset) {
      case DEVICE_FEATURES:
        return this.readFeatures();
      case QUEUE_NUM_MAX:
        this.checked.hasSize = true;
        return queue?.maximumSize ?? 0;
      case QUEUE_PFN:
        this.checked.isUnused = true;
        return queue?.isEnabled === true ? queue.areas.descriptorArea / (this.guestPageSize || 1) : 0;
      case QUEUE_READY:
        this.checked.isUnused = true;
        if (this.stopUnread === queue) this.stopUnread = null;
        return queue?.isEnabled === true ? 1 : 0;
      case QUEUE_RESET:
        return this.setup.readReset(queue);
      case INTERRUPT_STATUS:
        this.interruptSeen |= device.interruptStatus;
        return device.interruptStatus;
      case STATUS:
        return this.version === 2 ? this.statusRegister.read() : device.status;
      default:
        return device.configurationGeneration;
    }
  }

  private writeRegister(offset: number, value: number): void {
    const { device } = this;
    switch (offset) {
      case DEVICE_FEATURES_SEL:
        this.deviceFeaturesSelect = value;
        break;
      case DRIVER_FEATURES_SEL:
        this.driverFeaturesSelect = value;
        break;
      case DRIVER_FEATURES:
        this.acceptFeatures(value);
        break;
      case GUEST_PAGE_SIZE:
        if (!isPowerOfTwo(value) || device.queues.some(({ isEnabled }) => isEnabled)) {
          device.record(rules.GUEST_PAGE_SIZE, `${value}`);
        }
        this.guestPageSize = value;
        break;
      case QUEUE_SEL:
        this.queueSelect = value;
        this.checked = { isUnused: false, hasSize: false };
        break;
      case QUEUE_NOTIFY:
        device.notify(value);
        break;
      case INTERRUPT_ACK:
        this.acknowledge(value);
        break;
      case STATUS:
        if (this.version === 2) this.statusRegister.write(value & 0xff);
        else device.setStatus(value & 0xff);
        break;
      default:
        this.writeQueueRegister(offset, value);
    }
  }

  private readFeatures(): number {
    const { device, deviceFeaturesSelect } = this;
    if (deviceFeaturesSelect < 0) device.record(rules.FEATURES_NOT_SELECTED, "DeviceFeatures");
    const word = Math.max(deviceFeaturesSelect, 0);
    return word < this.version ? wordOf(device.offered, word) : 0;
  }

  private acceptFeatures(value: number): void {
    const { device } = this;
    if (this.driverFeaturesSelect < 0) device.record(rules.FEATURES_NOT_SELECTED, "DriverFeatures");
    const driverFeaturesSelect = Math.max(this.driverFeaturesSelect, 0);
    if (driverFeaturesSelect >= this.version) {
      if (value !== 0) device.setDriverFeatureWord(Math.min(driverFeaturesSelect, 1), value);
    } else if (this.version === 1) device.setDriverFeatures(value);
    else device.setDriverFeatureWord(driverFeaturesSelect, value);
  }

  private acknowledge(bits: number): void {
    const { device } = this;
    if ((bits & ~this.interruptSeen) !== 0) {
      device.record(rules.INTERRUPT_ACKNOWLEDGE, `${bits}, seen ${this.interruptSeen}`);
    }
    this.interruptSeen &= ~bits;
    device.acknowledgeInterrupt(bits);
  }

  private writeQueueRegister(offset: number, value: number): void {
    const queue = this.device.requireQueue(this.queueSelect, "queue");
    if (queue === undefined) return;
    switch (offset) {
      case QUEUE_NUM:
        this.checkUnused(queue);
        this.sized.add(queue);
        this.setup.writeSize(queue, value);
        break;
      case QUEUE_ALIGN:
        if (!isPowerOfTwo(value)) this.device.record(rules.QUEUE_ALIGN, `${value}`);
        this.queueAlign = value;
        break;
      case QUEUE_PFN:
        this.setPageFrame(queue, value);
        break;
      case QUEUE_READY:
        this.setReady(queue, value);
        break;
      case QUEUE_RESET:
        this.setup.writeReset(queue, value);
        this.sized.delete(queue);
        break;
      default:
        this.setup.writeAddress(queue, 4 * ADDRESSES.indexOf(offset), value);
    }
  }

  private setPageFrame(queue: DeviceQueue, pageFrame: number): void {
    const { device, guestPageSize, queueAlign } = this;
    if (pageFrame === 0) {
      device.releaseQueue(queue);
      return;
    }
    this.checkUnused(queue);
    this.checkSized(queue);
    if (guestPageSize === 0) device.record(rules.GUEST_PAGE_SIZE, `queue ${queue.index} before it`);
    if (queueAlign === 0) device.record(rules.QUEUE_ALIGN, `queue ${queue.index} before it`);
    device.enableQueue(queue, legacyLayout(pageFrame * guestPageSize, queue.size, queueAlign || 1));
  }

  private setReady(queue: DeviceQueue, value: number): void {
    const { device } = this;
    if (value === 0) {
      device.disableQueue(queue);
      this.forgetQueue(queue);
      this.stopUnread = queue;
      return;
    }
    this.checkUnused(queue);
    this.checkSized(queue);
    this.statusRegister.checkFeaturesOkRead();
    const areas = this.setup.complete(queue);
    if (areas !== null) device.enableQueue(queue, separateLayout(areas, queue.size));
  }

  /** Recorded once for each queue that is set up. */
  private checkUnused(queue: DeviceQueue): void {
    if (!this.checked.isUnused || !this.checked.hasSize) {
      this.device.record(rules.QUEUE_NOT_CHECKED, `queue ${queue.index}`);
    }
    this.checked = { isUnused: true, hasSize: true };
  }

  private checkSized(queue: DeviceQueue): void {
    if (!this.sized.has(queue)) this.device.record(rules.QUEUE_INCOMPLETE, `queue ${queue.index}, QueueNum`);
  }

  private checkStopRead(): void {
    if (this.stopUnread !== null) {
      this.device.record(rules.QUEUE_READY_NOT_READ, `queue ${this.stopUnread.index}`);
    }
    this.stopUnread = null;
  }

  private recordWrongRegister(offset: number, rule: Rule): void {
    const exists = this.readable.has(offset) || this.writable.has(offset) || this.identity.has(offset);
    this.device.record(exists ? rule : rules.REGISTER_MISSING, `offset 0x${offset.toString(16)}`);
  }

  private otherAccess(): void {
    if (this.version === 2) this.generation.otherAccess();
  }

  private forgetQueue(queue: DeviceQueue): void {
    this.sized.delete(queue);
    this.setup.forget(queue);
  }

  private forget(): void {
    this.deviceFeaturesSelect = -1;
    this.driverFeaturesSelect = -1;
    this.queueSelect = 0;
    this.guestPageSize = 0;
    this.queueAlign = 0;
    this.interruptSeen = 0;
    this.checked = { isUnused: false, hasSize: false };
    this.sized.clear();
    this.stopUnread = null;
  }
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}
