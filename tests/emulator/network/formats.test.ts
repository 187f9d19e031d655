/**
 * Packet formats: written as the standards' own examples and bytes computed elsewhere say, read back, and refused when
 * malformed.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  AddressError,
  directedBroadcast,
  inSameNetwork,
  ipv4FromNumber,
  ipv4Mask,
  ipv4ToBytes,
  ipv4ToNumber,
  isGroupMac,
  macFromBytes,
  macToBytes,
} from "../../../kernel-shim/network/addresses.js";
import { ArpOperation, decodeArp, encodeArp, type ArpPacket } from "../../../kernel-shim/network/arp.js";
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
  encodeNumber,
  numberOption,
  type DhcpMessage,
} from "../../../kernel-shim/network/dhcp.js";
import { EtherType, decodeEthernet, encodeEthernet } from "../../../kernel-shim/network/ethernet.js";
import { icmpEchoInFrame, udpFrame, udpInFrame } from "../../../kernel-shim/network/frames.js";
import { IcmpType, decodeIcmpEcho, encodeIcmpEcho } from "../../../kernel-shim/network/icmp.js";
import { IpProtocol, decodeIpv4, encodeIpv4 } from "../../../kernel-shim/network/ipv4.js";
import { decodeUdp, encodeUdp } from "../../../kernel-shim/network/udp.js";
import { hex, withByte, withFlippedBit } from "./bytes.js";

const GUEST = { mac: "52:54:00:12:34:56", address: "10.0.2.15" };
const HOST = { mac: "52:55:0a:00:02:02", address: "10.0.2.2" };

describe("addresses", () => {
  it("are read from and written to bytes", () => {
    assert.deepEqual(macToBytes("52:54:00:12:34:56"), hex("525400123456"));
    assert.equal(macFromBytes(hex("ffff 525400ABCDEF"), 2), "52:54:00:ab:cd:ef");
    assert.equal(ipv4ToNumber("10.0.2.15"), 0x0a00020f);
    assert.equal(ipv4FromNumber(0xfffefdfc), "255.254.253.252");
  });

  it("know groups, masks and broadcast addresses", () => {
    assert.equal(isGroupMac("01:00:5e:00:00:01"), true);
    assert.equal(isGroupMac("52:54:00:12:34:56"), false);
    assert.deepEqual([0, 1, 24, 30, 32].map(ipv4Mask), [
      "0.0.0.0",
      "128.0.0.0",
      "255.255.255.0",
      "255.255.255.252",
      "255.255.255.255",
    ]);
    assert.equal(directedBroadcast("192.168.7.9", "255.255.252.0"), "192.168.7.255");
    assert.equal(inSameNetwork("10.0.2.2", "10.0.2.254", "255.255.255.0"), true);
    assert.equal(inSameNetwork("10.0.2.2", "10.0.3.2", "255.255.255.0"), false);
  });

  for (const text of ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.-4", "1.2.3.4 ", "a.b.c.d"]) {
    it(`refuse the IPv4 address '${text}'`, () => assert.throws(() => ipv4ToBytes(text), AddressError));
  }
  for (const text of ["", "52:54:00:12:34", "52:54:00:12:34:56:78", "52-54-00-12-34-56", "5:54:00:12:34:567"]) {
    it(`refuse the MAC address '${text}'`, () => assert.throws(() => macToBytes(text), AddressError));
  }
  it("refuse prefixes of no network", () => {
    for (const length of [-1, 33, 1.5, NaN]) assert.throws(() => ipv4Mask(length), AddressError);
  });
});

describe("internet checksum", () => {
  it("is that of the example in RFC 1071 §3", () => {
    assert.equal(internetChecksum(hex("0001 f203 f4f5 f6f7")), 0xddf2 ^ 0xffff);
  });

  it("pads odd data and runs on over parts", () => {
    assert.equal(internetChecksum(hex("0001 f2")), internetChecksum(hex("0001 f200")));
    assert.equal(internetChecksum(hex("0001"), hex("f203 f4f5"), hex("f6f7")), 0x220d);
  });

  it("folds every carry of the longest packet", () => {
    assert.equal(internetChecksum(new Uint8Array(65534).fill(0xff)), 0);
    assert.equal(internetChecksum(new Uint8Array(0)), 0xffff);
  });
});

describe("Ethernet frames", () => {
  it("are padded to the shortest that a wire carries", () => {
    const bytes = encodeEthernet({ destination: HOST.mac, source: GUEST.mac, type: 0x88b5, payload: hex("01 02") });
    assert.equal(bytes.length, 60);
    assert.deepEqual(bytes.subarray(0, 17), hex("52550a000202 525400123456 88b5 0102 00"));
  });

  it("are read from a part of a larger buffer", () => {
    const buffer = hex("eeee 52550a000202 525400123456 0800 010203 ee");
    assert.deepEqual(decodeEthernet(buffer.subarray(2, 19)), {
      destination: HOST.mac,
      source: GUEST.mac,
      type: EtherType.IPV4,
      payload: hex("010203"),
    });
  });

  it("are refused when cut off, of the length kind, or from a group", () => {
    const bytes = hex("52550a000202 525400123456 0800");
    assert.notEqual(decodeEthernet(bytes), null);
    assert.equal(decodeEthernet(bytes.subarray(0, 13)), null);
    assert.equal(decodeEthernet(withByte(bytes, 12, 0x05)), null);
    assert.equal(decodeEthernet(withFlippedBit(bytes, 6)), null);
  });
});

describe("ARP packets", () => {
  const request: ArpPacket = {
    operation: ArpOperation.REQUEST,
    senderMac: GUEST.mac,
    senderAddress: GUEST.address,
    targetMac: "00:00:00:00:00:00",
    targetAddress: HOST.address,
  };
  const bytes = hex("0001 0800 06 04 0001 525400123456 0a00020f 000000000000 0a000202");

  it("have the layout of RFC 826", () => assert.deepEqual(encodeArp(request), bytes));
  it("are read with padding behind", () =>
    assert.deepEqual(decodeArp(hex("0001 0800 06 04 0001 525400123456 0a00020f 000000000000 0a000202 0000")), request));
  it("are refused when cut off anywhere", () => {
    for (let length = 0; length < bytes.length; length++) assert.equal(decodeArp(bytes.subarray(0, length)), null);
  });
  it("are refused for other hardware, protocols, lengths and operations", () => {
    for (const offset of [1, 3, 4, 5]) assert.equal(decodeArp(withFlippedBit(bytes, offset)), null, `byte ${offset}`);
    for (const operation of [0, 3, 8]) assert.equal(decodeArp(withByte(bytes, 7, operation)), null);
  });
});

describe("IPv4 packets", () => {
  // The header that encyclopaedias use as the example of its checksum, 0xb861.
  const header = hex("4500 0073 0000 4000 4011 b861 c0a80001 c0a800c7");
  const packet = Uint8Array.from([...header, ...new Uint8Array(0x73 - 20).fill(0x55)]);

  it("are written with the right checksum", () => {
    const payload = packet.subarray(20);
    assert.deepEqual(
      encodeIpv4({ source: "192.168.0.1", destination: "192.168.0.199", protocol: IpProtocol.UDP, payload }),
      packet,
    );
  });

  it("are read without the padding of their frame", () => {
    const padded = Uint8Array.from([...packet, 1, 2, 3]);
    assert.deepEqual(decodeIpv4(padded), {
      source: "192.168.0.1",
      destination: "192.168.0.199",
      protocol: 17,
      timeToLive: 64,
      isFragment: false,
      payload: packet.subarray(20),
    });
  });

  it("are refused when any bit of the header flips", () => {
    for (let bit = 0; bit < 160; bit++) {
      assert.equal(decodeIpv4(withFlippedBit(packet, bit >> 3, bit & 7)), null, `bit ${bit}`);
    }
  });

  it("are refused when cut off anywhere", () => {
    for (let length = 0; length < packet.length; length++) assert.equal(decodeIpv4(packet.subarray(0, length)), null);
  });

  /** The packet with some bytes changed and the checksum right again. */
  function changed(changes: Record<number, number>): Uint8Array {
    const copy = Uint8Array.from(packet);
    for (const [offset, value] of Object.entries(changes)) copy[Number(offset)] = value;
    copy.fill(0, 10, 12);
    const headerBytes = Math.min(((copy[0] ?? 0) & 0xf) * 4, copy.length);
    new DataView(copy.buffer).setUint16(10, internetChecksum(copy.subarray(0, headerBytes)));
    return copy;
  }

  it("are refused with impossible lengths or another version, whatever the checksum", () => {
    assert.notEqual(decodeIpv4(changed({ 8: 1 })), null);
    assert.equal(decodeIpv4(changed({ 0: 0x65 })), null);
    assert.equal(decodeIpv4(changed({ 0: 0x44 })), null);
    assert.equal(decodeIpv4(changed({ 3: 0x74 })), null);
    assert.equal(decodeIpv4(changed({ 2: 0, 3: 19 })), null);
    assert.equal(decodeIpv4(changed({ 0: 0x4f, 2: 0, 3: 59 })), null);
  });

  it("are read behind options and known as fragments", () => {
    assert.deepEqual(decodeIpv4(changed({ 0: 0x46 }))?.payload, packet.subarray(24));
    assert.equal(decodeIpv4(changed({ 6: 0x20 }))?.isFragment, true);
    assert.equal(decodeIpv4(changed({ 6: 0, 7: 1 }))?.isFragment, true);
  });

  it("are not written longer than the length field says", () => {
    const base = { source: GUEST.address, destination: HOST.address, protocol: 17 };
    assert.equal(encodeIpv4({ ...base, payload: new Uint8Array(65515) }).length, 65535);
    assert.throws(() => encodeIpv4({ ...base, payload: new Uint8Array(65516) }), RangeError);
  });
});

