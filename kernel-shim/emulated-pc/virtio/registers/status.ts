/**
 * The status register where VERSION_1 is offered: a driver reads it again after a reset and after FEATURES_OK, and does
 * nothing in between. [virtio-1.2 §2.4.2, §3.1.1]
 */
import { DRIVER_OK, FEATURES_OK } from "../constants.js";
import type { VirtioDevice } from "../device.js";
import * as rules from "./rules.js";

export class StatusRegister {
  private isResetUnread = false;
  private isFeaturesOkUnread = false;

  constructor(private readonly device: VirtioDevice) {}

  read(): number {
    this.isResetUnread = false;
    this.isFeaturesOkUnread = false;
    return this.device.status;
  }

  write(value: number): void {
    const { device } = this;
    if (value !== 0) {
      this.otherWrite();
      const added = value & ~device.status;
      if ((added & DRIVER_OK) !== 0) this.checkFeaturesOkRead();
      if ((added & FEATURES_OK) !== 0) this.isFeaturesOkUnread = true;
    } else {
      this.isFeaturesOkUnread = false;
      this.isResetUnread = true;
    }
    device.setStatus(value);
  }

  /** A register other than the status is written. */
  otherWrite(): void {
    if (this.isResetUnread) this.device.record(rules.RESET_NOT_READ, `status ${this.device.status}`);
    this.isResetUnread = false;
  }

  /** A queue is set up, or DRIVER_OK is set. */
  checkFeaturesOkRead(): void {
    if (this.isFeaturesOkUnread) this.device.record(rules.FEATURES_OK_NOT_READ, `status ${this.device.status}`);
    this.isFeaturesOkUnread = false;
  }
}
