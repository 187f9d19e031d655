/** What all devices have in common: interrupts, events, reset, and an end in two steps. */

import { DeviceInformationLayout, Result, type DeviceInformation, type PciFunction } from "./abi.js";
import type { CompletionSource } from "./completions.js";
import { CompletionReader } from "./completions.js";
import type { Serviced, StackContext } from "./context.js";
import { VirtioError, check } from "./error.js";
import { formatPciAddress } from "./pci.js";
import { readRecord } from "./records.js";

/** A call that waits got no answer from the device in time. */
export class DeviceTimeout extends Error {
  override readonly name = "DeviceTimeout";
}

/** Bits of `Interrupt` and who raised them, as `VirtioStack.service` reports. */
export type ServicedDevice = Serviced<Device>;

/** Longest wait when no interrupt can end it. */
const POLL_MILLISECONDS = 1;
/** How much later than its work an interrupt may come. */
const GRACE_MILLISECONDS = 100;

export abstract class Device implements CompletionSource {
  /** The slot's interrupt line, or that of the function's pin; `undefined` when there is none, so it must be polled. */
  interruptLine: number | undefined;
  /** The numbers under which the machine reports its messages, by vector; none when it was opened without `vectors`. */
  messages: readonly number[] = [];
  /** How long the blocking calls wait for the device, in the machine's time. */
  timeoutMilliseconds = 10_000;

  protected readonly completions: CompletionReader;
  private state: "open" | "closing" | "gone" = "open";
  /** From `suspend` until `resume` has done all that it does. */
  private isSuspended = false;
  /** Completions and receive buffers to be taken or given back before a closed handle goes. */
  private outstanding = 0;
  protected interruptsWanted = false;

  protected constructor(
    protected readonly context: StackContext<Device>,
    /** The PCI function, as the last scan before opening found it. */
    readonly pciFunction: PciFunction,
    private readonly handleNumber: number,
  ) {
    this.completions = new CompletionReader(context.view, context.privateMemory, this);
  }

  /** Names the device in raw calls of `VirtioStack.exports`; throws once it is gone. */
  get handle(): number {
    if (this.state === "gone") {
      throw new VirtioError("the device was closed", Result.E_HANDLE);
    }
    return this.handleNumber;
  }

  /** False from `close` on. */
  get isOpen(): boolean {
    return this.state === "open";
  }

  /** How the device is reached, and what was agreed with it. Needs a module with the generic driver. */
  deviceInformation(): DeviceInformation {
    const { exports, privateMemory, view } = this.context;
    const pointer = privateMemory.take(DeviceInformationLayout.size);
    try {
      check("device_information", exports.device_information(this.handle, pointer));
      return readRecord(view, DeviceInformationLayout, pointer);
    } finally {
      privateMemory.give(pointer, DeviceInformationLayout.size);
    }
  }

  /**
   * Reads the device's ISR once. Bits of `Interrupt`; 0: the interrupt was not this device's. `E_GONE` is thrown when the
   * device was removed.
   */
  interrupt(): number {
    return check("interrupt", this.context.exports.interrupt(this.handle));
  }

  /** For the binding's own use: as `interrupt`, but a removed device has nothing pending; its event GONE says why. */
  pendingInterrupt(): number {
    const bits = this.context.exports.interrupt(this.handle);
    return bits === Result.E_GONE ? 0 : check("interrupt", bits);
  }

  /**
   * What an interrupt means that the machine reports under this number: bits of `Interrupt`, and `undefined` when it is
   * none of this device's. A removed device has nothing pending.
   */
  claim(number: number): number | undefined {
    const vector = this.messages.indexOf(number);
    if (vector < 0) return number === this.interruptLine ? this.pendingInterrupt() : undefined;
    const bits = this.context.exports.interrupt_vector(this.handle, vector);
    return bits === Result.E_GONE ? 0 : check("interrupt_vector", bits);
  }

  /** Bits of `Event` since the last call. To be looked at before every wait: some are raised without an interrupt. */
  events(): number {
    return check("events", this.context.exports.events(this.handle));
  }

  /**
   * Asks for an interrupt at a disk's next completion, or the next frame that a card receives. True when something can be
   * taken already, with `poll` or `receive`: then take it and call again before waiting, for an interrupt may never come.
   */
  enableInterrupts(): boolean {
    this.interruptsWanted = true;
    return this.armInterrupts();
  }

  disableInterrupts(): void {
    this.interruptsWanted = false;
    check("disable_interrupts", this.context.exports.disable_interrupts(this.handle));
  }

  /** Resets and re-initialises the device. What is in flight completes with `E_RESET`; take that first. */
  reset(): void {
    try {
      check("reset", this.context.exports.reset(this.handle));
    } finally {
      // Nobody else would take these, and with them goes the memory that a lost request has kept.
      if (this.completions.ownUnderWay > 0) {
        this.completions.collectOwn();
      }
    }
  }

