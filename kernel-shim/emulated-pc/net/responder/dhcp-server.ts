/** The server's half of DHCP: gives addresses of a pool to clients, messages in and messages out [RFC 2131 §4.3]. */
import {
  BROADCAST_IPV4,
  UNSPECIFIED_IPV4,
  ipv4FromNumber,
  ipv4ToBytes,
  ipv4ToNumber,
  type Ipv4Address,
  type MacAddress,
} from "../../../network/addresses.js";
import {
  DhcpMessageType,
  DhcpOperation,
  DhcpOption,
  addressOption,
  blankDhcpMessage,
  encodeNumber,
  type DhcpMessage,
} from "../../../network/dhcp.js";

export interface DhcpServerOptions {
  /** The server's own address. */
  address: Ipv4Address;
  subnetMask: Ipv4Address;
  router: Ipv4Address;
  domainNameServer: Ipv4Address;
  /** The first address given away, and how many there are from it on. */
  firstAddress: Ipv4Address;
  addresses: number;
  leaseSeconds: number;
}

/** A message to send and the address it goes to; `BROADCAST_IPV4` says that everybody on the wire gets it. */
export interface DhcpReply {
  message: DhcpMessage;
  destination: Ipv4Address;
}

interface Binding {
  /** Null for an address that a client found to be in use already. */
  client: MacAddress | null;
  /** Nanoseconds of virtual time from which on the address is free again. */
  expires: number;
}

/** How long an offered address is kept for the client that has not asked for it yet. */
const OFFER_SECONDS = 60;
const NANOSECONDS_PER_SECOND = 1_000_000_000;

export class DhcpServer {
  private readonly bindings = new Map<Ipv4Address, Binding>();

  constructor(private readonly options: DhcpServerOptions) {}

  /** Takes in a client's message at `now` nanoseconds. Returns the answer, or null where there is none to give. */
  handle(request: DhcpMessage, now: number): DhcpReply | null {
    if (request.operation !== DhcpOperation.REQUEST) return null;
    switch (request.type) {
      case DhcpMessageType.DISCOVER:
        return this.offer(request, now);
      case DhcpMessageType.REQUEST:
        return this.confirm(request, now);
      case DhcpMessageType.INFORM:
        return this.inform(request);
      case DhcpMessageType.DECLINE:
        this.decline(request, now);
        return null;
      case DhcpMessageType.RELEASE:
        this.release(request);
        return null;
      default:
        return null;
    }
  }

  /** The client that an address is promised or leased to, null where it is free. */
  clientOf(address: Ipv4Address, now: number): MacAddress | null {
    const binding = this.bindings.get(address);
    return binding !== undefined && binding.expires > now ? binding.client : null;
  }

  private offer(request: DhcpMessage, now: number): DhcpReply | null {
    const address = this.choose(request, now);
    if (address === null) return null;
    // A lease that runs is not shortened by its client's asking anew.
    const expires = Math.max(
      now + OFFER_SECONDS * NANOSECONDS_PER_SECOND,
      this.clientOf(address, now) === null ? 0 : (this.bindings.get(address)?.expires ?? 0),
    );
    this.bindings.set(address, { client: request.clientMac, expires });
    return this.reply(request, DhcpMessageType.OFFER, address);
  }

  /** The client's own address, else the one it asks for, else the first that is free [RFC 2131 §4.3.1]. */
  private choose(request: DhcpMessage, now: number): Ipv4Address | null {
    const pool = Array.from({ length: this.options.addresses }, (_, index) =>
      ipv4FromNumber(ipv4ToNumber(this.options.firstAddress) + index),
    );
    const own = pool.find((address) => this.clientOf(address, now) === request.clientMac);
    if (own !== undefined) return own;
    const free = pool.filter((address) => (this.bindings.get(address)?.expires ?? 0) <= now);
    const wanted = addressOption(request.options, DhcpOption.REQUESTED_ADDRESS);
    return free.find((address) => address === wanted) ?? free[0] ?? null;
  }

