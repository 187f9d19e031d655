/** The responder: what it answers, when it asks, and what it drops. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DhcpServer } from "../../../kernel-shim/emulated-pc/net/responder/dhcp-server.js";
import { Neighbours } from "../../../kernel-shim/emulated-pc/net/responder/neighbours.js";
import { Responder, type DropReason } from "../../../kernel-shim/emulated-pc/net/responder/responder.js";
import { BROADCAST_MAC, ipv4ToBytes } from "../../../kernel-shim/network/addresses.js";
import {
  ArpOperation,
  arpInFrame,
  arpReplyFrame,
  arpRequestFrame,
  encodeArp,
  type Identity,
} from "../../../kernel-shim/network/arp.js";
import { internetChecksum } from "../../../kernel-shim/network/checksum.js";
import {
  DhcpMessageType,
  DhcpOperation,
  DhcpOption,
  addressOption,
  addressesOption,
  blankDhcpMessage,
  decodeDhcp,
  encodeDhcp,
  numberOption,
  type DhcpMessage,
} from "../../../kernel-shim/network/dhcp.js";
import { EtherType, decodeEthernet, encodeEthernet } from "../../../kernel-shim/network/ethernet.js";
import {
  icmpEchoFrame,
  icmpEchoInFrame,
  ipv4Frame,
  udpFrame,
  udpInFrame,
  type Route,
} from "../../../kernel-shim/network/frames.js";
import { IcmpType } from "../../../kernel-shim/network/icmp.js";
import { hex, withFlippedBit } from "./bytes.js";
import { TestPort, arrivedWithinSecond } from "./port.js";

const GUEST: Identity = { mac: "52:54:00:12:34:56", address: "10.0.2.15" };
const HOST: Identity = { mac: "52:55:0a:00:02:02", address: "10.0.2.2" };
const ROUTE: Route = {
  sourceMac: GUEST.mac,
  destinationMac: HOST.mac,
  source: GUEST.address,
  destination: HOST.address,
};
const PING = { type: IcmpType.ECHO_REQUEST, identifier: 7, sequence: 3, payload: hex("00 11 22 33 44") };
const REQUEST = arpRequestFrame(GUEST, HOST.address);

/** A responder that knows the guest. */
function acquainted(): Responder {
  const responder = new Responder();
  responder.handle(REQUEST, 0);
  return responder;
}

