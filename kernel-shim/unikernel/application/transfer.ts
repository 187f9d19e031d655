/** A TFTP client that reads a file onto a disk. [RFC 1350, RFC 2347 to 2349] */
import { ReceivedBuffer } from "../../../assembly/drivers/net/abi";
import { sourceMac } from "./network/ethernet";
import { ipv4Source } from "./network/ipv4";
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
import { UDP_PAYLOAD, udpSourcePort } from "./network/udp";
import { Retry } from "./retry";
import { Station } from "./station";
import { Status } from "./status";
import { Writer } from "./writer";

/** A new port for each attempt, so that packets of an old one are not taken for the new one's. [RFC 1350 §4] */
const PORT_FIRST: u32 = 0xc000;
/** How often a transfer is begun again because a block got lost for good. */
const ATTEMPTS: u32 = 16;

export class Transfer {
  /** Why it cannot go on; DONE while it can. */
  failure: Status = Status.DONE;
  /** The last block has come. */
  isWhole: bool = false;

  private server: u32 = 0;
  private serverMac: u64 = 0;
  /** The server's, for this transfer; 0 before its first answer. */
  private serverPort: u32 = 0;
  private attempts: u32 = 0;
  private blockBytes: u32 = TFTP_DEFAULT_BLOCK_BYTES;
  /** The block that comes next; 0: the server's answer to the request. */
  private nextBlock: u32 = 0;
  /** An acknowledgement waits for the disk. */
  private isHeld: bool = false;

  constructor(
    private station: Station,
    private writer: Writer,
    private retry: Retry,
    private fileName: u32,
    private fileNameLength: u32,
  ) {}

  /** Our port. */
  get port(): u32 {
    return PORT_FIRST + this.attempts;
  }

  /** Asks a server for the file. */
  start(server: u32, serverMac: u64): void {
    this.server = server;
    this.serverMac = serverMac;
    this.restart();
  }

  /**
   * Begins anew. What is still on its way to the disk does no harm: it is the same bytes in the same place.
   */
  private restart(): void {
    if (++this.attempts > ATTEMPTS) return this.fail(Status.TRANSFER);
    this.writer.restart();
    this.nextBlock = 0;
    this.serverPort = 0;
    this.blockBytes = TFTP_DEFAULT_BLOCK_BYTES;
    this.isHeld = false;
    this.retry.start();
  }

  private fail(status: Status): void {
    this.failure = status;
    this.retry.stop();
  }

  /** Sends the request or the last acknowledgement, for the first time or again. */
  send(): void {
    const frame = this.station.card.newFrame();
    if (frame == 0) return;
    const packet = frame + UDP_PAYLOAD;
    const isRequest = this.nextBlock == 0;
    const length = isRequest
      ? writeReadRequest(packet, this.fileName, this.fileNameLength)
      : writeAcknowledgement(packet, this.nextBlock - 1);
    this.sendPacket(frame, isRequest ? TFTP_SERVER_PORT : this.serverPort, length);
  }

  private sendPacket(frame: u32, port: u32, length: u32): void {
    this.station.sendDatagram(frame, this.port, this.serverMac, this.server, port, length);
  }

  /** The server does not answer any more. */
  giveUp(): void {
    // One that has gone on does not send a lost block again; only a new transfer helps.
    if (this.nextBlock != 0) this.restart();
    else this.fail(Status.TRANSFER);
  }

  /** To be called when the disk may have room again. */
  advance(): void {
    if (this.isHeld && this.writer.hasRoom) this.acknowledge();
  }

  /** Takes a packet at our port. Returns whether its buffer is kept, for the disk. */
  take(received: ReceivedBuffer, length: u32): bool {
    const at = received.pointer;
    if (this.isWhole || ipv4Source(at) != this.server || sourceMac(at) != this.serverMac) return false;
    // The port that the server chooses with its first answer is the transfer's. [RFC 1350 §4]
    if (this.serverPort == 0) this.serverPort = udpSourcePort(at);
    else if (this.serverPort != udpSourcePort(at)) return false;
    const packet = at + UDP_PAYLOAD;
    switch (tftpOperation(packet, length)) {
      case TftpOperation.OPTIONS:
        this.takeOptions(packet, length);
        return false;
      case TftpOperation.DATA:
        return this.takeData(packet + TFTP_HEADER_BYTES, length - TFTP_HEADER_BYTES, received.buffer);
      case TftpOperation.ERROR:
        this.fail(tftpNumber(packet) == TftpError.FILE_NOT_FOUND ? Status.FILE_MISSING : Status.TRANSFER);
    }
    return false;
  }

  private takeOptions(packet: u32, length: u32): void {
    if (this.nextBlock > 1) return;
    const blockBytes = tftpOption(packet, length, "blksize");
    // Only whole sectors can go to the disk as they come.
    if (blockBytes >= 0 && blockBytes != TFTP_BLOCK_BYTES) return this.fail(Status.TRANSFER);
    if (blockBytes > 0) this.blockBytes = TFTP_BLOCK_BYTES;
    const size = tftpOption(packet, length, "tsize");
    if (size > 0 && !this.writer.fits(size)) return this.refuse();
    this.nextBlock = 1;
    this.acknowledge();
  }

  private takeData(data: u32, bytes: u32, buffer: u32): bool {
    if (bytes > this.blockBytes) return false;
    // A server that knows no options answers with the first block.
    if (this.nextBlock == 0) this.nextBlock = 1;
    // Numbers have 16 bits; those of a large file go round.
    const ahead = (tftpNumber(data - TFTP_HEADER_BYTES) - this.nextBlock) & 0xffff;
    if (ahead != 0 || this.isHeld) {
      this.takeOther(ahead);
      return false;
    }
    if (!this.writer.fits(bytes)) {
      this.refuse();
      return false;
    }
    this.nextBlock++;
    this.isWhole = bytes < this.blockBytes;
    if (bytes > 0) this.writer.add(data, bytes, buffer);
    if (this.isWhole) this.writer.submit();
    if (this.isWhole || this.writer.hasRoom) this.acknowledge();
    else this.hold();
    return bytes > 0;
  }

  /** A block came that should not have. */
  private takeOther(ahead: u32): void {
    if (this.isHeld) return;
    // Again the last one: our acknowledgement got lost.
    if (ahead == 0xffff) this.acknowledge();
    // The one after the next: the next got lost, and a server that has gone on will not send it again.
    else if (ahead == 1) this.restart();
  }

  /** The next block is asked for by the acknowledgement of this one. */
  private acknowledge(): void {
    this.isHeld = false;
    this.retry.start();
    this.retry.attempt();
    this.send();
    if (this.isWhole) this.retry.stop();
  }

  /** The disk is slower than the network: the server has to wait. */
  private hold(): void {
    this.isHeld = true;
    this.retry.stop();
  }

  private refuse(): void {
    const frame = this.station.card.newFrame();
    if (frame != 0) this.sendPacket(frame, this.serverPort, writeError(frame + UDP_PAYLOAD, TftpError.DISK_FULL));
    this.fail(Status.FILE_TOO_LARGE);
  }
}