describe("ICMP echo messages", () => {
  const message = { type: IcmpType.ECHO_REQUEST, identifier: 0x1234, sequence: 1, payload: hex("616263") };
  const bytes = hex("0800 2168 1234 0001 616263");

  it("are written and read", () => {
    assert.deepEqual(encodeIcmpEcho(message), bytes);
    assert.deepEqual(decodeIcmpEcho(bytes), message);
  });
  it("are refused when any bit flips or they are cut off", () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      assert.equal(decodeIcmpEcho(withFlippedBit(bytes, bit >> 3, bit & 7)), null, `bit ${bit}`);
    }
    for (let length = 0; length < bytes.length; length++) assert.equal(decodeIcmpEcho(bytes.subarray(0, length)), null);
  });
  it("are refused as other types and codes with a right checksum", () => {
    assert.equal(decodeIcmpEcho(hex("0300 fcff 0000 0000")), null);
    assert.equal(decodeIcmpEcho(hex("0801 f7fe 0000 0000")), null);
    assert.notEqual(decodeIcmpEcho(hex("0800 f7ff 0000 0000")), null);
  });
});

describe("UDP datagrams", () => {
  const addresses = { source: GUEST.address, destination: HOST.address };
  const datagram = { sourcePort: 4000, destinationPort: 7, payload: hex("68656c6c6f") };
  const bytes = hex("0fa0 0007 000d 944a 68656c6c6f");

  it("are written and read, padding left out", () => {
    assert.deepEqual(encodeUdp(datagram, addresses), bytes);
    assert.deepEqual(decodeUdp(Uint8Array.from([...bytes, 0, 0]), addresses), datagram);
  });
  it("send a checksum of zero as all ones", () => {
    const zero = encodeUdp({ ...datagram, payload: hex("d822") }, addresses);
    assert.deepEqual(zero, hex("0fa0 0007 000a ffff d822"));
    assert.notEqual(decodeUdp(zero, addresses), null);
  });
  it("need no checksum", () => assert.deepEqual(decodeUdp(hex("0fa0 0007 000d 0000 68656c6c6f"), addresses), datagram));
  it("are refused when any bit flips, or either address", () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      assert.equal(decodeUdp(withFlippedBit(bytes, bit >> 3, bit & 7), addresses), null, `bit ${bit}`);
    }
    assert.equal(decodeUdp(bytes, { ...addresses, source: "10.0.2.16" }), null);
    assert.equal(decodeUdp(bytes, { ...addresses, destination: "10.0.2.3" }), null);
  });
  it("are refused when cut off or shorter than their header", () => {
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(decodeUdp(bytes.subarray(0, length), addresses), null);
    }
    assert.equal(decodeUdp(hex("0fa0 0007 0007 0000 6865"), addresses), null);
  });
});

