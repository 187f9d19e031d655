/** The registers of modern PCI: what they do, and every rule of the driver's that they check. [virtio-1.2 §4.1.4] */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertViolations, BlockRequest, Guest, separateQueue, submit } from "./guest.js";
import { diskMachine, ModernGuest, modernGuest, VERSION_1 } from "./modern-guest.js";

const ANY_LAYOUT = 2 ** 27;
const INDIRECT_DESC = 2 ** 28;
const ACCESS_PLATFORM = 2 ** 33;
const RING_RESET = 2 ** 40;

const STATUS = 0x14;
const GENERATION = 0x15;
const QUEUE_SELECT = 0x16;
const QUEUE_SIZE = 0x18;
const QUEUE_ENABLE = 0x1c;
const QUEUE_RESET = 0x3a;

const MODERN = { transport: "modern-memory" } as const;

describe("features", () => {
  it("have 64 bits, and none that are legacy's", () => {
    const { pc, guest, device } = modernGuest(MODERN);
    guest.status = 1;
    const offered = BigInt(guest.offeredFeatures);
    assert.equal(offered, BigInt(device.offeredFeatures));
    assert.equal(offered >> 32n, (1n << 0n) | (1n << 8n), "VERSION_1 and RING_RESET");
    assert.equal(offered & ((1n << 24n) | (1n << 27n) | (1n << 30n)), 0n);
    assertViolations(pc, []);
  });

  it("of words that do not exist are 0", () => {
    const { pc, guest } = modernGuest(MODERN);
    guest.common.write(0x00, 4, 2);
    assert.equal(guest.common.read(0x04, 4), 0);
    guest.common.write(0x08, 4, 0xffff_ffff);
    assert.equal(guest.common.read(0x0c, 4), 0);
    assertViolations(pc, []);
  });

  it("are read back as they were accepted", () => {
    const { pc, guest, device } = modernGuest(MODERN);
    assert.equal(guest.negotiate(VERSION_1 + INDIRECT_DESC), 11);
    assert.equal(guest.common.read(0x0c, 4), 1);
    guest.common.write(0x08, 4, 0);
    assert.equal(guest.common.read(0x0c, 4), INDIRECT_DESC);
    assert.equal(device.negotiatedFeatures, VERSION_1 + INDIRECT_DESC);
    assertViolations(pc, []);
  });

  it("without VERSION_1 are refused", () => {
    const { pc, guest } = modernGuest(MODERN);
    assert.equal(guest.negotiate(INDIRECT_DESC), 3);
    assertViolations(pc, ["version-1-refused"]);
  });

  it("without those that the device requires are refused", () => {
    const demanding = { modernFeatures: VERSION_1 + ACCESS_PLATFORM, requiredFeatures: ACCESS_PLATFORM };
    const { pc, guest } = modernGuest(MODERN, demanding);
    assert.equal(guest.negotiate(VERSION_1), 3);
    assert.equal(guest.negotiate(VERSION_1 + ACCESS_PLATFORM), 11);
    assertViolations(pc, []);
  });

  it("that were not offered are recorded", () => {
    const { pc, guest } = modernGuest(MODERN);
    assert.equal(guest.negotiate(VERSION_1 + ANY_LAYOUT + ACCESS_PLATFORM), 11);
    assertViolations(pc, ["feature-not-offered", "feature-not-offered"]);
  });

  it("may lack VERSION_1 where a test wants that", () => {
    const { guest } = modernGuest(MODERN, { modernFeatures: 0 });
    assert.ok(guest.offeredFeatures < VERSION_1);
  });
});

