/**
 * A unikernel whose card has news: the cable goes out and in, and a frame arrives that is larger than any it could use.
 * Afterwards it serves as before, and sleeps as before.
 */

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { BootedMachine, freePort, sendDatagram, userNetwork, type MachineType } from "../../tools/unikernel/boot.js";
import { makeDisk, mebibyte, netbootImage, temporaryFolder, timeoutMilliseconds, writeRandomFile } from "./bench.js";

/** More than 32 receive buffers of 2048 bytes hold, and within what the driver takes in one frame. */
const giantFrameBytes = 66_000;
const lengthBytes = 4;
const measuredMilliseconds = 3000;
/** Of these. A card that is never quiet takes 1200 to 3000, one that sleeps takes 10 or so. */
const usedMillisecondsMax = 500;

for (const machineType of ["pc", "microvm"] satisfies MachineType[]) {
  describe(`a unikernel whose cable goes out and in, on ${machineType}`, () => {
    const folder = temporaryFolder();
    let machine: BootedMachine;
    let echoPort: number;
    let stopPort: number;
    let server: Server;
    /** The other end of the wire: frames behind their length. */
    let wire: Promise<Socket>;
    let monitor: Monitor;

    before(async () => {
      writeRandomFile(join(folder, "file"), 1000);
      echoPort = await freePort();
      stopPort = await freePort();
      server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      wire = new Promise((resolve) => server.once("connection", resolve));
      const forwards = [
        { host: echoPort, machine: 7 },
        { host: stopPort, machine: 8 },
      ];
      const [kind = "", ...rest] = userNetwork(folder, forwards).split(",");
      const { port } = server.address() as AddressInfo;
      const qmp = join(folder, "qmp");
      machine = new BootedMachine({
        image: await netbootImage(),
        machine: machineType,
        commandLine: "file=file",
        cards: ["hubport,hubid=0"],
        disks: [makeDisk(join(folder, "disk.img"), mebibyte)],
        parameters: [
          ...["-netdev", [kind, "id=user", ...rest].join(",")],
          ...["-netdev", "hubport,id=user-port,hubid=0,netdev=user"],
          ...["-netdev", `stream,id=wire,addr.type=inet,addr.host=127.0.0.1,addr.port=${port}`],
          ...["-netdev", "hubport,id=wire-port,hubid=0,netdev=wire"],
          ...["-qmp", `unix:${qmp},server=on,wait=off`],
        ],
        timeoutMilliseconds,
      });
      await machine.shows("netboot: ready");
      monitor = await Monitor.connect(qmp);
    });

    after(async () => {
      machine.kill();
      await machine.ended;
      monitor.close();
      (await wire).destroy();
      server.close();
    });

    /** Sends a datagram until it comes back: those that are on their way while the cable is out are lost. */
    async function echo(text: string): Promise<void> {
      const socket = createSocket("udp4");
      try {
        const answered = new Promise<void>((resolve) =>
          socket.on("message", (message) => {
            if (message.toString() === text) resolve();
          }),
        );
        const timer = setInterval(() => socket.send(text, echoPort, "127.0.0.1"), 100);
        const late = pause(20_000, "late", { ref: false });
        const outcome = await Promise.race([answered, late]);
        clearInterval(timer);
        assert.notEqual(outcome, "late", `"${text}" did not come back`);
      } finally {
        socket.close();
      }
    }

    /** Milliseconds of processor time, user and system, that QEMU takes while nobody asks anything. [proc(5)] */
    async function usedWhileIdle(): Promise<number> {
      const ticks = (): number => {
        const fields =
          readFileSync(`/proc/${machine.processId ?? 0}/stat`, "utf8")
            .split(") ")[1]
            ?.split(" ") ?? [];
        return Number(fields[11]) + Number(fields[12]);
      };
      await pause(300);
      const start = ticks();
      await pause(measuredMilliseconds);
      return (ticks() - start) * 10;
    }

    async function assertSleeps(): Promise<void> {
      const used = await usedWhileIdle();
      assert.ok(used < usedMillisecondsMax, `${used} ms of ${measuredMilliseconds} were used`);
    }

    test("says so, goes on to answer, and sleeps again", async () => {
      await echo("before");
      for (let turn = 1; turn <= 3; turn++) {
        await monitor.execute("set_link", { name: "net0", up: false });
        await machine.shows(" is out", turn);
        await monitor.execute("set_link", { name: "net0", up: true });
        await machine.shows(" is in", turn);
      }
      await echo("after");
      await assertSleeps();
    });

    test("sleeps while the cable is out, too", async () => {
      await monitor.execute("set_link", { name: "net0", up: false });
      await machine.shows(" is out", 4);
      await assertSleeps();
      await monitor.execute("set_link", { name: "net0", up: true });
      await machine.shows(" is in", 4);
      await echo("again");
    });

    test("takes a frame of more buffers than it receives at a time, and what comes after it", async () => {
      const frame = Buffer.alloc(lengthBytes + giantFrameBytes);
      frame.writeUInt32BE(giantFrameBytes);
      // To everybody, of a type that nobody knows.
      frame.fill(0xff, lengthBytes, lengthBytes + 6);
      frame.writeUInt16BE(0x88b5, lengthBytes + 12);
      for (let turn = 0; turn < 20; turn++) {
        (await wire).write(frame);
        await echo(`turn ${turn}`);
      }
      await assertSleeps();
      await sendDatagram(stopPort, "stop");
      const { status, output } = await machine.ended;
      assert.equal(status, 0, output);
    });
  });
}

/** Commands to QEMU. */
class Monitor {
  private waiting: (() => void)[] = [];

  private constructor(private readonly socket: Socket) {
    createInterface({ input: socket }).on("line", (line) => {
      const message = JSON.parse(line) as Record<string, unknown>;
      if ("return" in message) this.waiting.shift()?.();
    });
  }

  static async connect(path: string): Promise<Monitor> {
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    const monitor = new Monitor(socket);
    await monitor.execute("qmp_capabilities", {});
    return monitor;
  }

  execute(command: string, parameters: Record<string, unknown>): Promise<void> {
    this.socket.write(`${JSON.stringify({ execute: command, arguments: parameters })}\n`);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  close(): void {
    this.socket.destroy();
  }
}
