/** ARP resolver, pinger and DHCP client: against the responder, and against a network that does what it should not. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NetworkBackend, NetworkPort } from "../../../kernel-shim/emulated-pc/net/backend.js";
import { Responder } from "../../../kernel-shim/emulated-pc/net/responder/responder.js";
import { ipv4ToBytes } from "../../../kernel-shim/network/addresses.js";
import { arpInFrame, arpReplyFrame } from "../../../kernel-shim/network/arp.js";
import { ArpResolver } from "../../../kernel-shim/network/client/arp-resolver.js";
import { DhcpClient } from "../../../kernel-shim/network/client/dhcp-client.js";
import { Pinger } from "../../../kernel-shim/network/client/pinger.js";
import { answerArp, runExchange } from "../../../kernel-shim/network/client/run.js";
import {
  DhcpMessageType,
  DhcpOperation,
  DhcpOption,
  addressOption,
  blankDhcpMessage,
  decodeDhcp,
  encodeDhcp,
  encodeNumber,
  type DhcpMessage,
} from "../../../kernel-shim/network/dhcp.js";
import { icmpEchoFrame, icmpEchoInFrame, udpFrame, udpInFrame } from "../../../kernel-shim/network/frames.js";
import { IcmpType, type IcmpEcho } from "../../../kernel-shim/network/icmp.js";
import { hex, withFlippedBit } from "./bytes.js";
import { TestPort } from "./port.js";

const GUEST = { mac: "52:54:00:12:34:56", address: "10.0.2.15" };
const HOST = { mac: "52:55:0a:00:02:02", address: "10.0.2.2" };
const LATENCY = 50_000;
const SECOND = 1_000_000_000;

/** A network that answers each frame with what a function says, at once. */
class ScriptedBackend implements NetworkBackend {
  private port: NetworkPort | null = null;

  constructor(private readonly answer: (frame: Uint8Array, count: number) => Uint8Array[]) {}

  private count = 0;

  attach(port: NetworkPort): void {
    this.port = port;
  }

  send(frame: Uint8Array): void {
    const answers = this.answer(frame, this.count);
    this.count += 1;
    for (const answer of answers) this.port?.time?.schedule(1, () => this.port?.receive(answer));
  }
}

const silent = (): TestPort => new TestPort(new ScriptedBackend(() => []));

describe("ARP resolver", () => {
  it("finds a neighbour, and how long it took", () => {
    const resolver = new ArpResolver({ self: GUEST, target: HOST.address });
    const result = runExchange(resolver, new TestPort(new Responder({ latency: LATENCY })).frames);
    assert.deepEqual(result, { mac: HOST.mac, roundTrip: LATENCY });
    assert.equal(resolver.deadline, null);
  });

  it("asks again, and measures from the question that was answered", () => {
    const responder = new Responder();
    const port = new TestPort(new ScriptedBackend((frame, count) => (count < 2 ? [] : responder.handle(frame, 0))));
    const result = runExchange(new ArpResolver({ self: GUEST, target: HOST.address }), port.frames);
    assert.deepEqual(result, { mac: HOST.mac, roundTrip: 1 });
    assert.equal(port.sent.length, 3);
    assert.equal(port.time.now, 2 * SECOND + 1);
  });

  it("gives up", () => {
    const port = silent();
    const resolver = new ArpResolver({ self: GUEST, target: HOST.address, attempts: 5, timeoutMilliseconds: 2.5 });
    assert.deepEqual(runExchange(resolver, port.frames), { mac: null });
    assert.equal(port.sent.length, 5);
    assert.equal(port.time.now, 12_500_000);
  });

  it("believes only the answer to its own question", () => {
    const question = (frame: Uint8Array): ReturnType<typeof arpInFrame> => arpInFrame(frame);
    const port = new TestPort(
      new ScriptedBackend((frame) => {
        const packet = question(frame);
        if (packet === null) return [];
        return [
          arpReplyFrame({ ...HOST, address: "10.0.2.3" }, packet),
          arpReplyFrame(HOST, { ...packet, senderAddress: "10.0.2.99" }),
          arpReplyFrame(HOST, { ...packet, senderMac: "52:54:00:99:99:99" }),
          withFlippedBit(arpReplyFrame(HOST, packet), 21, 1),
          hex("00"),
        ];
      }),
    );
    assert.deepEqual(runExchange(new ArpResolver({ self: GUEST, target: HOST.address }), port.frames), { mac: null });
  });
});

