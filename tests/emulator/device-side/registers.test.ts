/** Status, features, configuration and the register file of every virtio device. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import { legacyProfileNames } from "../../../kernel-shim/emulated-pc/profiles.js";
import { ConfigurationSpace } from "../../../kernel-shim/emulated-pc/virtio/configuration.js";
import { type DeviceOffer, VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { assertViolations, blockGuest, Guest, submit } from "./guest.js";

const ANY_LAYOUT = 2 ** 27;
const EVENT_IDX = 2 ** 29;

/** A device with a feature that needs another one, and nothing else. */
class DependentDevice extends VirtioDevice {
  readonly type = 4;
  readonly kind = "entropy";
  readonly classCode = 0xff_00_00;
  protected readonly featureDependencies = [{ name: "B needs A", feature: 2, requires: 1 }];

  protected describe(): DeviceOffer {
    return { features: 3, queueSizes: [8], configuration: new ConfigurationSpace([]) };
  }

  protected serve(): void {
    throw new Error("this device serves nothing");
  }

  protected wasReset(): void {
    // It holds nothing.
  }
}

describe("device status", () => {
  it("goes through initialisation and back", () => {
    const { pc, guest } = blockGuest();
    guest.start(ANY_LAYOUT);
    assert.equal(guest.status, 15);
    guest.status = 0;
    assert.equal(guest.status, 0);
    assert.equal(guest.read(8, 4), 0);
    assert.equal(guest.read(4, 4), 0);
    assertViolations(pc, []);
  });

  it("latches FEATURES_OK only where the host knows it", () => {
    for (const profile of legacyProfileNames) {
      const { guest } = blockGuest({ profile });
      guest.negotiate(0);
      assert.equal(guest.status, profile === "minimal" ? 3 : 11, profile);
    }
  });

  it("records bits that are cleared, unknown or out of order", () => {
    const { pc, guest } = blockGuest();
    guest.status = 3;
    guest.status = 1;
    guest.status = 0;
    guest.status = 2;
    guest.status = 0;
    guest.status = 1;
    guest.status = 1 | 16;
    guest.status = 0;
    guest.status = 1;
    guest.status = 1 | 8;
    guest.status = 0;
    guest.status = 1;
    guest.status = 1 | 4;
    const notReady = "feature-any-layout-refused";
    assertViolations(pc, [
      "status-bit-cleared",
      "status-order",
      "status-unknown-bit",
      "status-order",
      "status-order",
      notReady,
    ]);
  });

  it("takes FAILED at any time", () => {
    const { pc, guest } = blockGuest();
    guest.status = 128;
    assert.equal(guest.status, 128);
    assertViolations(pc, []);
  });
});

describe("features", () => {
  it("are what the device offers and the driver accepts", () => {
    const { pc, guest, device } = blockGuest();
    assert.equal(guest.read(0, 4), device.offeredFeatures);
    guest.negotiate(ANY_LAYOUT | (2 ** 9));
    assert.equal(device.negotiatedFeatures, ANY_LAYOUT | (2 ** 9));
    assert.ok(device.hasNegotiated(2 ** 9));
    assertViolations(pc, []);
  });

  it("that were not offered are recorded and masked", () => {
    const { pc, guest, device } = blockGuest({ profile: "virtualbox" });
    guest.negotiate(EVENT_IDX | (2 ** 9));
    assert.equal(device.negotiatedFeatures, 2 ** 9);
    assertViolations(pc, ["feature-not-offered"]);
  });

  it("make nothing of the rest when bit 30 is accepted", () => {
    const { pc, guest, device } = blockGuest();
    guest.negotiate(2 ** 30 + ANY_LAYOUT);
    assert.equal(device.negotiatedFeatures, 0);
    assertViolations(pc, ["feature-bit-30"]);
  });

  it("out of order are recorded", () => {
    const { pc, guest } = blockGuest();
    guest.status = 1;
    guest.write(4, 4, ANY_LAYOUT);
    guest.status = 3;
    guest.write(4, 4, ANY_LAYOUT);
    guest.status = 11;
    guest.write(4, 4, ANY_LAYOUT);
    assertViolations(pc, ["features-order", "features-order"]);
  });

  it("without what they require are recorded", () => {
    const device = new DependentDevice({});
    const pc = new EmulatedPc({ devices: [device] });
    const guest = new Guest(pc, device);
    guest.negotiate(3);
    guest.negotiate(2);
    assertViolations(pc, ["feature-dependency"]);
  });

  it("can be chosen by a test", () => {
    const { guest, device } = blockGuest({}, { features: 0xffff_ffff, queueSizes: [4, 0, 16] });
    assert.equal(guest.read(0, 4), 0xffff_ffff);
    const sizes = [0, 1, 2, 3].map((queue) => {
      guest.write(14, 2, queue);
      return guest.read(12, 2);
    });
    assert.deepEqual(sizes, [4, 0, 16, 0]);
    assert.equal(device.queues.length, 3);
  });
});