describe("the status", () => {
  it("is read again after a reset and after FEATURES_OK", () => {
    const { pc, guest } = modernGuest(MODERN);
    guest.status = 0;
    guest.status = 1;
    assertViolations(pc, ["reset-not-read"]);
    guest.status = 3;
    guest.common.write(0x08, 4, 1);
    guest.common.write(0x0c, 4, 1);
    guest.status = 11;
    guest.status = 15;
    assertViolations(pc, ["reset-not-read", "features-ok-not-read"]);
  });

  it("shows the end of a reset that takes time", () => {
    const { pc, guest } = modernGuest(MODERN, { resetTime: 50_000 });
    guest.start(VERSION_1);
    const before = pc.kernel.now_ns();
    guest.status = 0;
    assert.equal(guest.status, 15);
    while (guest.common.read(STATUS, 1) !== 0) pc.kernel.relax();
    assert.ok(pc.kernel.now_ns() - before >= 50_000n);
    assertViolations(pc, []);
    guest.start(VERSION_1);
    guest.status = 0;
    guest.status = 1;
    assertViolations(pc, ["reset-not-read"]);
  });

  it("has no DRIVER_OK without FEATURES_OK, and no work is done then", () => {
    const { pc, guest } = modernGuest(MODERN);
    assert.equal(guest.negotiate(0), 3);
    const queue = guest.createQueue(0);
    guest.status = 7;
    assert.equal(submit(guest, queue, {}).result, 0xff);
    assertViolations(pc, ["version-1-refused", "queue-order", "status-order"]);
  });

  it("shows NEEDS_RESET when a ring makes no sense, and the configuration interrupts", () => {
    const { pc, guest } = modernGuest(MODERN);
    const queue = guest.start(VERSION_1);
    queue.publish(queue.size);
    queue.notify();
    assert.equal(guest.status, 15 | 64);
    assert.equal(guest.isr.read(0, 1), 2);
    assertViolations(pc, ["head-range"]);
    assert.equal(submit(guest, guest.start(VERSION_1), {}).result, 0);
  });
});

