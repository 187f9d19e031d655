/** A DHCP client: from nothing to an address. [RFC 2131 §3.1] */
import {
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  dhcpAddress,
  DhcpMessage,
  dhcpNextServer,
  dhcpServer,
  dhcpType,
  writeDhcp,
} from "./network/dhcp";
import { BROADCAST } from "./network/ethernet";
import { ADDRESS_BROADCAST } from "./network/ipv4";
import { UDP_PAYLOAD } from "./network/udp";
import { Retry } from "./retry";
import { Station } from "./station";

/** Makes the transaction's number, with the card's address, one that other clients are not likely to have. */
const TRANSACTION_SALT: u32 = 0x7669_7274;

export class Lease {
  /** Where to boot from, once there is a lease. */
  server: u32 = 0;
  private dhcpServer: u32 = 0;
  /** What a server offered; 0: look for one. */
  private offered: u32 = 0;

  constructor(
    private station: Station,
    private retry: Retry,
  ) {}

  private get transaction(): u32 {
    return (<u32>(this.station.card.mac >> 16)) ^ TRANSACTION_SALT;
  }

  /** Looks for a server, or asks the one that was found for the address that it offered. */
  send(): void {
    const card = this.station.card;
    const frame = card.newFrame();
    if (frame == 0) return;
    const type = this.offered == 0 ? DhcpMessage.DISCOVER : DhcpMessage.REQUEST;
    const length = writeDhcp(frame + UDP_PAYLOAD, type, this.transaction, card.mac, this.offered, this.dhcpServer);
    this.station.sendDatagram(frame, DHCP_CLIENT_PORT, BROADCAST, ADDRESS_BROADCAST, DHCP_SERVER_PORT, length);
  }

  /** Takes a server's message. When it grants the lease, the station has its address. */
  take(message: u32, length: u32): void {
    switch (dhcpType(message, length, this.transaction, this.station.card.mac)) {
      case DhcpMessage.OFFER:
        if (this.offered == 0) this.takeOffer(message, length);
        break;
      case DhcpMessage.ACKNOWLEDGE:
        if (this.offered != 0) this.station.address = dhcpAddress(message);
        break;
      case DhcpMessage.REFUSE:
        this.offered = 0;
        this.retry.start();
        break;
    }
  }

  private takeOffer(message: u32, length: u32): void {
    this.offered = dhcpAddress(message);
    this.dhcpServer = dhcpServer(message, length);
    this.server = dhcpNextServer(message);
    if (this.server == 0) this.server = this.dhcpServer;
    this.retry.start();
  }
}
