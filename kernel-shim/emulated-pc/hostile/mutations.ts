/**
 * What a hostile device decides to do: at every place where it could do something else than a correct one, whether it
 * does. Places are numbered in the order in which a run comes to them. The decision at a place depends on the seed and
 * that number alone, so a run is repeated by its seed, and any part of its mutations by the seed and their numbers.
 */
import { Random } from "../random.js";

/** The kinds of places. */
export const SITES = [
  /** A register read, of a port or in memory: features, queue size and address, status, ISR, device configuration. */
  "register read",
  /** A read of PCI configuration space. */
  "configuration read",
  /** Ported machines: a read of memory that devices reach, each on its own. */
  "memory read",
  /** A register write that the device ignores. */
  "register write",
  /** From one opening of a device to the next: registers that answer something else at every read. */
  "register lie",
  /** For as long: capabilities, or memory base addresses, that are not what they should be. */
  "capability",
  /** A message vector that the device has no means for. */
  "vector",
  /** A field of the used ring on its way to memory. */
  "used ring",
  /** An interrupt that is swallowed, or shows other reasons. */
  "interrupt",
  /** A write to the used ring between two imports: completions forged, repeated, taken back. */
  "forgery",
  /** A write between two imports to any byte of memory that devices reach. */
  "memory write",
  /** Between two imports: interrupts for nothing, changed configuration, silence, DEVICE_NEEDS_RESET. */
  "behaviour",
  /** Between two imports: the device works now, although nobody waits for it. */
  "work",
  /** A request that is lost, late, or fails. */
  "request",
  /** The kernel has no pages to lend, or maps no registers: no device's doing, but what is lent has to come back. */
  "shortage",
  /** The header of a received frame, and how many of its buffers come back. */
  "received header",
] as const;
export type Site = (typeof SITES)[number];

/** One thing that a hostile device did. */
export interface Mutation {
  /** Number of the place in its run. */
  readonly index: number;
  readonly site: Site;
  /** What it did, for people. */
  detail: string;
}

/** For each kind of place, one in how many mutates; 0: none. */
export type Rarity = Readonly<Record<Site, number>>;

export function rarityOf(given: Partial<Rarity>): Rarity {
  const rarity = Object.fromEntries(SITES.map((site) => [site, given[site] ?? 0]));
  return rarity as Rarity;
}

export class Mutations {
  /** False: the devices behave, and no place is counted. */
  isOn = true;
  /** What was done, oldest first. */
  readonly applied: Mutation[] = [];
  private readonly bySite = new Map<Site, number>();
  private places = 0;

  /**
   * @param only numbers of the places that mutate, whatever `rarity` says
   */
  constructor(
    private readonly seed: number,
    private readonly rarity: Rarity,
    private readonly only?: ReadonlySet<number>,
  ) {}

  /** Places that the run came to while devices were hostile. */
  get count(): number {
    return this.places;
  }

  /** How many mutations of these kinds there were. */
  appliedAt(...sites: readonly Site[]): number {
    return sites.reduce((sum, site) => sum + (this.bySite.get(site) ?? 0), 0);
  }

  /** Numbers for the mutation at this place, or null where the device does what is right. */
  at(site: Site): Random | null {
    if (!this.isOn) return null;
    const index = this.places++;
    const hash = mix(this.seed, index);
    if (this.only === undefined) {
      const rarity = this.rarity[site];
      if (rarity === 0 || hash % rarity !== 0) return null;
    } else if (!this.only.has(index)) {
      return null;
    }
    this.applied.push({ index, site, detail: "" });
    this.bySite.set(site, (this.bySite.get(site) ?? 0) + 1);
    return new Random(mix(hash, index));
  }

  /** Says what the mutation begun last was. */
  describe(detail: string): void {
    const last = this.applied.at(-1);
    if (last !== undefined) last.detail = detail;
  }
}

/** 32 bits that depend on all bits of both numbers. */
function mix(left: number, right: number): number {
  let hash = Math.imul(left ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(right + 0x7f4a_7c15, 0xc2b2_ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a_2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