describe("responder and ARP", () => {
  it("answers who asks for its address", () => {
    const [answer, ...others] = new Responder().handle(REQUEST, 0);
    assert.ok(answer);
    assert.deepEqual(others, []);
    assert.deepEqual(decodeEthernet(answer)?.destination, GUEST.mac);
    assert.deepEqual(arpInFrame(answer), {
      operation: ArpOperation.REPLY,
      senderMac: HOST.mac,
      senderAddress: HOST.address,
      targetMac: GUEST.mac,
      targetAddress: GUEST.address,
    });
  });

  it("asks before it answers one it does not know, and then answers all that waited, in order", () => {
    const responder = new Responder();
    const asked = [1, 2].map((sequence) => responder.handle(icmpEchoFrame(ROUTE, { ...PING, sequence }), 0));
    for (const frames of asked) {
      assert.equal(frames.length, 1);
      const question = arpInFrame(frames[0] ?? hex(""));
      assert.equal(question?.operation, ArpOperation.REQUEST);
      assert.equal(question.targetAddress, GUEST.address);
      const answers = responder.handle(arpReplyFrame(GUEST, question), 0);
      const sequences = answers.map((answer) => icmpEchoInFrame(answer)?.message.sequence);
      assert.deepEqual(sequences, frames === asked[0] ? [1, 2] : []);
    }
    assert.equal(responder.handle(icmpEchoFrame(ROUTE, PING), 0).length, 1);
  });

  it("keeps a limited number of packets for one that does not answer", () => {
    const responder = new Responder();
    for (let sequence = 0; sequence < 20; sequence++) responder.handle(icmpEchoFrame(ROUTE, { ...PING, sequence }), 0);
    assert.deepEqual(responder.counters.dropped, { "neighbour unknown": 4 });
    const answers = responder.handle(REQUEST, 0).slice(1);
    const sequences = answers.map((answer) => icmpEchoInFrame(answer)?.message.sequence);
    assert.deepEqual(
      sequences,
      Array.from({ length: 16 }, (_, index) => index + 4),
    );
  });

  it("answers a probe, whose sender has no address yet", () => {
    const responder = new Responder();
    assert.equal(responder.handle(arpRequestFrame({ ...GUEST, address: "0.0.0.0" }, HOST.address), 0).length, 1);
    const [question] = responder.handle(icmpEchoFrame(ROUTE, PING), 0);
    assert.notEqual(arpInFrame(question ?? hex("")), null);
  });

  it("follows a neighbour that announces another MAC address, and ignores strangers' announcements", () => {
    const responder = acquainted();
    const moved = { ...GUEST, mac: "52:54:00:77:77:77" };
    assert.deepEqual(responder.handle(arpRequestFrame(moved, moved.address), 0), []);
    const [reply] = responder.handle(icmpEchoFrame({ ...ROUTE, sourceMac: moved.mac }, PING), 0);
    assert.equal(decodeEthernet(reply ?? hex(""))?.destination, moved.mac);
    responder.handle(arpRequestFrame({ mac: "52:54:00:88:88:88", address: "10.0.2.88" }, "10.0.2.88"), 0);
    assert.deepEqual(responder.counters.dropped, { "not for this host": 1 });
  });

  it("drops packets that claim to be from others", () => {
    const responder = new Responder();
    const forged = encodeEthernet({
      destination: BROADCAST_MAC,
      source: GUEST.mac,
      type: EtherType.ARP,
      payload: encodeArp({
        operation: ArpOperation.REQUEST,
        senderMac: "52:54:00:99:99:99",
        senderAddress: GUEST.address,
        targetMac: "00:00:00:00:00:00",
        targetAddress: HOST.address,
      }),
    });
    assert.deepEqual(responder.handle(forged, 0), []);
    assert.deepEqual(responder.handle(arpRequestFrame({ ...GUEST, address: HOST.address }, HOST.address), 0), []);
    assert.deepEqual(responder.counters.dropped, { arp: 2 });
  });
});

describe("neighbours", () => {
  it("are forgotten when there are too many, those first that were not heard of for longest", () => {
    const neighbours = new Neighbours();
    neighbours.wait("10.1.0.0", hex("00"));
    for (let host = 1; host < 1024; host++) neighbours.learn(`10.1.${host >> 8}.${host & 0xff}`, GUEST.mac);
    assert.equal(neighbours.update("10.1.0.1", HOST.mac), true);
    assert.equal(neighbours.dropped, 0);
    neighbours.learn("10.2.0.0", GUEST.mac);
    assert.equal(neighbours.dropped, 1);
    neighbours.learn("10.2.0.1", GUEST.mac);
    assert.equal(neighbours.find("10.1.0.1"), HOST.mac);
    assert.equal(neighbours.find("10.1.0.2"), null);
    assert.equal(neighbours.find("10.1.0.3"), GUEST.mac);
  });
});

describe("responder and echo", () => {
  it("answers a ping with the same bytes", () => {
    const [answer] = acquainted().handle(icmpEchoFrame(ROUTE, PING), 0);
    const echo = icmpEchoInFrame(answer ?? hex(""));
    assert.deepEqual(echo?.message, { ...PING, type: IcmpType.ECHO_REPLY });
    assert.deepEqual([echo.packet.source, echo.packet.destination], [HOST.address, GUEST.address]);
  });

  it("answers the longest ping that a packet holds", () => {
    const payload = new Uint8Array(65_507).fill(0xa5);
    const [answer] = acquainted().handle(icmpEchoFrame(ROUTE, { ...PING, payload }), 0);
    assert.deepEqual(icmpEchoInFrame(answer ?? hex(""))?.message.payload, payload);
  });

  it("answers UDP echo, but not another echo service", () => {
    const responder = acquainted();
    const [answer] = responder.handle(
      udpFrame(ROUTE, { sourcePort: 4000, destinationPort: 7, payload: hex("010203") }),
      0,
    );
    assert.deepEqual(udpInFrame(answer ?? hex(""))?.datagram, {
      sourcePort: 7,
      destinationPort: 4000,
      payload: hex("010203"),
    });
    assert.deepEqual(responder.handle(udpFrame(ROUTE, { sourcePort: 7, destinationPort: 7, payload: hex("") }), 0), []);
  });

  it("answers a device after the latency", () => {
    const port = new TestPort(new Responder({ latency: 900 }));
    port.send(REQUEST);
    port.time.advanceTo(899);
    assert.equal(port.arrived.length, 0);
    port.time.advanceTo(900);
    assert.equal(port.arrived.length, 1);
  });
});

