/**
 * Fetches a file over one network card onto one disk, then answers whoever asks.
 *
 *     DISCOVER ─▶ REQUEST ─▶ RESOLVE ─▶ TRANSFER ─▶ FLUSH ─▶ VERIFY ─▶ SERVE
 *      DHCP        DHCP       ARP        TFTP        disk     disk      ICMP and UDP echo
 *
 * Each state up to TRANSFER sends something and waits for the answer; what is not answered is sent again, after longer
 * and longer pauses. Any state may end in FAILED.
 */
import { BlockOperation, ReceivedBuffer } from "../../../assembly/abi/records";
import { now_ns } from "../../../assembly/kernel";
import { Card } from "./card";
import { Disk } from "./disk";
import {
  ARP_FRAME_BYTES,
  ARP_REPLY,
  ARP_REQUEST,
  arpOperation,
  arpSender,
  arpSenderMac,
  arpTarget,
} from "./network/arp";
import { writeArpReply, writeArpRequest } from "./network/arp";
import { BROADCAST, ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, ETHERTYPE_IPV4 } from "./network/ethernet";
import { etherType, sourceMac, turnEthernet, writeEthernet } from "./network/ethernet";
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
import { isEchoRequest, turnEcho } from "./network/icmp";
import {
  ADDRESS_BROADCAST,
  IPV4_PAYLOAD,
  ipv4Destination,
  ipv4PayloadLength,
  ipv4Protocol,
  ipv4Source,
  PROTOCOL_ICMP,
  PROTOCOL_UDP,
  turnIpv4,
} from "./network/ipv4";
import {
  TFTP_BLOCK_BYTES,
  TFTP_DEFAULT_BLOCK_BYTES,
  TFTP_HEADER_BYTES,
  TFTP_SERVER_PORT,
  TftpError,
  tftpNumber,
  TftpOperation,
  tftpOperation,
  tftpOption,
  writeAcknowledgement,
  writeError,
  writeReadRequest,
} from "./network/tftp";
import { turnUdp, UDP_PAYLOAD, udpDestinationPort, udpPayloadLength, udpSourcePort, writeUdp } from "./network/udp";
import { Reader } from "./reader";
import { Status } from "./status";
import { Writer } from "./writer";

export const enum State {
  DISCOVER,
  REQUEST,
  RESOLVE,
  TRANSFER,
  FLUSH,
  VERIFY,
  SERVE,
  FAILED,
}

/** What comes here goes back. [RFC 862] */
const ECHO_PORT: u32 = 7;
/** A datagram with the word `stop` here ends the machine. */
const STOP_PORT: u32 = 8;
/** `stop`, as it lies in memory. */
const STOP_WORD: u32 = 0x706f_7473;
/** Ports of our own for transfers, a new one for each attempt, so that packets of an old one are not taken. [RFC 1350] */
const TRANSFER_PORT_FIRST: u32 = 0xc000;

/** A server next door answers in milliseconds, so waiting begins short. */
const FIRST_TIMEOUT: u64 = 250_000_000;
const LAST_TIMEOUT: u64 = 2_000_000_000;
const ATTEMPTS: u32 = 6;
/** How often a transfer is begun again because a block got lost for good. */
const TRANSFERS: u32 = 16;

const NEVER: u64 = u64.MAX_VALUE;

/** One at a time hashes. */
let hashing: Netboot | null = null;

export class Netboot {
  state: State = State.DISCOVER;
  /** Why, in state FAILED. */
  status: Status = Status.DONE;
  /** Set by a datagram at the stop port. */
  isStopped: bool = false;
  /** When the next thing is to be sent again. */
  deadline: u64 = 0;

  /** Ours, once the server has given it for good. */
  address: u32 = 0;
  /** Of the file. */
  get length(): u64 {
    return this.writer.length;
  }
  leasedAt: u64 = 0;
  requestedAt: u64 = 0;
  flushedAt: u64 = 0;

  private writer: Writer;
  readonly reader: Reader;
  private attempt: u32 = 0;
  private offered: u32 = 0;
  private dhcpServer: u32 = 0;
  private server: u32 = 0;
  private serverMac: u64 = 0;
  private transfers: u32 = 0;
  private serverPort: u32 = 0;
  private blockBytes: u32 = 0;
  /** The block that comes next; 0: the server's answer to the request. */
  private nextBlock: u32 = 0;
  /** The last block has been written. */
  private isWhole: bool = false;
  /** An acknowledgement waits for the disk. */
  private isHeld: bool = false;

  constructor(
    readonly card: Card,
    readonly disk: Disk,
    private fileName: u32,
    private fileNameLength: u32,
  ) {
    this.writer = new Writer(card, disk);
    this.reader = new Reader(disk);
  }

