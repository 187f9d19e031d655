/** The control queue's commands, and what they set: which frames the device lets in. [virtio-1.2 §5.1.6.5] */
import { BROADCAST_MAC, isGroupMac, macFromBytes, type MacAddress } from "../../network/addresses.js";
import type { Chain } from "../virtio/chain.js";
import { ANY_FRAMING } from "../virtio/constants.js";
import type { Rule } from "../violations.js";
import * as features from "./features.js";
import * as rules from "./rules.js";

const VIRTIO_NET_OK = 0;
const VIRTIO_NET_ERR = 1;

const VIRTIO_NET_CTRL_RX = 0;
const VIRTIO_NET_CTRL_MAC = 1;
const VIRTIO_NET_CTRL_VLAN = 2;
const VIRTIO_NET_CTRL_ANNOUNCE = 3;
// [virtio-1.3 §5.1.6.5.10]
const VIRTIO_NET_CTRL_NOTF_COAL = 6;

const VIRTIO_NET_CTRL_MAC_TABLE_SET = 0;
const VIRTIO_NET_CTRL_MAC_ADDR_SET = 1;
const VIRTIO_NET_CTRL_VLAN_ADD = 0;
const VIRTIO_NET_CTRL_VLAN_DEL = 1;
const VIRTIO_NET_CTRL_ANNOUNCE_ACK = 0;
const VIRTIO_NET_CTRL_NOTF_COAL_TX_SET = 0;
const VIRTIO_NET_CTRL_NOTF_COAL_RX_SET = 1;
const VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET = 2;

/** Commands of the class RX by number; those from `FIRST_EXTRA_MODE` on need CTRL_RX_EXTRA. [virtio-1.2 §5.1.6.5.1] */
const RECEIVE_MODES = ["promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast"] as const;
const FIRST_EXTRA_MODE = 2;
export type ReceiveMode = (typeof RECEIVE_MODES)[number];

const COMMAND_HEADER_BYTES = 2;
const MAC_BYTES = 6;
/** The count in front of a table of addresses. */
const COUNT_BYTES = 4;
const VLAN_IDS = 4096;
const VLAN_ETHER_TYPE = 0x8100;
/** More than the addresses of any driver's table; what is longer is refused. */
const LONGEST_COMMAND = 65_536;

/** How interrupts of a queue are put off. The device remembers it, and interrupts as before: it may. */
export interface Coalescing {
  readonly maxPackets: number;
  readonly maxMicroseconds: number;
}

/** Frames of one direction: queues 0 and 1 of the only pair. */
const RECEIVE_QUEUE = 0;
const TRANSMIT_QUEUE = 1;

/** What the commands need of the device. */
export interface ControlContext {
  hasNegotiated(feature: number): boolean;
  record(rule: Rule, detail: string): void;
  mac(): MacAddress;
  setMac(mac: MacAddress): void;
  /** The driver has sent its announcement. False: nobody asked for one. */
  announced(): boolean;
}

/** Where a test can make the control queue misbehave. */
export interface ControlFaults {
  /**
   * What the device answers to a command, whatever it did; `null`: it never gives the command back. Asked before the
   * command is carried out, which it is if the answer is undefined.
   */
  answer?: ((commandClass: number, command: number) => number | null | undefined) | undefined;
}

/** Which frames the device lets in, as the driver has set it. */
export interface ReceiveFilters {
  readonly modes: ReadonlySet<ReceiveMode>;
  /** Addresses of stations and groups, beside the card's own. */
  readonly table: ReadonlySet<MacAddress>;
  /** Ids of VLANs; all when the driver did not accept that they are filtered. */
  readonly vlans: ReadonlySet<number> | "all";
}

export class ControlSide {
  /** All frames are let in until the driver says otherwise, as hosts do. */
  private modes = new Set<ReceiveMode>(["promisc"]);
  private table = new Set<MacAddress>();
  private vlans = new Set<number>();
  /** By queue; what was never set is absent. */
  readonly coalescing = new Map<number, Coalescing>();
  /** Commands done and refused. */
  readonly counters = { accepted: 0, refused: 0 };

  constructor(
    private readonly context: ControlContext,
    private readonly faults: ControlFaults,
  ) {}

  get filters(): ReceiveFilters {
    const filtersVlans = this.context.hasNegotiated(features.VIRTIO_NET_F_CTRL_VLAN);
    return { modes: this.modes, table: this.table, vlans: filtersVlans ? this.vlans : "all" };
  }

  reset(): void {
    this.modes = new Set(["promisc"]);
    this.table = new Set();
    this.vlans = new Set();
    this.coalescing.clear();
  }

