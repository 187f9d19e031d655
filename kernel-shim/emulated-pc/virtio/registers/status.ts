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
  /** What the register still shows while a reset takes its time, and until when. */
  private statusBefore = 0;
  private resetEnd = 0;

  constructor(private readonly device: VirtioDevice) {}

  read(): number {
    if (this.device.now < this.resetEnd) return this.statusBefore;
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
      this.statusBefore = device.status;
      this.resetEnd = device.status === 0 ? 0 : device.resetEnd;
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
