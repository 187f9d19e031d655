/** Configuration space, bridges, firmware and port space, as a scan and a driver meet them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { PciBridge } from "../../../kernel-shim/emulated-pc/pci/bus.js";
import { PciFunction } from "../../../kernel-shim/emulated-pc/pci/function.js";
import { assertViolations, Guest, submit } from "./guest.js";

const ANY_LAYOUT = 2 ** 27;
const ALL_ONES = 0xffff_ffff;

function disk(): BlockDevice {
  return new BlockDevice({ backEnd: new MemoryDisk(65536) });
}

function read(pc: EmulatedPc, address: number, offset: number): number {
  pc.kernel.out32(0xcf8, 0x8000_0000 + address * 256 + offset);
  return pc.kernel.in32(0xcfc) >>> 0;
}

function write(pc: EmulatedPc, address: number, offset: number, value: number): void {
  pc.kernel.out32(0xcf8, 0x8000_0000 + address * 256 + offset);
  pc.kernel.out32(0xcfc, value);
}

/** Vendor and device of everything that answers on buses 0 to 2. */
function scan(pc: EmulatedPc): Map<string, string> {
  const found = new Map<string, string>();
  for (let address = 0; address < 3 * 256; address++) {
    const ids = read(pc, address, 0);
    const name = `${address >> 8}:${(address >> 3) & 31}.${address & 7}`;
    if (ids !== ALL_ONES) found.set(name, ids.toString(16).padStart(8, "0"));
  }
  return found;
}

describe("configuration space", () => {
  it("of the standard machine has a PC's functions, a bridge, and the devices", () => {
    const pc = new EmulatedPc({ devices: [disk(), disk()] });
    if (pc.bridge !== null) pc.addDevice(disk(), { bus: pc.bridge.bus });
    assert.deepEqual(Object.fromEntries(scan(pc)), {
      "0:0.0": "12378086",
      "0:1.0": "70008086",
      "0:1.1": "70108086",
      "0:1.3": "71138086",
      "0:2.0": "11111234",
      "0:3.0": "00011b36",
      "0:4.0": "10011af4",
      "0:5.0": "10011af4",
      "1:0.0": "813910ec",
      "1:1.0": "10011af4",
    });
    assert.equal((read(pc, 1 << 3, 0x0c) >> 16) & 0xff, 0x80);
    assert.equal((read(pc, 3 << 3, 0x0c) >> 16) & 0xff, 0x01);
    assert.equal(read(pc, 4 << 3, 0x2c), 0x0002_1af4);
    assert.equal(pc.counters.configurationReads, 3 * 256 + 3);
    assertViolations(pc, []);
  });

  it("is read and written by bytes and words as well", () => {
    const pc = new EmulatedPc({ layout: "bare", devices: [disk()] });
    pc.kernel.out32(0xcf8, 0x8000_2000);
    assert.equal(pc.kernel.in8(0xcfc), 0xf4);
    assert.equal(pc.kernel.in8(0xcfd), 0x1a);
    assert.equal(pc.kernel.in16(0xcfe), 0x1001);
    pc.kernel.out32(0xcf8, 0x8000_203c);
    pc.kernel.out8(0xcfc, 0x77);
    assert.equal(pc.kernel.in16(0xcfc), 0x0177);
    pc.kernel.out32(0xcf8, 0x2000);
    assert.equal(pc.kernel.in32(0xcfc), ALL_ONES);
    assertViolations(pc, []);
  });

  it("records malformed cycles", () => {
    const pc = new EmulatedPc({ layout: "bare" });
    pc.kernel.out8(0xcf9, 6);
    pc.kernel.out32(0xcf8, 0x8000_0001);
    pc.kernel.in16(0xcf8);
    pc.kernel.in16(0xcfd);
    assertViolations(pc, [
      "configuration-address",
      "configuration-address",
      "configuration-address",
      "configuration-alignment",
    ]);
  });

  it("of 64 bytes ends behind the header", () => {
    const pc = new EmulatedPc();
    assert.equal(read(pc, 0, 0x40), 0);
    assert.equal(read(pc, 0, 0xfc), 0);
  });

  it("can be made to loop for a test", () => {
    const pc = new EmulatedPc({ layout: "bare" });
    const device = pc.addDevice(disk(), { capabilities: [{ id: 9, bytes: [8, 1] }] });
    const pciFunction = pc.functionOf(device);
    const msix = read(pc, 4 << 3, 0x34) & 0xff;
    const vendor = (read(pc, 4 << 3, msix) >> 8) & 0xff;
    assert.equal(read(pc, 4 << 3, vendor), 0x0108_0009);
    assert.equal(pciFunction.capabilityOffset(9), vendor);
    pciFunction.poke(vendor + 1, [msix]);
    assert.equal((read(pc, 4 << 3, vendor) >> 8) & 0xff, msix);
  });

  it("answers the sizes of base addresses", () => {
    const pc = new EmulatedPc({ layout: "bare" });
    pc.addFunction(
      new PciFunction({
        name: "test",
        vendorId: 1,
        deviceId: 2,
        classCode: 0,
        baseAddresses: [
          { index: 0, kind: "io", size: 64 },
          { index: 1, kind: "memory", size: 0x2_0000 },
          { index: 2, kind: "memory64", size: 0x4000, isPrefetchable: true },
        ],
      }),
      pc.rootBus,
      9,
    );
    const sizes = [0x10, 0x14, 0x18, 0x1c, 0x20].map((offset) => {
      write(pc, 9 << 3, offset, ALL_ONES);
      return read(pc, 9 << 3, offset);
    });
    assert.deepEqual(sizes, [0xffff_ffc1, 0xfffe_0000, 0xffff_c00c, ALL_ONES, 0]);
    assertViolations(pc, []);
  });

  it("records base addresses that move while they are decoded", () => {
    const pc = new EmulatedPc({ layout: "bare", devices: [disk()] });
    const address = 4 << 3;
    write(pc, address, 4, 1);
    write(pc, address, 0x10, ALL_ONES);
    assertViolations(pc, ["bar-changed-while-decoding"]);
  });
});

