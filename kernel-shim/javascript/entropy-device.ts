/** An entropy device: requests for random bytes as the module's calls take them, and a blocking call on top of those. */

import { EntropyRequestLayout, type PciFunction } from "./abi.js";
import type { Submitted } from "./block-device.js";
import type { Completion } from "./completions.js";
import type { StackContext } from "./context.js";
import { Device, DeviceTimeout } from "./device.js";
import { check } from "./error.js";
import { formatPciAddress } from "./pci.js";
import { RecordArray } from "./private-memory.js";
import { writeUint64 } from "./records.js";

/** One request for random bytes. */
export interface EntropyRequest {
  /** Comes back in the completion: a whole number from 0 to 2^53 - 1. */
  token: number;
  /** Where the bytes go: memory that devices reach. */
  pointer: number;
  /** How many, at least 1. */
  length: number;
}

/** Bytes that `randomBytes` asks for at once, at most. */
const TRANSFER_BYTES = 4096;
const REQUESTS = 64;

const { token, pointer: pointerField, length: lengthField, result } = EntropyRequestLayout.fields;

export class EntropyDevice extends Device {
  private readonly requests: RecordArray;
  /** Where the bytes of `randomBytes` arrive; 0 until the first call, and while a request that got lost has it. */
  private transferBuffer = 0;

  constructor(context: StackContext<Device>, pciFunction: PciFunction, handle: number) {
    super(context, pciFunction, handle);
    this.requests = new RecordArray(context.privateMemory, EntropyRequestLayout.size, REQUESTS);
  }

  /**
   * Asks for random bytes, in order, with one notification at most, up to the first request that is refused. The memory is
   * the device's until the completion is taken with `poll`.
   */
  request(requests: readonly EntropyRequest[]): Submitted {
    this.requests.reserve(requests.length);
    requests.forEach((request, index) => {
      this.writeRequest(index, BigInt(request.token), request.pointer, request.length);
    });
    return this.submit(requests.length);
  }

  /** Takes up to `max` completions; `length` says how many bytes from the start of the buffer are random. */
  poll(max = Number.MAX_SAFE_INTEGER): Completion[] {
    return this.completions.poll(max);
  }

  /** Waits for `count` random bytes, however few come at a time. */
  randomBytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count;) {
      const piece = this.receive(Math.min(count - done, TRANSFER_BYTES));
      bytes.set(piece, done);
      done += piece.length;
    }
    return bytes;
  }

  protected override callForCompletions(records: number, capacity: number): number {
    return check("entropy_poll", this.context.exports.entropy_poll(this.handle, records, capacity));
  }

  protected override releaseBuffers(): void {
    if (this.transferBuffer !== 0) this.context.freeBuffer(this.transferBuffer);
    this.transferBuffer = 0;
  }

  protected override releaseRecords(): void {
    this.requests.dispose();
  }

  private writeRequest(index: number, requestToken: bigint, buffer: number, bytes: number): void {
    const { view } = this.context;
    const record = this.requests.pointer + index * EntropyRequestLayout.size;
    writeUint64(view, record + token.offset, requestToken);
    view.setUint32(record + pointerField.offset, buffer, true);
    view.setUint32(record + lengthField.offset, bytes, true);
    view.setInt32(record + result.offset, 0, true);
  }

  private submit(count: number): Submitted {
    const { exports, view } = this.context;
    const accepted = check("entropy_request", exports.entropy_request(this.handle, this.requests.pointer, count));
    const refused = this.requests.pointer + accepted * EntropyRequestLayout.size;
    return { accepted, refusal: accepted < count ? view.getInt32(refused + result.offset, true) : 0 };
  }

  /** One request from submission to completion; perhaps fewer bytes than asked for. */
  private receive(count: number): Uint8Array {
    const { machine } = this.context;
    if (this.transferBuffer === 0) this.transferBuffer = machine.allocateBuffer(TRANSFER_BYTES);
    const buffer = this.transferBuffer;
    let outcome: { result: number; length: number } | undefined;
    let isLost = false;
    const ownToken = this.completions.register((completedWith, length) => {
      outcome = { result: completedWith, length };
      if (isLost) this.context.freeBuffer(buffer);
    });
    this.writeRequest(0, ownToken, buffer, count);
    const { refusal } = this.submit(1);
    if (refusal !== 0) {
      this.completions.unregister(ownToken);
      check("randomBytes", refusal);
    }
    const isThere = (): boolean => {
      this.completions.collectOwn();
      return outcome !== undefined;
    };
    try {
      this.waitUntil(isThere, this.timeoutMilliseconds);
    } finally {
      // The device may still write there until the request comes back, from the device or from a reset.
      if (outcome === undefined) {
        isLost = true;
        this.transferBuffer = 0;
      }
    }
    if (outcome === undefined) {
      const address = formatPciAddress(this.pciFunction.address);
      throw new DeviceTimeout(`the entropy device ${address} gave no bytes within ${this.timeoutMilliseconds} ms`);
    }
    check("randomBytes", outcome.result);
    return machine.readBuffer(buffer, outcome.length);
  }
}
