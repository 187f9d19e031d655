/** Who has which address on the local network, learned with ARP [RFC 826]; packets wait here for an answer. */
import type { Ipv4Address, MacAddress } from "../../../network/addresses.js";

/** Packets kept for one address that is being asked for; the oldest goes first [RFC 1122 §2.3.2.2]. */
const WAITING_PACKETS = 16;
/** Addresses remembered or asked for at a time; the one longest known goes first. */
const REMEMBERED_ADDRESSES = 1024;

interface Neighbour {
  mac: MacAddress | null;
  waiting: Uint8Array[];
}

export class Neighbours {
  private readonly entries = new Map<Ipv4Address, Neighbour>();
  /** Packets that were given up to make room. */
  dropped = 0;

  /** The MAC address of a neighbour, null while it is unknown. */
  find(address: Ipv4Address): MacAddress | null {
    return this.entries.get(address)?.mac ?? null;
  }

  /** Notes what an ARP packet said. Returns the packets that waited for it. */
  learn(address: Ipv4Address, mac: MacAddress): Uint8Array[] {
    const waiting = this.entries.get(address)?.waiting ?? [];
    this.enter(address, { mac, waiting: [] });
    return waiting;
  }

  /** Changes what is known of an address; one that is not known stays so. Returns whether it was known. */
  update(address: Ipv4Address, mac: MacAddress): boolean {
    if (this.find(address) === null) return false;
    this.enter(address, { mac, waiting: [] });
    return true;
  }

  /** Keeps a packet until the address is learned. */
  wait(address: Ipv4Address, packet: Uint8Array): void {
    const entry = this.entries.get(address) ?? { mac: null, waiting: [] };
    entry.waiting.push(packet);
    if (entry.waiting.length > WAITING_PACKETS) {
      entry.waiting.shift();
      this.dropped += 1;
    }
    this.enter(address, entry);
  }

  private enter(address: Ipv4Address, entry: Neighbour): void {
    this.entries.delete(address);
    this.entries.set(address, entry);
    const [oldest] = this.entries;
    if (this.entries.size <= REMEMBERED_ADDRESSES || oldest === undefined) return;
    this.entries.delete(oldest[0]);
    this.dropped += oldest[1].waiting.length;
  }
}
