/** A network card's private state: what the driver knows of its device, its queues and its receive buffers. */
import { NetStatistics } from "./abi";
import { Device } from "../../virtio/device";
import { Virtqueue } from "../../virtio/queue/virtqueue";
import { CONTROL_STATE_BYTES, ControlState } from "./control-state";
import { ETHERNET_HEADER_BYTES, RECEIVE_QUEUE, TRANSMIT_QUEUE, VLAN_TAG_BYTES } from "./wire";

/** Who may touch a receive buffer. */
export const enum Owner {
  /** Nobody: it waits to be posted. */
  DRIVER = 0,
  /** The device, which may write to it at any time. */
  DEVICE = 1,
  /** The caller, who reads a frame there and gives it back. */
  CALLER = 2,
}

/** What a caller waits to hear of transmission. */
export const enum TransmitWish {
  /** The ring was full: there is room. */
  ROOM = 1,
  /** All that was in flight has been sent. */
  ALL_SENT = 2,
}

/** A buffer that frames are received in. */
@unmanaged
export class ReceiveBuffer {
  /** Physical address of the first byte, where the packet header goes. */
  address: u64;
  pointer: u32;
  /** One of Owner. */
  owner: u32;
}

/** A buffer of the frame being put together. */
@unmanaged
export class FramePiece {
  buffer: u32;
  /** Bytes that the device wrote, packet header included. */
  length: u32;
}

/** A queue that the device fills with frames. */
@unmanaged
export class ReceiveQueue extends Virtqueue {
  /** Array of ReceiveBuffer. */
  buffers: u32;
  bufferCount: u32;
  bufferBytes: u32;
  /** Buffers in the caller's hands. */
  lent: u32;
  /** Buffers of frames that were dropped, which wait to be posted again. */
  dropped: u32;
  /** Array of FramePiece: buffers that the device has used for a frame that is not yet whole, or not yet fetched. */
  pieces: u32;
  pieceCount: u32;
  /** How many buffers that frame has; 1 and more also between frames. */
  piecesWanted: u32;
  /** Most buffers of a frame. */
  piecesMax: u32;
  /** What the caller is told of that frame's header once it is whole: all before csum_offset, in the order of the wire. */
  headerFields: u64;
  headerCsumOffset: u32;


  @inline
  buffer(index: u32): ReceiveBuffer {
    return changetype<ReceiveBuffer>(this.buffers + index * offsetof<ReceiveBuffer>());
  }


  @inline
  piece(index: u32): FramePiece {
    return changetype<FramePiece>(this.pieces + index * offsetof<FramePiece>());
  }
}

/** A queue of frames to send. */
@unmanaged
export class TransmitQueue extends Virtqueue {
  /** What the caller waits to hear of: bits of TransmitWish. */
  wishes: u32;
}

/** An open network card. */
@unmanaged
export class NetDevice extends Device {
  /** Six octets, the first lowest; 0 until it is known. */
  mac: u64;
  macIsGenerated: bool;
  linkUp: bool;
  /** Header and frame may share a descriptor. */
  anyLayout: bool;
  /** Received frames may span buffers. */
  mergeable: bool;
  /** What the device stated when its features were read, 0 for nothing that can be, and what holds. */
  mtuStated: u32;
  mtu: u32;
  /** Of the packet header. */
  headerBytes: u32;
  /** As the caller wished; 0: the default. */
  bufferCountWanted: u32;
  bufferBytesWanted: u32;
  debugWanted: bool;
  /** What is put aside for `net-debug.ts`, 0: nothing. */
  debug: u32;


  @inline
  get receiveQueue(): ReceiveQueue {
    return changetype<ReceiveQueue>(this.queueState(RECEIVE_QUEUE));
  }


  @inline
  get transmitQueue(): TransmitQueue {
    return changetype<TransmitQueue>(this.queueState(TRANSMIT_QUEUE));
  }

  // The counters follow this object: what is always at the same distance needs no pointer.

  @inline
  get statistics(): NetStatistics {
    return changetype<NetStatistics>(changetype<usize>(this) + STATISTICS_OFFSET);
  }

  /** What belongs to its control queue, and follows the counters. Not in a build with `WITHOUT_NET_CONTROL`. */
  get control(): ControlState {
    return changetype<ControlState>(changetype<usize>(this) + CONTROL_OFFSET);
  }

  /** Bytes of the largest frame, packet header not included. */
  @inline
  get frameBytesMax(): u32 {
    return this.mtu + (ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES);
  }
}

const STATISTICS_OFFSET: u32 = (offsetof<NetDevice>() + 7) & ~7;
const CONTROL_OFFSET: u32 = STATISTICS_OFFSET + offsetof<NetStatistics>();

/** Bytes of a card's state, with what follows it. */
export const NET_DEVICE_BYTES: u32 = isDefined(WITHOUT_NET_CONTROL)
  ? CONTROL_OFFSET
  : CONTROL_OFFSET + CONTROL_STATE_BYTES;
