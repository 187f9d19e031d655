/** Registers that answer something else at every read: what a driver cannot see through by reading once more. */
import { Random } from "../random.js";
import type { RegionName } from "../virtio/faults.js";
import { isMmio, type Transport } from "../virtio/transport.js";
import { otherValue, pick } from "./values.js";

/** The registers whose answers decide something, by their offsets. [virtio-1.2 §4.1.4.3, §4.1.4.8, §4.2.2] */
const REGISTERS: Readonly<Record<RegionName, readonly number[]>> = {
  legacy: [0x00, 0x08, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x18],
  common: [0x04, 0x10, 0x12, 0x14, 0x15, 0x18, 0x1a, 0x1c, 0x1e],
  notify: [0x00],
  isr: [0x00],
  device: [0x00, 0x04, 0x06, 0x08, 0x0a, 0x0c, 0x14],
  mmio: [0x000, 0x004, 0x008, 0x010, 0x034, 0x040, 0x044, 0x060, 0x070, 0x0fc, 0x100, 0x104, 0x114],
};

/** What is read in place of the right value. */
type Answer = (value: number, width: number) => number;

function regionsOf(transport: Transport): readonly RegionName[] {
  if (isMmio(transport)) return ["mmio"];
  const modern = ["common", "common", "isr", "device"] as const;
  if (transport === "legacy") return ["legacy"];
  return transport === "transitional" ? ["legacy", ...modern] : modern;
}

export class RegisterLies {
  private readonly answers = new Map<string, Answer>();
  private readonly regions: readonly RegionName[];

  constructor(transport: Transport) {
    this.regions = regionsOf(transport);
  }

  /** One or two registers lie from now on. Returns which, for people. */
  tell(random: Random): string {
    const told: string[] = [];
    for (let count = 1 + random.below(2); count > 0; count--) {
      const region = pick(random, this.regions);
      const offset = pick(random, REGISTERS[region]);
      const [name, answer] = pick(random, [steady, restless, drifting])(new Random(random.next()));
      this.answers.set(`${region} ${offset}`, answer);
      told.push(`${region} register 0x${offset.toString(16)} ${name}`);
    }
    return told.join(", ");
  }

  /** All registers tell the truth again. */
  takeBack(): void {
    this.answers.clear();
  }

  /** What the register answers that should answer `value`. */
  answer(offset: number, width: number, value: number, region: RegionName): number {
    return this.answers.get(`${region} ${offset}`)?.(value, width) ?? value;
  }
}

function steady(random: Random): [name: string, answer: Answer] {
  let chosen: number | undefined;
  return ["always answers the same", (value, width) => (chosen ??= otherValue(random, value, width))];
}

function restless(random: Random): [name: string, answer: Answer] {
  return ["answers anything", (value, width) => otherValue(random, value, width)];
}

function drifting(): [name: string, answer: Answer] {
  let reads = 0;
  return ["answers more every time", (value, width) => (value + ++reads) % 2 ** (8 * width)];
}
