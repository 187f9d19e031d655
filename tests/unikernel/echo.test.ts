/** The unikernel answers who asks: datagrams, pings, address resolution; and sleeps while nobody does. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { arpInFrame, arpRequestFrame } from "../../kernel-shim/network/arp.js";
import { icmpEchoFrame, icmpEchoInFrame } from "../../kernel-shim/network/frames.js";
import { IcmpType } from "../../kernel-shim/network/icmp.js";
import { BootedMachine, freePort, sendDatagram, userNetwork } from "../../tools/unikernel/boot.js";
import { makeDisk, mebibyte, netbootImage, temporaryFolder, timeoutMilliseconds, writeRandomFile } from "./bench.js";

const datagrams = 2000;
const largestPayload = 1472;
/** Datagrams on their way at the same time. */
const window = 8;

/** The guest, as QEMU's DHCP server knows it, and somebody else on the same wire. */
const guest = "10.0.2.15";
const neighbour = { mac: "52:55:0a:00:02:63", address: "10.0.2.99" };

describe("a unikernel that is ready", () => {
  const folder = temporaryFolder();
  let machine: BootedMachine;
  let echoPort: number;
  let stopPort: number;
  /** The other end of the wire, where every datagram is a frame. */
  let wire: Socket;
  let wirePort: number;

  before(async () => {
    writeRandomFile(join(folder, "file"), 1000);
    echoPort = await freePort();
    stopPort = await freePort();
    wirePort = await freePort();
    wire = createSocket("udp4");
    await new Promise<void>((resolve) => wire.bind(0, "127.0.0.1", resolve));
    const forwards = [
      { host: echoPort, machine: 7 },
      { host: stopPort, machine: 8 },
    ];
    const [kind = "", ...rest] = userNetwork(folder, forwards).split(",");
    const end = (name: string, port: number): string => `${name}.type=inet,${name}.host=127.0.0.1,${name}.port=${port}`;
    machine = new BootedMachine({
      image: await netbootImage(),
      commandLine: "file=file",
      cards: ["hubport,hubid=0"],
      disks: [makeDisk(join(folder, "disk.img"), mebibyte)],
      parameters: [
        ...["-netdev", [kind, "id=user", ...rest].join(",")],
        ...["-netdev", "hubport,id=user-port,hubid=0,netdev=user"],
        ...["-netdev", `dgram,id=wire,${end("local", wirePort)},${end("remote", wire.address().port)}`],
        ...["-netdev", "hubport,id=wire-port,hubid=0,netdev=wire"],
      ],
      timeoutMilliseconds,
    });
    await machine.shows("netboot: ready");
  });

  after(() => {
    wire.close();
    machine.kill();
  });

  /** Sends a frame, and waits for the first that `find` finds something in. */
  async function exchange<Found>(frame: Uint8Array, find: (frame: Uint8Array) => Found | null): Promise<Found> {
    let arrived: (frame: Buffer) => void = () => undefined;
    const found = new Promise<Found>((resolve, reject) => {
      setTimeout(() => reject(new Error("no answer")), 20_000).unref();
      arrived = (bytes) => {
        const result = find(new Uint8Array(bytes));
        if (result !== null) resolve(result);
      };
      wire.on("message", arrived);
    });
    wire.send(frame, wirePort, "127.0.0.1");
    try {
      return await found;
    } finally {
      wire.off("message", arrived);
    }
  }

  test(`sends ${datagrams} datagrams of every size back unchanged`, async () => {
    const socket = createSocket("udp4");
    const waiting = new Map<string, () => void>();
    socket.on("message", (message) => waiting.get(message.toString("hex"))?.());
    const sizes = Array.from({ length: datagrams }, (_, index) => 1 + (index % largestPayload));
    const send = async (size: number): Promise<void> => {
      let payload = randomBytes(size);
      // Short ones may be on their way already.
      while (waiting.has(payload.toString("hex"))) payload = randomBytes(size);
      const key = payload.toString("hex");
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`a datagram of ${size} bytes did not come back`)), 10_000);
        waiting.set(key, () => {
          clearTimeout(timer);
          resolve();
        });
        socket.send(payload, echoPort, "127.0.0.1");
      });
      waiting.delete(key);
    };
    let next = 0;
    const sender = async (): Promise<void> => {
      while (next < sizes.length) await send(sizes[next++] ?? 0);
    };
    try {
      await Promise.all(Array.from({ length: window }, sender));
    } finally {
      socket.close();
    }
    assert.equal(next, datagrams);
  });

  test("answers address resolution and pings", async () => {
    const reply = await exchange(arpRequestFrame(neighbour, guest), (frame) => {
      const packet = arpInFrame(frame);
      return packet?.senderAddress === guest && packet.targetAddress === neighbour.address ? packet : null;
    });
    for (const bytes of [0, 1, 56, 1472]) {
      const payload = new Uint8Array(randomBytes(bytes));
      const route = {
        sourceMac: neighbour.mac,
        destinationMac: reply.senderMac,
        source: neighbour.address,
        destination: guest,
      };
      const request = { type: IcmpType.ECHO_REQUEST, identifier: 77, sequence: bytes, payload };
      const echo = await exchange(icmpEchoFrame(route, request), (frame) => {
        const found = icmpEchoInFrame(frame);
        return found?.message.type === IcmpType.ECHO_REPLY && found.packet.source === guest ? found : null;
      });
      assert.equal(echo.packet.destination, neighbour.address);
      assert.deepEqual(echo.message, { ...request, type: IcmpType.ECHO_REPLY });
    }
  });

  test("uses no processor time while nobody asks", async () => {
    /** User and system time, in ticks of 10 ms. [proc(5)] */
    const ticks = (): number => {
      const fields =
        readFileSync(`/proc/${machine.processId ?? 0}/stat`, "utf8")
          .split(") ")[1]
          ?.split(" ") ?? [];
      return Number(fields[11]) + Number(fields[12]);
    };
    const start = ticks();
    await pause(2000);
    const used = ticks() - start;
    assert.ok(used <= 30, `${used * 10} ms of 2000 were used`);
  });

  test("stops when it is told to, and reports what the devices did", async () => {
    await sendDatagram(stopPort, "halt");
    await sendDatagram(echoPort, "stop");
    await sendDatagram(stopPort, "stop");
    const { status, output } = await machine.ended;
    assert.equal(status, 0, output);
    assert.match(output, /^netboot: card: \d+ frames received, \d+ sent$/m);
    assert.match(output, /^netboot: card: \d+ notifications \(.* each\), \d+ interrupts \(.* each\)$/m);
    assert.match(output, /^netboot: disk: \d+ writes, \d+ reads, 1 flush$/m);
    assert.match(output, /^netboot: processor: slept \d+ times/m);
  });
});
