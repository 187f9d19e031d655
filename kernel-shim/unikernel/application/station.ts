/** A machine on the network, at one card: what it sends, and how it answers whoever asks. */
import { ReceivedBuffer } from "../../../assembly/drivers/net/abi";
import { Card } from "./card";
import {
  ARP_FRAME_BYTES,
  ARP_REQUEST,
  arpOperation,
  arpSender,
  arpSenderMac,
  arpTarget,
  writeArpReply,
  writeArpRequest,
} from "./network/arp";
import { ETHERTYPE_IPV4, turnEthernet, writeEthernet } from "./network/ethernet";
import { isEchoRequest, turnEcho } from "./network/icmp";
import { IPV4_PAYLOAD, turnIpv4 } from "./network/ipv4";
import { turnUdp, writeUdp } from "./network/udp";

export class Station {
  /** Its IPv4 address; 0 until it has one. */
  address: u32 = 0;

  constructor(readonly card: Card) {}

  /** Sends a datagram whose payload has been written into a new frame of the card. */
  sendDatagram(
    frame: u32,
    sourcePort: u32,
    mac: u64,
    destination: u32,
    destinationPort: u32,
    payloadLength: u32,
  ): void {
    writeEthernet(frame, mac, this.card.mac, ETHERTYPE_IPV4);
    this.card.send(frame, writeUdp(frame, this.address, sourcePort, destination, destinationPort, payloadLength));
  }

  /** Asks who has an address. */
  ask(target: u32): void {
    const frame = this.card.newFrame();
    if (frame == 0) return;
    writeArpRequest(frame, this.card.mac, this.address, target);
    this.card.send(frame, ARP_FRAME_BYTES);
  }

  /** Answers whoever asks for this station's address. */
  answerArp(received: ReceivedBuffer): void {
    const at = received.pointer;
    if (arpOperation(at, received.length) != ARP_REQUEST || this.address == 0 || arpTarget(at) != this.address) return;
    const frame = this.card.newFrame();
    if (frame == 0) return;
    writeArpReply(frame, this.card.mac, this.address, arpSenderMac(at), arpSender(at));
    this.card.send(frame, ARP_FRAME_BYTES);
  }

  // Answers that are made in the frame that asked. They return whether the frame was used.

  /** Answers a packet that is a ping, whose payload has this length. */
  answerPing(received: ReceivedBuffer, payloadLength: u32): bool {
    if (!isEchoRequest(received.pointer, payloadLength)) return false;
    turnEcho(received.pointer, payloadLength);
    return this.sendBack(received, IPV4_PAYLOAD + payloadLength);
  }

  /** Sends a datagram back. */
  answerDatagram(received: ReceivedBuffer): bool {
    turnUdp(received.pointer);
    return this.sendBack(received, received.length);
  }

  private sendBack(received: ReceivedBuffer, length: u32): bool {
    turnIpv4(received.pointer);
    turnEthernet(received.pointer, this.card.mac);
    this.card.answer(received, length);
    return true;
  }
}