describe("pinger", () => {
  const OPTIONS = { self: GUEST, target: HOST.address, targetMac: HOST.mac, identifier: 0xbeef };

  it("pings a host that has to ask for the way back first", () => {
    const port = new TestPort(new Responder({ latency: LATENCY }));
    const result = runExchange(new Pinger({ ...OPTIONS, count: 3 }), port.frames, GUEST);
    assert.deepEqual(
      result,
      [2 * LATENCY, LATENCY, LATENCY].map((roundTrip, sequence) => ({
        sequence,
        outcome: "reply",
        roundTrip,
        timeToLive: 64,
      })),
    );
  });

  it("waits between pings, and sends payloads that differ", () => {
    const port = new TestPort(new Responder({ latency: LATENCY }));
    const pinger = new Pinger({ ...OPTIONS, count: 3, intervalMilliseconds: 10, payloadBytes: 1400 });
    runExchange(pinger, port.frames, GUEST);
    assert.equal(port.time.now, 2 * 10_000_000 + 4 * LATENCY);
    const payloads = port.sent.flatMap((frame) => icmpEchoInFrame(frame)?.message.payload ?? []);
    assert.deepEqual(
      payloads.map(({ length }) => length),
      [1400, 1400, 1400],
    );
    assert.notDeepEqual(payloads[0], payloads[1]);
  });

  /** A host that answers every ping with changed messages. */
  function distorted(change: (message: IcmpEcho) => Partial<IcmpEcho>[], source = HOST.address): TestPort {
    return new TestPort(
      new ScriptedBackend((frame) => {
        const message = icmpEchoInFrame(frame)?.message;
        if (message === undefined) return [];
        const route = { sourceMac: HOST.mac, destinationMac: GUEST.mac, source, destination: GUEST.address };
        const reply = { ...message, type: IcmpType.ECHO_REPLY };
        return change(message).map((changes) => icmpEchoFrame(route, { ...reply, ...changes }));
      }),
    );
  }

  it("tells a corrupt reply from a good one", () => {
    for (const payload of [hex(""), new Uint8Array(56), new Uint8Array(57)]) {
      const [ping] = runExchange(new Pinger({ ...OPTIONS, count: 1 }), distorted(() => [{ payload }]).frames);
      assert.equal(ping?.outcome, "corrupt");
    }
  });

  it("counts a repeated reply once, and a late one not at all", () => {
    const port = distorted(() => [{}, {}]);
    const result = runExchange(new Pinger({ ...OPTIONS, count: 3 }), port.frames);
    assert.deepEqual(
      result.map(({ outcome }) => outcome),
      ["reply", "reply", "reply"],
    );
  });

  it("takes nothing for a reply that is not one", () => {
    for (const changes of [{ identifier: 0xbeee }, { sequence: 1 }, { type: IcmpType.ECHO_REQUEST }]) {
      const [ping] = runExchange(new Pinger({ ...OPTIONS, count: 1 }), distorted(() => [changes]).frames);
      assert.deepEqual(ping, { sequence: 0, outcome: "timeout" });
    }
    const [ping] = runExchange(new Pinger({ ...OPTIONS, count: 1 }), distorted(() => [{}], "10.0.2.9").frames);
    assert.equal(ping?.outcome, "timeout");
  });

  it("goes on after lost frames", () => {
    const responder = new Responder();
    const isLost = (frame: Uint8Array): boolean => icmpEchoInFrame(frame)?.message.sequence === 1;
    const port = new TestPort(new ScriptedBackend((frame) => (isLost(frame) ? [] : responder.handle(frame, 0))));
    const result = runExchange(new Pinger({ ...OPTIONS, count: 3, timeoutMilliseconds: 20 }), port.frames, GUEST);
    assert.deepEqual(
      result.map(({ outcome }) => outcome),
      ["reply", "timeout", "reply"],
    );
  });

  it("sends 1 to 65536 requests", () => {
    for (const count of [0, -1, 1.5, 65_537]) assert.throws(() => new Pinger({ ...OPTIONS, count }), RangeError);
  });
});

describe("answering ARP", () => {
  it("answers only requests for its own address", () => {
    const [question] = new ArpResolver({ self: HOST, target: GUEST.address }).start(0);
    assert.ok(question);
    const [answer] = answerArp(question, GUEST);
    assert.equal(arpInFrame(answer ?? hex(""))?.senderMac, GUEST.mac);
    assert.deepEqual(answerArp(question, { ...GUEST, address: "10.0.2.16" }), []);
    assert.deepEqual(answerArp(answer ?? hex(""), HOST), []);
  });
});