  /** Does what can be done now. Returns whether there was anything; if not, the caller may sleep until `deadline`. */
  work(): bool {
    if (this.state == State.FAILED) return false;
    const frames = this.takeFrames();
    const completions = this.takeCompletions();
    let isBusy = frames || completions;
    if (this.state == State.VERIFY && hashing === null) {
      hashing = this;
      this.reader.start(this.writer.length);
      isBusy = true;
    }
    this.advance();
    if (now_ns() >= this.deadline) {
      this.repeat();
      isBusy = true;
    }
    this.card.flush();
    return isBusy;
  }

  private fail(status: Status): void {
    this.state = State.FAILED;
    this.status = status;
    this.deadline = NEVER;
    if (hashing === this) hashing = null;
  }

  /** What is left to do when completions have been taken. */
  private advance(): void {
    if (this.writer.hasFailed || this.reader.hasFailed) return this.fail(Status.DEVICE);
    if (this.state == State.TRANSFER) {
      if (this.isHeld && this.writer.hasRoom) this.acknowledge();
      if (this.isWhole && this.writer.isIdle) this.enter(State.FLUSH);
    } else if (this.state == State.VERIFY && hashing === this && this.reader.isDone) {
      hashing = null;
      this.enter(State.SERVE);
    }
  }

  private enter(state: State): void {
    this.state = state;
    this.attempt = 0;
    // States that wait for the disk wait for its interrupt.
    this.deadline = state <= State.TRANSFER ? 0 : NEVER;
    if (state == State.FLUSH && !this.disk.submit(BlockOperation.FLUSH, 0, 0, 0, 0)) this.fail(Status.DEVICE);
  }

  /** Sends what the state sends, for the first time or again. */
  private repeat(): void {
    if (this.attempt == ATTEMPTS) return this.giveUp();
    this.deadline = now_ns() + min(FIRST_TIMEOUT << this.attempt, LAST_TIMEOUT);
    this.attempt++;
    switch (this.state) {
      case State.DISCOVER:
        this.sendDhcp(DhcpMessage.DISCOVER);
        break;
      case State.REQUEST:
        this.sendDhcp(DhcpMessage.REQUEST);
        break;
      case State.RESOLVE:
        this.sendArpRequest();
        break;
      case State.TRANSFER:
        if (this.nextBlock == 0) this.sendReadRequest();
        else this.sendAcknowledgement();
        break;
    }
  }

  /** The other side does not answer. */
  private giveUp(): void {
    switch (this.state) {
      case State.DISCOVER:
        return this.fail(Status.NO_LEASE);
      case State.REQUEST:
        // The server may have forgotten its offer. [RFC 2131 §3.1]
        return this.fail(Status.NO_LEASE);
      case State.RESOLVE:
        return this.fail(Status.NO_SERVER);
      case State.TRANSFER:
        // A server that has gone on does not send a lost block again; only a new transfer helps.
        if (this.nextBlock != 0) this.startTransfer();
        else this.fail(Status.TRANSFER);
    }
  }

  private takeCompletions(): bool {
    const count = this.disk.poll();
    if (count < 0) this.fail(Status.DEVICE);
    for (let index = 0; index < count; index++) {
      const completion = this.disk.completion(index);
      switch (this.state) {
        case State.TRANSFER:
          this.writer.complete(completion);
          break;
        case State.FLUSH:
          this.takeFlushed(completion.result);
          break;
        case State.VERIFY:
          this.reader.complete(completion);
          break;
      }
    }
    return count > 0;
  }

  private takeFlushed(result: i32): void {
    if (result != 0) return this.fail(Status.DEVICE);
    this.flushedAt = now_ns();
    this.enter(State.VERIFY);
  }

  private takeFrames(): bool {
    const count = this.card.receive();
    if (count < 0) this.fail(Status.DEVICE);
    for (let index = 0; index < count; index++) {
      const frame = this.card.frame(index);
      const isKept = frame.buffer_count == 1 && this.takeFrame(frame);
      if (!isKept) this.card.release(frame.buffer);
    }
    return count > 0;
  }

  /** Looks at a frame. Returns whether its buffer is kept, for an answer or for the disk. */
  private takeFrame(frame: ReceivedBuffer): bool {
    if (frame.length < ETHERNET_HEADER_BYTES) return false;
    const type = etherType(frame.pointer);
    if (type == ETHERTYPE_ARP) this.takeArp(frame);
    return type == ETHERTYPE_IPV4 && this.takeIpv4(frame);
  }