describe("queues", () => {
  it("may be made smaller, and stay so until the reset", () => {
    const { pc, guest } = modernGuest(MODERN);
    const queue = guest.start(VERSION_1, 8);
    assert.equal(queue.size, 8);
    for (let request = 0; request < 20; request++) {
      assert.equal(submit(guest, queue, { sector: request, first: 0 }).contents[0], request);
    }
    guest.negotiate(VERSION_1);
    guest.common.write(QUEUE_SELECT, 2, 0);
    assert.equal(guest.common.read(QUEUE_SIZE, 2), 256);
    assertViolations(pc, []);
  });

  it("have sizes that are powers of 2, and no larger than offered", () => {
    const { pc, guest } = modernGuest(MODERN);
    guest.negotiate(VERSION_1);
    guest.common.write(QUEUE_SELECT, 2, 0);
    for (const size of [0, 3, 512]) guest.common.write(QUEUE_SIZE, 2, size);
    assert.equal(guest.common.read(QUEUE_SIZE, 2), 256);
    assertViolations(pc, ["queue-size", "queue-size", "queue-size"]);
  });

  it("that do not exist have size 0", () => {
    const { pc, guest } = modernGuest(MODERN);
    guest.negotiate(VERSION_1);
    assert.equal(guest.common.read(0x12, 2), 1);
    guest.common.write(QUEUE_SELECT, 2, 1);
    assert.equal(guest.common.read(QUEUE_SIZE, 2), 0);
    assertViolations(pc, []);
    guest.common.write(QUEUE_ENABLE, 2, 1);
    assertViolations(pc, ["queue-missing"]);
  });

  it("are enabled with all of their addresses, aligned", () => {
    const { pc, guest } = modernGuest(MODERN);
    guest.negotiate(VERSION_1);
    guest.common.write(QUEUE_SELECT, 2, 0);
    const queue = separateQueue(guest, 0, 256, () => undefined);
    const [descriptors = 0, available = 0, used = 0] = queue.addresses;
    for (const wrong of [
      [descriptors + 8, available, used],
      [descriptors, available + 1, used],
      [descriptors, available, used + 2],
    ]) {
      guest.writeAddresses(wrong);
      guest.common.write(QUEUE_ENABLE, 2, 1);
      assert.equal(guest.common.read(QUEUE_ENABLE, 2), 0);
    }
    assertViolations(pc, ["queue-alignment", "queue-alignment", "queue-alignment"]);
    const other = modernGuest(MODERN);
    other.guest.negotiate(VERSION_1);
    other.guest.common.write(QUEUE_ENABLE, 2, 1);
    assert.equal(other.pc.violations[0]?.rule.id, "queue-incomplete");
  });

  it("do not change once they are enabled, and 0 is never written to queue_enable", () => {
    const { pc, guest } = modernGuest(MODERN);
    guest.start(VERSION_1);
    guest.common.write(QUEUE_SIZE, 2, 8);
    guest.common.write(0x20, 4, 4096);
    assert.equal(guest.common.read(QUEUE_SIZE, 2), 256);
    assertViolations(pc, ["queue-live", "queue-live"]);
    guest.common.write(QUEUE_ENABLE, 2, 0);
    assert.equal(guest.status, 15 | 64);
    assertViolations(pc, ["queue-live", "queue-live", "queue-enable-zero"]);
  });

  it("are set up between FEATURES_OK and DRIVER_OK", () => {
    const { pc, guest } = modernGuest(MODERN);
    guest.status = 0;
    assert.equal(guest.status, 0);
    guest.status = 1;
    guest.createQueue(0);
    assertViolations(pc, ["queue-order"]);
    guest.negotiate(VERSION_1);
    guest.status = 15;
    guest.createQueue(0);
    assertViolations(pc, ["queue-order", "queue-order"]);
  });

  it("are reset on their own where that was negotiated, at once or later", () => {
    for (const completion of ["immediate", "deferred"] as const) {
      const { pc, guest } = modernGuest({ ...MODERN, completion });
      const before = guest.start(VERSION_1 + RING_RESET, 8);
      const lost = submit(guest, before, {});
      guest.common.write(QUEUE_SELECT, 2, 0);
      guest.common.write(QUEUE_RESET, 2, 1);
      assert.equal(guest.common.read(QUEUE_RESET, 2), completion === "deferred" ? 1 : 0);
      for (let turn = 0; turn < 10; turn++) pc.kernel.relax();
      assert.equal(guest.common.read(QUEUE_RESET, 2), 0);
      assert.equal(guest.common.read(QUEUE_ENABLE, 2), 0);
      assert.equal(guest.common.read(QUEUE_SIZE, 2), 256);
      const after = guest.createQueue(0, 16);
      const request = submit(guest, after, { sector: 3 });
      for (let turn = 0; turn < 100; turn++) pc.kernel.relax();
      assert.equal(request.contents[0], 3);
      assert.equal(lost.result, completion === "deferred" ? 0xff : 0);
      assertViolations(pc, []);
    }
  });

  it("are not worked on any more once they are reset", () => {
    const { pc, device, guest } = modernGuest({ ...MODERN, completion: "shuffled" });
    const queue = guest.start(VERSION_1 + RING_RESET);
    const requests = Array.from({ length: 8 }, (_, index) => {
      const request = new BlockRequest(guest, 512);
      request.setHeader(0, index);
      queue.chain(3 * index, request.descriptors(0));
      queue.publish(3 * index);
      return request;
    });
    queue.notify();
    // Long enough for the device to take them, and not for all to complete.
    for (let turn = 0; turn < 20; turn++) pc.kernel.relax();
    const completed = queue.usedIndex;
    assert.equal(device.queues[0]?.inFlight, 8 - completed);
    assert.ok(completed < 8);
    guest.common.write(QUEUE_SELECT, 2, 0);
    guest.common.write(QUEUE_RESET, 2, 1);
    while (guest.common.read(QUEUE_RESET, 2) !== 0) pc.kernel.relax();
    const results = requests.map(({ result }) => result);
    guest.createQueue(0);
    pc.time.advanceTo(pc.time.now + 1_000_000);
    assert.deepEqual(
      requests.map(({ result }) => result),
      results,
    );
    assertViolations(pc, []);
  });

  it("are not reset without that, and not set up before the reset is over", () => {
    const { pc, guest } = modernGuest(MODERN);
    guest.start(VERSION_1);
    guest.common.write(QUEUE_RESET, 2, 1);
    assertViolations(pc, ["queue-reset-not-negotiated"]);
    const other = modernGuest(MODERN);
    other.guest.start(VERSION_1 + RING_RESET);
    other.guest.common.write(QUEUE_RESET, 2, 1);
    other.guest.common.write(QUEUE_SIZE, 2, 8);
    assertViolations(other.pc, ["queue-reset-not-read"]);
  });
});

