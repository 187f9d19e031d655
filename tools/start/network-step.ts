/** Puts a network card to use: an address by DHCP, the router's MAC address by ARP, and a few pings. */

import type { NetDevice, VirtioStack } from "../../kernel-shim/javascript/index.js";
import { macFromBytes } from "../../kernel-shim/network/addresses.js";
import { ArpResolver } from "../../kernel-shim/network/client/arp-resolver.js";
import { DhcpClient } from "../../kernel-shim/network/client/dhcp-client.js";
import { NANOSECONDS_PER_MILLISECOND } from "../../kernel-shim/network/client/exchange.js";
import { Pinger } from "../../kernel-shim/network/client/pinger.js";
import { runExchange, type FramePort } from "../../kernel-shim/network/client/run.js";
import { describeConnection } from "./connection.js";
import { describeFeatures } from "./features.js";
import { describeError } from "../command/errors.js";
import type { DevicePlace } from "./find-devices.js";
import type { NetworkCardResult } from "./result.js";

export const VIRTIO_NET = 1;
const PINGS = 5;
/** Any number does, as long as nobody else on the network uses it at the same time. */
const DHCP_TRANSACTION = 0x76_69_72_74;
const PING_IDENTIFIER = 0x7677;
/** DISCOVER and REQUEST are repeated after 1, 2 and 4 seconds. */
const DHCP_ATTEMPTS = 3;
const DHCP_TIMEOUT_MILLISECONDS = 1000;

/** Opens a card, uses it, and closes it. What does not work is in `problems`. */
export function useNetworkCard(stack: VirtioStack, found: DevicePlace): NetworkCardResult {
  const result: NetworkCardResult = {
    address: found.name,
    connection: null,
    features: null,
    mac: null,
    isMacGenerated: false,
    isLinkUp: false,
    mtu: 0,
    receiveQueueSize: 0,
    transmitQueueSize: 0,
    receiveBuffers: 0,
    receiveBufferBytes: 0,
    lease: null,
    resolution: null,
    pings: [],
    statistics: null,
    problems: [],
  };
  try {
    const card = stack.openNet(found.address, found.options);
    try {
      describeCard(card, result);
      if (result.isLinkUp) {
        talk(card, portOf(stack, card), result);
      } else {
        result.problems.push("the link is down, so nothing could be sent");
      }
      countTraffic(card, result);
    } finally {
      card.close();
    }
  } catch (error) {
    result.problems.push(describeError(error));
  }
  return result;
}

function describeCard(card: NetDevice, result: NetworkCardResult): void {
  const information = card.information();
  result.connection = describeConnection(card);
  result.features = describeFeatures(VIRTIO_NET, information.features_offered, information.features_accepted);
  result.mac = macFromBytes(card.mac());
  result.isMacGenerated = information.mac_is_generated === 1;
  result.isLinkUp = information.link_up === 1;
  result.mtu = information.mtu;
  result.receiveQueueSize = information.receive_queue_size;
  result.transmitQueueSize = information.transmit_queue_size;
  result.receiveBuffers = information.receive_buffers;
  result.receiveBufferBytes = information.receive_buffer_bytes;
}

/** The card as the network clients see it. */
function portOf(stack: VirtioStack, card: NetDevice): FramePort {
  const now = (): number => Number(stack.machine.kernel.now_ns());
  return {
    now,
    send: (frame) => {
      card.sendFrame(frame);
    },
    receive: (deadline) => card.waitForFrames((deadline - now()) / NANOSECONDS_PER_MILLISECOND),
  };
}

function talk(card: NetDevice, port: FramePort, result: NetworkCardResult): void {
  const mac = macFromBytes(card.mac());
  const { lease } = runExchange(
    new DhcpClient({
      mac,
      transaction: DHCP_TRANSACTION,
      attempts: DHCP_ATTEMPTS,
      timeoutMilliseconds: DHCP_TIMEOUT_MILLISECONDS,
    }),
    port,
  );
  if (lease === null) {
    result.problems.push("no DHCP server gave the card an address");
    return;
  }
  const router = lease.routers[0] ?? lease.server;
  const { address, subnetMask, server, leaseSeconds: seconds } = lease;
  result.lease = { address, subnetMask, router, server, seconds };

  const self = { mac, address };
  const resolution = runExchange(new ArpResolver({ self, target: router }), port, self);
  if (resolution.mac === null) {
    result.problems.push(`${router} does not answer ARP requests`);
    return;
  }
  result.resolution = { address: router, mac: resolution.mac, milliseconds: milliseconds(resolution.roundTrip) };

  const options = { self, target: router, targetMac: resolution.mac, identifier: PING_IDENTIFIER, count: PINGS };
  for (const ping of runExchange(new Pinger(options), port, self)) {
    const { outcome } = ping;
    result.pings.push({ outcome, milliseconds: ping.outcome === "timeout" ? null : milliseconds(ping.roundTrip) });
  }
  const answered = result.pings.filter(({ outcome }) => outcome === "reply").length;
  if (answered < PINGS) {
    result.problems.push(`only ${answered} of ${PINGS} pings to ${router} came back whole`);
  }
}

function countTraffic(card: NetDevice, result: NetworkCardResult): void {
  const counted = card.statistics();
  result.statistics = {
    framesTransmitted: Number(counted.frames_transmitted),
    framesReceived: Number(counted.frames_received),
    notifications: Number(counted.transmit_notifications + counted.receive_notifications),
    interrupts: Number(counted.interrupts),
  };
}

function milliseconds(nanoseconds: number): number {
  return nanoseconds / NANOSECONDS_PER_MILLISECOND;
}