describe("ports", () => {
  it("outside grants are refused and recorded", () => {
    const device = disk();
    const pc = new EmulatedPc({ devices: [device] });
    const guest = new Guest(pc, device);
    guest.status = 1;
    pc.revokePorts(guest.base, 128);
    assert.equal(guest.status, 0xff);
    guest.status = 0;
    pc.grantPorts(guest.base, 128);
    assert.equal(guest.status, 1);
    assert.equal(pc.kernel.in32(0x60) >>> 0, ALL_ONES);
    assert.throws(() => pc.grantPorts(0xfff0, 17));
    assertViolations(pc, ["port-not-granted", "port-not-granted", "port-not-granted"]);
  });

  it("answer only where a base address points, and while it is decoded", () => {
    const device = disk();
    const pc = new EmulatedPc({ devices: [device] });
    const guest = new Guest(pc, device);
    pc.grantPorts(0xd000, 128);
    guest.status = 1;
    guest.writePci(4, 2, 0);
    assert.equal(guest.status, 0xff);
    assertViolations(pc, ["decoding-off"]);
    guest.writePci(0x10, 4, 0xd000);
    guest.writePci(4, 2, 1);
    assert.equal(pc.kernel.in8(0xd000 + 18), 1);
    assert.equal(guest.status, 0xff);
    assertViolations(pc, ["decoding-off"]);
  });

  it("that two functions answer are recorded", () => {
    const devices = [disk(), disk()] as const;
    const pc = new EmulatedPc({ devices });
    const [first, second] = devices.map((device) => new Guest(pc, device));
    second?.writePci(4, 2, 0);
    second?.writePci(0x10, 4, first?.base ?? 0);
    second?.writePci(4, 2, 1);
    assert.equal(first?.status, 0);
    assertViolations(pc, ["address-conflict"]);
  });

  it("behind a bridge answer while the bridge passes them on", () => {
    const pc = new EmulatedPc();
    assert.ok(pc.bridge);
    const device = pc.addDevice(disk(), { bus: pc.bridge.bus });
    const bridge = 3 << 3;
    const guest = new Guest(pc, device);
    const queue = guest.start(ANY_LAYOUT);
    assert.equal(guest.pciAddress >> 8, 1);
    assert.equal(submit(guest, queue, {}).result, 0);
    guest.writePci(4, 2, 6, bridge);
    assert.equal(guest.status, 0xff);
    assertViolations(pc, ["decoding-off"]);
    guest.writePci(4, 2, 7, bridge);
    const window = guest.readPci(0x1c, 2, bridge);
    guest.writePci(0x1c, 2, 0xf0f0, bridge);
    assert.equal(guest.status, 0xff);
    guest.writePci(0x1c, 2, window, bridge);
    assert.equal(guest.status, 15);
    // Without the bridge's bus master bit no DMA gets through.
    guest.writePci(4, 2, 3, bridge);
    assert.equal(submit(guest, queue, {}).result, 0xff);
    assertViolations(pc, ["decoding-off", "decoding-off", "bus-master-off"]);
  });

  it("of a device that was pulled out read as all ones", () => {
    const device = disk();
    const pc = new EmulatedPc({ devices: [device], completion: "deferred" });
    const guest = new Guest(pc, device);
    const request = submit(guest, guest.start(ANY_LAYOUT), {});
    pc.removeDevice(device);
    assert.deepEqual(pc.waitForInterrupt(1), []);
    assert.equal(request.result, 0xff);
    assert.equal(guest.status, 0xff);
    assert.equal(guest.readPci(0, 4), ALL_ONES);
    assertViolations(pc, []);
  });
});