  private takeIpv4(frame: ReceivedBuffer): bool {
    const at = frame.pointer;
    const length = ipv4PayloadLength(at, frame.length);
    if (length < 0) return false;
    const destination = ipv4Destination(at);
    if (ipv4Protocol(at) == PROTOCOL_ICMP) {
      return this.address != 0 && destination == this.address && this.answerPing(frame, length);
    }
    if (ipv4Protocol(at) != PROTOCOL_UDP) return false;
    const bytes = udpPayloadLength(at, length);
    if (bytes < 0) return false;
    const port = udpDestinationPort(at);
    if (port == DHCP_CLIENT_PORT && udpSourcePort(at) == DHCP_SERVER_PORT) {
      this.takeDhcp(at + UDP_PAYLOAD, bytes);
      return false;
    }
    if (this.address == 0 || destination != this.address) return false;
    if (this.state == State.TRANSFER) return port == this.transferPort && this.takeTftp(frame, bytes);
    if (this.state != State.SERVE) return false;
    if (port == ECHO_PORT) return this.answerDatagram(frame);
    if (port == STOP_PORT && bytes == 4 && load<u32>(at + UDP_PAYLOAD) == STOP_WORD) this.isStopped = true;
    return false;
  }

  // Answers, made in the frame that asked.

  private answerPing(frame: ReceivedBuffer, length: u32): bool {
    const at = frame.pointer;
    if (!isEchoRequest(at, length)) return false;
    turnEcho(at, length);
    turnIpv4(at);
    turnEthernet(at, this.card.mac);
    this.card.answer(frame, IPV4_PAYLOAD + length);
    return true;
  }

  private answerDatagram(frame: ReceivedBuffer): bool {
    const at = frame.pointer;
    turnUdp(at);
    turnIpv4(at);
    turnEthernet(at, this.card.mac);
    this.card.answer(frame, frame.length);
    return true;
  }

  // DHCP.

  /** Any number will do that other clients are not likely to have. [RFC 2131 §4.1] */
  private get transaction(): u32 {
    return (<u32>(this.card.mac >> 16)) ^ 0x7669_7274;
  }

  private sendDhcp(type: DhcpMessage): void {
    const frame = this.card.newFrame();
    if (frame == 0) return;
    const length = writeDhcp(frame + UDP_PAYLOAD, type, this.transaction, this.card.mac, this.offered, this.dhcpServer);
    this.sendUdp(frame, BROADCAST, 0, DHCP_CLIENT_PORT, ADDRESS_BROADCAST, DHCP_SERVER_PORT, length);
  }

  private takeDhcp(message: u32, length: u32): void {
    const type = dhcpType(message, length, this.transaction, this.card.mac);
    if (this.state == State.DISCOVER && type == DhcpMessage.OFFER) {
      this.offered = dhcpAddress(message);
      this.dhcpServer = dhcpServer(message, length);
      this.server = dhcpNextServer(message);
      if (this.server == 0) this.server = this.dhcpServer;
      this.enter(State.REQUEST);
    } else if (this.state == State.REQUEST && type == DhcpMessage.ACKNOWLEDGE) {
      this.address = dhcpAddress(message);
      this.leasedAt = now_ns();
      this.enter(State.RESOLVE);
    } else if (this.state == State.REQUEST && type == DhcpMessage.REFUSE) {
      this.enter(State.DISCOVER);
    }
  }

  // ARP.

  private sendArpRequest(): void {
    const frame = this.card.newFrame();
    if (frame == 0) return;
    writeArpRequest(frame, this.card.mac, this.address, this.server);
    this.card.send(frame, ARP_FRAME_BYTES);
  }

  private takeArp(received: ReceivedBuffer): void {
    const at = received.pointer;
    const operation = arpOperation(at, received.length);
    if (operation == ARP_REQUEST && this.address != 0 && arpTarget(at) == this.address) {
      const frame = this.card.newFrame();
      if (frame == 0) return;
      writeArpReply(frame, this.card.mac, this.address, arpSenderMac(at), arpSender(at));
      this.card.send(frame, ARP_FRAME_BYTES);
    } else if (operation == ARP_REPLY && this.state == State.RESOLVE && arpSender(at) == this.server) {
      this.serverMac = arpSenderMac(at);
      this.requestedAt = now_ns();
      this.startTransfer();
    }
  }

  // TFTP.

  private get transferPort(): u32 {
    return TRANSFER_PORT_FIRST + this.transfers;
  }

  private startTransfer(): void {
    if (++this.transfers > TRANSFERS) return this.fail(Status.TRANSFER);
    this.writer.restart();
    this.nextBlock = 0;
    this.serverPort = 0;
    this.blockBytes = TFTP_DEFAULT_BLOCK_BYTES;
    this.isHeld = false;
    this.enter(State.TRANSFER);
  }

