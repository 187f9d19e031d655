/**
 * The qtest protocol: port space, registers in memory, the few guest memory accesses that have to be atomic, and
 * interrupt lines.
 *
 * One text line per request and one per answer; `IRQ raise N` and `IRQ lower N` come whenever a line changes, in
 * front of any answer. Anything else means that the two sides are out of step: it is an error, and so is every request
 * after it. QEMU ends itself on arguments it does not like (a port above 0xffff among them), so whatever is sent from
 * here has been checked by the caller.
 */

import type { Channel } from "./channel.js";
import { quote } from "./qemu-error.js";

/** Answers, by what was asked: to do something, how numbers are ordered, to read a number. [QEMU softmmu/qtest.c] */
const DONE = /^OK$/;
const BYTE_ORDER = /^OK little$/;
const NUMBER = /^OK 0x([0-9a-f]{4,8})$/;
/** Of memory. */
const LONG_NUMBER = /^OK 0x([0-9a-f]{16})$/;

export class Qtest {
  /** Inputs of the I/O APIC that are asserted now, as far as QEMU's messages were read. */
  readonly assertedInputs = new Set<number>();

  private failure: Error | null = null;

  /**
   * @param timeout how long an answer may take, in milliseconds
   * @param describe turns what happened into an error, with what QEMU wrote on stderr
   */
  constructor(
    private readonly channel: Channel,
    private readonly timeout: number,
    private readonly describe: (what: string) => Error,
  ) {}

  /** Waits until QEMU serves requests. */
  waitUntilReady(): void {
    this.request("endianness", BYTE_ORDER);
  }

  /** From here on changes of the I/O APIC's inputs are reported. */
  interceptInterrupts(): void {
    this.request("irq_intercept_in ioapic");
  }

  in8(port: number): number {
    return this.read(`inb ${port}`, 1);
  }

  in16(port: number): number {
    return this.read(`inw ${port}`, 2);
  }

  in32(port: number): number {
    return this.read(`inl ${port}`, 4);
  }

  out8(port: number, value: number): void {
    this.request(`outb ${port} ${value}`);
  }

  out16(port: number, value: number): void {
    this.request(`outw ${port} ${value}`);
  }

  out32(port: number, value: number): void {
    this.request(`outl ${port} ${value}`);
  }

  // At physical addresses, each in one piece: of a register one access, of guest memory seen by device models as either
  // old or new.

  read8(address: number): number {
    return this.read(`readb ${address}`, 1, LONG_NUMBER);
  }

  read16(address: number): number {
    return this.read(`readw ${address}`, 2, LONG_NUMBER);
  }

  read32(address: number): number {
    return this.read(`readl ${address}`, 4, LONG_NUMBER);
  }

  write8(address: number, value: number): void {
    this.request(`writeb ${address} ${value}`);
  }

  write16(address: number, value: number): void {
    this.request(`writew ${address} ${value}`);
  }

  write32(address: number, value: number): void {
    this.request(`writel ${address} ${value}`);
  }

  /** Refuses every further request with this error. */
  end(reason: Error): void {
    this.failure ??= reason;
  }

  /** Takes in what is there already, then at most one more message within `timeout` milliseconds. */
  receiveInterrupts(timeout: number): void {
    this.throwIfFailed();
    let line = this.channel.receive(timeout);
    while (line !== null) {
      if (!this.noteInterrupt(line)) {
        throw this.fail(`QEMU wrote ${quote(line)} without being asked`);
      }
      line = this.channel.receive(0);
    }
    if (this.channel.isEnded) {
      throw this.fail("QEMU ended");
    }
  }

  private read(command: string, bytes: 1 | 2 | 4, form = NUMBER): number {
    const answer = this.request(command, form);
    const value = parseInt(answer[1] ?? "", 16);
    if (value >= 2 ** (8 * bytes)) {
      throw this.fail(`QEMU answered ${quote(answer[0])} to the request "${command}"`);
    }
    return value;
  }

  /** Sends a request; returns its answer, which has to be as `expected`. */
  private request(command: string, expected = DONE): RegExpExecArray {
    this.throwIfFailed();
    this.channel.send(command);
    for (;;) {
      const line = this.channel.receive(this.timeout);
      if (line === null) {
        throw this.channel.isEnded
          ? this.fail(`QEMU ended at the request "${command}"`)
          : this.fail(`QEMU gave no answer to the request "${command}" for ${this.timeout / 1000} seconds`);
      }
      const answer = expected.exec(line);
      if (answer !== null) {
        return answer;
      }
      if (!this.noteInterrupt(line)) {
        throw this.fail(`QEMU answered ${quote(line)} to the request "${command}"`);
      }
    }
  }

  private noteInterrupt(line: string): boolean {
    const change = /^IRQ (raise|lower) (\d+)$/.exec(line);
    if (change === null) {
      return false;
    }
    const input = Number(change[2]);
    if (change[1] === "raise") {
      this.assertedInputs.add(input);
    } else {
      this.assertedInputs.delete(input);
    }
    return true;
  }

  /** Answers could be taken for those to other requests from here on, so none is sent any more. */
  private fail(what: string): Error {
    this.failure = this.describe(what);
    return this.failure;
  }

  private throwIfFailed(): void {
    if (this.failure !== null) {
      throw this.failure;
    }
  }
}
