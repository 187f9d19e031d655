/** A caller's mistakes: calls that cannot be meant, each of which has to be refused with its own code. */
import { BlockOptionsLayout, NetOptionsLayout, Result } from "../../kernel-shim/javascript/abi.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import * as bounds from "./bounds.js";
import type { GuestContext } from "./device-guest.js";
import { expect } from "./finding.js";
import type { CheckedCall } from "./hosted-module.js";

/** Calls on a handle without any other parameter. */
const onHandle: readonly CheckedCall[] = [
  "interrupt",
  "interrupt_vector",
  "events",
  "enable_interrupts",
  "disable_interrupts",
  "reset",
  "close",
  "block_await_all",
];

/** Calls on the handle of a device of this kind, with records; how many when their number is no parameter. */
const withRecords: Readonly<Record<"block" | "net", readonly { name: CheckedCall; isArray: boolean }[]>> = {
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
};

/** Calls on handles of devices that the campaign has none of. */
const ofOthers: readonly { name: CheckedCall; isArray: boolean }[] = [
  { name: "entropy_request", isArray: true },
  { name: "entropy_poll", isArray: true },
];

/** What a guest makes mistakes with. */
export interface Mistaken {
  readonly kind: "block" | "net";
  /** Of the open device. */
  readonly handle: number;
  readonly pciAddress: number;
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
      ...ofOthers,
    ]);
    this.refuses(name, [wrong, 0x1_0000, isArray ? 1 : 0], Result.E_HANDLE);
  }

  private otherKind({ handle, kind }: Mistaken): void {
    const { name } = pick(this.context.random, [...withRecords[kind === "block" ? "net" : "block"], ...ofOthers]);
    this.refuses(name, [handle, 0x1_0000, 1], Result.E_HANDLE);
  }

  private wrongRecords({ handle, kind }: Mistaken): void {
    const { name, isArray } = pick(this.context.random, withRecords[kind]);
    const [pointer, count] = this.chooseWrongArray();
    this.refuses(
      name,
      [handle, isArray ? pointer : this.wrongPointer(), count],
      Result.E_ARGUMENT,
      Result.E_BROKEN,
      Result.E_GONE,
    );
  }

  private wrongRecordsOfFunctions({ pciAddress }: Mistaken): void {
    const [pointer, count] = this.chooseWrongArray();
    const wrong = this.wrongPointer();
    pick(this.context.random, [
      () => this.refuses("pci_scan", [pointer, Math.max(count, 1)], Result.E_ARGUMENT),
      () => this.refuses("pci_capabilities", [pciAddress, pointer, Math.max(count, 1)], Result.E_ARGUMENT),
      () => this.refuses("pci_bar", [pciAddress, 0, wrong], Result.E_ARGUMENT),
      () => this.refuses("pci_assign", [wrong], Result.E_ARGUMENT),
      () => this.refuses("pci_msix", [pciAddress, wrong], Result.E_ARGUMENT),
    ])();
  }

  private openAgain({ kind, pciAddress }: Mistaken): void {
    const own = kind === "block" ? "block_open" : "net_open";
    this.refuses(pick(this.context.random, [own, "entropy_open"]), [pciAddress, 0], Result.E_IN_USE);
  }

  private wrongOptions({ kind, pciAddress }: Mistaken): void {
    const { size } = kind === "block" ? BlockOptionsLayout : NetOptionsLayout;
    const options = this.context.module.view.byteLength - size + 4;
    this.refuses(kind === "block" ? "block_open" : "net_open", [pciAddress, options], Result.E_ARGUMENT);
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

  private refuses(name: CheckedCall, parameters: readonly number[], ...allowed: readonly number[]): void {
    const result = this.context.module.call(name, bounds.NO_IMPORTS, ...parameters);
    expect(
      allowed.includes(result),
      "a call that makes no sense is refused",
      () => `${name}(${parameters.join()}): ${result}`,
    );
  }
}
