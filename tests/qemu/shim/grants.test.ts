/** Ports and memory: what is granted arrives whole, what is not is refused and recorded. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { BOARD_PORTS } from "../../../kernel-shim/qemu/board-ports.js";
import { PageAllocator } from "../../../kernel-shim/grants/page-allocator.js";
import { QemuMachine } from "../../../kernel-shim/qemu/qemu-machine.js";
import type { Refusal } from "../../../kernel-shim/qemu/granted-kernel.js";

const NO_ADDRESS = 0xffff_ffff_ffff_ffffn;

let machine: QemuMachine;
before(() => {
  machine = new QemuMachine();
});
after(() => machine.close());

/** What is refused while `action` runs. */
function refusedBy(action: () => void): Refusal[] {
  const from = machine.refusals.length;
  action();
  return machine.refusals.slice(from);
}

test("ports: every width arrives, signed or not", () => {
  const { kernel } = machine;
  kernel.out32(0xcf8, 0x80000000 | 0);
  assert.equal(kernel.in32(0xcf8) >>> 0, 0x80000000);
  assert.equal(kernel.in32(0xcfc) >>> 0, 0x12378086, "the host bridge of pc");
  assert.equal(kernel.in16(0xcfe), 0x1237);
  assert.equal(kernel.in8(0xcfd), 0x80);
  // Interrupt Line of the IDE controller: eight bits that do nothing.
  kernel.out32(0xcf8, 0x8000093c);
  kernel.out8(0xcfc, 0x1a5);
  assert.equal(kernel.in8(0xcfc), 0xa5);
});

test("ports: counted, configuration accesses apart", () => {
  const { kernel, counters } = machine;
  const counted = { ...counters };
  kernel.out32(0xcf8, 0x80000000);
  kernel.in32(0xcfc);
  kernel.out8(0xcfc, 0);
  assert.equal(counters.portWrites - counted.portWrites, 2);
  assert.equal(counters.portReads - counted.portReads, 1);
  assert.equal(counters.configurationWrites - counted.configurationWrites, 1);
  assert.equal(counters.configurationReads - counted.configurationReads, 1);
});

test("ports: what is not granted reads as all ones and is not written", () => {
  const { kernel } = machine;
  const refused = refusedBy(() => {
    assert.equal(kernel.in8(0x70), 0xff);
    assert.equal(kernel.in16(0x70), 0xffff);
    assert.equal(kernel.in32(0x70) >>> 0, 0xffff_ffff);
    kernel.out8(0x70, 0x1ff);
  });
  assert.deepEqual(refused, [
    { kind: "port read", address: 0x70, bytes: 1, value: 0 },
    { kind: "port read", address: 0x70, bytes: 2, value: 0 },
    { kind: "port read", address: 0x70, bytes: 4, value: 0 },
    { kind: "port write", address: 0x70, bytes: 1, value: 0xff },
  ]);
});

test("ports: an access that leaves the grant or port space is refused, and QEMU lives on", () => {
  const { kernel } = machine;
  machine.grantPorts(0xc000, 4);
  machine.grantPorts(0xfff0, 16);
  const refused = refusedBy(() => {
    kernel.in32(0xc000);
    kernel.in32(0xc001);
    kernel.in16(0xffff);
    kernel.in32(0x10000);
    kernel.in32(-1);
    kernel.out32(0x7fffffff, 1);
    kernel.in8(0xffff);
  });
  assert.deepEqual(
    refused.map(({ address }) => address),
    [0xc001, 0xffff, 0x10000, 0xffffffff, 0x7fffffff],
  );
  machine.revokePorts(0xc000, 4);
  assert.equal(refusedBy(() => kernel.in8(0xc000)).length, 1);
  machine.revokePorts(0xfff0, 16);
  assert.throws(() => machine.grantPorts(0xfff0, 17), RangeError);
  assert.throws(() => machine.grantPorts(-1, 2), RangeError);
});

test("ports: grants are counted", () => {
  const { kernel } = machine;
  const refusals = (): number => refusedBy(() => [0xc000, 0xc010, 0xc020].forEach((port) => kernel.in8(port))).length;
  machine.grantPorts(0xc000, 0x20);
  machine.grantPorts(0xc010, 0x20);
  assert.equal(refusals(), 0);
  machine.revokePorts(0xc000, 0x20);
  assert.equal(refusals(), 1, "0xc010 is in the other grant");
  assert.throws(() => machine.revokePorts(0xc000, 0x20), { name: "RangeError", message: /0xc000 to 0xc01f/ });
  assert.equal(refusals(), 1, "a revocation without its grant does nothing");
  machine.revokePorts(0xc010, 0x20);
  assert.equal(refusals(), 3);
});

