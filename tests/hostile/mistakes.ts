/** A caller's mistakes: calls that cannot be meant, each of which has to be refused with its own code. */
import {
  BlockOptionsLayout,
  EntropyOptionsLayout,
  GenericOptionsLayout,
  MmioIdentityLayout,
  NetOptionsLayout,
  Result,
  TransportWanted,
} from "../../kernel-shim/javascript/abi.js";
import type { MmioSlot } from "../../kernel-shim/machine.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import * as bounds from "./bounds.js";
import type { GuestContext } from "./device-guest.js";
import { expect } from "./finding.js";
import type { CheckedCall } from "./hosted-module.js";

type Kind = "block" | "net" | "entropy" | "generic";

/** Calls on a handle without any other parameter. */
const onHandle: readonly CheckedCall[] = [
  "interrupt",
  "interrupt_vector",
  "events",
  "enable_interrupts",
  "disable_interrupts",
  "reset",
  "suspend",
  "resume",
  "close",
  "block_await_all",
  "block_set_writeback",
  "net_acknowledge_announcement",
];

/** Calls on the handle of a device of this kind, with records; how many when their number is no parameter. */
const withRecords: Readonly<Record<Kind, readonly { name: CheckedCall; isArray: boolean }[]>> = {
  block: [
    { name: "block_information", isArray: false },
    { name: "block_statistics", isArray: false },
    { name: "block_submit", isArray: true },
    { name: "block_poll", isArray: true },
  ],
  net: [
    { name: "net_information", isArray: false },
    { name: "net_statistics", isArray: false },
    { name: "net_transmit", isArray: true },
    { name: "net_reclaim", isArray: true },
    { name: "net_receive", isArray: true },
    { name: "net_release", isArray: true },
  ],
  entropy: [
    { name: "entropy_request", isArray: true },
    { name: "entropy_poll", isArray: true },
  ],
  // Their second parameter is no pointer.
  generic: [
    { name: "generic_submit", isArray: false },
    { name: "generic_poll", isArray: false },
    { name: "generic_read_configuration", isArray: false },
    { name: "generic_write_configuration", isArray: false },
  ],
};

/** Calls on the handle of any device, with a record. */
const ofAll: readonly { name: CheckedCall; isArray: boolean }[] = [{ name: "device_information", isArray: false }];

/** The call that opens a device of each kind, and the options that it takes. */
const openings = {
  block: { open: "block_open", options: BlockOptionsLayout },
  net: { open: "net_open", options: NetOptionsLayout },
  entropy: { open: "entropy_open", options: EntropyOptionsLayout },
  generic: { open: "generic_open", options: GenericOptionsLayout },
} as const;
const kinds = ["block", "net", "entropy", "generic"] as const;
/** Those whose options need not say what the device is. */
const kindsOfType = ["block", "net", "entropy"] as const;

const NO_FIELDS = [Result.E_ARGUMENT, Result.E_RANGE];
/** Of a device that takes no work. */
const UNUSABLE = [Result.E_BROKEN, Result.E_GONE];

/** What a guest makes mistakes with. */
export interface Mistaken {
  readonly kind: Kind;
  /** Of the open device. */
  readonly handle: number;
  /** What an opening calls it by. */
  readonly address: number;
  /** Null of a PCI function. */
  readonly slot: MmioSlot | null;
}

export class Mistakes {
  constructor(private readonly context: GuestContext) {}

  /** Makes one. */
  make(mistaken: Mistaken): void {
    const mistakes = [
      () => this.wrongHandle(mistaken),
      () => this.otherKind(mistaken),
      () => this.wrongRecords(mistaken),
      () => this.wrongRecordsOfFunctions(mistaken),
      () => this.openAgain(mistaken),
      () => this.wrongOptions(mistaken),
      () => this.openSlotAgain(mistaken),
      () => this.wrongSlot(),
      () => this.initializeAgain(),
      // None, but what it forgets has to be found again.
      () => this.context.module.forgetTranslations(),
    ];
    pick(this.context.random, mistakes)();
  }

  private wrongHandle({ handle }: Mistaken): void {
    const { random } = this.context;
    const wrong = pick(random, [0, 0xffff_ffff, handle + 0x100, handle + 0x1_0000, handle ^ 0x8000_0000]) >>> 0;
    const { name, isArray } = pick(random, [
      ...onHandle.map((each) => ({ name: each, isArray: false })),
      ...withRecords.block,
      ...withRecords.net,
      ...withRecords.entropy,
      ...withRecords.generic,
      ...ofAll,
    ]);
    this.refuses(name, [wrong, 0x1_0000, isArray ? 1 : 0], Result.E_HANDLE);
  }

  private otherKind({ handle, kind }: Mistaken): void {
    const others = kinds.filter((other) => other !== kind);
    const { name } = pick(
      this.context.random,
      others.flatMap((other) => withRecords[other]),
    );
    this.refuses(name, [handle, 0x1_0000, 1], Result.E_HANDLE);
  }

  private wrongRecords({ handle, kind }: Mistaken): void {
    if (kind === "generic") {
      this.wrongQueue(handle);
      return;
    }
    const { name, isArray } = pick(this.context.random, [...withRecords[kind], ...ofAll]);
    const [pointer, count] = this.chooseWrongArray();
    this.refuses(
      name,
      [handle, isArray ? pointer : this.wrongPointer(), count],
      Result.E_ARGUMENT,
      Result.E_BROKEN,
      Result.E_GONE,
    );
  }

