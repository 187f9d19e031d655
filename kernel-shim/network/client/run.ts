/** Runs an exchange over whatever sends and receives frames, until it has a result. */
import { ArpOperation, arpInFrame, arpReplyFrame, type Identity } from "../arp.js";
import { type Exchange, type Nanoseconds } from "./exchange.js";

/** A network card in use: the driver on any machine, or a test's stand-in. */
export interface FramePort {
  now(): Nanoseconds;
  /** Sends a frame, or loses it: exchanges repeat what matters. */
  send(frame: Uint8Array): void;
  /** Frames that arrived, oldest first. Waits until there is one, or until `deadline`: then returns none. */
  receive(deadline: Nanoseconds): Uint8Array[];
}

/**
 * Runs `exchange` from its start to its result. With `self` given, ARP requests for that address are answered
 * meanwhile: whoever is talked to may have to ask before it can reply.
 */
export function runExchange<Result>(exchange: Exchange<Result>, port: FramePort, self?: Identity): Result {
  const sendAll = (frames: Uint8Array[]): void => frames.forEach((frame) => port.send(frame));
  sendAll(exchange.start(port.now()));
  while (exchange.result === null) {
    if (exchange.deadline === null) throw new Error("an exchange without a result must say when it goes on");
    for (const frame of port.receive(exchange.deadline)) {
      if (self !== undefined) sendAll(answerArp(frame, self));
      sendAll(exchange.receive(frame, port.now()));
    }
    sendAll(exchange.elapse(port.now()));
  }
  return exchange.result;
}

/** The answer to a frame that asks for the address of `self`; nothing to any other. */
export function answerArp(frame: Uint8Array, self: Identity): Uint8Array[] {
  const packet = arpInFrame(frame);
  const asksForUs = packet?.operation === ArpOperation.REQUEST && packet.targetAddress === self.address;
  return asksForUs ? [arpReplyFrame(self, packet)] : [];
}