describe("DHCP messages", () => {
  const message: DhcpMessage = {
    ...blankDhcpMessage(DhcpOperation.REPLY, DhcpMessageType.OFFER, 0xdeadbeef, GUEST.mac),
    seconds: 3,
    broadcast: true,
    yourAddress: "10.0.2.15",
    options: new Map([
      [DhcpOption.SUBNET_MASK, hex("ffffff00")],
      [DhcpOption.LEASE_TIME, encodeNumber(86400)],
      [DhcpOption.ROUTER, hex("0a000202")],
    ]),
  };

  /** A message of nothing but its fixed part and the given option bytes. */
  function raw(options: string): Uint8Array {
    const bytes = new Uint8Array(240 + hex(options).length);
    bytes.set(hex("02 01 06 00 deadbeef 0003 8000"));
    bytes.set(hex("0a00020f"), 16);
    bytes.set(hex("525400123456"), 28);
    bytes.set(hex("63825363"), 236);
    bytes.set(hex(options), 240);
    return bytes;
  }

  it("have the layout of RFC 2131", () => {
    const bytes = encodeDhcp(message);
    assert.equal(bytes.length, 300);
    const expected = raw("350102 0104ffffff00 330400015180 03040a000202 ff");
    assert.deepEqual(bytes.subarray(0, expected.length), expected);
    assert.ok(bytes.subarray(expected.length).every((byte) => byte === 0));
  });

  it("are read back", () => assert.deepEqual(decodeDhcp(encodeDhcp(message)), message));

  it("are read with pads, without an end, and with options in several pieces", () => {
    const decoded = decodeDhcp(raw("00 350102 00 06040a000203 06040a000204"));
    assert.deepEqual(addressesOption(decoded?.options ?? new Map(), DhcpOption.DOMAIN_NAME_SERVER), [
      "10.0.2.3",
      "10.0.2.4",
    ]);
  });

  it("may carry options in the name fields", () => {
    const bytes = raw("340103 350102 ff");
    bytes.set(hex("330400000e10 ff"), 108);
    bytes.set(hex("03040a000202 ff"), 44);
    const options = decodeDhcp(bytes)?.options ?? new Map<number, Uint8Array>();
    assert.equal(numberOption(options, DhcpOption.LEASE_TIME), 3600);
    assert.equal(addressOption(options, DhcpOption.ROUTER), "10.0.2.2");
    bytes.set(hex("33ff"), 108);
    assert.equal(decodeDhcp(bytes), null);
  });

  it("are refused when the fixed part is cut off, or not DHCP over Ethernet", () => {
    const bytes = raw("350102 ff");
    assert.notEqual(decodeDhcp(bytes), null);
    for (let length = 0; length < 243; length++) assert.equal(decodeDhcp(bytes.subarray(0, length)), null);
    assert.equal(decodeDhcp(withByte(bytes, 0, 3)), null);
    assert.equal(decodeDhcp(withByte(bytes, 1, 6)), null);
    assert.equal(decodeDhcp(withByte(bytes, 2, 16)), null);
    assert.equal(decodeDhcp(withFlippedBit(bytes, 236)), null);
  });

  for (const [what, options] of [
    ["no type", "ff"],
    ["an unknown type", "350109 ff"],
    ["a type of no byte", "3500 ff"],
    ["a type of two bytes", "35020202 ff"],
    ["an option over the end", "350102 0104ffff"],
    ["an option without a length", "350102 01"],
  ] as const) {
    it(`are refused with ${what}`, () => assert.equal(decodeDhcp(raw(options)), null));
  }

  it("give null for options of the wrong size", () => {
    const options = new Map([
      [DhcpOption.ROUTER, hex("0a0002")],
      [DhcpOption.LEASE_TIME, hex("0001")],
    ]);
    assert.equal(addressOption(options, DhcpOption.ROUTER), null);
    assert.deepEqual(addressesOption(options, DhcpOption.ROUTER), []);
    assert.equal(numberOption(options, DhcpOption.LEASE_TIME), null);
  });

  it("refuse to write an option that its length byte cannot hold", () => {
    const tooLong = { ...message, options: new Map([[DhcpOption.ROUTER, new Uint8Array(256)]]) };
    assert.throws(() => encodeDhcp(tooLong), RangeError);
  });
});

