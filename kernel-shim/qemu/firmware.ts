/**
 * What firmware would have done about interrupts: routes the PCI interrupt pins to inputs of the I/O APIC, answers
 * which input a function's pin ends at, and tells drivers through the Interrupt Line register. Bus numbers, BARs and the
 * windows of bridges are left to the stack.
 */

import type { Board } from "./options.js";
import { CONFIG_ADDRESS, CONFIG_DATA } from "../grants/port-grants.js";
import type { Qtest } from "./qtest.js";

/** Registers of configuration space. [PCI 3.0 §6.1, PCI-to-PCI Bridge 1.2 §3.2] */
const VENDOR_ID = 0x00;
const COMMAND = 0x04;
const HEADER_TYPE = 0x0e;
const SECONDARY_BUS = 0x19;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;

const MEMORY_SPACE = 2;
const NO_DEVICE = 0xffff;
const MULTI_FUNCTION = 0x80;
const HEADER_LAYOUT = 0x7f;
const BRIDGE_LAYOUT = 1;

const DEVICES_PER_BUS = 32;
const FUNCTIONS_PER_DEVICE = 8;
const PINS = 4;

/** How a chipset connects the pins of its root bus. `pin` counts from 0. */
interface Chipset {
  /** The inputs of the I/O APIC that PCI interrupts can arrive at. */
  readonly inputs: readonly number[];
  /** The input that `pin` of the device in slot `device` ends at. */
  input(device: number, pin: number): number;
  /** Programs the router. */
  route(configuration: Configuration): void;
}

/**
 * Where the PIIX3 router sends PIRQA# to PIRQD#: inputs that nothing else uses, as the machine has no serial port,
 * sound card or printer. (9 is the power management's.)
 */
const PIIX3_INPUTS = [10, 11, 5, 7] as const;

const PIIX3: Chipset = {
  inputs: PIIX3_INPUTS,
  // The board shifts the pins by one from slot to slot, slot 1 (the PIIX3) having INTA# on PIRQA#.
  input: (device, pin) => PIIX3_INPUTS[(device + PINS - 1 + pin) % PINS] ?? 0,
  route(configuration) {
    const ROUTER = 1 << 3;
    const PIRQA_ROUTE_CONTROL = 0x60;
    PIIX3_INPUTS.forEach((input, pirq) => configuration.write8(ROUTER, PIRQA_ROUTE_CONTROL + pirq, input));
  },
};

/** ICH9: PIRQA# to PIRQH# are wired to these inputs, no matter how they are routed to the old interrupt controller. */
const ICH9_FIRST_INPUT = 16;
const ICH9_INPUTS = [16, 17, 18, 19, 20, 21, 22, 23];

const ICH9: Chipset = {
  inputs: ICH9_INPUTS,
  input(device, pin) {
    const FIRST_CHIPSET_DEVICE = 25;
    const DMI_BRIDGE = 30;
    const PIRQE = 4;
    // As the chipset's route registers for its own devices 25 to 31 stand after a reset: INTA# to PIRQA#, and so on.
    const isChipset = device >= FIRST_CHIPSET_DEVICE && device !== DMI_BRIDGE;
    // QEMU's board uses PIRQE# to PIRQH# for the slots, shifted by one from slot to slot; not shifted for the bridge.
    const pirq = isChipset ? pin : PIRQE + (device === DMI_BRIDGE ? pin : (device + pin) % PINS);
    return ICH9_FIRST_INPUT + pirq;
  },
  route() {},
};

/** Configuration space by mechanism 1. The address register is left as it was found: the stack may be using it. */
class Configuration {
  constructor(private readonly qtest: Qtest) {}

  read8(address: number, register: number): number {
    return this.at(address, register, () => this.qtest.in8(CONFIG_DATA + (register % 4)));
  }

  read16(address: number, register: number): number {
    return this.at(address, register, () => this.qtest.in16(CONFIG_DATA + (register % 4)));
  }

  write8(address: number, register: number, value: number): void {
    this.at(address, register, () => this.qtest.out8(CONFIG_DATA + (register % 4), value));
  }

  private at<T>(address: number, register: number, access: () => T): T {
    const ENABLE = 0x80000000;
    const found = this.qtest.in32(CONFIG_ADDRESS);
    this.qtest.out32(CONFIG_ADDRESS, ENABLE + address * 256 + (register - (register % 4)));
    const result = access();
    this.qtest.out32(CONFIG_ADDRESS, found);
    return result;
  }
}

