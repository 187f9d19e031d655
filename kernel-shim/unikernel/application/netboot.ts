/**
 * Fetches a file over one network card onto one disk, then answers whoever asks.
 *
 *     LEASE ─▶ RESOLVE ─▶ TRANSFER ─▶ FLUSH ─▶ VERIFY ─▶ SERVE
 *     DHCP     ARP        TFTP        disk     disk      echo
 *
 * Each state up to TRANSFER sends something and waits for the answer; FLUSH and VERIFY wait for the disk. Any may end in
 * FAILED.
 */
import { BlockOperation } from "../../../assembly/drivers/block/abi";
import { ReceivedBuffer } from "../../../assembly/drivers/net/abi";
import { now_ns } from "../../../assembly/kernel";
import { Card } from "./card";
import { Disk } from "./disk";
import { Lease } from "./lease";
import { ARP_REPLY, arpOperation, arpSender, arpSenderMac } from "./network/arp";
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from "./network/dhcp";
import { ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, ETHERTYPE_IPV4, etherType } from "./network/ethernet";
import { ipv4Destination, ipv4PayloadLength, ipv4Protocol, PROTOCOL_ICMP, PROTOCOL_UDP } from "./network/ipv4";
import { UDP_PAYLOAD, udpDestinationPort, udpPayloadLength, udpSourcePort } from "./network/udp";
import { Reader } from "./reader";
import { Retry } from "./retry";
import { Station } from "./station";
import { Status } from "./status";
import { Transfer } from "./transfer";
import { Writer } from "./writer";

export const enum State {
  LEASE,
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

/** There is one digest at a time, so all but one wait. */
let hashing: Netboot | null = null;

export class Netboot {
  state: State = State.LEASE;
  /** Why, in state FAILED. */
  status: Status = Status.DONE;
  /** Set by a datagram at the stop port. */
  isStopped: bool = false;
  // When things happened, as `now_ns` says.
  leasedAt: u64 = 0;
  requestedAt: u64 = 0;
  flushedAt: u64 = 0;

  readonly station: Station;
  readonly writer: Writer;
  readonly reader: Reader;
  private retry: Retry;
  private lease: Lease;
  private transfer: Transfer;

  constructor(
    readonly card: Card,
    readonly disk: Disk,
    fileName: u32,
    fileNameLength: u32,
  ) {
    const station = new Station(card);
    const writer = new Writer(card, disk);
    const retry = new Retry();
    this.station = station;
    this.writer = writer;
    this.reader = new Reader(disk);
    this.retry = retry;
    this.lease = new Lease(station, retry);
    this.transfer = new Transfer(station, writer, retry, fileName, fileNameLength);
    retry.start();
  }

  /** When there is something to do even if nothing happens. */
  get deadline(): u64 {
    return this.retry.deadline;
  }

  /** Does what can be done now. Returns whether there was anything; if not, the caller may sleep until `deadline`. */
  work(): bool {
    if (this.state == State.FAILED) return false;
    const hasFrames = this.takeFrames();
    const hasCompletions = this.takeCompletions();
    const hasAdvanced = this.advance();
    const isDue = this.retry.isDue;
    if (isDue) this.send();
    this.card.flush();
    return hasFrames || hasCompletions || hasAdvanced || isDue;
  }

  private fail(status: Status): void {
    this.state = State.FAILED;
    this.status = status;
    this.retry.stop();
    if (hashing === this) hashing = null;
  }

  /** Sends what the state sends, for the first time or again. */
  private send(): void {
    const isLast = !this.retry.attempt();
    switch (this.state) {
      case State.LEASE:
        if (isLast) this.fail(Status.NO_LEASE);
        else this.lease.send();
        break;
      case State.RESOLVE:
        if (isLast) this.fail(Status.NO_SERVER);
        else this.station.ask(this.lease.server);
        break;
      case State.TRANSFER:
        if (isLast) this.transfer.giveUp();
        else this.transfer.send();
        break;
    }
  }

  /** Goes on to the next state if this one is done. Returns whether that was so. */
  private advance(): bool {
    const state = this.state;
    switch (state) {
      case State.LEASE:
        if (this.station.address != 0) this.resolve();
        break;
      case State.TRANSFER:
        this.transfer.advance();
        if (this.transfer.failure != Status.DONE) this.fail(this.transfer.failure);
        else if (this.writer.hasFailed) this.fail(Status.DEVICE);
        else if (this.transfer.isWhole && this.writer.isIdle) this.flush();
        break;
      case State.VERIFY:
        this.verify();
        break;
    }
    return this.state != state;
  }

  private resolve(): void {
    this.leasedAt = now_ns();
    this.state = State.RESOLVE;
    this.retry.start();
  }

  private flush(): void {
    this.state = State.FLUSH;
    if (!this.disk.submit(BlockOperation.FLUSH, 0, 0, 0, 0)) this.fail(Status.DEVICE);
  }

  private verify(): void {
    if (hashing === null) {
      hashing = this;
      this.reader.start(this.writer.length);
    }
    if (hashing !== this) return;
    if (this.reader.hasFailed) return this.fail(Status.DEVICE);
    if (!this.reader.isDone) return;
    hashing = null;
    this.state = State.SERVE;
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
    this.state = State.VERIFY;
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

  private takeArp(frame: ReceivedBuffer): void {
    const at = frame.pointer;
    this.station.answerArp(frame);
    if (this.state != State.RESOLVE || arpOperation(at, frame.length) != ARP_REPLY) return;
    if (arpSender(at) != this.lease.server) return;
    this.requestedAt = now_ns();
    this.state = State.TRANSFER;
    this.transfer.start(this.lease.server, arpSenderMac(at));
  }

  private takeIpv4(frame: ReceivedBuffer): bool {
    const at = frame.pointer;
    const length = ipv4PayloadLength(at, frame.length);
    if (length < 0) return false;
    const isOurs = this.station.address != 0 && ipv4Destination(at) == this.station.address;
    switch (ipv4Protocol(at)) {
      case PROTOCOL_ICMP:
        return isOurs && this.station.answerPing(frame, length);
      case PROTOCOL_UDP: {
        const bytes = udpPayloadLength(at, length);
        if (bytes < 0) return false;
        if (this.state == State.LEASE) this.takeLease(at, bytes);
        return isOurs && this.takeDatagram(frame, bytes);
      }
    }
    return false;
  }

  private takeLease(at: u32, bytes: u32): void {
    if (udpDestinationPort(at) != DHCP_CLIENT_PORT || udpSourcePort(at) != DHCP_SERVER_PORT) return;
    this.lease.take(at + UDP_PAYLOAD, bytes);
  }

  private takeDatagram(frame: ReceivedBuffer, bytes: u32): bool {
    const at = frame.pointer;
    const port = udpDestinationPort(at);
    if (this.state == State.TRANSFER) return port == this.transfer.port && this.transfer.take(frame, bytes);
    if (this.state != State.SERVE) return false;
    if (port == ECHO_PORT) return this.station.answerDatagram(frame);
    if (port == STOP_PORT && bytes == 4 && load<u32>(at + UDP_PAYLOAD) == STOP_WORD) this.isStopped = true;
    return false;
  }
}