describe("DHCP client", () => {
  const OPTIONS = { mac: GUEST.mac, transaction: 0xcafe0001 };

  it("gets a lease from the responder", () => {
    const result = runExchange(
      new DhcpClient(OPTIONS),
      new TestPort(new Responder({ dhcp: { leaseSeconds: 77 } })).frames,
    );
    assert.deepEqual(result, {
      lease: {
        address: "10.0.2.15",
        subnetMask: "255.255.255.0",
        routers: ["10.0.2.2"],
        domainNameServers: ["10.0.2.2"],
        leaseSeconds: 77,
        server: "10.0.2.2",
      },
    });
  });

  it("waits longer from message to message, and gives up", () => {
    const port = silent();
    assert.deepEqual(runExchange(new DhcpClient({ ...OPTIONS, attempts: 3, timeoutMilliseconds: 1000 }), port.frames), {
      lease: null,
    });
    assert.equal(port.time.now, 7 * SECOND);
    const seconds = port.sent.map((frame) => decodeDhcp(udpInFrame(frame)?.datagram.payload ?? hex(""))?.seconds);
    assert.deepEqual(seconds, [0, 1, 3]);
  });

  /** A server that answers with what a function makes of each message. */
  function server(answer: (request: DhcpMessage, count: number) => DhcpMessage[], port = 68): TestPort {
    return new TestPort(
      new ScriptedBackend((frame, count) => {
        const request = decodeDhcp(udpInFrame(frame)?.datagram.payload ?? hex(""));
        if (request === null) return [];
        const route = {
          sourceMac: HOST.mac,
          destinationMac: GUEST.mac,
          source: HOST.address,
          destination: "255.255.255.255",
        };
        const ports = { sourcePort: 67, destinationPort: port };
        return answer(request, count).map((reply) => udpFrame(route, { ...ports, payload: encodeDhcp(reply) }));
      }),
    );
  }

  function reply(request: DhcpMessage, type: DhcpMessageType, changes: Partial<DhcpMessage> = {}): DhcpMessage {
    const options = new Map([
      [DhcpOption.SERVER_IDENTIFIER, ipv4ToBytes(HOST.address)],
      [DhcpOption.LEASE_TIME, encodeNumber(60)],
    ]);
    const blank = blankDhcpMessage(DhcpOperation.REPLY, type, request.transaction, request.clientMac);
    return { ...blank, yourAddress: "10.0.2.40", options, ...changes };
  }

  const { OFFER, ACK, NAK, DISCOVER } = DhcpMessageType;
  const agree = (request: DhcpMessage): DhcpMessage => reply(request, request.type === DISCOVER ? OFFER : ACK);

  it("asks for the offered address, of the server that offered it, and takes the first offer", () => {
    const other = new Map([
      [DhcpOption.SERVER_IDENTIFIER, ipv4ToBytes("10.0.2.99")],
      [DhcpOption.LEASE_TIME, encodeNumber(60)],
    ]);
    const requests: DhcpMessage[] = [];
    const port = server((request) => {
      requests.push(request);
      const late = reply(request, OFFER, { yourAddress: "10.0.2.50", options: other });
      return request.type === DISCOVER
        ? [agree(request), late]
        : [reply(request, ACK, { yourAddress: "10.0.2.50", options: other }), agree(request)];
    });
    const { lease } = runExchange(new DhcpClient(OPTIONS), port.frames);
    assert.equal(lease?.address, "10.0.2.40");
    assert.equal(lease.server, HOST.address);
    assert.equal(lease.subnetMask, "255.255.255.255");
    assert.equal(requests.length, 2);
    const options = requests[1]?.options ?? new Map<number, Uint8Array>();
    assert.equal(addressOption(options, DhcpOption.REQUESTED_ADDRESS), "10.0.2.40");
    assert.equal(addressOption(options, DhcpOption.SERVER_IDENTIFIER), HOST.address);
  });

  it("starts anew when it is refused, and gives up on a server that always refuses", () => {
    const patient = server((request, count) => [count === 1 ? reply(request, NAK) : agree(request)]);
    assert.equal(runExchange(new DhcpClient(OPTIONS), patient.frames).lease?.address, "10.0.2.40");
    assert.equal(patient.sent.length, 4);
    const stubborn = server((request) => [request.type === DISCOVER ? agree(request) : reply(request, NAK)]);
    assert.deepEqual(runExchange(new DhcpClient({ ...OPTIONS, attempts: 3 }), stubborn.frames), { lease: null });
    assert.equal(stubborn.sent.length, 6);
  });

  const WRONG: readonly (readonly [string, (request: DhcpMessage) => DhcpMessage])[] = [
    ["another transaction", (request) => ({ ...agree(request), transaction: 1 })],
    ["another client", (request) => ({ ...agree(request), clientMac: HOST.mac })],
    ["a request", (request) => ({ ...agree(request), operation: DhcpOperation.REQUEST })],
    ["no server", (request) => ({ ...agree(request), options: new Map() })],
    ["no address", (request) => ({ ...agree(request), yourAddress: "0.0.0.0" })],
    ["an acknowledgement before the request", (request) => reply(request, ACK)],
    ["an offer in place of an acknowledgement", (request) => reply(request, OFFER)],
    [
      "an acknowledgement without a time",
      (request) =>
        request.type === DISCOVER
          ? agree(request)
          : reply(request, ACK, {
              options: new Map([[DhcpOption.SERVER_IDENTIFIER, ipv4ToBytes(HOST.address)]]),
            }),
    ],
  ];
  for (const [name, answer] of WRONG) {
    it(`does not take ${name} for a lease`, () => {
      const port = server((request) => [answer(request)]);
      assert.deepEqual(runExchange(new DhcpClient({ ...OPTIONS, attempts: 2 }), port.frames), { lease: null });
    });
  }

  it("does not listen on other ports", () => {
    assert.deepEqual(runExchange(new DhcpClient(OPTIONS), server((request) => [agree(request)], 69).frames), {
      lease: null,
    });
  });
});
