/** Memory that the machine lends: where it lies, who may reach it, and what happens when it is taken back. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EmulatedPc } from "../../../kernel-shim/emulated-pc/machine.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { assertViolations } from "./guest.js";

const PAGE = 4096;
const NO_ADDRESS = 0xffff_ffff_ffff_ffffn;
const builds = ["mapped", "ported"] satisfies Build[];

function machine(build: Build): EmulatedPc {
  return new EmulatedPc({ build, memoryBytes: 4 * 1024 * 1024 });
}

describe("lent memory", () => {
  for (const build of builds) {
    it(`is zeroed, aligned and contiguous: ${build}`, () => {
      const pc = machine(build);
      const first = pc.kernel.dma_alloc(3);
      pc.writeBuffer(first, new Uint8Array(3 * PAGE).fill(0xaa));
      pc.kernel.dma_free(first, 3);
      const loans = Array.from({ length: 200 }, () => pc.kernel.dma_alloc(3));
      for (const pointer of loans) {
        assert.ok(pointer > 0 && pointer % PAGE === 0);
        const address = pc.kernel.dma_address(pointer);
        assert.equal(pc.kernel.dma_address(pointer + 2 * PAGE + 5), address + BigInt(2 * PAGE + 5));
        assert.ok(pc.readBuffer(pointer, 3 * PAGE).every((byte) => byte === 0));
      }
      assert.equal(new Set(loans).size, loans.length);
      assertViolations(pc, []);
    });

    it(`ends: ${build}`, () => {
      const pc = machine(build);
      assert.equal(pc.kernel.dma_alloc(0), 0);
      assert.equal(pc.kernel.dma_alloc(1_000_000), 0);
      let pages = 0;
      while (pc.kernel.dma_alloc(1) !== 0) pages++;
      assert.equal(pages, (3 * 1024 * 1024) / PAGE);
      assert.throws(() => pc.allocateBuffer(1), /left to lend/);
      assertViolations(pc, []);
    });

    it(`has no address once it was taken back: ${build}`, () => {
      const pc = machine(build);
      const pointer = pc.allocateBuffer(100);
      assert.notEqual(pc.kernel.dma_address(pointer), NO_ADDRESS);
      pc.freeBuffer(pointer);
      assert.equal(pc.kernel.dma_address(pointer), NO_ADDRESS);
      assert.equal(pc.kernel.dma_address(0), NO_ADDRESS);
      assert.equal(pc.kernel.dma_address(0xffff_ffff), NO_ADDRESS);
      assert.throws(() => pc.freeBuffer(pointer), /no buffer/);
      assert.throws(() => pc.readBuffer(pointer, 1), /not all lent/);
      assert.throws(() => pc.writeBuffer(pointer, new Uint8Array(1)), /not all lent/);
    });

    it(`is given back as it was lent: ${build}`, () => {
      const pc = machine(build);
      const pointer = pc.kernel.dma_alloc(2);
      pc.kernel.dma_free(pointer, 1);
      pc.kernel.dma_free(pointer + PAGE, 1);
      pc.kernel.dma_free(pointer, 2);
      pc.kernel.dma_free(pointer, 2);
      assertViolations(pc, ["dma-free-mismatch", "dma-free-mismatch", "dma-free-mismatch"]);
    });

    it(`is given back by who borrowed it, the stack or the host: ${build}`, () => {
      const pc = machine(build);
      const hosts = pc.allocateBuffer(2 * PAGE);
      pc.kernel.dma_free(hosts, 2);
      assertViolations(pc, ["dma-free-mismatch"]);
      pc.writeBuffer(hosts, Uint8Array.of(1));
      assert.notEqual(pc.kernel.dma_address(hosts + PAGE), NO_ADDRESS);
      const stacks = pc.kernel.dma_alloc(2);
      assert.throws(() => pc.freeBuffer(stacks), /no buffer/);
      assert.notEqual(pc.kernel.dma_address(stacks), NO_ADDRESS);
      pc.kernel.dma_free(stacks, 2);
      pc.freeBuffer(hosts);
      assertViolations(pc, ["dma-free-mismatch"]);
    });

    it(`is lent in whole pages: ${build}`, () => {
      const pc = machine(build);
      const pointer = pc.allocateBuffer(PAGE + 1);
      for (const page of [0, 1]) {
        const first = pc.kernel.dma_address(pointer + page * PAGE);
        assert.equal(first % BigInt(PAGE), 0n);
        assert.equal(pc.kernel.dma_address(pointer + page * PAGE + PAGE - 1), first + BigInt(PAGE - 1));
      }
      assert.equal(pc.kernel.dma_address(pointer + 2 * PAGE), NO_ADDRESS);
      assert.equal(pc.readBuffer(pointer, 2 * PAGE).length, 2 * PAGE);
    });
  }

  it("lies elsewhere for devices than for a mapped stack", () => {
    const pc = machine("mapped");
    const single = pc.kernel.dma_alloc(1);
    const several = pc.kernel.dma_alloc(2);
    assert.ok(pc.kernel.dma_address(single) > 0xffff_ffffn);
    assert.ok(pc.kernel.dma_address(several) < 0xffff_ffffn);
    assert.notEqual(pc.kernel.dma_address(several), BigInt(several));
  });

  it("is nowhere contiguous when that is asked for", () => {
    const pc = machine("mapped");
    const pointer = pc.allocateBuffer(64 * PAGE, { scattered: true });
    for (let page = 1; page < 64; page++) {
      const before = pc.kernel.dma_address(pointer + (page - 1) * PAGE);
      assert.notEqual(pc.kernel.dma_address(pointer + page * PAGE), before + BigInt(PAGE));
    }
    pc.writeBuffer(
      pointer,
      Uint8Array.from({ length: 64 * PAGE }, (_, index) => index >> 12),
    );
    assert.equal(pc.readBuffer(pointer + 63 * PAGE, 1)[0], 63);
  });

  it("is read and written by a ported stack through imports, and nothing else is", () => {
    const pc = machine("ported");
    const pointer = pc.kernel.dma_alloc(1);
    assert.equal(pc.kernel.dma_address(pointer), BigInt(pointer));
    pc.kernel.phys_write32(pointer, 0x1234_5678);
    pc.kernel.phys_write16(pointer + 4, 0x9abc);
    pc.kernel.phys_write8(pointer + 6, 0xde);
    assert.deepEqual([...pc.readBuffer(pointer, 7)], [0x78, 0x56, 0x34, 0x12, 0xbc, 0x9a, 0xde]);
    assert.equal(pc.kernel.phys_read32(pointer) >>> 0, 0x1234_5678);
    assert.equal(pc.kernel.phys_read16(pointer + 4), 0x9abc);
    assert.equal(pc.kernel.phys_read8(pointer + 6), 0xde);
    assert.equal(pc.counters.memoryAccesses, 6);
    assertViolations(pc, []);
    assert.equal(pc.kernel.phys_read8(pointer + PAGE), 0xff);
    pc.kernel.phys_write32(pointer - 4, 0);
    pc.kernel.phys_read16(pointer + 1);
    assertViolations(pc, ["memory-not-lent", "memory-not-lent", "memory-alignment"]);
  });

  it("can be a range of a memory that exists already, even when that grows", () => {
    const memory = new WebAssembly.Memory({ initial: 32, maximum: 64 });
    const pc = new EmulatedPc({ memory: { memory, poolStart: 65536, poolEnd: 1024 * 1024 } });
    const pointer = pc.kernel.dma_alloc(1);
    assert.ok(pointer >= 65536 && pointer < 1024 * 1024);
    memory.grow(8);
    new Uint8Array(memory.buffer)[pointer] = 77;
    assert.equal(pc.readBuffer(pointer, 1)[0], 77);
    assert.equal(pc.memory, memory);
    assert.throws(() => new EmulatedPc({ build: "ported", memory: { memory, poolStart: PAGE, poolEnd: 2 * PAGE } }));
    assert.throws(() => new EmulatedPc({ memory: { memory, poolStart: 0, poolEnd: PAGE } }), /address 0/);
  });

  it("of a ported machine can be two that exist already, and what was in a page is gone when it is lent", () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2 });
    const physical = new ArrayBuffer(4 * PAGE);
    new Uint8Array(physical).fill(0xaa);
    const pc = new EmulatedPc({ build: "ported", memory: { memory, physical } });
    const pointer = pc.kernel.dma_alloc(4);
    assert.deepEqual(pc.readBuffer(pointer, 4 * PAGE), new Uint8Array(4 * PAGE));
    assert.equal(pc.kernel.dma_alloc(1), 0);
    pc.kernel.phys_write32(pointer + 4, 7);
    assert.equal(new Uint32Array(physical)[1], 7);
    assert.equal(pc.memory, memory);
    assert.throws(() => new EmulatedPc({ memory: { memory, physical } }), /no physical memory/);
  });

  it("can be no part of a page, nor what is not there", () => {
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 16 });
    for (const [poolStart, poolEnd] of [
      [PAGE / 2, 4 * PAGE],
      [PAGE, 4 * PAGE - 512],
      [PAGE, 16 * 65536 + PAGE],
      [4 * PAGE, PAGE],
    ] as const) {
      assert.throws(() => new EmulatedPc({ memory: { memory, poolStart, poolEnd } }), /start and end at pages/);
    }
  });
});

describe("private memory", () => {
  for (const build of builds) {
    it(`lies behind the module's data and is not lent: ${build}`, () => {
      const pc = machine(build);
      assert.throws(() => pc.reservePrivate(16), /setHeapBase/);
      pc.setHeapBase(1003);
      const first = pc.reservePrivate(5);
      const second = pc.reservePrivate(5);
      assert.equal(first, 1008);
      assert.equal(second, 1024);
      assert.equal(pc.kernel.dma_address(first), NO_ADDRESS);
      assert.throws(() => pc.reservePrivate(1024 * 1024), /private memory left/);
      assert.ok(pc.reservePrivate(1024 * 1024 - 2048) > 0);
    });
  }
});
