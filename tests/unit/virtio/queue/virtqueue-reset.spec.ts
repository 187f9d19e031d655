/** What becomes of chains in flight when the device is reset. */
import { Result } from "../../../../assembly/abi/results";
import { DeviceState } from "../../../../assembly/virtio/device";
import { VIRTIO_F_EVENT_IDX, VIRTIO_F_INDIRECT_DESC } from "../../../../assembly/virtio/features";
import { device_set_queue_page } from "../../scripted/script";
import { addChain, device, fill, newQueue, queue, QUEUE, registers, ring, room, takeChain } from "./queue";

/** Adds, publishes, completes and takes `count` chains of one buffer, so that all indices move on. */
function turn(count: u32): void {
  for (let done: u32 = 0; done < count; done++) {
    addChain(done, 1, 0);
    queue.kick();
    ring.completeAll();
    queue.waiting();
    takeChain();
  }
}

/** Three chains in flight, one completed and not taken. */
function interrupted(features: u64): void {
  newQueue(8, features, 4);
  turn(3);
  addChain(11, 1, 1);
  addChain(12, 2, 0);
  addChain(13, 0, 1);
  queue.kick();
  ring.complete(ring.take(), 16);
  // The device was reset.
  device_set_queue_page(registers, QUEUE, 0);
}

/** Sum of the tokens drained; checks each. */
function drain(): u64 {
  let sum: u64 = 0;
  for (let pending = queue.waiting(); pending != 0; pending--) {
    expect(queue.waiting()).toBe(pending);
    expect(room()).toBe(0);
    expect(queue.draining).toBe(true);
    const head = queue.drain();
    expect(queue.writtenInto(head)).toBe(0);
    sum = sum * 100 + (queue.state(head).token - 10);
  }
  return sum;
}

describe("a reset", () => {
  it("gives every chain in flight back once, and then the whole queue", () => {
    for (let indirect: u32 = 0; indirect < 2; indirect++) {
      interrupted(indirect ? VIRTIO_F_INDIRECT_DESC : 0);
      expect(queue.activate()).toBe(Result.OK);
      const sum = drain();
      expect(sum == 10203 || sum == 10302 || sum == 20103 || sum == 20301 || sum == 30102 || sum == 30201).toBe(true);
      expect(queue.draining).toBe(false);
      expect(queue.waiting()).toBe(0);
      expect(fill().length).toBe(8);
    }
  });

  it("starts all indices at 0", () => {
    interrupted(0);
    queue.activate();
    drain();
    ring.taken = 0;
    ring.usedIndex = 0;
    expect(ring.availableIndex).toBe(0);
    const head = addChain(1, 1, 0);
    queue.kick();
    expect(ring.availableIndex).toBe(1);
    expect(ring.head(0)).toBe(head);
    ring.complete(head, 0);
    expect(queue.waiting()).toBe(1);
    expect(takeChain()).toBe(head);
  });

  it("makes interrupts needless until all is drained", () => {
    interrupted(VIRTIO_F_EVENT_IDX);
    queue.activate();
    expect(queue.enableCallbacks(0)).toBe(true);
    expect(queue.enableCallbacks(100)).toBe(true);
    drain();
    expect(queue.enableCallbacks(0)).toBe(false);
  });

  it("that comes while the one before is being drained loses nothing", () => {
    interrupted(0);
    queue.activate();
    queue.waiting();
    const first = queue.state(queue.drain()).token;
    device_set_queue_page(registers, QUEUE, 0);
    expect(queue.activate()).toBe(Result.OK);
    expect(queue.waiting()).toBe(2);
    const second = queue.state(queue.drain()).token;
    expect(first + second + queue.state(queue.drain()).token).toBe(36);
    expect(queue.waiting()).toBe(0);
    expect(fill().length).toBe(8);
  });

  it("can be drained without the device, and in spite of what it left in the ring", () => {
    interrupted(0);
    ring.setUsedIndex(0x5555);
    queue.stop();
    const sum = drain();
    expect(sum).not.toBe(0);
    expect(device.state).toBe(DeviceState.RUNNING);
  });

  it("of a queue without chains in flight leaves nothing to drain", () => {
    newQueue(8, 0);
    turn(3);
    queue.stop();
    expect(queue.draining).toBe(false);
    device_set_queue_page(registers, QUEUE, 0);
    queue.activate();
    expect(room()).toBe(8);
  });

  it("after which the driver wants nothing back drops what was in flight", () => {
    interrupted(0);
    queue.forget();
    expect(queue.activate()).toBe(Result.OK);
    expect(queue.waiting()).toBe(0);
    expect(fill().length).toBe(8);
  });
});
