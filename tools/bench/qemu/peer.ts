/**
 * The other end of a network card's wire: throws away what comes to the discard port, and sends frames when asked, as
 * `application/network.ts` says. Frames travel over QEMU's stream protocol: the length in four bytes, then the frame.
 */

import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { udpFrame, udpInFrame } from "../../../kernel-shim/network/frames.js";
import { macFromBytes } from "../../../kernel-shim/network/addresses.js";

const discardPort = 9;
const requestPort = 4000;
const peerMac = "52:55:0a:00:02:02";

const lengthBytes = 4;
/** Ethernet, IPv4 without options, UDP. */
const headerBytes = 14 + 20 + 8;
const sourceMacOffset = 6;
const destinationPortOffset = 14 + 20 + 2;
/** Frames that are written at once. */
const burst = 64;

export class Peer {
  /** When the first frame came, on the clock of `performance.now()`. */
  readonly firstFrame: Promise<number>;
  /** How many frames came to the discard port, by their bytes. */
  readonly discarded = new Map<number, number>();
  /** How many frames came that hold no intact datagram; one of each size and all requests are looked at. */
  malformed = 0;
  private readonly server: Server;
  private hasBegun: () => void = () => undefined;
  private rest: Buffer = Buffer.alloc(0);

  private constructor() {
    this.firstFrame = new Promise((resolve) => (this.hasBegun = () => resolve(performance.now())));
    this.server = createServer((socket) => {
      // QEMU's end breaks the connection off.
      socket.on("error", () => undefined);
      socket.on("data", (bytes: Buffer) => this.take(bytes, socket));
    });
  }

  /** Waits for a machine at a Unix socket. */
  static async listen(path: string): Promise<Peer> {
    const peer = new Peer();
    peer.server.listen(path);
    await once(peer.server, "listening");
    return peer;
  }

  close(): void {
    this.server.close();
  }

  private take(bytes: Buffer, socket: Socket): void {
    const all = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    let at = 0;
    while (all.length - at >= lengthBytes) {
      const end = at + lengthBytes + all.readUInt32BE(at);
      if (end > all.length) break;
      this.takeFrame(all.subarray(at + lengthBytes, end), socket);
      at = end;
    }
    this.rest = all.subarray(at);
  }

  private takeFrame(frame: Buffer, socket: Socket): void {
    this.hasBegun();
    const seen = this.discarded.get(frame.length);
    // One of each size is looked at closely. The others are the same, and there are many.
    if (seen !== undefined && frame.readUInt16BE(destinationPortOffset) === discardPort) {
      this.discarded.set(frame.length, seen + 1);
      return;
    }
    const { packet, datagram } = udpInFrame(frame) ?? {};
    if (packet === undefined || datagram === undefined) {
      this.malformed++;
    } else if (datagram.destinationPort === discardPort) {
      this.discarded.set(frame.length, 1);
    } else if (datagram.destinationPort === requestPort) {
      const request = new DataView(datagram.payload.buffer, datagram.payload.byteOffset);
      const answer = udpFrame(
        {
          sourceMac: peerMac,
          destinationMac: macFromBytes(frame, sourceMacOffset),
          source: packet.destination,
          destination: packet.source,
        },
        {
          sourcePort: requestPort,
          destinationPort: discardPort,
          payload: new Uint8Array(request.getUint32(4) - headerBytes),
        },
      );
      send(socket, answer, request.getUint32(0));
    }
  }
}

/** Sends `count` times the same frame, as fast as the machine takes it. */
function send(socket: Socket, frame: Uint8Array, count: number): void {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(frame.length);
  const one = Buffer.concat([length, frame]);
  const many = Buffer.concat(Array.from({ length: burst }, () => one));
  let left = count;
  const more = (): void => {
    while (left > 0) {
      const now = Math.min(left, burst);
      left -= now;
      if (!socket.write(many.subarray(0, now * one.length))) {
        socket.once("drain", more);
        return;
      }
    }
  };
  more();
}
