/**
 * What a PCI function can say of itself that is not so, read after read: where its structures lie, how its list goes on,
 * and where its memory base addresses lead. [PCI 3.0 §6.2.5, §6.7] [virtio-1.2 §4.1.4]
 *
 * What really answers, and where, stays with the machine: so whoever believes the lies reaches what nobody granted.
 */
import type { PciFunction } from "../pci/function.js";
import {
  BASE_ADDRESS,
  CAPABILITIES_POINTER,
  CAPABILITY_MSIX,
  CAPABILITY_VENDOR,
  HEADER_BYTES,
} from "../pci/registers.js";
import type { Random } from "../random.js";
import { otherValue, pick } from "./values.js";

/** A field of configuration space. */
interface Field {
  readonly name: string;
  readonly offset: number;
  readonly bytes: 1 | 2 | 4;
}

/** Fields of a capability, counted from its start: those of the list, and those of each kind. */
const LIST_FIELDS: readonly Field[] = [
  { name: "id", offset: 0, bytes: 1 },
  { name: "link", offset: 1, bytes: 1 },
];
const VENDOR_FIELDS: readonly Field[] = [
  { name: "cap_len", offset: 2, bytes: 1 },
  { name: "cfg_type", offset: 3, bytes: 1 },
];
/** Where a structure is. */
const PLACE_FIELDS: readonly Field[] = [
  { name: "bar", offset: 4, bytes: 1 },
  { name: "offset", offset: 8, bytes: 4 },
  { name: "length", offset: 12, bytes: 4 },
];
const CFG_TYPE = 3;
const NOTIFY_CFG = 2;
const PCI_CFG = 5;
const NOTIFY_OFF_MULTIPLIER: Field = { name: "notify_off_multiplier", offset: 16, bytes: 4 };
const MSIX_FIELDS: readonly Field[] = [
  { name: "table size", offset: 2, bytes: 1 },
  { name: "table", offset: 4, bytes: 4 },
  { name: "pending bits", offset: 8, bytes: 4 },
];
/** What of a memory base address register is no address. */
const MEMORY_FLAGS = 0xf;
/** Of the structures that have the widest registers. */
const ALIGNMENT = 4;

export class CapabilityLies {
  /** What stood where a lie stands now, by offset. */
  private readonly truth = new Map<number, number>();

  constructor(private readonly pciFunction: PciFunction) {}

  /**
   * One to three fields say something else from now on. Returns which, for people.
   *
   * @param elsewhere addresses where something else is, that a base address register can name
   */
  tell(random: Random, elsewhere: readonly number[]): string {
    const fields = this.fields();
    const told: string[] = [];
    for (let count = 1 + random.below(3); count > 0; count--) {
      const field = pick(random, fields);
      const value = this.pciFunction.read(field.offset, field.bytes);
      const other = this.isBaseAddress(field)
        ? (otherBase(random, value, elsewhere) | (value & MEMORY_FLAGS)) >>> 0
        : otherField(random, value, field);
      this.poke(field, other);
      told.push(`${field.name} at 0x${field.offset.toString(16)} is 0x${other.toString(16)}`);
    }
    return told.join(", ");
  }

  /** The function tells the truth again. */
  takeBack(): void {
    for (const [offset, byte] of this.truth) this.pciFunction.poke(offset, [byte]);
    this.truth.clear();
  }

  private poke({ offset, bytes }: Field, value: number): void {
    for (let index = 0; index < bytes; index++) {
      const at = offset + index;
      if (!this.truth.has(at)) this.truth.set(at, this.pciFunction.configuration[at] ?? 0);
      this.pciFunction.poke(at, [(value >>> (8 * index)) & 0xff]);
    }
  }

  private isBaseAddress({ offset }: Field): boolean {
    return offset < CAPABILITIES_POINTER;
  }

  /** Every field that can lie. Those that the window is directed by are the driver's. */
  private fields(): Field[] {
    const { configuration, baseAddresses } = this.pciFunction;
    const fields: Field[] = [{ name: "first capability", offset: CAPABILITIES_POINTER, bytes: 1 }];
    for (const { index, kind } of baseAddresses) {
      if (kind !== "io") fields.push({ name: `base address ${index}`, offset: BASE_ADDRESS + 4 * index, bytes: 4 });
    }
    const visited = new Set<number>();
    let at = configuration[CAPABILITIES_POINTER] ?? 0;
    while (at >= HEADER_BYTES && !visited.has(at)) {
      visited.add(at);
      const start = at;
      for (const field of this.fieldsOf(start)) fields.push({ ...field, offset: start + field.offset });
      at = configuration[start + 1] ?? 0;
    }
    return fields;
  }

  private fieldsOf(start: number): readonly Field[] {
    const { configuration } = this.pciFunction;
    const id = configuration[start];
    if (id === CAPABILITY_MSIX) return [...LIST_FIELDS, ...MSIX_FIELDS];
    if (id !== CAPABILITY_VENDOR) return LIST_FIELDS;
    const type = configuration[start + CFG_TYPE];
    if (type === PCI_CFG) return [...LIST_FIELDS, ...VENDOR_FIELDS];
    return [...LIST_FIELDS, ...VENDOR_FIELDS, ...PLACE_FIELDS, ...(type === NOTIFY_CFG ? [NOTIFY_OFF_MULTIPLIER] : [])];
  }
}

/** Structures that are not aligned are refused whatever else they are, so that every second value is. */
function otherField(random: Random, value: number, { bytes }: Field): number {
  const other = otherValue(random, value, bytes);
  return bytes === 4 && random.below(2) === 0 ? other - (other % ALIGNMENT) : other;
}

function otherBase(random: Random, value: number, elsewhere: readonly number[]): number {
  const other = random.below(2) === 0 && elsewhere.length > 0 ? pick(random, elsewhere) : otherValue(random, value, 4);
  return other & ~MEMORY_FLAGS;
}