  /** A queue that is not used, records where there are none, or fields that cannot be. */
  private wrongQueue(handle: number): void {
    const { random } = this.context;
    const [pointer, count] = this.chooseWrongArray();
    const name = pick(random, ["generic_submit", "generic_poll"] as const);
    pick(random, [
      () => this.refuses(name, [handle, 0xffff, 0x1_0000, 1], Result.E_ARGUMENT, ...UNUSABLE),
      () => this.refuses(name, [handle, 0, pointer, count], Result.E_ARGUMENT, ...UNUSABLE),
      // As bytes, some of what is too many records for memory is only too many for the configuration, and where there is no
      // room for a record, there may be room for some bytes.
      () => {
        const nowhere = pointer === 0x1_0000 ? pointer : 0;
        this.refuses("generic_read_configuration", [handle, 0, 1, count, nowhere], ...NO_FIELDS, ...UNUSABLE);
      },
      () => this.refuses("generic_write_configuration", [handle, 1, 2, 0], Result.E_ARGUMENT, ...UNUSABLE),
      () => this.refuses("device_information", [handle, this.wrongPointer()], Result.E_ARGUMENT),
    ])();
  }

  private wrongRecordsOfFunctions({ address }: Mistaken): void {
    const [pointer, count] = this.chooseWrongArray();
    const wrong = this.wrongPointer();
    pick(this.context.random, [
      () => this.refuses("pci_scan", [pointer, Math.max(count, 1)], Result.E_ARGUMENT),
      () => this.refuses("pci_capabilities", [address, pointer, Math.max(count, 1)], Result.E_ARGUMENT),
      () => this.refuses("pci_bar", [address, 0, wrong], Result.E_ARGUMENT),
      () => this.refuses("pci_assign", [wrong], Result.E_ARGUMENT),
      () => this.refuses("generic_open", [address, wrong], Result.E_ARGUMENT),
      () => this.refuses("pci_msix", [address, wrong], Result.E_ARGUMENT),
      () => this.refuses("mmio_identify", [0xfeb0_0000n, 0x200, wrong], Result.E_ARGUMENT),
    ])();
  }

  private openAgain({ address, slot }: Mistaken): void {
    const { random } = this.context;
    if (slot !== null) this.openSlot(slot.base, pick(random, [slot.bytes, 0x100]), Result.E_IN_USE);
    else this.refuses(openings[pick(random, kindsOfType)].open, [address, 0], Result.E_IN_USE);
  }

  /** By some of its registers, as if they were a slot of their own. */
  private openSlotAgain({ slot }: Mistaken): void {
    if (slot !== null) this.openSlot(slot.base + 0x80n, 0x100, Result.E_BAR);
  }

  /** A slot that cannot be one. */
  private wrongSlot(): void {
    const { random } = this.context;
    const [base, bytes] = pick<[bigint, number]>(random, [
      [0xfeb0_0001n, 0x200],
      [0xfeb0_0000n, 0xff],
      [0xfeb0_0000n, 0],
      [0xffff_ffff_ffff_fffcn, 0x200],
    ]);
    if (random.below(2) === 0) {
      this.openSlot(base, bytes, Result.E_ARGUMENT, Result.E_IN_USE);
      return;
    }
    const { module } = this.context;
    const record = module.passRoom(MmioIdentityLayout, 1);
    this.refuses("mmio_identify", [base, bytes, record], Result.E_ARGUMENT);
    module.records.reset();
  }

  private openSlot(base: bigint, bytes: number, ...allowed: readonly number[]): void {
    const { module, random } = this.context;
    const { open, options } = openings[pick(random, kindsOfType)];
    const slot = { transport: TransportWanted.MMIO, mmio_base: base, mmio_bytes: bytes };
    this.refuses(open, [0, module.pass(options, [slot])], ...allowed);
    module.records.reset();
  }

  private wrongOptions({ kind, address }: Mistaken): void {
    const { open, options } = openings[kind];
    this.refuses(open, [address, this.context.module.view.byteLength - options.size + 4], Result.E_ARGUMENT);
  }

  private initializeAgain(): void {
    this.refuses("initialize", [0x1_0000, 0x1_0000], Result.E_INITIALIZE);
  }

  /** For one record of four bytes or more. */
  private wrongPointer(): number {
    const end = this.context.module.view.byteLength;
    return pick(this.context.random, [0, end - 1, end, 0xffff_fff0]);
  }

  private chooseWrongArray(): [pointer: number, count: number] {
    const { random, module } = this.context;
    return pick<[number, number]>(random, [
      [this.wrongPointer(), 1 + random.below(3)],
      [0x1_0000, 0xffff_ffff],
      [0x1_0000, 1 + module.view.byteLength / 4],
      [0, 0],
    ]);
  }

  private refuses(name: CheckedCall, parameters: readonly (number | bigint)[], ...allowed: readonly number[]): void {
    const result = this.context.module.call(name, bounds.NO_IMPORTS, ...parameters);
    expect(
      allowed.includes(result),
      "a call that makes no sense is refused",
      () => `${name}(${parameters.join()}): ${result}`,
    );
  }
}
