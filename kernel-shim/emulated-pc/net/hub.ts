/** A hub: a frame sent into one socket comes out of all others. It can lose frames, for tests of what happens then. */
import { deliver, deliverUnfinished, type NetworkBackend, type NetworkPort } from "./backend.js";
import type { UnfinishedFrame } from "./offloads/unfinished.js";

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
  /** Frames on their way to a port, or there; one that was sent can count several times. */
  delivered: number;
  /** Frames that `loses` took, or that had nowhere to go behind a socket. */
  lost: number;
}

const DEFAULT_LATENCY = 5_000;

export class Hub {
  private readonly mutableCounters: HubCounters = { sent: 0, delivered: 0, lost: 0 };
  private readonly sockets: HubSocket[] = [];
  private readonly latency: number;
  private readonly loses: (passage: Passage) => boolean;

  constructor(options: HubOptions = {}) {
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
    this.carryBy(from, frame, (port) => deliver(port, frame, this.latency));
  }

  /** The same for a frame of which something is left to be done, which counts as one. */
  carryUnfinished(from: number, frame: UnfinishedFrame): void {
    this.carryBy(from, frame.bytes, (port) => deliverUnfinished(port, frame, this.latency));
  }

  private carryBy(from: number, frame: Uint8Array, delivers: (port: NetworkPort) => boolean): void {
    this.mutableCounters.sent += 1;
    for (const { number: to, port } of this.sockets) {
      if (to === from) continue;
      const isDelivered = port !== null && !this.loses({ from, to, frame }) && delivers(port);
      if (isDelivered) this.mutableCounters.delivered += 1;
      else this.mutableCounters.lost += 1;
    }
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

  sendUnfinished(frame: UnfinishedFrame): void {
    this.hub.carryUnfinished(this.number, frame);
  }
}