  /** [RFC 2131 §4.3.2]: the client took an offer, comes back with an old address, or prolongs its lease. */
  private confirm(request: DhcpMessage, now: number): DhcpReply | null {
    const server = addressOption(request.options, DhcpOption.SERVER_IDENTIFIER);
    if (server !== null && server !== this.options.address) {
      this.forgetClient(request.clientMac);
      return null;
    }
    const wanted = addressOption(request.options, DhcpOption.REQUESTED_ADDRESS) ?? request.clientAddress;
    if (wanted === UNSPECIFIED_IPV4) return null;
    if (this.clientOf(wanted, now) !== request.clientMac) return this.refuse(request);
    const expires = now + this.options.leaseSeconds * NANOSECONDS_PER_SECOND;
    this.bindings.set(wanted, { client: request.clientMac, expires });
    return this.reply(request, DhcpMessageType.ACK, wanted);
  }

  private inform(request: DhcpMessage): DhcpReply | null {
    return request.clientAddress === UNSPECIFIED_IPV4
      ? null
      : this.reply(request, DhcpMessageType.ACK, UNSPECIFIED_IPV4);
  }

  private decline(request: DhcpMessage, now: number): void {
    const address = addressOption(request.options, DhcpOption.REQUESTED_ADDRESS);
    if (address === null || this.clientOf(address, now) !== request.clientMac) return;
    this.bindings.set(address, { client: null, expires: Infinity });
  }

  private release(request: DhcpMessage): void {
    const binding = this.bindings.get(request.clientAddress);
    if (binding?.client === request.clientMac) this.bindings.delete(request.clientAddress);
  }

  private forgetClient(client: MacAddress): void {
    for (const [address, binding] of this.bindings) if (binding.client === client) this.bindings.delete(address);
  }

  private refuse(request: DhcpMessage): DhcpReply {
    const { transaction, clientMac, broadcast } = request;
    const message = blankDhcpMessage(DhcpOperation.REPLY, DhcpMessageType.NAK, transaction, clientMac);
    const options = new Map([[DhcpOption.SERVER_IDENTIFIER, ipv4ToBytes(this.options.address)]]);
    return { message: { ...message, broadcast, options }, destination: BROADCAST_IPV4 };
  }

  /** An offer or acknowledgement; one for no address answers a question about the network only. */
  private reply(request: DhcpMessage, type: DhcpMessageType, yourAddress: Ipv4Address): DhcpReply {
    const { address, subnetMask, router, domainNameServer, leaseSeconds } = this.options;
    const options = new Map<number, Uint8Array>([
      [DhcpOption.SERVER_IDENTIFIER, ipv4ToBytes(address)],
      [DhcpOption.SUBNET_MASK, ipv4ToBytes(subnetMask)],
      [DhcpOption.ROUTER, ipv4ToBytes(router)],
      [DhcpOption.DOMAIN_NAME_SERVER, ipv4ToBytes(domainNameServer)],
    ]);
    if (yourAddress !== UNSPECIFIED_IPV4) options.set(DhcpOption.LEASE_TIME, encodeNumber(leaseSeconds));
    const { transaction, clientMac, clientAddress, broadcast } = request;
    const message = {
      ...blankDhcpMessage(DhcpOperation.REPLY, type, transaction, clientMac),
      broadcast,
      clientAddress,
      yourAddress,
      options,
    };
    return { message, destination: replyDestination(message) };
  }
}

/** Without relays: to the address in use, else to everybody if asked for, else to the new address [RFC 2131 §4.1]. */
function replyDestination(message: DhcpMessage): Ipv4Address {
  if (message.clientAddress !== UNSPECIFIED_IPV4) return message.clientAddress;
  return message.broadcast ? BROADCAST_IPV4 : message.yourAddress;
}
