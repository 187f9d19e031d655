/** A kernel that asks what is in its slots for memory-mapped devices, open ones among them. */
import { MmioIdentityLayout, Result } from "../../kernel-shim/javascript/abi.js";
import { pick } from "../../kernel-shim/emulated-pc/hostile/values.js";
import * as bounds from "./bounds.js";
import type { GuestContext } from "./device-guest.js";
import { expectResult } from "./hosted-module.js";

const RESULTS = [Result.E_NOT_FOUND, Result.E_NOT_VIRTIO, Result.E_BAR];

export class SlotGuest {
  constructor(private readonly context: GuestContext) {}

  /** Asks about some of the slots, and about registers that nobody granted. */
  lookAround(): void {
    const { module, machine, random } = this.context;
    for (let calls = 1 + random.below(4); calls > 0; calls--) {
      const { base, bytes } = pick(random, machine.mmioSlots);
      const pointer = module.passRoom(MmioIdentityLayout, 1);
      const length = pick(random, [bytes, bytes, 0x100, 2 * bytes, 0xffff_ffff]);
      const place = pick(random, [base, base, base, base + BigInt(bytes / 2), BigInt(random.next()) * 4n]);
      const result = module.call("mmio_identify", bounds.IDENTIFY_IMPORTS, place, length, pointer);
      expectResult("mmio_identify", result, RESULTS);
      module.records.reset();
    }
  }
}
