/** A guest that asks for random bytes at random, and checks what it is told. */
import { EntropyOptionsLayout, EntropyRequestLayout, Result } from "../../kernel-shim/javascript/abi.js";
import { readRecord } from "../../kernel-shim/javascript/records.js";
import type { EntropyDevice } from "../../kernel-shim/emulated-pc/entropy/device.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import * as bounds from "./bounds.js";
import { BATCH_RESULTS, DeviceGuest, UNUSABLE, type GuestContext } from "./device-guest.js";
import { expect } from "./finding.js";
import { expectResult } from "./hosted-module.js";
import { Ledger, UNTOUCHED, wasAccepted } from "./oracles.js";
import type { Supply, TracedEntropy } from "./traced-entropy.js";

const PAGE_BYTES = 4096;
const BUFFER_BYTES = 2 * PAGE_BYTES;
const BUFFERS = 6;

interface Request {
  /** That it has to itself. */
  readonly buffer: number;
  readonly pointer: number;
  readonly bytes: number;
}

const REFUSALS: readonly number[] = [Result.E_FULL, Result.E_SEGMENTS];

/** For requests that make no sense. */
const NONSENSE: readonly number[] = [...REFUSALS, Result.E_ADDRESS];

export class EntropyGuest extends DeviceGuest {
  readonly kind = "entropy";
  private readonly ledger = new Ledger<Request>();
  private readonly freeBuffers: number[];
  private received = 0;

  constructor(
    context: GuestContext,
    private readonly entropy: TracedEntropy,
    private readonly entropyDevice: EntropyDevice,
  ) {
    super(context, entropyDevice);
    this.freeBuffers = Array.from({ length: BUFFERS }, (_, index) =>
      context.machine.allocateBuffer(BUFFER_BYTES, { scattered: index % 2 === 0 }),
    );
  }

  open(withOptions: boolean): number {
    const { module } = this.context;
    const chosen = withOptions ? this.chooseOptions() : this.plainOptions();
    const options = withOptions || this.slot !== null ? module.pass(EntropyOptionsLayout, [chosen]) : 0;
    return this.openWith("entropy_open", options);
  }

  step(): void {
    const { random } = this.context;
    switch (random.below(12)) {
      case 0:
        this.supply(pick<Supply>(random, ["plenty", "plenty", "few", "none"]));
        return;
      case 1:
      case 2:
      case 3:
        this.requestSome();
        return;
      case 4:
      case 5:
      case 6:
        this.poll(1 + random.below(4));
        return;
      default:
        this.commonStep(random.below(8));
    }
  }

  moveData(): void {
    for (const supply of ["few", "plenty"] as const) {
      this.supply(supply);
      const buffer = this.freeBuffers.pop();
      expect(buffer !== undefined, "buffers come back", () => "");
      const accepted = this.request([{ buffer, pointer: buffer + 5, bytes: 100 }]);
      expect(accepted === 1, "a device that keeps the rules again works again", () => "request");
      this.received = 0;
      this.waitFor("random bytes", () => this.poll(1) === 1);
      expect(this.received > 0, "a device that keeps the rules gives random bytes", () => `${this.received}`);
      const bytes = this.context.machine.readBuffer(buffer + 5, this.received);
      expect(!bytes.includes(0), "random bytes are the device's", () => `0 at ${bytes.indexOf(0)}`);
    }
  }

  protected get out(): number {
    return this.ledger.outstanding;
  }

  protected takeBack(): number {
    return this.poll(3);
  }

  protected deviceWasReset(): void {
    this.ledger.deviceWasReset();
  }

  protected callWhileClosing(): void {
    this.requestSome();
  }

  private supply(supply: Supply): void {
    this.entropy.supply = supply;
    this.entropyDevice.bytesArrived();
  }

  private requestSome(): void {
    const { random } = this.context;
    const requests: Request[] = [];
    for (let count = 1 + random.below(3); count > 0; count--) {
      const buffer = this.freeBuffers.pop();
      if (buffer === undefined) break;
      const offset = random.below(BUFFER_BYTES);
      requests.push({ buffer, pointer: buffer + offset, bytes: 1 + random.below(BUFFER_BYTES - offset) });
    }
    this.request(requests);
  }

