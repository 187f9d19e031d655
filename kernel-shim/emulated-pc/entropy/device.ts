/** The entropy device: fills the driver's buffers with bytes of its host's, as many as there are. [virtio-1.2 §5.4] */
import type { Profile } from "../profiles.js";
import type { Chain } from "../virtio/chain.js";
import { ConfigurationSpace } from "../virtio/configuration.js";
import { VIRTIO_ID_ENTROPY } from "../virtio/constants.js";
import { type DeviceOffer, VirtioDevice, type VirtioDeviceOptions } from "../virtio/device.js";
import type { DeviceQueue } from "../virtio/queue.js";
import type { Rule } from "../violations.js";

/**
 * Where the bytes come from: fills the start of `target` and returns how many bytes it filled. Fewer than there is room
 * for are a short result; 0: none now, the buffer waits for `EntropyDevice.bytesArrived`.
 */
export type EntropySource = (target: Uint8Array) => number;

export interface EntropyDeviceOptions extends VirtioDeviceOptions {
  /** The machine's random numbers, without end, unless given. */
  source?: EntropySource;
}

/** The only queue of the device. [virtio-1.2 §5.4.2] */
const QUEUE_SIZE = 8;
/** Base class FF: no class fits. */
const CLASS_UNASSIGNED = 0xff_00_00;

const ENTROPY_READABLE: Rule = {
  id: "entropy-readable",
  section: "virtio-1.2 §5.4.6.1",
  text: "a buffer for entropy has no descriptor that the device reads",
};
const ENTROPY_EMPTY: Rule = {
  id: "entropy-empty",
  section: "virtio-1.2 §5.4.6",
  text: "a buffer for entropy has room for a byte at least",
};

export class EntropyDevice extends VirtioDevice {
  readonly type = VIRTIO_ID_ENTROPY;
  readonly kind = "entropy";
  readonly classCode = CLASS_UNASSIGNED;
  protected readonly featureDependencies = [];
  /** Buffers that wait for bytes, the oldest first. */
  private waiting: Chain[] = [];

  constructor(private readonly entropyOptions: EntropyDeviceOptions = {}) {
    super(entropyOptions);
  }

  /** The source has bytes again: buffers that wait are filled. */
  bytesArrived(): void {
    const [queue] = this.queues;
    if (queue !== undefined && this.isReady) this.fill(queue);
  }

  protected describe(profile: Profile): DeviceOffer {
    return { features: profile.ringFeatures, queueSizes: [QUEUE_SIZE], configuration: new ConfigurationSpace([]) };
  }

  protected serve(queue: DeviceQueue): void {
    for (let chain = queue.next(); chain !== null; chain = queue.next()) {
      const detail = `head ${chain.head}, ${chain.readableBytes} bytes to read, ${chain.writableBytes} to write`;
      if (chain.readable.length > 0) this.record(ENTROPY_READABLE, detail);
      if (chain.writableBytes === 0) this.record(ENTROPY_EMPTY, detail);
      this.waiting.push(chain);
    }
    this.later(this.environment.completion.requestDelay(), () => this.fill(queue));
  }

  protected wasReset(): void {
    this.waiting = [];
  }

  protected override queueWasReset(): void {
    this.waiting = [];
  }

  private fill(queue: DeviceQueue): void {
    let completed = false;
    for (let [chain] = this.waiting; chain !== undefined; [chain] = this.waiting) {
      const bytes = new Uint8Array(chain.writableBytes);
      const filled = this.take(bytes);
      if (filled === 0 && bytes.length > 0) break;
      this.waiting.shift();
      queue.complete(chain, chain.write(0, bytes, 0, filled));
      completed = true;
    }
    if (completed) queue.signal();
  }

  private take(target: Uint8Array): number {
    const { source } = this.entropyOptions;
    if (source !== undefined) return Math.min(source(target), target.length);
    for (let index = 0; index < target.length; index++) target[index] = this.environment.random.below(256);
    return target.length;
  }
}
