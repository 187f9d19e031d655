/** The guide's waiting loop with a disk: it sleeps, is woken for everything, and hears of each event once. */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { UsedRing } from "../../../kernel-shim/emulated-pc/hostile/used-ring.js";
import { Event, Result } from "../../../kernel-shim/javascript/index.js";
import { HostedDisk } from "./disk.js";
import { assertResult } from "./hosted.js";
import { moments, onEveryDriver, raise } from "./moments.js";
import { WaitingKernel } from "./waiting-kernel.js";

/** A kernel that takes completions, resets a broken disk, and closes one that is gone. */
class DiskKernel {
  readonly results: number[] = [];
  /** Called when polling has found nothing more. */
  afterPolling = (): void => {};
  isOpen = true;
  private readonly kernel: WaitingKernel;

  constructor(
    private readonly disk: HostedDisk,
    isDone: (kernel: DiskKernel) => boolean,
  ) {
    this.kernel = new WaitingKernel("disk", disk.module, () => disk.handle, {
      poll: () => this.poll(),
      act: (events) => this.act(events),
      isDone: () => isDone(this),
    });
  }

  get seen(): readonly number[] {
    return this.kernel.seen;
  }

  get wakings(): number {
    return this.kernel.wakings;
  }

  run(): void {
    this.kernel.run();
  }

  /** How often this event was told. */
  count(event: number): number {
    return this.seen.filter((events) => (events & event) !== 0).length;
  }

  private poll(): void {
    const { module, handle } = this.disk;
    for (;;) {
      const { count, completions } = module.poll(handle, 4);
      if (count <= 0) break;
      this.results.push(...completions.map(({ result }) => result));
    }
    this.afterPolling();
  }

  private act(events: number): void {
    const { exports } = this.disk.module;
    if ((events & Event.GONE) !== 0) {
      assert.ok(exports.close(this.disk.handle) >= 0);
      this.isOpen = false;
    } else if ((events & Event.BROKEN) !== 0) {
      assertResult(exports.reset(this.disk.handle), Result.OK);
    }
  }
}

describe("the waiting loop of a disk", () => {
  onEveryDriver("takes what completes while it sleeps", (build, eventIndex) => {
    const disk = new HostedDisk(build, { eventIndex });
    const kernel = new DiskKernel(disk, ({ results }) => results.length === 5);
    disk.submitReads(5);
    kernel.run();
    assert.deepEqual(kernel.results, [0, 0, 0, 0, 0]);
    assert.ok(kernel.wakings > 0);
    disk.module.assertNoComplaints();
  });

  onEveryDriver("hands more requests than the ring holds to the disk, and takes them all", (build, eventIndex) => {
    const disk = new HostedDisk(build, { eventIndex, disk: { queueSizes: [4], features: eventIndex ? 2 ** 29 : 0 } });
    const { module } = disk;
    const kernel = new DiskKernel(disk, ({ results }) => results.length === 20);
    let next = 0;
    kernel.afterPolling = () => {
      const { count } = module.submit(disk.handle, disk.reads(20 - next, next));
      assert.ok(count >= 0);
      next += count;
    };
    kernel.run();
    assert.deepEqual(kernel.results, new Array<number>(20).fill(Result.OK));
    module.assertNoComplaints();
  });

  for (const moment of moments) {
    onEveryDriver(`tells of a new capacity once, which came ${moment}`, (build, eventIndex) => {
      const disk = new HostedDisk(build, { eventIndex });
      const kernel = new DiskKernel(disk, ({ seen, results }) => seen.length > 0 && results.length === 1);
      raise(moment, disk.module, kernel, () => {
        disk.device.resize(1024);
        disk.submitReads(1);
      });
      kernel.run();
      assert.deepEqual(kernel.seen, [Event.CAPACITY]);
      assert.equal(disk.module.blockInformation(disk.handle).record.capacity, 1024n);
      disk.module.assertNoComplaints();
    });

    onEveryDriver(`resets a disk that broke the rules ${moment}, and sleeps again`, (build, eventIndex) => {
      const disk = new HostedDisk(build, { eventIndex });
      const { device, module } = disk;
      const kernel = new DiskKernel(disk, ({ results }) => results.length === 3);
      raise(moment, module, kernel, () => {
        device.faults.silent = true;
        disk.submitReads(3);
        const [queue] = device.queues;
        assert.ok(queue !== undefined);
        new UsedRing(device, queue).complete(0xffff, 0);
        device.faults.silent = false;
        device.raiseQueueInterrupt();
      });
      kernel.run();
      assert.deepEqual(kernel.results, [Result.E_RESET, Result.E_RESET, Result.E_RESET]);
      assert.deepEqual(kernel.seen, [Event.BROKEN]);
      disk.submitReads(1);
      const later = new DiskKernel(disk, ({ results }) => results.length === 1);
      later.run();
      assert.deepEqual(later.results, [Result.OK]);
      assert.deepEqual(later.seen, []);
    });
  }

  onEveryDriver("closes a disk that was pulled out, and goes on", (build, eventIndex) => {
    const disk = new HostedDisk(build, { eventIndex });
    const { exports, pc } = disk.module;
    disk.submitReads(3);
    pc.removeDevice(disk.device);
    assertResult(exports.interrupt(disk.handle), Result.E_GONE);
    const kernel = new DiskKernel(disk, ({ isOpen, results }) => !isOpen && results.length === 3);
    kernel.run();
    assert.deepEqual(kernel.seen, [Event.GONE]);
    assert.deepEqual(kernel.results, [Result.E_RESET, Result.E_RESET, Result.E_RESET]);
    assertResult(exports.events(disk.handle), Result.E_HANDLE);
  });
});

describe("a kernel that waits for a whole batch of requests", () => {
  onEveryDriver("is woken when all of it is done, and asks again when it is woken early", (build, eventIndex) => {
    const disk = new HostedDisk(build, { eventIndex, machine: { completion: "shuffled" } });
    const { module } = disk;
    disk.submitReads(12);
    let taken = 0;
    for (let wakings = 0; taken < 12; wakings++) {
      assert.ok(wakings < 13);
      const answer = module.exports.block_await_all(disk.handle);
      if (answer === 0) {
        assert.ok(module.pc.waitForInterrupt(50).length > 0, "nobody wakes the kernel");
        module.exports.interrupt(disk.handle);
      } else {
        assert.equal(answer, 1);
      }
      taken += module.poll(disk.handle, 32).count;
    }
    module.assertNoComplaints();
  });
});