describe("responder drops and counts", () => {
  const ping = icmpEchoFrame(ROUTE, PING);
  const udp = udpFrame(ROUTE, { sourcePort: 4000, destinationPort: 7, payload: hex("010203") });
  const toDhcp = { ...ROUTE, destinationMac: BROADCAST_MAC, source: "0.0.0.0", destination: "255.255.255.255" };
  /** The ping as the first part of something larger. */
  const fragment = Uint8Array.from(ping);
  fragment.set(hex("2000 4001 0000"), 20);
  new DataView(fragment.buffer).setUint16(24, internetChecksum(fragment.subarray(14, 34)));
  const CASES: readonly (readonly [string, Uint8Array, DropReason])[] = [
    ["a frame without a header", hex("525500"), "ethernet"],
    [
      "a frame to another host",
      icmpEchoFrame({ ...ROUTE, destinationMac: "52:55:0a:00:02:03" }, PING),
      "not for this host",
    ],
    ["another protocol than ARP and IPv4", withFlippedBit(ping, 13, 4), "unknown protocol"],
    ["a malformed ARP packet", withFlippedBit(REQUEST, 15), "arp"],
    ["a wrong IPv4 checksum", withFlippedBit(ping, 24), "ipv4"],
    ["a packet to another address", icmpEchoFrame({ ...ROUTE, destination: "10.0.2.3" }, PING), "not for this host"],
    ["a part of a packet", fragment, "fragment"],
    ["a wrong ICMP checksum", withFlippedBit(ping, 42), "icmp"],
    ["a ping to everybody", icmpEchoFrame({ ...ROUTE, destination: "10.0.2.255" }, PING), "not for this host"],
    [
      "a reply that nobody asked for",
      icmpEchoFrame(ROUTE, { ...PING, type: IcmpType.ECHO_REPLY }),
      "not for this host",
    ],
    ["a ping from another network", icmpEchoFrame({ ...ROUTE, source: "10.0.3.15" }, PING), "not for this host"],
    ["a ping from its own address", icmpEchoFrame({ ...ROUTE, source: HOST.address }, PING), "not for this host"],
    ["a wrong UDP checksum", withFlippedBit(udp, 42), "udp"],
    [
      "a port that nobody listens on",
      udpFrame(ROUTE, { sourcePort: 1, destinationPort: 9, payload: hex("00") }),
      "closed port",
    ],
    ["TCP", ipv4Frame(ROUTE, { protocol: 6, payload: new Uint8Array(20) }), "unknown protocol"],
    [
      "no DHCP on the port of DHCP",
      udpFrame(toDhcp, { sourcePort: 68, destinationPort: 67, payload: hex("00") }),
      "dhcp",
    ],
  ];
  for (const [name, frame, reason] of CASES) {
    it(name, () => {
      const responder = acquainted();
      assert.deepEqual(responder.handle(frame, 0), []);
      assert.deepEqual(responder.counters, { received: 2, sent: 1, dropped: { [reason]: 1 } });
    });
  }

  it("every frame in which one bit is wrong, or answers what the bit changed", () => {
    const responder = acquainted();
    let answered = 0;
    for (let bit = 0; bit < (14 + 20 + 8 + 5) * 8; bit++) {
      const answers = responder.handle(withFlippedBit(ping, bit >> 3, bit & 7), 0);
      const isSourceMac = bit >= 48 && bit < 96 && bit !== 48;
      assert.equal(answers.length, isSourceMac ? 1 : 0, `bit ${bit}`);
      answered += answers.length;
    }
    assert.equal(answered, 47);
  });
});

