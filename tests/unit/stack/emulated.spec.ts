/** The stack on the emulated PC, whose devices record every rule that the driver breaks. */
import { Completion, PciBar, Segment } from "../../../assembly/abi/records";
import { BlockOperation, BlockRequest } from "../../../assembly/drivers/block/abi";
import { TransmitFrame } from "../../../assembly/drivers/net/abi";
import { Result } from "../../../assembly/abi/results";
import { block_open, block_poll, block_submit } from "../../../assembly/drivers/block/calls";
import { close, interrupt, reset } from "../../../assembly/drivers/calls";
import { net_open, net_receive, net_reclaim, net_transmit } from "../../../assembly/drivers/net/calls";
import { pci_bar } from "../../../assembly/pci/bar";
import { read32, write32 } from "../../../assembly/memory/shared";
import { forget_translations, initialize } from "../../../assembly/stack";
import { arenaAddress } from "../scripted/arena";
import { random, seedRandom } from "../scripted/random";
import {
  Completion as Order,
  machine_add_block,
  machine_add_net,
  machine_grant_ports,
  machine_lend_scattered,
  machine_messages,
  machine_start,
  machine_violations,
  machine_wait,
  Profile,
} from "../machine/machine";

const PROFILES: u32 = 5;
const SECTORS: u32 = 512;
/** Requests of one batch, and sectors of each. */
const BATCH: u32 = 16;
const REQUEST_SECTORS: u32 = 16;
const REQUEST_BYTES: u32 = REQUEST_SECTORS * 512;

const bar: u32 = <u32>memory.data(24, 8);
const requests: u32 = <u32>memory.data(16 * 32, 8);
const frames: u32 = <u32>memory.data(32, 8);
const segments: u32 = <u32>memory.data(16 * 8, 8);
const completions: u32 = <u32>memory.data(64 * 24, 8);

/** Grants a device's ports to the stack, as a kernel does before it opens the device. */
function grant(address: u32): u32 {
  assert(pci_bar(address, 0, bar) == 0);
  const ports = changetype<PciBar>(bar);
  machine_grant_ports(<u32>ports.base, <u32>ports.size);
  return address;
}

/** Transfers the whole disk in batches of requests; returns how many completed with OK. */
function transfer(handle: u32, operation: u32, buffer: u32): u32 {
  let done: u32 = 0;
  let submitted: u32 = 0;
  for (let turn = 0; turn < 10_000 && done < SECTORS / REQUEST_SECTORS; turn++) {
    const count = min(BATCH, SECTORS / REQUEST_SECTORS - submitted);
    for (let index: u32 = 0; index < count; index++) {
      const segment = changetype<Segment>(segments + index * offsetof<Segment>());
      segment.pointer = buffer + (submitted + index) * REQUEST_BYTES;
      segment.length = REQUEST_BYTES;
      const request = changetype<BlockRequest>(requests + index * offsetof<BlockRequest>());
      request.token = submitted + index;
      request.operation = <u8>operation;
      request.sector = (submitted + index) * REQUEST_SECTORS;
      request.segments = changetype<u32>(segment);
      request.segment_count = 1;
    }
    submitted += <u32>max(block_submit(handle, requests, count), 0);
    machine_wait(10);
    interrupt(handle);
    const taken = block_poll(handle, completions, 64);
    for (let index = 0; index < taken; index++) {
      const completion = changetype<Completion>(completions + index * offsetof<Completion>());
      if (completion.result == Result.OK && completion.length == REQUEST_BYTES) done++;
    }
  }
  return done;
}

describe("the stack on the emulated PC", () => {
  beforeAll(() => {
    assert(initialize(arenaAddress, 2 * 1024 * 1024) == 0);
  });

  it("writes and reads a whole disk in every profile, out of order, in pages that lie apart", () => {
    for (let profile: u32 = Profile.QEMU; profile < PROFILES; profile++) {
      for (let order: u32 = Order.IMMEDIATE; order <= <u32>Order.SHUFFLED; order++) {
        machine_start(profile, order, 7 + order);
        forget_translations();
        const handle = block_open(grant(machine_add_block(SECTORS, 0)), 0);
        expect(handle).toBeGreaterThan(0);
        const source = machine_lend_scattered(SECTORS * 512);
        const target = machine_lend_scattered(SECTORS * 512);
        seedRandom(profile * 10 + order);
        for (let offset: u32 = 0; offset < SECTORS * 512; offset += 64) write32(source + offset, random(0xffff_ffff));
        expect(transfer(handle, BlockOperation.WRITE, source)).toBe(SECTORS / REQUEST_SECTORS);
        expect(transfer(handle, BlockOperation.READ, target)).toBe(SECTORS / REQUEST_SECTORS);
        let wrong: u32 = 0;
        for (let offset: u32 = 0; offset < SECTORS * 512; offset += 64) {
          if (read32(source + offset) != read32(target + offset)) wrong++;
        }
        expect(wrong).toBe(0);
        expect(close(handle)).toBe(0);
        expect(machine_violations()).toBe(0);
        expect(machine_messages()).toBe(0);
      }
    }
  });

  it("sends frames, is reset and closed, in every profile", () => {
    for (let profile: u32 = Profile.QEMU; profile < PROFILES; profile++) {
      machine_start(profile, Order.DEFERRED, 3);
      forget_translations();
      const address = grant(machine_add_net());
      const handle = net_open(address, 0);
      expect(handle).toBeGreaterThan(0);
      const segment = changetype<Segment>(segments);
      segment.pointer = machine_lend_scattered(8192) + 4066;
      segment.length = 60;
      const frame = changetype<TransmitFrame>(frames);
      frame.segments = segments;
      frame.segment_count = 1;
      frame.header_room = 66;
      for (let count = 0; count < 2; count++) {
        net_transmit(handle, frames, 1);
        expect(frame.result).toBe(Result.OK);
      }
      let taken: i32 = 0;
      for (let turn = 0; turn < 1000 && taken < 2; turn++) {
        machine_wait(1);
        taken += net_reclaim(handle, completions, 64);
      }
      expect(taken).toBe(2);
      expect(net_receive(handle, completions, 64)).toBe(0);
      expect(net_transmit(handle, frames, 1)).toBe(1);
      expect(reset(handle)).toBe(Result.OK);
      expect(net_reclaim(handle, completions, 64)).toBe(1, "the frame under way");
      expect(changetype<Completion>(completions).result).toBe(Result.E_RESET);
      expect(net_transmit(handle, frames, 1)).toBe(1);
      expect(close(handle)).toBe(1);
      expect(net_reclaim(handle, completions, 64)).toBe(1);
      const again = net_open(address, 0);
      expect(again).toBeGreaterThan(0);
      expect(close(again)).toBe(0);
      expect(machine_violations()).toBe(0);
      expect(machine_messages()).toBe(0);
    }
  });
});