describe("whole frames", () => {
  it("carry what was put in, and nothing is found in them that is not there", () => {
    const route = {
      sourceMac: GUEST.mac,
      destinationMac: HOST.mac,
      source: GUEST.address,
      destination: HOST.address,
    };
    const frame = udpFrame(route, { sourcePort: 1, destinationPort: 2, payload: hex("0102") });
    const found = udpInFrame(frame);
    assert.deepEqual(found?.datagram, { sourcePort: 1, destinationPort: 2, payload: hex("0102") });
    assert.equal(found.packet.source, GUEST.address);
    assert.equal(icmpEchoInFrame(frame), null);
    assert.equal(udpInFrame(withByte(frame, 13, 0x06)), null);
    assert.equal(udpInFrame(withFlippedBit(frame, 20, 5)), null);
  });
});

describe("decoders", () => {
  it("never throw, whatever the bytes", () => {
    let state = 1;
    const random = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 16;
    for (let round = 0; round < 20_000; round++) {
      const bytes = Uint8Array.from({ length: random() % 320 }, random);
      decodeEthernet(bytes);
      decodeArp(bytes);
      decodeIpv4(bytes);
      decodeIcmpEcho(bytes);
      decodeUdp(bytes, { source: GUEST.address, destination: HOST.address });
      if (bytes.length >= 240) bytes.set(hex("02 01 06"));
      if (bytes.length >= 240) bytes.set(hex("63825363"), 236);
      decodeDhcp(bytes);
    }
  });
});
