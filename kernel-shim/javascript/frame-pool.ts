/** Device-reachable memory for frames that are sent by copy, with room for the virtio-net header before each. */

import type { Machine } from "../machine.js";

/** Bytes before the frame, enough for either header, and such that frames start at a multiple of 16. */
const HEADER_ROOM = 16;
/** Ethernet header and VLAN tag, which the MTU does not count. */
const LINK_HEADER_BYTES = 18;
const POOL_BYTES = 256 * 1024;
const MOST_FRAMES = 128;
const FEWEST_FRAMES = 2;
const ALIGNMENT = 64;

export class FramePool {
  readonly headerRoom = HEADER_ROOM;
  /** Longest frame that fits. */
  readonly frameBytes: number;
  /** What the frames lie in, a buffer of the machine's; to be freed when no frame is under way any more. */
  readonly memory: number;
  private readonly free: number[] = [];

  constructor(machine: Machine, mtu: number) {
    const slotBytes = Math.ceil((HEADER_ROOM + LINK_HEADER_BYTES + mtu) / ALIGNMENT) * ALIGNMENT;
    const count = Math.min(MOST_FRAMES, Math.max(FEWEST_FRAMES, Math.floor(POOL_BYTES / slotBytes)));
    this.frameBytes = slotBytes - HEADER_ROOM;
    this.memory = machine.allocateBuffer(count * slotBytes);
    for (let index = count - 1; index >= 0; index--) {
      this.free.push(this.memory + index * slotBytes + HEADER_ROOM);
    }
  }

  /** Where a frame may be put; `undefined` when all are under way. */
  take(): number | undefined {
    return this.free.pop();
  }

  give(pointer: number): void {
    this.free.push(pointer);
  }
}
