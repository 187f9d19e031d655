/** The vector registers of legacy and modern PCI: which event has which message. [virtio-1.2 §4.1.5.1.2] */
import { VIRTIO_MSI_NO_VECTOR } from "../constants.js";
import type { VirtioDevice } from "../device.js";
import type { DeviceQueue } from "../queue.js";
import * as rules from "./rules.js";

export class VectorRegisters {
  /** What the driver has not read back yet. */
  private readonly unread = new Set<DeviceQueue | "configuration">();

  /** @param vectors entries of the function's table */
  constructor(
    private readonly device: VirtioDevice,
    private readonly vectors: number,
  ) {
    device.resetListeners.push(() => this.unread.clear());
  }

  readConfiguration(): number {
    this.unread.delete("configuration");
    return this.device.configurationVector;
  }

  writeConfiguration(vector: number): void {
    this.device.configurationVector = this.accept("configuration", vector);
  }

  readQueue(queue: DeviceQueue | undefined): number {
    if (queue === undefined) return VIRTIO_MSI_NO_VECTOR;
    this.unread.delete(queue);
    return queue.vector;
  }

  writeQueue(queue: DeviceQueue | undefined, vector: number): void {
    if (queue !== undefined) queue.vector = this.accept(queue, vector);
  }

  /** The driver sets DRIVER_OK: by then it must know which messages will come. */
  checkRead(): void {
    for (const event of this.unread) {
      this.device.record(rules.VECTOR_NOT_READ, event === "configuration" ? event : `queue ${event.index}`);
    }
    this.unread.clear();
  }

  private accept(event: DeviceQueue | "configuration", vector: number): number {
    this.unread.delete(event);
    if (vector === VIRTIO_MSI_NO_VECTOR) return vector;
    this.unread.add(event);
    if (vector >= this.vectors) {
      this.device.record(rules.VECTOR_RANGE, `vector ${vector} of ${this.vectors}`);
      return VIRTIO_MSI_NO_VECTOR;
    }
    return this.device.faults.acceptsVector?.(vector) === false ? VIRTIO_MSI_NO_VECTOR : vector;
  }
}
