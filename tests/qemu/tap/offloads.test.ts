/**
 * Offloads of QEMU's cards on a tap: the packet headers that pass between stack and host, byte for byte, and what Linux makes
 * of frames that it is to finish. [virtio-1.2 §5.1.6.2, §5.1.6.4]
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import {
  NET_FEATURES,
  ReceiveOffload,
  type NetDevice,
  type ReceivedFrame,
} from "../../../kernel-shim/javascript/index.js";
import { loadStack } from "../../../kernel-shim/javascript/load.js";
import type { NetDevice as QemuCard } from "../../../kernel-shim/qemu/options.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import { VIRTIO_NET } from "../../../tools/start/network-step.js";
import { RECEIVE_OFFLOADS, TRANSMIT_OFFLOADS, VIRTIO_NET_F_MRG_RXBUF } from "../../cases/features.js";
import { frame } from "../../cases/net/frames.js";
import { DATA_VALID, readTcp, readUdp, tcp, TCPV4, TCPV6, udp, type LeftFrame } from "../../cases/net/tcp.js";
import { pattern } from "../../cases/pattern.js";
import { whyNoTaps, withTaps } from "./taps.js";

const MSS = 1448;
const PATIENCE_MILLISECONDS = 20_000;
const NUMBER_BYTES = 4;
const WITH_RECEIVE_OFFLOADS = NET_FEATURES | Object.values(ReceiveOffload).reduce((all, one) => all | BigInt(one), 0n);
const NO_FIELDS = { flags: 0, gso_type: 0, hdr_len: 0, gso_size: 0, csum_start: 0, csum_offset: 0 };

type Fields = typeof NO_FIELDS;
type Virtio = "legacy" | "modern";

const reason = whyNoTaps();
const options = reason === undefined ? {} : { skip: reason };

/** Lets devices work until there is something. */
function until<T>(what: string, look: () => T | undefined): T {
  const deadline = Date.now() + PATIENCE_MILLISECONDS;
  while (Date.now() < deadline) {
    const found = look();
    if (found !== undefined) return found;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  throw new Error(`${what} never came`);
}

function card(index: number, extra: Partial<QemuCard> = {}): QemuCard {
  const properties = { ifname: `tap${index}`, script: "no", downscript: "no", vnet_hdr: true };
  return {
    kind: "net",
    id: `card${index}`,
    mac: `52:54:00:00:00:0${index + 1}`,
    backend: { type: "tap", properties },
    ...extra,
  };
}

/** A machine with cards on a bridge, each opened with these features. */
function withCards(
  virtio: Virtio,
  features: readonly bigint[],
  use: (machine: QemuMachine, cards: NetDevice[], folder: string) => void,
  extraArguments: (folder: string) => string[] = () => [],
): void {
  withTaps(features.length, (program, folder) => {
    const devices = features.map((_, index) => card(index));
    const machine = new QemuMachine({ program, virtio, devices, extraArguments: extraArguments(folder) });
    try {
      const stack = loadStack(machine);
      stack.assignResources();
      const found = stack.scan().filter(({ virtio_type }) => virtio_type === VIRTIO_NET);
      const cards = found.map(({ address }, index) => stack.openNet(address, { features: features[index] ?? 0n }));
      use(machine, cards, folder);
      assert.deepEqual(machine.refusals, []);
    } finally {
      machine.close();
    }
  });
}

function send(machine: QemuMachine, from: NetDevice, bytes: Uint8Array, fields: Partial<Fields>): void {
  const pointer = machine.allocateBuffer(bytes.length);
  machine.writeBuffer(pointer, bytes);
  const { accepted, refusal } = from.transmit([{ ...fields, token: 1, segments: [{ pointer, length: bytes.length }] }]);
  assert.deepEqual([accepted, refusal], [1, 0]);
  until("completion", () => from.reclaim()[0]);
  machine.freeBuffer(pointer);
}

function bytesOf(machine: QemuMachine, { buffers }: ReceivedFrame): Uint8Array {
  return new Uint8Array(Buffer.concat(buffers.map(({ pointer, length }) => machine.readBuffer(pointer, length))));
}

/** Takes frames, with copies of their bytes, until `isAll` says that they are all. */
function take(
  machine: QemuMachine,
  from: NetDevice,
  isAll: (bytes: number) => boolean,
): { bytes: Uint8Array; fields: Fields; buffers: number }[] {
  const taken: { bytes: Uint8Array; fields: Fields; buffers: number }[] = [];
  let sum = 0;
  until("frames", () => {
    for (const received of from.receive()) {
      const { flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, buffers } = received;
      const fields = { flags, gso_type, hdr_len, gso_size, csum_start, csum_offset };
      taken.push({ bytes: bytesOf(machine, received), fields, buffers: buffers.length });
      sum += received.length;
      from.release(buffers.map(({ buffer }) => buffer));
    }
    return isAll(sum) ? true : undefined;
  });
  return taken;
}

/** The packet header as it is in memory. */
function headerOf(fields: Partial<Fields>, bytes: number, numBuffers = 0): Uint8Array {
  const all = { ...NO_FIELDS, ...fields };
  const header = Buffer.alloc(bytes);
  header.writeUInt8(all.flags, 0);
  header.writeUInt8(all.gso_type, 1);
  header.writeUInt16LE(all.hdr_len, 2);
  header.writeUInt16LE(all.gso_size, 4);
  header.writeUInt16LE(all.csum_start, 6);
  header.writeUInt16LE(all.csum_offset, 8);
  if (bytes === 12) header.writeUInt16LE(numBuffers, 10);
  return header;
}

/** QEMU's filters that divert what the first card sends into a file, and put what comes through a pipe before it. */
function diverted(folder: string): string[] {
  execFileSync("mkfifo", [path.join(folder, "pipe.in"), path.join(folder, "pipe.out")]);
  const common = "netdev=card0-netdev,vnet_hdr_support=on";
  return [
    ...["-chardev", `pipe,id=pipe,path=${folder}/pipe`, "-chardev", `file,id=file,path=${folder}/sent`],
    ...["-object", `filter-redirector,id=inject,${common},queue=tx,indev=pipe`],
    ...["-object", `filter-redirector,id=divert,${common},queue=rx,outdev=file`],
  ];
}

/** What was diverted so far: header and frame, each. */
function readDiverted(folder: string): Buffer[] {
  const bytes = readFileSync(path.join(folder, "sent"));
  const packets: Buffer[] = [];
  for (let at = 0; at + 2 * NUMBER_BYTES <= bytes.length;) {
    const begin = at + 2 * NUMBER_BYTES;
    const end = begin + bytes.readUInt32BE(at);
    if (end > bytes.length) break;
    packets.push(bytes.subarray(begin, end));
    at = end;
  }
  return packets;
}

function inject(folder: string, header: Uint8Array, bytes: Uint8Array): void {
  const lengths = Buffer.alloc(2 * NUMBER_BYTES);
  lengths.writeUInt32BE(header.length + bytes.length, 0);
  lengths.writeUInt32BE(header.length, NUMBER_BYTES);
  const pipe = openSync(path.join(folder, "pipe.in"), "r+");
  const all = Buffer.concat([lengths, header, bytes]);
  for (let done = 0; done < all.length;) done += writeSync(pipe, all, done);
  closeSync(pipe);
}

function large(left: LeftFrame, gso_type: number): Partial<Fields> {
  return { ...left.fields, gso_type, gso_size: MSS };
}

suite("packet headers of QEMU's card on a tap", options, () => {
  for (const virtio of ["legacy", "modern"] as const) {
    test(`${virtio}: every offload of both directions is accepted`, () => {
      withCards(virtio, [WITH_RECEIVE_OFFLOADS, NET_FEATURES], (_, [first, second]) => {
        const both = TRANSMIT_OFFLOADS | RECEIVE_OFFLOADS;
        assert.equal((first?.information().features_accepted ?? 0n) & both, both);
        assert.equal((second?.information().features_accepted ?? 0n) & both, TRANSMIT_OFFLOADS);
      });
    });

    test(`${virtio}: sent headers are what the frame asked for, byte for byte`, () => {
      withCards(
        virtio,
        [NET_FEATURES],
        (machine, [first], folder) => {
          assert.ok(first);
          const { header_bytes } = first.information();
          const small = tcp(4, pattern(1, 100));
          const four = tcp(4, pattern(2, 60_000));
          const six = tcp(6, pattern(3, 65_000));
          const sent: [Uint8Array, Partial<Fields>][] = [
            [frame(100, 1), {}],
            [small.bytes, small.fields],
            [four.bytes, large(four, TCPV4)],
            [six.bytes, large(six, TCPV6)],
            [frame(1514, 2), {}],
          ];
          for (const [bytes, fields] of sent) send(machine, first, bytes, fields);
          const packets = until("packets", () => {
            const all = readDiverted(folder);
            return all.length === sent.length ? all : undefined;
          });
          sent.forEach(([bytes, fields], index) => {
            const expected = Buffer.concat([headerOf(fields, header_bytes), bytes]);
            assert.ok(packets[index]?.equals(expected), `packet ${index}: ${packets[index]?.toString("hex", 0, 12)}`);
          });
        },
        diverted,
      );
    });

    test(`${virtio}: received headers are told as they are, unless they lie`, () => {
      withCards(
        virtio,
        [WITH_RECEIVE_OFFLOADS],
        (machine, [first], folder) => {
          assert.ok(first);
          const { header_bytes } = first.information();
          const four = tcp(4, pattern(2, 20_000));
          const small = udp(4, pattern(1, 100));
          const good: [Uint8Array, Partial<Fields>][] = [
            [frame(100, 1), {}],
            [frame(100, 2), { flags: DATA_VALID }],
            [small.bytes, { ...small.fields, hdr_len: 0 }],
            [four.bytes, large(four, TCPV4)],
          ];
          const lies: Partial<Fields>[] = [
            { flags: 1, csum_start: 99, csum_offset: 0 },
            { flags: 1, csum_start: 0xffff, csum_offset: 0xffff },
            { flags: 1, gso_type: TCPV4, csum_start: 34, csum_offset: 16 },
            { flags: 1, gso_type: 0x7f, gso_size: MSS, csum_start: 34, csum_offset: 16 },
          ];
          for (const fields of lies) inject(folder, headerOf(fields, header_bytes), frame(100, 9));
          for (const [bytes, fields] of good) inject(folder, headerOf(fields, header_bytes), bytes);
          const wanted = good.reduce((sum, [bytes]) => sum + bytes.length, 0);
          const taken = take(machine, first, (bytes) => bytes >= wanted);
          assert.equal(taken.length, good.length);
          taken.forEach(({ bytes, fields, buffers }, index) => {
            assert.deepEqual(fields, { ...NO_FIELDS, ...good[index]?.[1] });
            assert.equal(Buffer.compare(bytes, good[index]?.[0] ?? bytes.subarray(1)), 0);
            assert.equal(buffers, Math.ceil((header_bytes + bytes.length) / 2048));
          });
          assert.equal(first.statistics().receive_errors, BigInt(lies.length));
        },
        diverted,
      );
    });
  }
});

suite("Linux between two cards", options, () => {
  for (const virtio of ["legacy", "modern"] as const) {
    test(`${virtio}: it finishes frames for a card that wants them finished`, () => {
      withCards(virtio, [NET_FEATURES, NET_FEATURES], (machine, [first, second]) => {
        assert.ok(first && second);
        for (const version of [4, 6] as const) {
          for (const bytes of [100, 10_000, 60_000]) {
            const payload = pattern(bytes, bytes);
            const left = tcp(version, payload);
            const headers = left.bytes.length - bytes;
            send(machine, first, left.bytes, large(left, version === 4 ? TCPV4 : TCPV6));
            const count = Math.ceil(bytes / MSS);
            const taken = take(machine, second, (sum) => sum >= bytes + count * headers);
            assert.equal(taken.length, count);
            for (const { fields } of taken) assert.deepEqual(fields, NO_FIELDS);
            const stream = readTcp(
              taken.map((received) => received.bytes),
              version,
            );
            assert.equal(Buffer.compare(stream, payload), 0);
          }
          const datagram = udp(version, pattern(7, 999));
          send(machine, first, datagram.bytes, datagram.fields);
          const [received] = take(machine, second, (sum) => sum >= datagram.bytes.length);
          assert.ok(received);
          assert.equal(Buffer.compare(readUdp([received.bytes], version), pattern(7, 999)), 0);
        }
      });
    });

    for (const [name, features] of [
      ["in merged buffers", WITH_RECEIVE_OFFLOADS],
      ["in large ones", WITH_RECEIVE_OFFLOADS & ~VIRTIO_NET_F_MRG_RXBUF],
    ] as const) {
      test(`${virtio}: it passes them on to a card that takes them unfinished, ${name}`, () => {
        withCards(virtio, [NET_FEATURES, features], (machine, [first, second]) => {
          assert.ok(first && second);
          for (const version of [4, 6] as const) {
            const left = tcp(version, pattern(1, 50_000));
            const type = version === 4 ? TCPV4 : TCPV6;
            send(machine, first, left.bytes, large(left, type));
            const [received, ...others] = take(machine, second, (sum) => sum >= left.bytes.length);
            assert.ok(received);
            assert.equal(others.length, 0);
            assert.equal(Buffer.compare(received.bytes, left.bytes), 0);
            const { flags, gso_type, gso_size, csum_start, csum_offset } = received.fields;
            assert.deepEqual(
              { flags, gso_type, gso_size, csum_start, csum_offset, hdr_len: left.fields.hdr_len },
              large(left, type),
            );
          }
        });
      });
    }
  }
});