describe("notifications", () => {
  it("go to the address of their queue, with 16 bits", () => {
    const { pc, guest } = modernGuest(MODERN);
    const queue = guest.start(VERSION_1);
    queue.publish();
    guest.notification.write(4, 2, 0);
    guest.notification.write(0, 4, 0);
    assertViolations(pc, ["notification-address", "queue-missing", "register-width"]);
  });

  it("go to one address where the multiplier is 0", () => {
    const { pc, guest } = modernGuest({ profile: "qemu-port-notify" });
    assert.equal(guest.notifyMultiplier, 0);
    const { portWrites, mmioWrites } = pc.counters;
    const queue = guest.start(VERSION_1);
    assert.ok(pc.counters.mmioWrites > mmioWrites);
    const before = pc.counters.portWrites;
    assert.equal(before, portWrites, "set-up needs no port");
    assert.equal(submit(guest, queue, {}).result, 0);
    assert.equal(pc.counters.portWrites, before + 1);
    assertViolations(pc, []);
  });

  it("wait for DRIVER_OK", () => {
    const { pc, guest } = modernGuest(MODERN);
    guest.negotiate(VERSION_1);
    guest.createQueue(0).notify();
    assertViolations(pc, ["notification-early"]);
  });
});

describe("the device configuration", () => {
  it("is read with the width of each field, in the order of the parts", () => {
    const { pc, guest, device } = modernGuest(MODERN);
    device.configuration.set("capacity", 0x1122_3344_5566_7788n);
    guest.common.read(GENERATION, 1);
    assert.equal(guest.configuration.read(0, 4), 0x5566_7788);
    assert.equal(guest.configuration.read(4, 4), 0x1122_3344);
    guest.common.read(GENERATION, 1);
    assert.equal(guest.configuration.read(12, 4), 254);
    assertViolations(pc, []);
    guest.configuration.read(0, 2);
    guest.configuration.read(12, 1);
    guest.configuration.read(16, 4);
    assertViolations(pc, ["register-width", "register-width", "register-width"]);
  });

  it("has a generation, which is read before and after fields of several parts", () => {
    const { pc, guest, device } = modernGuest(MODERN);
    const before = guest.common.read(GENERATION, 1);
    device.resize(64);
    assert.notEqual(guest.common.read(GENERATION, 1), before);
    guest.configuration.read(0, 4);
    guest.configuration.read(4, 4);
    guest.common.read(STATUS, 1);
    assertViolations(pc, ["configuration-generation"]);
    guest.configuration.read(0, 4);
    guest.common.read(GENERATION, 1);
    assertViolations(pc, ["configuration-generation", "configuration-generation"]);
  });

  it("is written once features are settled, never in fields that are the device's", () => {
    const CONFIG_WCE = 2 ** 11;
    const { pc, guest, device } = modernGuest(MODERN);
    guest.configuration.write(32, 1, 0);
    assertViolations(pc, ["configuration-read-only"]);
    guest.negotiate(VERSION_1 + CONFIG_WCE);
    guest.configuration.write(32, 1, 0);
    assert.equal(device.isWriteBack, false);
    guest.configuration.write(0, 4, 1);
    assertViolations(pc, ["configuration-read-only", "configuration-read-only"]);
  });
});