describe("configuration", () => {
  it("is read with any width", () => {
    const { pc, guest, device } = blockGuest();
    device.configuration.set("capacity", 0x1122_3344_5566_7788n);
    assert.equal(guest.read(20, 4), 0x5566_7788);
    assert.equal(guest.read(24, 4), 0x1122_3344);
    assert.equal(guest.read(22, 2), 0x5566);
    assert.equal(guest.read(27, 1), 0x11);
    assertViolations(pc, []);
  });

  it("shows optional fields only with their feature", () => {
    const { pc, guest } = blockGuest({ profile: "minimal" });
    guest.read(20 + 8, 4);
    assertViolations(pc, Array<string>(4).fill("configuration-not-offered"));
  });

  it("ends where its fields end", () => {
    const { pc, guest } = blockGuest();
    assert.equal(guest.read(20 + 72, 1), 0xff);
    guest.write(20 + 72, 1, 0);
    assertViolations(pc, ["configuration-outside", "configuration-outside"]);
  });

  it("is written only where that was negotiated", () => {
    const { pc, guest } = blockGuest();
    guest.negotiate(ANY_LAYOUT | (2 ** 11));
    guest.write(20 + 32, 1, 0);
    assert.equal(guest.read(20 + 32, 1), 0);
    guest.write(20, 4, 1);
    assert.equal(guest.read(20, 4), 128);
    assertViolations(pc, ["configuration-read-only"]);
  });

  it("moves by four bytes while MSI-X is enabled", () => {
    const { pc, guest } = blockGuest();
    const capability = guest.readPci(0x34, 1);
    assert.equal(guest.readPci(capability, 1), 0x11);
    assert.equal(guest.read(20, 4), 128);
    guest.writePci(capability + 2, 2, 0x8000);
    assert.equal(guest.read(24, 4), 128);
    assert.equal(guest.read(20, 2), 0xffff);
    guest.write(20, 2, 1);
    guest.write(22, 2, 99);
    assert.equal(guest.read(20, 2), 1);
    assert.equal(guest.read(22, 2), 0xffff);
    guest.writePci(capability + 2, 2, 0);
    assert.equal(guest.read(20, 4), 128);
    assertViolations(pc, ["vector-range"]);
  });
});