  /** Whether a frame from the network is for the driver. */
  accepts(frame: Uint8Array): boolean {
    if (this.modes.has("promisc")) return true;
    const destination = macFromBytes(frame);
    const type = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
    if (type === VLAN_ETHER_TYPE && this.context.hasNegotiated(features.VIRTIO_NET_F_CTRL_VLAN)) {
      if (!this.vlans.has((((frame[14] ?? 0) << 8) | (frame[15] ?? 0)) & 0xfff)) return false;
    }
    if (destination === BROADCAST_MAC) return !this.modes.has("nobcast");
    if (isGroupMac(destination)) {
      return !this.modes.has("nomulti") && (this.modes.has("allmulti") || this.table.has(destination));
    }
    if (this.modes.has("nouni")) return false;
    return this.modes.has("alluni") || destination === this.context.mac() || this.table.has(destination);
  }

  /** Carries out the command in a buffer and writes its ack. Returns the bytes written; null: the buffer is kept. */
  perform(chain: Chain): number | null {
    const header = new Uint8Array(COMMAND_HEADER_BYTES);
    if (chain.readableBytes >= header.length) chain.read(0, header, 0, header.length);
    const answer = this.faults.answer?.(header[0] ?? 0, header[1] ?? 0);
    if (answer === null) return null;
    if (answer !== undefined) return chain.write(0, Uint8Array.of(answer), 0, 1);
    const isDone = this.isWellFormed(chain) && this.execute(chain);
    if (isDone) this.counters.accepted += 1;
    else this.counters.refused += 1;
    return chain.write(0, Uint8Array.of(isDone ? VIRTIO_NET_OK : VIRTIO_NET_ERR), 0, 1);
  }

  private isWellFormed(chain: Chain): boolean {
    const detail = `head ${chain.head}, ${chain.readableBytes} bytes read, ${chain.writableBytes} written`;
    const { readableBytes, writableBytes } = chain;
    if (readableBytes >= COMMAND_HEADER_BYTES && readableBytes <= LONGEST_COMMAND && writableBytes === 1) return true;
    this.context.record(rules.CONTROL_MALFORMED, detail);
    return false;
  }

  private execute(chain: Chain): boolean {
    const bytes = new Uint8Array(chain.readableBytes);
    chain.read(0, bytes, 0, bytes.length);
    const [commandClass = 0, command = 0] = bytes;
    const data = bytes.subarray(COMMAND_HEADER_BYTES);
    const name = `class ${commandClass}, command ${command}`;

    const feature = featureOf(commandClass, command);
    if (feature === null) {
      this.context.record(rules.CONTROL_MALFORMED, name);
      return false;
    }
    if (!this.context.hasNegotiated(features.VIRTIO_NET_F_CTRL_VQ) || !this.context.hasNegotiated(feature)) {
      this.context.record(rules.CONTROL_NOT_NEGOTIATED, name);
      return false;
    }
    const segments = chain.readable.map((segment) => segment.length);
    if (!this.context.hasNegotiated(ANY_FRAMING) && !isFramed(commandClass, command, segments, data)) {
      this.context.record(rules.CONTROL_FRAMING, `${name}, descriptors of ${segments.join(", ")} bytes`);
    }
    if (!this.set(commandClass, command, data)) {
      this.context.record(rules.CONTROL_MALFORMED, `${name}, ${data.length} bytes of data`);
      return false;
    }
    return commandClass !== VIRTIO_NET_CTRL_ANNOUNCE || this.context.announced();
  }

  /** Does what a negotiated command says. False if its data is not what the command takes. */
  private set(commandClass: number, command: number, data: Uint8Array): boolean {
    switch (commandClass) {
      case VIRTIO_NET_CTRL_RX:
        return this.setMode(RECEIVE_MODES[command], data);
      case VIRTIO_NET_CTRL_MAC:
        return command === VIRTIO_NET_CTRL_MAC_TABLE_SET ? this.setTable(data) : this.setAddress(data);
      case VIRTIO_NET_CTRL_VLAN:
        return this.setVlan(command === VIRTIO_NET_CTRL_VLAN_ADD, data);
      case VIRTIO_NET_CTRL_NOTF_COAL:
        return this.setCoalescing(command, data);
      default:
        return data.length === 0;
    }
  }

  private setMode(mode: ReceiveMode | undefined, data: Uint8Array): boolean {
    if (mode === undefined || data.length !== 1) return false;
    if (data[0] === 0) this.modes.delete(mode);
    else this.modes.add(mode);
    return true;
  }