  /** Hands requests in. Returns how many were accepted, or the negative result. */
  private request(requests: readonly Request[]): number {
    const { module, machine } = this.context;
    const tokens = requests.map(() => this.ledger.token());
    for (const { buffer } of requests) machine.writeBuffer(buffer, new Uint8Array(BUFFER_BYTES));
    const array = module.pass(
      EntropyRequestLayout,
      requests.map(({ pointer, bytes }, index) => ({
        token: tokens[index] ?? 0n,
        pointer,
        length: bytes,
        result: UNTOUCHED,
      })),
      "result",
    );
    this.countRing(requests.length);
    const pages = requests.length * (BUFFER_BYTES / PAGE_BYTES + 1);
    const bound = bounds.submitImports(this.place.costs, this.ring, requests.length, pages, requests.length);
    const accepted = module.call("entropy_request", bound, this.handle, array, requests.length);
    expectResult("entropy_request", accepted, BATCH_RESULTS);
    expect(accepted <= requests.length, "no more is accepted than was given", () => `${accepted}`);
    requests.forEach((request, index) => {
      const { result } = readRecord(module.view, EntropyRequestLayout, array + index * EntropyRequestLayout.size);
      if (wasAccepted("request", index, accepted, result, REFUSALS)) this.ledger.accept(tokens[index] ?? 0n, request);
      else this.freeBuffers.push(request.buffer);
    });
    module.records.reset();
    return accepted;
  }

  protected submitNonsense(): void {
    const { module, machine, random } = this.context;
    const buffer = this.freeBuffers[0];
    if (buffer === undefined) return;
    const end = machine.lent.endOf(buffer);
    const [pointer, length] = pick<[number, number]>(random, [
      [buffer, 0],
      [buffer, 0xffff_ffff],
      [0xffff_fff0, 0x20],
      // Not lent: nobody's, and the page behind a buffer's last.
      [PAGE_BYTES, 16],
      [end - 16, 32],
    ]);
    const array = module.pass(EntropyRequestLayout, [{ token: 0xbadn, pointer, length }], "result");
    this.countRing(1);
    const bound = bounds.submitImports(this.place.costs, this.ring, 1, 2 ** 20, 1);
    const accepted = module.call("entropy_request", bound, this.handle, array, 1);
    const { result } = readRecord(module.view, EntropyRequestLayout, array);
    expect(
      UNUSABLE.includes(accepted) || (accepted === 0 && NONSENSE.includes(result)),
      "a request that makes no sense is refused",
      () => `${length} bytes at 0x${pointer.toString(16)}: ${accepted}, ${result}`,
    );
    module.records.reset();
  }

  private poll(capacity: number): number {
    this.countRing(0);
    return this.takeCompletions("entropy_poll", capacity, (token, result, length) => {
      this.complete(token, result, length);
    });
  }

  private complete(token: bigint, result: number, length: number): void {
    const { mutations, machine } = this.context;
    const { buffer, pointer, bytes } = this.ledger.complete(token, result === Result.OK);
    this.freeBuffers.push(buffer);
    const isKnown = result === Result.OK || result === Result.E_RESET;
    expect(isKnown, "random bytes came, or a reset did", () => `${result}`);
    const most = result === Result.OK ? bytes : 0;
    expect(length <= most, "no more bytes are random than were asked for", () => `${length} of ${most}`);
    this.received = length;
    const isForged = mutations.appliedAt("memory read", "memory write", "forgery", "used ring", "register write") > 0;
    if (result !== Result.OK || this.wasLiedTo || isForged) return;
    const written = machine.readBuffer(pointer, bytes).indexOf(0);
    const expected = written < 0 ? bytes : written;
    expect(length === expected, "what is random is what the device wrote", () => `${length}, not ${expected}`);
  }

  /** A ring has at most one chain for each request that is out. The device alone knows how large it is. */
  private countRing(more: number): void {
    const chains = this.ledger.outstanding + more;
    this.ring = { entries: chains, descriptors: chains * (BUFFER_BYTES / PAGE_BYTES + 1) };
  }
}
