/** Which write cache a disk has, as its driver finds it and leaves it. [virtio-1.2 §5.2.5.1, §5.2.6.2] */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { BlockOperation, Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { assertResult, HostedModule } from "./hosted.js";
import { onBothBuilds } from "./moments.js";

const FLUSH = 2 ** 9;
const CONFIG_WCE = 2 ** 11;
const ALL_FEATURES = 0xffff_ffff_ffff_ffffn;
/** Behind the common registers. */
const CONFIGURATION = 20;
/** In the configuration. */
const WRITEBACK = 32;

class Disk {
  readonly contents = new MemoryDisk(64 * 512);
  readonly device: BlockDevice;
  readonly module: HostedModule;
  handle = 0;

  /** @param writeback what the device says in its configuration, where it offers to */
  constructor(
    build: Build,
    offered: number,
    readonly writeback: number,
  ) {
    this.device = new BlockDevice({ backEnd: this.contents, features: offered, writeCache: writeback !== 0 });
    this.module = new HostedModule(build, { devices: [this.device] });
    this.device.configuration.set("writeback", writeback);
  }

  /** Opens it, with the features that the caller allows. */
  open(allowed = ALL_FEATURES): this {
    this.handle = this.module.openDisk(this.device, { features: allowed });
    assert.ok(this.handle > 0);
    return this;
  }

  /** FLUSH and CONFIG_WCE, of those that the driver accepted. */
  get accepted(): number {
    return this.device.negotiatedFeatures & (FLUSH | CONFIG_WCE);
  }

  get toldWriteback(): number {
    const { result, record } = this.module.blockInformation(this.handle);
    assertResult(result, Result.OK);
    return record.writeback;
  }

  /** Does one request. Returns the result of the call or of the completion. */
  request(operation: number): number {
    const { module, handle } = this;
    const pointer = module.pc.allocateBuffer(512);
    const segments = operation === BlockOperation.FLUSH ? [] : [{ pointer, length: 512 }];
    const { count, results } = module.submit(handle, [{ token: 1n, operation, sector: 0n, segments }]);
    if (count === 0) return results[0] ?? 0;
    module.letDevicesWork();
    return module.poll(handle, 4).completions[0]?.result ?? Result.E_FULL;
  }
}

describe("a disk that offers FLUSH and CONFIG_WCE", () => {
  for (const writeback of [0, 1]) {
    onBothBuilds(`has both accepted, and writeback is what it says: ${writeback}`, (build) => {
      const disk = new Disk(build, FLUSH + CONFIG_WCE, writeback).open();
      assert.equal(disk.accepted, FLUSH + CONFIG_WCE);
      assert.equal(disk.toldWriteback, writeback);
      assertResult(disk.request(BlockOperation.FLUSH), Result.OK);
      disk.module.assertNoComplaints();
    });

    onBothBuilds(`keeps its mode when it is opened, reset and closed: ${writeback}`, (build) => {
      const disk = new Disk(build, FLUSH + CONFIG_WCE, writeback);
      disk.module.watch();
      disk.open();
      assertResult(disk.module.exports.reset(disk.handle), Result.OK);
      assert.equal(disk.toldWriteback, writeback);
      assert.equal(disk.module.exports.close(disk.handle), 0);
      assert.equal(disk.device.configuration.get("writeback"), writeback);
      const { base } = disk.module.portsOf(disk.device);
      const written = disk.module.registerAccesses.filter(
        ({ direction, port }) => direction === "out" && port >= base + CONFIGURATION,
      );
      assert.deepEqual(written, []);
    });
  }

  onBothBuilds("keeps what was written on stable storage at once, if it did so before", (build) => {
    const disk = new Disk(build, FLUSH + CONFIG_WCE, 0).open();
    assertResult(disk.request(BlockOperation.WRITE), Result.OK);
    assert.equal(disk.contents.flushes, 1);
  });

  onBothBuilds("has a new mode told after a reset", (build) => {
    const disk = new Disk(build, FLUSH + CONFIG_WCE, 0).open();
    disk.device.faults.readRegister = (offset, _, right) => (offset === CONFIGURATION + WRITEBACK ? 1 : right);
    assertResult(disk.module.exports.reset(disk.handle), Result.OK);
    assert.equal(disk.toldWriteback, 1);
  });

  onBothBuilds("writes through from when the caller says so", (build) => {
    const disk = new Disk(build, FLUSH + CONFIG_WCE, 1).open();
    assertResult(disk.request(BlockOperation.WRITE), Result.OK);
    assert.equal(disk.contents.flushes, 0);
    assertResult(disk.module.exports.block_set_writeback(disk.handle, 0), Result.OK);
    assert.equal(disk.toldWriteback, 0);
    assertResult(disk.request(BlockOperation.WRITE), Result.OK);
    assert.equal(disk.contents.flushes, 1);
    disk.module.assertNoComplaints();
  });

  onBothBuilds("has the mode that the caller set again before it takes requests after a reset", (build) => {
    const disk = new Disk(build, FLUSH + CONFIG_WCE, 1).open();
    assertResult(disk.module.exports.block_set_writeback(disk.handle, 0), Result.OK);
    disk.module.watch();
    assertResult(disk.module.exports.reset(disk.handle), Result.OK);
    assert.equal(disk.toldWriteback, 0);
    assert.equal(disk.device.isWriteBack, false);
    const { base } = disk.module.portsOf(disk.device);
    const written = disk.module.registerAccesses.filter(({ direction }) => direction === "out");
    const mode = written.findIndex(({ port }) => port === base + CONFIGURATION + WRITEBACK);
    assert.ok(mode > 0 && mode < written.length - 1, "DRIVER_OK and more come later");
    assertResult(disk.request(BlockOperation.WRITE), Result.OK);
    assert.equal(disk.contents.flushes, 1);
    disk.module.assertNoComplaints();
  });

  for (const stays of [0, 1, 2]) {
    onBothBuilds(`and keeps a mode of ${stays} whatever is written there, is told so, and asked no more`, (build) => {
      const disk = new Disk(build, FLUSH + CONFIG_WCE, stays).open();
      const { exports } = disk.module;
      disk.device.faults.readRegister = (offset, _, right) => (offset === CONFIGURATION + WRITEBACK ? stays : right);
      const other = stays === 0 ? 1 : 0;
      assertResult(exports.block_set_writeback(disk.handle, other), Result.E_REFUSED);
      assert.equal(disk.toldWriteback, 1 - other);
      assertResult(exports.block_set_writeback(disk.handle, 1 - other), Result.OK);
      assertResult(exports.reset(disk.handle), Result.OK);
      assert.equal(disk.toldWriteback, 1 - other);
      assertResult(disk.request(BlockOperation.WRITE), Result.OK);
    });
  }

  onBothBuilds("and is gone, is noticed when its mode is set", (build) => {
    const disk = new Disk(build, FLUSH + CONFIG_WCE, 1).open();
    disk.device.faults.readRegister = (_, width) => 2 ** (8 * width) - 1;
    assertResult(disk.module.exports.block_set_writeback(disk.handle, 0), Result.E_GONE);
    assertResult(disk.module.exports.block_set_writeback(disk.handle, 0), Result.E_GONE);
  });

  onBothBuilds("offered later, with FLUSH accepted before, is no reset at all: it would change the cache", (build) => {
    const disk = new Disk(build, FLUSH + CONFIG_WCE, 0);
    disk.device.faults.readRegister = (offset, _, right) => (offset === 0 ? right & ~CONFIG_WCE : right);
    disk.open();
    assert.equal(disk.accepted, FLUSH);
    disk.device.faults.readRegister = undefined;
    assertResult(disk.module.exports.reset(disk.handle), Result.E_FEATURES);
  });

  for (const writeback of [0, 1]) {
    onBothBuilds(
      `is written through where the caller does not allow CONFIG_WCE, whatever it says: ${writeback}`,
      (build) => {
        const disk = new Disk(build, FLUSH + CONFIG_WCE, writeback).open(ALL_FEATURES & ~BigInt(CONFIG_WCE));
        assert.equal(disk.accepted, 0);
        assert.equal(disk.toldWriteback, 0);
        assertResult(disk.request(BlockOperation.FLUSH), Result.E_UNSUPPORTED);
        assertResult(disk.request(BlockOperation.WRITE), Result.OK);
        assert.equal(disk.contents.flushes, 1);
        disk.module.assertNoComplaints();
      },
    );

    onBothBuilds(
      `is written through where the caller does not allow FLUSH, whatever it says: ${writeback}`,
      (build) => {
        const disk = new Disk(build, FLUSH + CONFIG_WCE, writeback).open(ALL_FEATURES & ~BigInt(FLUSH));
        assert.equal(disk.accepted & FLUSH, 0);
        assert.equal(disk.toldWriteback, 0);
        assertResult(disk.request(BlockOperation.WRITE), Result.OK);
        assert.equal(disk.contents.flushes, 1);
      },
    );
  }
});

describe("a disk that offers", () => {
  onBothBuilds("FLUSH without CONFIG_WCE has it accepted, and a cache that needs it", (build) => {
    const disk = new Disk(build, FLUSH, 0).open();
    assert.equal(disk.accepted, FLUSH);
    assert.equal(disk.toldWriteback, 1);
    assertResult(disk.request(BlockOperation.WRITE), Result.OK);
    assert.equal(disk.contents.flushes, 0);
    assertResult(disk.request(BlockOperation.FLUSH), Result.OK);
    assert.equal(disk.contents.flushes, 1);
    disk.module.assertNoComplaints();
  });

  onBothBuilds("FLUSH without CONFIG_WCE is written through where the caller does not allow it", (build) => {
    const disk = new Disk(build, FLUSH, 0).open(ALL_FEATURES & ~BigInt(FLUSH));
    assert.equal(disk.accepted, 0);
    assert.equal(disk.toldWriteback, 0);
  });

  for (const [name, offered] of [
    ["CONFIG_WCE without FLUSH", CONFIG_WCE],
    ["neither", 0],
  ] as const) {
    onBothBuilds(`${name} is written through`, (build) => {
      const disk = new Disk(build, offered, 1).open();
      assert.equal(disk.accepted & FLUSH, 0);
      assert.equal(disk.toldWriteback, 0);
      assertResult(disk.request(BlockOperation.FLUSH), Result.E_UNSUPPORTED);
      assertResult(disk.request(BlockOperation.WRITE), Result.OK);
      assert.equal(disk.contents.flushes, 1);
      disk.module.assertNoComplaints();
    });
  }
});