describe("firmware", () => {
  it("can leave everything, or one device, to the kernel", () => {
    const without = new EmulatedPc({ firmware: false, devices: [disk()] });
    assert.equal(read(without, 4 << 3, 0x10), 1);
    assert.equal(read(without, 3 << 3, 0x18), 0);
    assert.equal(scan(without).has("1:0.0"), false);
    const partly = new EmulatedPc();
    partly.addDevice(disk(), { firmware: false });
    partly.addDevice(disk());
    assert.equal(read(partly, 4 << 3, 0x10), 1);
    assert.notEqual(read(partly, 5 << 3, 0x10), 1);
    const hotPlugged = partly.addDevice(disk());
    assert.equal(partly.addressOf(hotPlugged), 6 << 3);
    assert.equal(read(partly, 6 << 3, 0x10), 1);
  });

  it("numbers bridges behind bridges, and opens windows for all of them", () => {
    const pc = new EmulatedPc();
    assert.ok(pc.bridge);
    const inner = new PciBridge({ name: "inner", vendorId: 1, deviceId: 1, classCode: 0x06_04_00 });
    pc.addFunction(inner, pc.bridge.bus, 7);
    const device = pc.addDevice(disk(), { bus: inner.bus });
    const guest = new Guest(pc, device);
    assert.equal(guest.pciAddress, 2 << 8);
    assert.equal(submit(guest, guest.start(ANY_LAYOUT), {}).result, 0);
    assert.equal(read(pc, 3 << 3, 0x18), 0x0002_0100);
    assert.equal(read(pc, (1 << 8) + (7 << 3), 0x18), 0x0002_0201);
    assertViolations(pc, []);
  });

  it("writes down the interrupt lines", () => {
    const device = disk();
    const pc = new EmulatedPc({ devices: [device] });
    const line = read(pc, pc.addressOf(device), 0x3c) & 0xff;
    assert.equal(line, pc.interruptLine(pc.addressOf(device), 1));
  });
});