  private sendReadRequest(): void {
    const frame = this.card.newFrame();
    if (frame == 0) return;
    const length = writeReadRequest(frame + UDP_PAYLOAD, this.fileName, this.fileNameLength);
    this.sendTftp(frame, TFTP_SERVER_PORT, length);
  }

  private sendAcknowledgement(): void {
    const frame = this.card.newFrame();
    if (frame == 0) return;
    this.sendTftp(frame, this.serverPort, writeAcknowledgement(frame + UDP_PAYLOAD, this.nextBlock - 1));
  }

  private sendTftp(frame: u32, port: u32, length: u32): void {
    this.sendUdp(frame, this.serverMac, this.address, this.transferPort, this.server, port, length);
  }

  private takeTftp(frame: ReceivedBuffer, length: u32): bool {
    const at = frame.pointer;
    const packet = at + UDP_PAYLOAD;
    if (ipv4Source(at) != this.server || sourceMac(at) != this.serverMac) return false;
    // The port that the server chooses with its first answer is the transfer's. [RFC 1350 §4]
    if (this.serverPort == 0) this.serverPort = udpSourcePort(at);
    else if (this.serverPort != udpSourcePort(at)) return false;
    switch (tftpOperation(packet, length)) {
      case TftpOperation.OPTIONS:
        this.takeOptions(packet, length);
        return false;
      case TftpOperation.DATA:
        return this.takeData(frame, packet, length);
      case TftpOperation.ERROR:
        this.fail(tftpNumber(packet) == TftpError.FILE_NOT_FOUND ? Status.FILE_MISSING : Status.TRANSFER);
    }
    return false;
  }

  private takeOptions(packet: u32, length: u32): void {
    if (this.nextBlock == 0) {
      const blockBytes = tftpOption(packet, length, "blksize");
      // All that goes to the disk must be whole sectors, so a server that wants to choose itself cannot be had.
      if (blockBytes >= 0 && blockBytes != TFTP_BLOCK_BYTES) return this.fail(Status.TRANSFER);
      if (blockBytes > 0) this.blockBytes = TFTP_BLOCK_BYTES;
      const size = tftpOption(packet, length, "tsize");
      if (size > 0 && !this.writer.fits(size)) return this.refuseFile();
      this.nextBlock = 1;
    }
    this.acknowledge();
  }

  private takeData(frame: ReceivedBuffer, packet: u32, length: u32): bool {
    const bytes = length - TFTP_HEADER_BYTES;
    const number = tftpNumber(packet);
    if (this.isWhole || bytes > this.blockBytes) return false;
    // A server that knows no options answers with the first block.
    if (this.nextBlock == 0) this.nextBlock = 1;
    // Numbers are counted in 16 bits; a large file goes round.
    const ahead = (number - this.nextBlock) & 0xffff;
    if (ahead == 0xffff && !this.isHeld) this.acknowledge();
    if (ahead != 0 || this.isHeld) {
      // The one that should have come is lost, and a server that goes on will not send it again.
      if (ahead == 1) this.startTransfer();
      return false;
    }
    if (!this.writer.fits(bytes)) {
      this.refuseFile();
      return false;
    }
    this.nextBlock++;
    this.isWhole = bytes < this.blockBytes;
    if (bytes > 0) this.writer.add(packet + TFTP_HEADER_BYTES, bytes, frame.buffer);
    if (this.isWhole) this.writer.submit();
    if (this.isWhole || this.writer.hasRoom) this.acknowledge();
    else this.holdAcknowledgement();
    return bytes > 0;
  }

  /** The next block is asked for by the acknowledgement of this one. */
  private acknowledge(): void {
    this.isHeld = false;
    this.attempt = 0;
    this.deadline = this.isWhole ? NEVER : now_ns() + FIRST_TIMEOUT;
    this.sendAcknowledgement();
  }

  /** The disk is slower than the network: the server has to wait. */
  private holdAcknowledgement(): void {
    this.isHeld = true;
    this.deadline = NEVER;
  }

  private refuseFile(): void {
    const frame = this.card.newFrame();
    if (frame != 0) this.sendTftp(frame, this.serverPort, writeError(frame + UDP_PAYLOAD, TftpError.DISK_FULL));
    this.card.flush();
    this.fail(Status.FILE_TOO_LARGE);
  }

  private sendUdp(
    frame: u32,
    mac: u64,
    source: u32,
    sourcePort: u32,
    destination: u32,
    destinationPort: u32,
    length: u32,
  ): void {
    writeEthernet(frame, mac, this.card.mac, ETHERTYPE_IPV4);
    this.card.send(frame, writeUdp(frame, source, sourcePort, destination, destinationPort, length));
  }
}
