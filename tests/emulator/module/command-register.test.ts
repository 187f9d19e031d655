/**
 * What a closed device, and one that could not be opened, leaves behind in its function: I/O decoding, the interrupt
 * pin and MSI-X as they were found, and no access to memory. [PCI 3.0 §6.2.2, §6.8.2.3]
 */
import assert from "node:assert/strict";
import { describe } from "node:test";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { NetDevice } from "../../../kernel-shim/emulated-pc/net/device.js";
import type { PciFunction } from "../../../kernel-shim/emulated-pc/pci/function.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { assertResult, HostedModule } from "./hosted.js";
import { onBothBuilds } from "./moments.js";
import { lie } from "./neighbours.js";

const COMMAND = 0x04;
const IO_SPACE = 0x0001;
const MEMORY_SPACE = 0x0002;
const BUS_MASTER = 0x0004;
const INTERRUPT_DISABLE = 0x0400;
const CAPABILITY_MSIX = 0x11;
const MSIX_ENABLE = 0x8000;

// Registers. [virtio-1.2 §4.1.4.10]
const QUEUE_PFN = 8;
const QUEUE_NUM = 12;
const STATUS = 18;
const CAPACITY_HIGH = 24;

/** A time-out passes between two readings of the clock. */
const CLOCK_STEP = 2_000_000_000n;

interface Found {
  readonly command: number;
  readonly isMsixEnabled: boolean;
}

/** Every state that firmware or an earlier driver may have left. */
const foundStates: readonly Found[] = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((low) =>
  [0, INTERRUPT_DISABLE].flatMap((pin) =>
    [false, true].map((isMsixEnabled) => ({ command: low | pin, isMsixEnabled })),
  ),
);

class Rig {
  readonly module: HostedModule;
  readonly device: VirtioDevice;
  readonly pciFunction: PciFunction;

  constructor(
    build: Build,
    readonly kind: "disk" | "card",
    found: Found,
    arenaBytes?: number,
  ) {
    this.device = kind === "disk" ? new BlockDevice({ backEnd: new MemoryDisk(4096) }) : new NetDevice();
    this.module = new HostedModule(build, {
      devices: [this.device],
      memoryBytes: 2 * 1024 * 1024,
      ...(arenaBytes === undefined ? {} : { arenaBytes }),
    });
    this.pciFunction = this.module.pc.functionOf(this.device);
    this.pciFunction.poke(COMMAND, [found.command & 0xff, found.command >> 8]);
    const { msix } = this;
    this.pciFunction.poke(msix + 2, [3, found.isMsixEnabled ? MSIX_ENABLE >> 8 : 0]);
  }

  open(): number {
    return this.kind === "disk" ? this.module.openDisk(this.device) : this.module.openCard(this.device);
  }

  /** The registers answer what the function makes of them. */
  tell(offset: number, answer: (right: number) => number): void {
    this.device.faults.readRegister = (register, _, right) => (register === offset ? answer(right) : right);
  }

  get command(): number {
    return this.pciFunction.read(COMMAND, 2);
  }

  get isMsixEnabled(): boolean {
    return (this.pciFunction.read(this.msix + 2, 2) & MSIX_ENABLE) !== 0;
  }

  private get msix(): number {
    const offset = this.pciFunction.capabilityOffset(CAPABILITY_MSIX);
    assert.notEqual(offset, 0);
    return offset;
  }

  /** All is as it was found, but for bus mastering, which is off. */
  assertPutBack(found: Found): void {
    this.assertCommand(found, found.command);
    assert.equal(this.isMsixEnabled, found.isMsixEnabled, "MSI-X");
  }

  /** It interrupts in no way; else all is as it was found, but for bus mastering, which is off. */
  assertPutBackSilent(found: Found): void {
    this.assertCommand(found, found.command | INTERRUPT_DISABLE);
    assert.equal(this.isMsixEnabled, false, "MSI-X");
  }

  private assertCommand(found: Found, command: number): void {
    assert.equal(
      this.command.toString(16),
      (command & ~BUS_MASTER).toString(16),
      `found ${found.command.toString(16)}`,
    );
  }
}

/** For each kind of failure: spoils what opening needs. Returns what it comes to. */
const failures: Readonly<Record<string, (rig: Rig) => number>> = {
  "the device refuses the features": (rig) => {
    rig.tell(STATUS, (right) => ((right & 8) !== 0 ? right | 0x80 : right));
    return Result.E_FEATURES;
  },
  "a queue's size makes no sense": (rig) => {
    rig.tell(QUEUE_NUM, () => 3);
    return Result.E_QUEUE_SIZE;
  },
  "a queue is live already": (rig) => {
    rig.tell(QUEUE_PFN, () => 0x1234);
    return Result.E_QUEUE_LIVE;
  },
  "the kernel has no memory for devices": ({ module }) => {
    module.kernel.dma_alloc = () => 0;
    return Result.E_DMA_MEMORY;
  },
  "the kernel has memory for the first ring only": ({ module }) => {
    const allocate = module.kernel.dma_alloc.bind(module.kernel);
    let calls = 0;
    module.kernel.dma_alloc = (pages) => (calls++ === 0 ? allocate(pages) : 0);
    return Result.E_DMA_MEMORY;
  },
};

