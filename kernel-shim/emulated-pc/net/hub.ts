/** A hub: a frame sent into one socket comes out of all others. It can lose frames, for tests of what happens then. */
import type { VirtualTime } from "../time.js";
import type { NetworkBackend, NetworkPort } from "./backend.js";

export interface HubOptions {
  /** Nanoseconds from socket to socket; 5 µs if not given. With 0 a frame arrives before `send` returns. */
  latency?: number;
  /** Decides, frame by frame, what gets lost between two sockets; nothing does if not given. */
  loses?: (passage: Passage) => boolean;
}

/** A frame on its way from one socket to another; sockets are numbered from 0 in the order of their making. */
export interface Passage {
  from: number;
  to: number;
  frame: Uint8Array;
}

export interface HubCounters {
  /** Frames sent into the hub. */
  sent: number;
  /** Frames handed to a port; one that was sent can count several times. */
  delivered: number;
  /** Frames that `loses` took, or that had come to a socket without a port. */
  lost: number;
}

const DEFAULT_LATENCY = 5_000;

export class Hub {
  private readonly mutableCounters: HubCounters = { sent: 0, delivered: 0, lost: 0 };
  private readonly sockets: HubSocket[] = [];
  private readonly latency: number;
  private readonly loses: (passage: Passage) => boolean;

  constructor(
    private readonly time: VirtualTime,
    options: HubOptions = {},
  ) {
    this.latency = options.latency ?? DEFAULT_LATENCY;
    this.loses = options.loses ?? (() => false);
  }

  get counters(): Readonly<HubCounters> {
    return this.mutableCounters;
  }

  /** A further socket, to be given to one device as its back end. */
  socket(): NetworkBackend {
    const socket = new HubSocket(this, this.sockets.length);
    this.sockets.push(socket);
    return socket;
  }

  /** Plugs out, or in again, what is attached to every socket: the hub's power. */
  setPower(on: boolean): void {
    for (const socket of this.sockets) socket.port?.setLink(on);
  }

  /** Carries a frame from the socket of that number to all others. */
  carry(from: number, frame: Uint8Array): void {
    this.mutableCounters.sent += 1;
    for (const socket of this.sockets) {
      if (socket.number === from) continue;
      if (this.latency === 0) this.deliver(from, socket, frame);
      else this.time.schedule(this.latency, () => this.deliver(from, socket, frame));
    }
  }

  private deliver(from: number, socket: HubSocket, frame: Uint8Array): void {
    if (socket.port === null || this.loses({ from, to: socket.number, frame })) {
      this.mutableCounters.lost += 1;
      return;
    }
    this.mutableCounters.delivered += 1;
    socket.port.receive(frame);
  }
}

class HubSocket implements NetworkBackend {
  port: NetworkPort | null = null;

  constructor(
    private readonly hub: Hub,
    readonly number: number,
  ) {}

  attach(port: NetworkPort): void {
    this.port = port;
  }

  send(frame: Uint8Array): void {
    this.hub.carry(this.number, frame);
  }
}
