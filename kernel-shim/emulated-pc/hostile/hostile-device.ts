/** Turns a device against its driver: whatever it tells the driver goes through the mutations of a run. */
import { BlockDevice } from "../block/device.js";
import type { Random } from "../random.js";
import type { VirtioDevice } from "../virtio/device.js";
import { NetDevice } from "../net/device.js";
import type { ControlFaults } from "../net/control.js";
import type { ReceiveFaults } from "../net/receive.js";
import type { CapabilityLies } from "./capability-lies.js";
import { forge } from "./forgery.js";
import type { Mutations } from "./mutations.js";
import type { RegisterLies } from "./register-lies.js";
import { otherValue, pick } from "./values.js";

/** Longest that a request is held back, in nanoseconds. */
const LATEST = 5_000_000;

/** Installs the mutations and lies in the device's faults. `behave` undoes what is left of them. */
export function makeHostile(device: VirtioDevice, mutations: Mutations, lies: RegisterLies): void {
  const { faults } = device;
  const field = (name: string, bytes: number) => (queue: number, value: number) => {
    const random = mutations.at("used ring");
    if (random === null) return value;
    const other = otherValue(random, value, bytes);
    mutations.describe(`${device.kind} queue ${queue}: ${name} ${other} for ${value}`);
    return other;
  };
  faults.usedId = field("id", 4);
  faults.usedLength = field("len", 4);
  faults.usedIndex = field("idx", 2);
  faults.usedFlags = field("flags", 2);
  faults.availEvent = field("avail_event", 2);
  faults.interrupt = (bits) => {
    const random = mutations.at("interrupt");
    if (random === null) return bits;
    const other = pick(random, [0, 1, 2, 3, 0xff]);
    mutations.describe(`${device.kind}: ISR ${other} for ${bits}`);
    return other;
  };
  faults.writeRegister = (offset, width, value) => {
    if (mutations.at("register write") === null) return true;
    mutations.describe(`${device.kind}: ${value} to register ${offset}, ${width} bytes, ignored`);
    return false;
  };
  faults.readRegister = (offset, width, value, region) => lies.answer(offset, width, value, region);
  faults.acceptsVector = (vector) => {
    if (mutations.at("vector") === null) return true;
    mutations.describe(`${device.kind}: no vector ${vector}`);
    return false;
  };
  if (!(device instanceof BlockDevice)) return;
  const decide = device.onRequest;
  device.onRequest = (request) => {
    const random = mutations.at("request");
    if (random === null) return decide?.(request);
    const { type, sector } = request;
    const fate = pick(random, [
      { isLost: true },
      { delay: random.below(LATEST) },
      { status: 1 },
      { status: 2 },
      { status: 3 },
      { status: 0xff },
    ]);
    mutations.describe(`request of type ${type}, sector ${sector}: ${JSON.stringify(fate)}`);
    return fate;
  };
}

/** What a hostile card does to the frames it receives; for the options of a NetDevice. */
export function hostileReceiveFaults(mutations: Mutations): ReceiveFaults {
  return {
    header: (header) => {
      const random = mutations.at("received header");
      if (random === null) return;
      // The last two bytes are num_buffers, where it exists, and decide most.
      const offset = random.below(2) === 0 ? header.length - 2 + random.below(2) : random.below(header.length);
      const other = otherValue(random, header[offset] ?? 0, 1);
      mutations.describe(`received header: byte ${offset} is ${other}`);
      header[offset] = other;
    },
    buffersReturned: (count) => {
      const random = mutations.at("received header");
      if (random === null) return count;
      const other = random.below(count + 1);
      mutations.describe(`${other} of ${count} buffers come back`);
      return other;
    },
  };
}

/** What a hostile card makes of commands to its control queue; for the options of a NetDevice. */
export function hostileControlFaults(mutations: Mutations): ControlFaults {
  return {
    answer: (commandClass, command) => {
      const random = mutations.at("request");
      if (random === null) return undefined;
      const answer = pick(random, [null, 0, 1, 1, 2, 0xff]);
      mutations.describe(`command ${commandClass}.${command}: ${answer ?? "no answer"}`);
      return answer;
    },
  };
}

/** Does something that a device may do at any time, or must never do. Returns what, for people. */
export function misbehave(device: VirtioDevice, random: Random): string {
  const actions: readonly (() => string)[] = [
    () => {
      device.raiseQueueInterrupt();
      return "interrupt for nothing";
    },
    () => {
      device.configurationChanged();
      return "configuration interrupt for nothing";
    },
    () => {
      device.faults.silent = device.faults.silent !== true;
      return device.faults.silent ? "silent" : "no longer silent";
    },
    () => {
      const bytes = device.configuration.bytes;
      if (bytes.length === 0) return "no configuration to change";
      const offset = random.below(bytes.length);
      bytes[offset] = otherValue(random, bytes[offset] ?? 0, 1);
      device.configurationChanged();
      return `configuration byte ${offset} changed`;
    },
    () => {
      if (device instanceof NetDevice) device.setLink(!device.isLinkUp);
      return "link changed";
    },
    () => {
      // Rarely: nothing works until the reset.
      if (random.below(8) === 0) device.fail();
      return "DEVICE_NEEDS_RESET";
    },
  ];
  return `${device.kind}: ${pick(random, actions)()}`;
}

/** Writes to the used ring what is not so. Returns what, for people. */
export function forgeCompletion(device: VirtioDevice, random: Random): string {
  return `${device.kind} ${forge(device, random) ?? "has no live queue"}`;
}

/** A hostile device, and what no reset of it restores. */
export interface HostileDevice {
  readonly device: VirtioDevice;
  /** As it was at first. */
  readonly configuration: Uint8Array;
  readonly registerLies: RegisterLies;
  /** Null where there is no PCI function. */
  readonly capabilityLies: CapabilityLies | null;
}

/** The device tells the truth of itself, as far as its registers and its function say the same at every read. */
export function takeBackLies({ registerLies, capabilityLies }: HostileDevice): void {
  registerLies.takeBack();
  capabilityLies?.takeBack();
}

/** The device keeps the rules again, as after its host was repaired; its rings stay as they are until the reset. */
export function behave(hostile: HostileDevice): void {
  const { device, configuration } = hostile;
  takeBackLies(hostile);
  device.faults.silent = false;
  device.configuration.bytes.set(configuration);
  if (device instanceof NetDevice) device.setLink(true);
}
