/**
 * The QEMU Machine Protocol: commands to QEMU itself (resize a disk, cut a link, plug a device), synchronously.
 */

import type { Channel } from "./channel.js";
import { QemuError, quote } from "./qemu-error.js";

/** A value of JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** The arguments of a command, or the fields of an answer. */
export type JsonObject = Record<string, Json>;

/** Something that QEMU reported without being asked. */
export interface QmpEvent {
  /** "DEVICE_DELETED", "NIC_RX_FILTER_CHANGED", … */
  event: string;
  data: JsonObject;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value that a line of JSON says; undefined when it is none. */
function parse(line: string): Json | undefined {
  try {
    return JSON.parse(line) as Json;
  } catch {
    return undefined;
  }
}

export class Qmp {
  private readonly received: QmpEvent[] = [];
  private commands = 0;
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

  /** Everything QEMU reported so far, oldest first. */
  get events(): readonly QmpEvent[] {
    for (let message = this.receive(0); message !== null; message = this.receive(0)) {
      this.noteEvent(message);
    }
    return this.received;
  }

  /** Leaves the negotiation that every connection begins with. */
  waitUntilReady(): void {
    const greeting = this.receive(this.timeout);
    if (greeting === null || !("QMP" in greeting)) {
      throw this.describe("QEMU did not greet on its QMP channel");
    }
    this.execute("qmp_capabilities");
  }

  /** Runs a command and returns what it returned. Throws a QemuError with QEMU's own words when it is refused. */
  execute(command: string, commandArguments: JsonObject = {}): Json {
    this.throwIfFailed();
    const id = ++this.commands;
    this.channel.send(JSON.stringify({ execute: command, arguments: commandArguments, id }));
    for (;;) {
      const message = this.receive(this.timeout);
      if (message === null) {
        throw this.describe(
          this.channel.isEnded
            ? `QEMU ended at the QMP command "${command}"`
            : `QEMU gave no answer to the QMP command "${command}" for ${this.timeout / 1000} seconds`,
        );
      }
      const error = message["error"];
      // Without an id it is about a command that QEMU could not read.
      if (isObject(error) && (message["id"] ?? id) === id) {
        throw new QemuError(`QEMU refused the QMP command "${command}": ${JSON.stringify(error["desc"])}`);
      }
      if (message["id"] === id && message["return"] !== undefined) {
        return message["return"];
      }
      this.noteEvent(message);
    }
  }

  /**
   * The oldest event of that name among those from index `from` of `events` on, waiting for it if need be; null when
   * `timeout` milliseconds went by.
   */
  waitForEvent(name: string, from: number, timeout: number): QmpEvent | null {
    const end = performance.now() + timeout;
    for (;;) {
      const found = this.events.slice(from).find((event) => event.event === name);
      if (found !== undefined) {
        return found;
      }
      const left = end - performance.now();
      const message = left > 0 ? this.receive(left) : null;
      if (message === null) {
        return null;
      }
      this.noteEvent(message);
    }
  }

  private receive(timeout: number): JsonObject | null {
    this.throwIfFailed();
    const line = this.channel.receive(timeout);
    if (line === null) {
      return null;
    }
    const message = parse(line);
    if (!isObject(message)) {
      // Nobody knows what was lost, so no answer can be told from another any more.
      this.failure = this.describe(`QEMU wrote ${quote(line)} on its QMP channel, which is no message of the protocol`);
      throw this.failure;
    }
    return message;
  }

  private throwIfFailed(): void {
    if (this.failure !== null) {
      throw this.failure;
    }
  }

  private noteEvent(message: JsonObject): void {
    const name = message["event"];
    if (typeof name === "string") {
      const data = message["data"];
      this.received.push({ event: name, data: isObject(data) ? data : {} });
    }
  }
}