export class Firmware {
  /** Inputs of the I/O APIC that PCI interrupts can arrive at; on others the chipset's own devices make noise. */
  readonly inputs: ReadonlySet<number>;

  private readonly chipset: Chipset;
  private readonly configuration: Configuration;

  constructor(machine: Exclude<Board, "microvm">, qtest: Qtest) {
    this.chipset = machine === "pc" ? PIIX3 : ICH9;
    this.inputs = new Set(this.chipset.inputs);
    this.configuration = new Configuration(qtest);
  }

  /** Programs the router, and the Interrupt Line registers of the root bus. */
  start(): void {
    this.chipset.route(this.configuration);
    for (const address of this.functionsOf(0)) {
      const pin = this.configuration.read8(address, INTERRUPT_PIN);
      if (pin >= 1 && pin <= PINS) {
        this.configuration.write8(address, INTERRUPT_LINE, this.interruptLine(address, pin));
      }
    }
  }

  /**
   * The input that the pin (1 to 4 for INTA# to INTD#) of the function at `address` ends at. Throws a RangeError when
   * there is no such pin, or when no numbered bridge leads to the function's bus.
   */
  interruptLine(address: number, pin: number): number {
    if (!Number.isInteger(pin) || pin < 1 || pin > PINS) {
      throw new RangeError(`There is no interrupt pin ${pin}; 1 to 4 are INTA# to INTD#`);
    }
    let device = (address >> 3) % DEVICES_PER_BUS;
    let pinAtBus = pin - 1;
    for (const bridge of this.bridgesTo(address >> 8).reverse()) {
      // A bridge connects pin p of the device in slot d behind it to its own pin (p + d) mod 4.
      // [PCI-to-PCI Bridge 1.2 §9.1]
      pinAtBus = (pinAtBus + device) % PINS;
      device = (bridge >> 3) % DEVICES_PER_BUS;
    }
    return this.chipset.input(device, pinAtBus);
  }

  /** Answers as `interruptLine` and tells drivers, which firmware does for functions that it finds behind bridges. */
  connect(address: number, pin: number): number {
    const line = this.interruptLine(address, pin);
    this.configuration.write8(address, INTERRUPT_LINE, line);
    return line;
  }

  /** Runs `access` while the function at `address` answers in memory, whether or not it does otherwise. */
  withMemoryDecoded<T>(address: number, access: () => T): T {
    const found = this.configuration.read8(address, COMMAND);
    this.configuration.write8(address, COMMAND, found | MEMORY_SPACE);
    try {
      return access();
    } finally {
      this.configuration.write8(address, COMMAND, found);
    }
  }

  /** The bridges on the way from the root bus to `bus`, that on the root bus first. */
  private bridgesTo(bus: number): number[] {
    const search = (from: number): number[] | null => {
      if (from === bus) {
        return [];
      }
      for (const address of this.functionsOf(from)) {
        if ((this.configuration.read8(address, HEADER_TYPE) & HEADER_LAYOUT) !== BRIDGE_LAYOUT) {
          continue;
        }
        const secondary = this.configuration.read8(address, SECONDARY_BUS);
        // Numbers grow on the way down, so that this ends whatever the registers say; 0 is a bridge nobody numbered.
        const below = secondary > from && secondary <= bus ? search(secondary) : null;
        if (below !== null) {
          return [address, ...below];
        }
      }
      return null;
    };
    const found = search(0);
    if (found === null) {
      throw new RangeError(`No numbered bridge leads to PCI bus ${bus}`);
    }
    return found;
  }

  private functionsOf(bus: number): number[] {
    const found: number[] = [];
    for (let device = 0; device < DEVICES_PER_BUS; device++) {
      const first = bus * 256 + device * FUNCTIONS_PER_DEVICE;
      if (this.configuration.read16(first, VENDOR_ID) === NO_DEVICE) {
        continue;
      }
      const isMultiFunction = (this.configuration.read8(first, HEADER_TYPE) & MULTI_FUNCTION) !== 0;
      for (let address = first; address < first + (isMultiFunction ? FUNCTIONS_PER_DEVICE : 1); address++) {
        if (this.configuration.read16(address, VENDOR_ID) !== NO_DEVICE) {
          found.push(address);
        }
      }
    }
    return found;
  }
}