  private setTable(data: Uint8Array): boolean {
    const lengths = tableLengths(data);
    if (lengths === null) return false;
    const [unicast] = lengths;
    this.table = new Set([
      ...addressesIn(data.subarray(COUNT_BYTES, unicast)),
      ...addressesIn(data.subarray(unicast + COUNT_BYTES)),
    ]);
    return true;
  }

  private setAddress(data: Uint8Array): boolean {
    if (data.length !== MAC_BYTES) return false;
    this.context.setMac(macFromBytes(data));
    return true;
  }

  private setCoalescing(command: number, data: Uint8Array): boolean {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const isOfQueue = command === VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET;
    const numbers = isOfQueue ? 4 : 0;
    if (data.length !== numbers + 8) return false;
    const ofDirection = command === VIRTIO_NET_CTRL_NOTF_COAL_TX_SET ? TRANSMIT_QUEUE : RECEIVE_QUEUE;
    const queue = isOfQueue ? view.getUint16(0, true) : ofDirection;
    if (queue > TRANSMIT_QUEUE || (isOfQueue && view.getUint16(2, true) !== 0)) return false;
    const maxMicroseconds = view.getUint32(numbers + 4, true);
    this.coalescing.set(queue, { maxPackets: view.getUint32(numbers, true), maxMicroseconds });
    return true;
  }

  private setVlan(add: boolean, data: Uint8Array): boolean {
    const id = (data[0] ?? 0) | ((data[1] ?? 0) << 8);
    if (data.length !== 2 || id >= VLAN_IDS) return false;
    if (add) this.vlans.add(id);
    else this.vlans.delete(id);
    return true;
  }
}

/** The feature that a command needs beside CTRL_VQ; null if there is no such command. */
function featureOf(commandClass: number, command: number): number | null {
  switch (commandClass) {
    case VIRTIO_NET_CTRL_RX:
      if (command >= RECEIVE_MODES.length) return null;
      return command < FIRST_EXTRA_MODE ? features.VIRTIO_NET_F_CTRL_RX : features.VIRTIO_NET_F_CTRL_RX_EXTRA;
    case VIRTIO_NET_CTRL_MAC:
      if (command === VIRTIO_NET_CTRL_MAC_TABLE_SET) return features.VIRTIO_NET_F_CTRL_RX;
      return command === VIRTIO_NET_CTRL_MAC_ADDR_SET ? features.VIRTIO_NET_F_CTRL_MAC_ADDR : null;
    case VIRTIO_NET_CTRL_VLAN:
      return command <= VIRTIO_NET_CTRL_VLAN_DEL ? features.VIRTIO_NET_F_CTRL_VLAN : null;
    case VIRTIO_NET_CTRL_ANNOUNCE:
      return command === VIRTIO_NET_CTRL_ANNOUNCE_ACK ? features.VIRTIO_NET_F_GUEST_ANNOUNCE : null;
    case VIRTIO_NET_CTRL_NOTF_COAL:
      if (command === VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET) return features.VIRTIO_NET_F_VQ_NOTF_COAL;
      return command <= VIRTIO_NET_CTRL_NOTF_COAL_RX_SET ? features.VIRTIO_NET_F_NOTF_COAL : null;
    default:
      return null;
  }
}

/** Whether the lengths of a command's readable descriptors are those of its parts. [virtio-1.2 §5.1.6.6] */
function isFramed(commandClass: number, command: number, segments: readonly number[], data: Uint8Array): boolean {
  const isTable = commandClass === VIRTIO_NET_CTRL_MAC && command === VIRTIO_NET_CTRL_MAC_TABLE_SET;
  const parts = isTable ? (tableLengths(data) ?? []) : [data.length].filter((length) => length > 0);
  const expected = [COMMAND_HEADER_BYTES, ...parts];
  return expected.length === segments.length && expected.every((length, index) => length === segments[index]);
}

/** Bytes of the unicast and of the multicast table, counts included; null if they do not fill `data`. */
function tableLengths(data: Uint8Array): [number, number] | null {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < 2 * COUNT_BYTES) return null;
  const unicast = COUNT_BYTES + MAC_BYTES * view.getUint32(0, true);
  if (unicast + COUNT_BYTES > data.length) return null;
  const multicast = COUNT_BYTES + MAC_BYTES * view.getUint32(unicast, true);
  return unicast + multicast === data.length ? [unicast, multicast] : null;
}

function addressesIn(bytes: Uint8Array): MacAddress[] {
  return Array.from({ length: bytes.length / MAC_BYTES }, (_, index) => macFromBytes(bytes, index * MAC_BYTES));
}
