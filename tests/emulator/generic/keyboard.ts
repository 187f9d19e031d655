/** A device that the stack has no driver for: a keyboard, as virtio-input has it. [virtio-1.2 §5.8] */

import type { Profile } from "../../../kernel-shim/emulated-pc/profiles.js";
import type { Chain } from "../../../kernel-shim/emulated-pc/virtio/chain.js";
import { type ConfigurationField, ConfigurationSpace } from "../../../kernel-shim/emulated-pc/virtio/configuration.js";
import {
  type DeviceOffer,
  VirtioDevice,
  type VirtioDeviceOptions,
} from "../../../kernel-shim/emulated-pc/virtio/device.js";
import type { DeviceQueue } from "../../../kernel-shim/emulated-pc/virtio/queue.js";

export const VIRTIO_ID_INPUT = 18;
export const EVENT_QUEUE = 0;
export const STATUS_QUEUE = 1;
export const EVENT_BYTES = 8;
/** Offsets in the configuration, and what can be selected there. [virtio-1.2 §5.8.4] */
export const configuration = { select: 0, subselect: 1, size: 2, union: 8, bytes: 136 } as const;
export const ID_NAME = 1;
export const ID_DEVICE_IDS = 3;
/** No feature of the specification's: with it, the driver may write the configuration. */
export const FEATURE_SELECT = 1;

export const KEYBOARD_NAME = "a keyboard for tests";
const DEVICE_IDS = [6, 0x627, 1, 2];
/** Base class 9: input devices. */
const CLASS_INPUT = 0x09_80_00;
const EVENT_QUEUE_SIZE = 16;
const STATUS_QUEUE_SIZE = 4;

function byteField(offset: number): ConfigurationField {
  return { name: `byte ${offset}`, offset, bytes: 1, feature: 0, writableWith: offset < 2 ? FEATURE_SELECT : 0 };
}

const fields = Array.from({ length: configuration.bytes }, (_, offset) => byteField(offset));

export class KeyboardDevice extends VirtioDevice {
  readonly type = VIRTIO_ID_INPUT;
  readonly kind = "input";
  readonly classCode = CLASS_INPUT;
  protected readonly featureDependencies = [];
  /** What the driver sent: the bytes of each chain in the status queue. */
  readonly statusReceived: Uint8Array[] = [];
  private readonly waiting: Chain[] = [];

  constructor(options: VirtioDeviceOptions = {}) {
    super(options);
  }

  protected describe(profile: Profile): DeviceOffer {
    return {
      features: profile.ringFeatures + FEATURE_SELECT,
      queueSizes: [EVENT_QUEUE_SIZE, STATUS_QUEUE_SIZE],
      configuration: new ConfigurationSpace(fields),
    };
  }

  protected override configurationWritten(): void {
    const { bytes } = this.configuration;
    bytes.fill(0, configuration.size);
    if (bytes[configuration.select] === ID_NAME) this.show(new TextEncoder().encode(KEYBOARD_NAME));
    if (bytes[configuration.select] === ID_DEVICE_IDS) {
      this.show(new Uint8Array(Uint16Array.from(DEVICE_IDS).buffer));
    }
  }

  /** An event as it goes over the wire; false when the driver has no buffer there. [virtio-1.2 §5.8.6] */
  sendEvent(type: number, code: number, value: number): boolean {
    const [queue] = this.queues;
    const chain = this.waiting.shift();
    if (chain === undefined || queue === undefined) return false;
    const event = new DataView(new ArrayBuffer(EVENT_BYTES));
    event.setUint16(0, type, true);
    event.setUint16(2, code, true);
    event.setUint32(4, value, true);
    queue.complete(chain, chain.write(0, new Uint8Array(event.buffer), 0, EVENT_BYTES));
    queue.signal();
    return true;
  }

  protected serve(queue: DeviceQueue): void {
    for (let chain = queue.next(); chain !== null; chain = queue.next()) {
      if (queue.index === EVENT_QUEUE) {
        this.waiting.push(chain);
        continue;
      }
      const bytes = new Uint8Array(chain.readableBytes);
      chain.read(0, bytes, 0, bytes.length);
      this.statusReceived.push(bytes);
      queue.complete(chain, 0);
      queue.signal();
    }
  }

  protected wasReset(): void {
    this.waiting.length = 0;
  }

  private show(bytes: Uint8Array): void {
    this.configuration.bytes[configuration.size] = bytes.length;
    this.configuration.bytes.set(bytes, configuration.union);
  }
}