test("ports: what is the board's is no device's to have, and configuration space stays granted", () => {
  const board = { name: "RangeError", message: /are the board's, and no device may have them$/ };
  for (const [base, length] of [
    [0, 1],
    [0x20, 2],
    [0x60, 8],
    [0xcc0, 0x40],
    [0xcf8, 8],
    [0xcff, 1],
    [0xfff, 1],
    [0xff0, 0x20],
    [0xadf0, 0x20],
    [0xae00, 0x18],
    [0xafe0, 4],
    [0xb13f, 1],
    [0, 0x10000],
  ] as const) {
    assert.throws(() => machine.grantPorts(base, length), board);
    assert.throws(() => machine.revokePorts(base, length), board);
  }
  assert.deepEqual(
    refusedBy(() => machine.kernel.in32(0xcf8)),
    [],
  );
});

test("ports: q35 has nothing of its own from 0x1000 on", () => {
  const q35 = new QemuMachine({ machine: "q35" });
  try {
    assert.deepEqual(q35.pciGrant, { ...machine.pciGrant, ioBase: 0x1000, ioEnd: 0x10000 });
    q35.grantPorts(0x1000, 0xf000);
    q35.revokePorts(0x1000, 0xf000);
    assert.throws(() => q35.grantPorts(0xcc0, 0x18), RangeError);
  } finally {
    q35.close();
  }
});

for (const board of ["pc", "q35"] as const) {
  test(`ports: what the shim knows of ${board} is what QEMU has there`, () => {
    const started = new QemuMachine({ machine: board });
    try {
      const map = started.qmp("human-monitor-command", { "command-line": "info mtree -f" });
      assert.ok(typeof map === "string");
      const view = map.split(/(?=^FlatView #)/m).find((text) => text.includes('AS "I/O"')) ?? "";
      const ranges = [...view.matchAll(/^ +([0-9a-f]{16})-([0-9a-f]{16}) \(prio \d+, i\/o\): (.+?)\r?$/gm)]
        .map(([, first = "", last = "", name = ""]) => ({ first: parseInt(first, 16), last: parseInt(last, 16), name }))
        .filter(({ last, name }) => last >= 0x1000 && !/^io( @|$)/.test(name));
      const known = BOARD_PORTS[board].fixed.map(({ base, length }) => [base, base + length - 1]);
      assert.ok(view.includes("pci-conf-idx"), map);
      assert.deepEqual(
        ranges.map(({ first, last }) => [first, last]),
        known,
      );
      const { ioBase, ioEnd } = started.pciGrant;
      assert.deepEqual(
        known.filter(([first = 0, last = 0]) => first < ioEnd && last >= ioBase),
        [],
      );
    } finally {
      started.close();
    }
  });
}

test("ports: the reset button among the configuration ports is out of reach", () => {
  const { kernel } = machine;
  const refused = refusedBy(() => {
    kernel.out8(0xcf9, 6);
    kernel.out16(0xcf8, 0x600);
    kernel.out32(0xcf9, 6);
  });
  assert.equal(refused.length, 3);
});

test("memory: every width arrives, also through the buffer", () => {
  const { kernel } = machine;
  const pointer = kernel.dma_alloc(2);
  assert.deepEqual([...machine.readBuffer(pointer, 8192)], new Array<number>(8192).fill(0));
  kernel.phys_write32(pointer, 0x84838281 | 0);
  assert.equal(kernel.phys_read32(pointer) >>> 0, 0x84838281);
  assert.equal(kernel.phys_read16(pointer + 2), 0x8483);
  assert.equal(kernel.phys_read8(pointer + 3), 0x84);
  kernel.phys_write8(pointer + 1, 0x17f);
  kernel.phys_write16(pointer + 6, 0xabcd);
  assert.deepEqual([...machine.readBuffer(pointer, 8)], [0x81, 0x7f, 0x83, 0x84, 0, 0, 0xcd, 0xab]);
  // Both bytes change, which QEMU has to do; then one of them, then none.
  for (const value of [0x00ff, 0x0100, 0x0101, 0x0101, 0xffff, 0]) {
    kernel.phys_write16(pointer + 4094, value);
    assert.equal(kernel.phys_read16(pointer + 4094), value);
  }
  const bytes = new Uint8Array(5000).map((_, index) => index * 7);
  machine.writeBuffer(pointer + 1, bytes);
  assert.deepEqual(machine.readBuffer(pointer + 1, 5000), bytes);
  kernel.dma_free(pointer, 2);
});

test("memory: QEMU sees what was written, at the address that was told", () => {
  const pointer = machine.kernel.dma_alloc(1);
  machine.kernel.phys_write32(pointer + 8, 0x1234abcd);
  const address = Number(machine.kernel.dma_address(pointer + 8));
  const shown = machine.qmp("human-monitor-command", { "command-line": `xp /1wx ${address}` });
  assert.match(JSON.stringify(shown), /0x1234abcd/);
  machine.kernel.dma_free(pointer, 1);
});

test("memory: only lent pages are translated and reached", () => {
  const { kernel } = machine;
  const pointer = kernel.dma_alloc(1);
  assert.equal(pointer % 4096, 0);
  assert.equal(kernel.dma_address(pointer + 4095), BigInt(pointer + 4095));
  kernel.phys_write32(pointer, 1);
  kernel.dma_free(pointer, 1);
  assert.equal(kernel.dma_address(pointer), NO_ADDRESS);
  assert.equal(kernel.dma_address(0), NO_ADDRESS);
  assert.equal(kernel.dma_address(-4096), NO_ADDRESS);
  const refused = refusedBy(() => {
    assert.equal(kernel.phys_read8(pointer), 0xff);
    assert.equal(kernel.phys_read16(0xf0000), 0xffff);
    assert.equal(kernel.phys_read32(-4) >>> 0, 0xffff_ffff);
    kernel.phys_write8(pointer, 7);
  });
  assert.deepEqual(
    refused.map(({ kind, address }) => [kind, address]),
    [
      ["memory read", pointer],
      ["memory read", 0xf0000],
      ["memory read", 0xffff_fffc],
      ["memory write", pointer],
    ],
  );
  const again = kernel.dma_alloc(1);
  assert.equal(again, pointer);
  assert.equal(kernel.phys_read32(again), 0, "cleared before it is lent again");
  assert.equal(refusedBy(() => kernel.phys_read32(again + 2)).length, 1, "not aligned");
  assert.throws(() => machine.readBuffer(again + 4000, 97), RangeError);
  assert.throws(() => machine.writeBuffer(again - 1, new Uint8Array(1)), RangeError);
  kernel.dma_free(again, 1);
});

test("memory: giving back what was not lent is refused; asking for too much answers 0", () => {
  const { kernel } = machine;
  const pointer = kernel.dma_alloc(3);
  const refused = refusedBy(() => {
    kernel.dma_free(pointer, 2);
    kernel.dma_free(pointer + 4096, 2);
    kernel.dma_free(pointer, 0);
    kernel.dma_free(pointer, 3);
    kernel.dma_free(pointer, 3);
  });
  assert.equal(refused.length, 4);
  assert.equal(kernel.dma_alloc(0), 0);
  assert.equal(kernel.dma_alloc(64 * 256), 0);
  assert.equal(kernel.dma_alloc(-1), 0);
  const buffer = machine.allocateBuffer(4097);
  assert.equal(machine.readBuffer(buffer, 8192).length, 8192);
  machine.freeBuffer(buffer);
  assert.throws(() => machine.freeBuffer(buffer), RangeError);
  assert.throws(() => machine.allocateBuffer(64 << 20), RangeError);
});

test("memory: the stack gives back only what it was lent itself, the application likewise", () => {
  const { kernel } = machine;
  const buffer = machine.allocateBuffer(4096);
  const pointer = kernel.dma_alloc(1);
  assert.deepEqual(
    refusedBy(() => kernel.dma_free(buffer, 1)),
    [{ kind: "page release", address: buffer, bytes: 4096, value: 0 }],
  );
  assert.throws(() => machine.freeBuffer(pointer), RangeError);
  assert.equal(machine.readBuffer(buffer, 4096).length, 4096);
  assert.equal(kernel.dma_address(pointer), BigInt(pointer));
  machine.freeBuffer(buffer);
  kernel.dma_free(pointer, 1);
});

test("memory: what is said of one byte is true of its page", () => {
  const { kernel } = machine;
  const pointer = kernel.dma_alloc(2);
  for (const byte of [0, 1, 4095, 4096, 8191]) {
    assert.equal(kernel.dma_address(pointer + byte), BigInt(pointer + byte));
  }
  kernel.dma_free(pointer, 2);
  for (const byte of [0, 4095, 4096]) assert.equal(kernel.dma_address(pointer + byte), NO_ADDRESS);
});

test("memory: pages come back into one piece, in whatever order they are given back", () => {
  const pages = new PageAllocator(0x100000, 0x110000);
  const loans = [1, 2, 3, 4, 6].map((count) => pages.lend(count));
  assert.equal(loans.includes(0), false);
  assert.equal(pages.lend(1), 0);
  for (const index of [1, 3, 0, 4, 2]) {
    assert.equal(pages.takeBack(loans[index] ?? 0), true);
  }
  assert.equal(pages.lend(16), 0x100000);
  assert.equal(pages.isLent(0x10ffff, 1), true);
  assert.equal(pages.isLent(0x10ffff, 2), false);
});

test("private memory: in linear memory, behind the module's own, aligned", () => {
  assert.throws(() => machine.reservePrivate(1), /setHeapBase/);
  machine.setHeapBase(1001);
  assert.equal(machine.reservePrivate(5), 1008);
  assert.equal(machine.reservePrivate(16), 1024);
  assert.equal(machine.reservePrivate(1), 1040);
  assert.throws(() => machine.reservePrivate(machine.memory.buffer.byteLength), RangeError);
});

test("time grows, messages are kept", () => {
  const { kernel } = machine;
  const start = kernel.now_ns();
  kernel.relax();
  assert.ok(kernel.now_ns() > start);
  kernel.log(1, -1, 2);
  assert.deepEqual(machine.log.at(-1), { message: 1, first: 0xffff_ffff, second: 2 });
});