describe("registers", () => {
  it("of a wrong width are recorded, and answered as the host does", () => {
    const tolerant = blockGuest({ profile: "qemu" });
    tolerant.guest.status = 1;
    assert.equal(tolerant.guest.read(18, 2), 1);
    assert.equal(tolerant.guest.read(1, 1), 0xff);
    assertViolations(tolerant.pc, ["register-width", "register-width"]);
    const strict = blockGuest({ profile: "bhyve" });
    strict.guest.write(18, 2, 1);
    assert.equal(strict.guest.read(18, 2), 0xffff);
    assert.equal(strict.guest.status, 0);
    assertViolations(strict.pc, ["register-width", "register-width"]);
  });

  it("that are read-only are not written", () => {
    const { pc, guest, device } = blockGuest();
    guest.write(0, 4, 0);
    guest.write(12, 2, 4);
    assert.equal(guest.read(0, 4), device.offeredFeatures);
    assertViolations(pc, ["register-read-only", "register-read-only"]);
  });

  it("select queues, and VirtualBox ignores numbers from 24 on", () => {
    const { guest } = blockGuest({ profile: "virtualbox" });
    guest.write(14, 2, 3);
    guest.write(14, 2, 24);
    assert.equal(guest.read(14, 2), 3);
    assert.equal(guest.read(12, 2), 0);
  });

  it("reset the device of a QEMU when a live queue gets address 0", () => {
    const { pc, guest } = blockGuest();
    guest.start(ANY_LAYOUT);
    guest.write(8, 4, 0);
    assert.equal(guest.status, 0);
    assertViolations(pc, ["queue-live"]);
    const other = blockGuest({ profile: "large" });
    other.guest.start(ANY_LAYOUT);
    other.guest.write(8, 4, 0);
    assert.equal(other.guest.status, 15);
    assert.equal(other.guest.read(8, 4), 0);
  });

  it("can be made to lie", () => {
    const { guest, device } = blockGuest();
    device.faults.readRegister = (offset, width, value) => (offset === 12 && width === 2 ? 3 : value);
    assert.equal(guest.read(12, 2), 3);
    device.faults.writeRegister = (offset) => offset !== 18;
    guest.status = 1;
    assert.equal(guest.status, 0);
    device.faults.writeRegister = undefined;
    device.faults.readRegister = undefined;
    const queue = guest.start(ANY_LAYOUT);
    device.faults.silent = true;
    assert.equal(submit(guest, queue, {}).result, 0xff);
    assert.equal(guest.read(19, 1), 0);
  });

  it("tell that the device needs a reset, and nothing works until then", () => {
    const { pc, guest, device } = blockGuest();
    const queue = guest.start(ANY_LAYOUT);
    device.fail();
    assert.equal(guest.status, 15 | 64);
    assert.equal(guest.read(19, 1), 2);
    for (let count = 0; count < 2; count++) assert.equal(submit(guest, queue, { first: 3 * count }).result, 0xff);
    pc.waitForInterrupt(1);
    assert.equal(submit(guest, guest.start(ANY_LAYOUT), {}).result, 0);
    assertViolations(pc, []);
  });
});

describe("queues", () => {
  it("that do not exist are recorded", () => {
    const { pc, guest } = blockGuest();
    guest.start(ANY_LAYOUT);
    guest.write(14, 2, 5);
    guest.write(8, 4, 77);
    guest.write(16, 2, 5);
    assertViolations(pc, ["queue-missing", "queue-missing"]);
  });

  it("set up out of order or twice are recorded", () => {
    const { pc, guest } = blockGuest();
    guest.status = 1;
    guest.createQueue(0);
    assertViolations(pc, ["queue-order"]);
    guest.start(ANY_LAYOUT);
    guest.createQueue(0);
    assertViolations(pc, ["queue-order", "queue-live", "queue-order"]);
  });

  it("are not reached while bus mastering is off", () => {
    const { pc, guest } = blockGuest();
    guest.writePci(4, 2, 1);
    const queue = guest.start(ANY_LAYOUT);
    assert.equal(submit(guest, queue, {}).result, 0xff);
    assertViolations(pc, ["bus-master-off", "bus-master-off"]);
  });

  it("must have zeroed memory that is lent", () => {
    const { pc, guest } = blockGuest();
    guest.negotiate(ANY_LAYOUT);
    const memory = guest.allocate(64 * 1024);
    pc.writeBuffer(memory + 5000, Uint8Array.of(1));
    guest.write(8, 4, guest.physical(memory) / 4096);
    assertViolations(pc, ["ring-not-zeroed"]);
    guest.negotiate(ANY_LAYOUT);
    guest.write(8, 4, 5);
    assertViolations(pc, ["ring-not-zeroed", "dma-outside-lent-pages"]);
  });
});