describe("registers", () => {
  it("have exactly one width", () => {
    const { pc, guest } = modernGuest(MODERN);
    assert.equal(guest.common.read(STATUS, 2), 0xffff);
    guest.common.write(QUEUE_SIZE, 4, 8);
    assert.equal(guest.common.read(0x21, 1), 0xff);
    assert.equal(guest.isr.read(0, 4), 0xffff_ffff);
    assertViolations(pc, Array<string>(4).fill("register-width"));
  });

  it("that are read-only are not written", () => {
    const { pc, guest } = modernGuest(MODERN);
    for (const [offset, width] of [
      [0x04, 4],
      [0x12, 2],
      [0x15, 1],
      [0x1e, 2],
    ] as const) {
      guest.common.write(offset, width, 0);
    }
    guest.isr.write(0, 1, 0);
    assertViolations(pc, Array<string>(5).fill("register-read-only"));
    guest.notification.read(0, 2);
    assert.equal(pc.violations.at(-1)?.rule.id, "notification-read");
  });

  it("can be made to lie, each region apart", () => {
    const { guest, device } = modernGuest(MODERN);
    device.faults.readRegister = (offset, width, value, region) =>
      region === "common" && offset === 0x12 && width === 2 ? 77 : value;
    assert.equal(guest.common.read(0x12, 2), 77);
    device.faults.writeRegister = (_offset, _width, _value, region) => region !== "common";
    guest.status = 1;
    assert.equal(guest.status, 0);
  });

  it("are not read outside of what capabilities describe", () => {
    const { pc, guest } = modernGuest({ profile: "crosvm" });
    const window = pc.kernel.mmio_map(BigInt(guest.baseAddress(0)), 0x2000);
    assert.equal(pc.kernel.mmio_read32(window + 0x800), 0);
    pc.kernel.mmio_write8(window + 0x1001, 1);
    assertViolations(pc, ["region-outside", "region-outside"]);
  });

  it("of a transitional device are one interface from reset to reset", () => {
    const { pc, device, guest } = modernGuest({ transport: "transitional" });
    guest.start(VERSION_1);
    assert.ok(device.offeredFeatures >= VERSION_1);
    const legacy = new Guest(pc, device);
    legacy.status = 0;
    legacy.start(ANY_LAYOUT);
    assert.ok(device.offeredFeatures < VERSION_1);
    assertViolations(pc, []);
    new ModernGuest(pc, device).common.read(0x12, 2);
    assertViolations(pc, ["interfaces-mixed"]);
  });
});

describe("the configuration window", () => {
  it("reaches what capabilities describe, with 1, 2 or 4 bytes, aligned", () => {
    const { pc, guest } = modernGuest(MODERN);
    const { bar, offset } = guest.capability(1);
    const window = guest.throughWindow({ bar, offset });
    assert.equal(window.read(0x12, 2), 1);
    assertViolations(pc, []);
    const cases = [
      [bar, 0, 3],
      [bar, 2, 4],
      [bar, 0, 0],
      [1, 0, 4],
      [5, 0, 4],
      [bar, 0x4000, 4],
    ] as const;
    for (const [where, at, length] of cases) {
      guest.writePci(guest.windowAt + 4, 1, where);
      guest.writePci(guest.windowAt + 8, 4, at);
      guest.writePci(guest.windowAt + 12, 4, length);
      assert.equal(guest.readPci(guest.windowAt + 16, 4), 0);
    }
    const length = Array<string>(3).fill("window-length");
    assertViolations(pc, [...length, ...Array<string>(3).fill("window-outside")]);
  });

  it("leads nowhere on some hosts, and loses notifications on others", () => {
    const dead = modernGuest({ profile: "crosvm" });
    assert.equal(dead.guest.throughWindow(dead.guest.capability(1)).read(0x12, 2), 0);
    assertViolations(dead.pc, []);
    const { pc, guest } = modernGuest({ profile: "firecracker" });
    assert.equal(guest.throughWindow(guest.capability(1)).read(0x12, 2), 1);
    const queue = guest.start(VERSION_1);
    guest.throughWindow(guest.capability(2)).write(0, 2, 0);
    assert.equal(queue.usedIndex, 0);
    assertViolations(pc, []);
  });

  it("is all there is where no base address is assigned", () => {
    const { pc, device } = diskMachine({ transport: "modern-window" });
    const guest = new ModernGuest(pc, device, "window");
    assert.equal(guest.baseAddress(4), 0);
    assert.equal(pc.kernel.mmio_map(0n, 64), 0);
  });
});
