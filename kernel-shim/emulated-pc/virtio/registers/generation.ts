/**
 * Whether a driver makes sure that what it reads in several parts belongs together: the generation before and after,
 * with nothing in between. [virtio-1.2 §2.5.1]
 */
import type { VirtioDevice } from "../device.js";
import * as rules from "./rules.js";

/** Fields up to this many bytes are read at once. */
const WHOLE = 4;

export class GenerationCheck {
  private wasReadBefore = false;
  /** A field of several parts that was read since. */
  private unconfirmed = "";

  constructor(private readonly device: VirtioDevice) {
    device.resetListeners.push(() => {
      this.wasReadBefore = false;
      this.unconfirmed = "";
    });
  }

  generationRead(): void {
    this.wasReadBefore = true;
    this.unconfirmed = "";
  }

  configurationRead(offset: number): void {
    const field = this.device.configuration.fieldAt(offset);
    if (field === undefined || field.bytes <= WHOLE) return;
    if (!this.wasReadBefore) this.device.record(rules.CONFIGURATION_GENERATION, `${field.name}: not read before`);
    this.wasReadBefore = true;
    this.unconfirmed = field.name;
  }

  /** A register was accessed that has nothing to do with the configuration. */
  otherAccess(): void {
    if (this.unconfirmed !== "") {
      this.device.record(rules.CONFIGURATION_GENERATION, `${this.unconfirmed}: not read after`);
    }
    this.wasReadBefore = false;
    this.unconfirmed = "";
  }
}