const diskFailures: typeof failures = {
  ...failures,
  "the capacity makes no sense": (rig) => {
    rig.tell(CAPACITY_HIGH, () => 0xffff_ffff);
    return Result.E_CONFIGURATION;
  },
};

for (const kind of ["disk", "card"] as const) {
  describe(`the function of a ${kind}`, () => {
    onBothBuilds("answers, interrupts and reaches memory while the device is open", (build) => {
      for (const found of foundStates) {
        const rig = new Rig(build, kind, found);
        const handle = rig.open();
        assert.ok(handle > 0);
        for (let resets = 0; resets < 2; resets++) {
          assert.equal(rig.command & (IO_SPACE | BUS_MASTER | INTERRUPT_DISABLE), IO_SPACE | BUS_MASTER);
          assert.equal(rig.command & MEMORY_SPACE, found.command & MEMORY_SPACE);
          assert.equal(rig.isMsixEnabled, false);
          assertResult(rig.module.exports.reset(handle), Result.OK);
        }
      }
    });

    onBothBuilds("is as it was found when the device was closed, but for bus mastering", (build) => {
      for (const found of foundStates) {
        const rig = new Rig(build, kind, found);
        for (let life = 0; life < 2; life++) {
          assert.equal(rig.module.exports.close(rig.open()), 0);
          rig.assertPutBack(found);
        }
        rig.module.assertNoComplaints();
      }
    });

    onBothBuilds("is as it was found when the device was closed after a reset that failed", (build) => {
      for (const found of foundStates) {
        const rig = new Rig(build, kind, found);
        const handle = rig.open();
        rig.tell(QUEUE_NUM, () => 3);
        assertResult(rig.module.exports.reset(handle), Result.E_QUEUE_SIZE);
        assert.equal(rig.command & BUS_MASTER, 0);
        assert.equal(rig.module.exports.close(handle), 0);
        rig.assertPutBack(found);
      }
    });

    for (const [name, spoil] of Object.entries(kind === "disk" ? diskFailures : failures)) {
      onBothBuilds(`is as it was found when opening fails because ${name}`, (build) => {
        for (const found of foundStates) {
          const rig = new Rig(build, kind, found);
          const result = spoil(rig);
          assertResult(rig.open(), result);
          rig.assertPutBack(found);
        }
      });
    }

    onBothBuilds("is as it was found when opening fails because the stack has no memory", (build) => {
      for (const found of foundStates) {
        // Enough for the device's state, and not for that of its rings.
        const rig = new Rig(build, kind, found, 2048);
        assertResult(rig.open(), Result.E_MEMORY);
        rig.assertPutBack(found);
      }
    });

    onBothBuilds("cannot interrupt when the device did not reset as it was opened", (build) => {
      for (const found of foundStates) {
        const rig = new Rig(build, kind, found);
        rig.tell(STATUS, (right) => right | 4);
        jumpClock(rig.module);
        assertResult(rig.open(), Result.E_RESET_TIMEOUT);
        rig.assertPutBackSilent(found);
      }
    });

    onBothBuilds("cannot interrupt when the device did not reset as it was closed", (build) => {
      for (const found of foundStates) {
        const rig = new Rig(build, kind, found);
        const handle = rig.open();
        rig.tell(STATUS, (right) => right | 4);
        rig.device.faults.writeRegister = (offset, _, value) => offset !== STATUS || value !== 0;
        rig.device.raiseQueueInterrupt();
        assert.equal(rig.module.line.length, 1);
        jumpClock(rig.module);
        assert.equal(rig.module.exports.close(handle), 0);
        rig.assertPutBackSilent(found);
        assert.deepEqual(rig.module.line, [], "lines that it asserts");
      }
    });

    onBothBuilds("is left alone when it is opened as what it is not", (build) => {
      for (const found of foundStates) {
        const rig = new Rig(build, kind, found);
        const before = rig.pciFunction.configuration.slice();
        const other = kind === "disk" ? rig.module.openCard(rig.device) : rig.module.openDisk(rig.device);
        assertResult(other, Result.E_NOT_VIRTIO);
        assert.deepEqual(rig.pciFunction.configuration, before);
      }
    });

    onBothBuilds("is as it was found when its ports are none that can be", (build) => {
      for (const found of foundStates) {
        const rig = new Rig(build, kind, found);
        lie(rig.pciFunction, { base: 0xcc0, end: 0xd00 });
        assertResult(rig.open(), Result.E_BAR);
        assert.equal(rig.command & ~BUS_MASTER, found.command & ~BUS_MASTER);
        assert.equal(rig.isMsixEnabled, found.isMsixEnabled);
      }
    });
  });
}

describe("the function of a card", () => {
  onBothBuilds("is as it was found when the options are refused", (build) => {
    for (const found of foundStates) {
      const rig = new Rig(build, "card", found);
      assertResult(rig.module.openCard(rig.device, { receive_buffer_bytes: 100 }), Result.E_ARGUMENT);
      rig.assertPutBack(found);
    }
  });
});

/** From now on every reading of the clock is later than any time-out. */
function jumpClock(module: HostedModule): void {
  let now = 0n;
  module.kernel.now_ns = () => (now += CLOCK_STEP);
}