  /**
   * Suspends the device: until `resume`, it is reset and nobody touches its registers. Returns 0, or how many completions
   * and received buffers are still out; the device then goes on running.
   *
   * When it throws `E_RESET_TIMEOUT`, the device is suspended all the same.
   *
   * @param giveUp suspends it whatever is out: what is in flight completes with `E_RESET`, and received buffers stay valid
   */
  suspend(giveUp = false): number {
    const result = this.context.exports.suspend(this.handle, giveUp ? 1 : 0);
    this.isSuspended ||= result === Result.OK || result === Result.E_RESET_TIMEOUT;
    // As after a failed `reset`.
    if (this.isSuspended && this.completions.ownUnderWay > 0) {
      this.completions.collectOwn();
    }
    return check("suspend", result);
  }

  /**
   * Brings a suspended device back with the features and settings it had, also when the machine has lost its PCI
   * configuration meanwhile. When that throws, the device is still suspended: try again, or close it.
   */
  resume(): void {
    const { context, handle, isSuspended, messages } = this;
    const hasMessages = isSuspended && messages.length > 0;
    // Before the device may send one. Where its table cannot be reached yet, all of it was lost: it sends none until then.
    const isTableInPlace = hasMessages && context.isInPlace(this);
    if (isTableInPlace) this.messages = context.reconnectMessages(this);
    check("resume", context.exports.resume(handle));
    if (hasMessages && !isTableInPlace) this.messages = context.reconnectMessages(this);
    this.isSuspended = false;
  }

  /**
   * Closes the device and takes its ports back. Returns how many things are still out: completions with `E_RESET`
   * to be taken and received buffers to be given back. The handle goes with the last of them.
   */
  close(): number {
    const { context, handle } = this;
    const left = check("close", context.exports.close(handle));
    this.state = "closing";
    this.outstanding = left;
    context.deviceClosed(this);
    this.releaseBuffers();
    if (left === 0) {
      this.end();
      return 0;
    }
    const own = this.completions.ownUnderWay;
    if (own > 0) {
      this.completions.collectOwn();
    }
    return left - own;
  }

  /** For the binding's own use: true once a closed device has nothing left to take or give back. */
  get isGone(): boolean {
    return this.state === "gone";
  }

  /** For the binding's own use: the module's call, and what it means for a closed device. */
  takeCompletions(records: number, capacity: number): number {
    const count = this.callForCompletions(records, capacity);
    this.returned(count);
    return count;
  }

  /** To be called with the number of completions taken or buffers given back. */
  protected returned(count: number): void {
    if (this.state === "closing") {
      this.outstanding -= count;
      if (this.outstanding <= 0) {
        this.end();
      }
    }
  }

  /**
   * Lets the device work until `isDone`, which is asked first and after every interrupt and must take completions
   * or frames itself. False when `timeoutMilliseconds` of the machine's time passed before.
   */
  protected waitUntil(isDone: () => boolean, timeoutMilliseconds: number): boolean {
    const { machine } = this.context;
    const deadline = machine.kernel.now_ns() + BigInt(Math.ceil(timeoutMilliseconds * 1e6));
    /** Times in a row that there was something to take which was not what `isDone` waits for. */
    let idleTurns = 0;
    try {
      while (!isDone()) {
        const left = Number(deadline - machine.kernel.now_ns()) / 1e6;
        if (left <= 0) {
          // One that was removed answers nothing, and says so only when it is asked.
          this.interrupt();
          return false;
        }
        if (this.interruptLine === undefined && this.messages.length === 0) {
          machine.waitForInterrupt(Math.min(left, POLL_MILLISECONDS));
        } else if (this.armInterrupts()) {
          idleTurns++;
          if (idleTurns > 1) {
            this.context.service(Math.min(left, POLL_MILLISECONDS));
          }
        } else {
          idleTurns = 0;
          const isLate = this.context.service(left).length === 0;
          // What happens in the last moment may be seen before its interrupt is.
          if (isLate && isDone()) {
            if (this.context.service(GRACE_MILLISECONDS).length > 0) {
              return true;
            }
            const address = formatPciAddress(this.pciFunction.address);
            throw new Error(`${address} did what it was asked, without an interrupt`);
          }
        }
      }
      return true;
    } finally {
      if (!this.interruptsWanted && this.state === "open") {
        this.context.exports.disable_interrupts(this.handle);
      }
    }
  }

  /** `block_poll` or `net_reclaim`; throws on a negative result. */
  protected abstract callForCompletions(records: number, capacity: number): number;

  private armInterrupts(): boolean {
    return check("enable_interrupts", this.context.exports.enable_interrupts(this.handle)) > 0;
  }

  /** Gives device-reachable memory of the binding's own back; the device has been stopped. */
  protected abstract releaseBuffers(): void;
  /** Gives the records back; the handle is gone. */
  protected abstract releaseRecords(): void;

  private end(): void {
    this.state = "gone";
    this.completions.dispose();
    this.releaseRecords();
  }
}