describe("DHCP server", () => {
  const OPTIONS = {
    address: HOST.address,
    subnetMask: "255.255.255.0",
    router: HOST.address,
    domainNameServer: "10.0.2.3",
    firstAddress: "10.0.2.15",
    addresses: 2,
    leaseSeconds: 1000,
  };
  const SECOND = 1_000_000_000;
  const MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"] as const;

  function message(
    type: DhcpMessageType,
    clientMac: string = MACS[0],
    changes: Partial<DhcpMessage> = {},
    addresses: Record<number, string> = {},
  ): DhcpMessage {
    const options = new Map(Object.entries(addresses).map(([code, address]) => [Number(code), ipv4ToBytes(address)]));
    return { ...blankDhcpMessage(DhcpOperation.REQUEST, type, 0x1234, clientMac), options, ...changes };
  }

  const discover = (mac?: string): DhcpMessage => message(DhcpMessageType.DISCOVER, mac);
  const select = (address: string, mac?: string, server = HOST.address): DhcpMessage =>
    message(
      DhcpMessageType.REQUEST,
      mac,
      {},
      {
        [DhcpOption.REQUESTED_ADDRESS]: address,
        [DhcpOption.SERVER_IDENTIFIER]: server,
      },
    );

  it("offers an address and leases it with all that a client needs", () => {
    const server = new DhcpServer(OPTIONS);
    const offer = server.handle(discover(), 0);
    assert.equal(offer?.message.type, DhcpMessageType.OFFER);
    assert.equal(offer.message.yourAddress, "10.0.2.15");
    assert.equal(offer.message.transaction, 0x1234);
    const ack = server.handle(select("10.0.2.15"), 1 * SECOND);
    assert.equal(ack?.message.type, DhcpMessageType.ACK);
    const { options } = ack.message;
    assert.equal(addressOption(options, DhcpOption.SUBNET_MASK), "255.255.255.0");
    assert.deepEqual(addressesOption(options, DhcpOption.ROUTER), ["10.0.2.2"]);
    assert.deepEqual(addressesOption(options, DhcpOption.DOMAIN_NAME_SERVER), ["10.0.2.3"]);
    assert.equal(numberOption(options, DhcpOption.LEASE_TIME), 1000);
    assert.equal(addressOption(options, DhcpOption.SERVER_IDENTIFIER), "10.0.2.2");
    assert.equal(server.clientOf("10.0.2.15", 1000 * SECOND), MACS[0]);
    assert.equal(server.clientOf("10.0.2.15", 1001 * SECOND), null);
  });

  it("gives each client its own address, the same one again, the one it wants, and none when none is left", () => {
    const server = new DhcpServer(OPTIONS);
    const wanted = message(DhcpMessageType.DISCOVER, MACS[1], {}, { [DhcpOption.REQUESTED_ADDRESS]: "10.0.2.16" });
    assert.equal(server.handle(wanted, 0)?.message.yourAddress, "10.0.2.16");
    assert.equal(server.handle(discover(MACS[0]), 0)?.message.yourAddress, "10.0.2.15");
    assert.equal(server.handle(discover(MACS[1]), 0)?.message.yourAddress, "10.0.2.16");
    assert.equal(server.handle(discover(MACS[2]), 0), null);
    assert.equal(server.handle(discover(MACS[2]), 61 * SECOND)?.message.yourAddress, "10.0.2.15");
  });

  it("does not shorten a lease when its client asks anew", () => {
    const server = new DhcpServer(OPTIONS);
    server.handle(discover(), 0);
    server.handle(select("10.0.2.15"), 0);
    server.handle(discover(), 1 * SECOND);
    assert.equal(server.clientOf("10.0.2.15", 999 * SECOND), MACS[0]);
  });

  it("takes its offer back from a client that chose another server", () => {
    const server = new DhcpServer(OPTIONS);
    server.handle(discover(), 0);
    assert.equal(server.handle(select("10.0.9.9", MACS[0], "10.0.9.1"), 0), null);
    assert.equal(server.clientOf("10.0.2.15", 0), null);
  });

  it("refuses addresses that are not the client's, to everybody's ears", () => {
    const server = new DhcpServer(OPTIONS);
    server.handle(discover(MACS[0]), 0);
    for (const request of [select("10.0.2.15", MACS[1]), select("10.0.2.200", MACS[0])]) {
      const reply = server.handle(request, 0);
      assert.equal(reply?.message.type, DhcpMessageType.NAK);
      assert.equal(reply.destination, "255.255.255.255");
      assert.equal(reply.message.yourAddress, "0.0.0.0");
    }
  });

  it("prolongs a lease, to the address in use", () => {
    const server = new DhcpServer(OPTIONS);
    server.handle(discover(), 0);
    server.handle(select("10.0.2.15"), 0);
    const renewal = message(DhcpMessageType.REQUEST, MACS[0], { clientAddress: "10.0.2.15" });
    const reply = server.handle(renewal, 900 * SECOND);
    assert.equal(reply?.message.type, DhcpMessageType.ACK);
    assert.equal(reply.destination, "10.0.2.15");
    assert.equal(server.clientOf("10.0.2.15", 1899 * SECOND), MACS[0]);
  });

  it("answers to everybody only a client that asks for that", () => {
    const server = new DhcpServer(OPTIONS);
    assert.equal(server.handle(discover(), 0)?.destination, "10.0.2.15");
    const deaf = { ...discover(), broadcast: true };
    assert.equal(server.handle(deaf, 0)?.destination, "255.255.255.255");
  });

  it("frees what is released, and never again gives away what was declined", () => {
    const server = new DhcpServer({ ...OPTIONS, addresses: 1 });
    server.handle(discover(MACS[0]), 0);
    const release = message(DhcpMessageType.RELEASE, MACS[0], { clientAddress: "10.0.2.15" });
    assert.equal(server.handle({ ...release, clientMac: MACS[1] }, 0), null);
    assert.equal(server.handle(discover(MACS[1]), 0), null);
    assert.equal(server.handle(release, 0), null);
    assert.equal(server.handle(discover(MACS[1]), 0)?.message.yourAddress, "10.0.2.15");
    const decline = message(DhcpMessageType.DECLINE, MACS[1], {}, { [DhcpOption.REQUESTED_ADDRESS]: "10.0.2.15" });
    assert.equal(server.handle(decline, 0), null);
    assert.equal(server.handle(discover(MACS[0]), 1e6 * SECOND), null);
  });

  it("informs without a lease, and is silent where there is nothing to say", () => {
    const server = new DhcpServer(OPTIONS);
    const inform = message(DhcpMessageType.INFORM, MACS[0], { clientAddress: "10.0.2.77" });
    const reply = server.handle(inform, 0);
    assert.equal(reply?.message.type, DhcpMessageType.ACK);
    assert.equal(reply.message.yourAddress, "0.0.0.0");
    assert.equal(reply.message.options.has(DhcpOption.LEASE_TIME), false);
    assert.equal(server.handle(message(DhcpMessageType.INFORM), 0), null);
    assert.equal(server.handle(message(DhcpMessageType.REQUEST), 0), null);
    assert.equal(server.handle(message(DhcpMessageType.OFFER), 0), null);
    assert.equal(server.handle({ ...discover(), operation: DhcpOperation.REPLY }, 0), null);
  });

  it("reaches a client without an address through the responder", () => {
    const port = new TestPort(new Responder());
    const route = { ...ROUTE, destinationMac: BROADCAST_MAC, source: "0.0.0.0", destination: "255.255.255.255" };
    const payload = encodeDhcp(discover(GUEST.mac));
    port.send(udpFrame(route, { sourcePort: 68, destinationPort: 67, payload }));
    const [answer] = arrivedWithinSecond(port);
    assert.equal(decodeEthernet(answer ?? hex(""))?.destination, GUEST.mac);
    const udp = udpInFrame(answer ?? hex(""));
    assert.equal(udp?.packet.destination, "10.0.2.15");
    assert.deepEqual([udp.datagram.sourcePort, udp.datagram.destinationPort], [67, 68]);
    assert.equal(decodeDhcp(udp.datagram.payload)?.type, DhcpMessageType.OFFER);
  });
});
