/**
 * The numbers that cross the module's boundary: result codes, messages, event and interrupt bits.
 *
 * The TypeScript bindings and the C header are generated from this file, comments included.
 */

/** What a call or a request came to. Calls return these, or a count or handle of 0 and above. */
export const enum Result {
  /** Done. */
  OK = 0,
  /** The handle names no open device, or one of another kind. */
  E_HANDLE = -1,
  /** A pointer, count or option is outside what its description allows. */
  E_ARGUMENT = -2,
  /** `initialize` was not called, or was called twice. */
  E_INITIALIZE = -3,
  /** The private memory given to `initialize` is used up. */
  E_MEMORY = -4,
  /**
   * The kernel's `dma_alloc` gave nothing, or something else than was asked for: pages that are not whole, not contiguous,
   * not within linear memory, over the stack's own, or where devices cannot reach them.
   */
  E_DMA_MEMORY = -5,
  /** No PCI function answers at that address, or the MMIO slot is empty. */
  E_NOT_FOUND = -6,
  /** What is there is no virtio device of the kind asked for, or has none of the transports that are wanted and built in. */
  E_NOT_VIRTIO = -7,
  /**
   * The BAR with the device's registers is missing, too small, has no address, or lies over the configuration ports or
   * the registers of another open device; or the kernel does not grant it. From `reset`: it is not where it was.
   */
  E_BAR = -8,
  /** The device is open already, or there is no room for one more open device. */
  E_IN_USE = -9,
  /** The device's status did not return to 0 after a reset. */
  E_RESET_TIMEOUT = -10,
  /** The device does not offer a feature that the driver needs, or refused the accepted set. */
  E_FEATURES = -11,
  /** A queue's size is 0, no power of two, too small for the driver, or has changed since the device was opened. */
  E_QUEUE_SIZE = -12,
  /** A queue is live before the driver configured it. */
  E_QUEUE_LIVE = -13,
  /** The device's configuration makes no sense, or never stands still long enough to be read. */
  E_CONFIGURATION = -14,
  /** The device broke the rules: nothing is accepted until `reset`. */
  E_BROKEN = -15,
  /** There is no room at the moment. Take completions, then try again. */
  E_FULL = -16,
  /** The request was in flight when the device was reset or closed. Whether it took effect is unknown. */
  E_RESET = -17,
  /** The device reports an input or output error. */
  E_IO = -18,
  /** The operation needs a feature that was not negotiated, or the device does not know it. */
  E_UNSUPPORTED = -19,
  /** The device completed the request with a status that does not exist. */
  E_DEVICE_STATUS = -20,
  /** The sectors are not within the disk's capacity, or the field not within the device's configuration. */
  E_RANGE = -21,
  /** The length is no multiple of the disk's block size, or the sector does not start a block. */
  E_ALIGNMENT = -22,
  /** The disk is read-only. */
  E_READ_ONLY = -23,
  /**
   * There are no segments or the wrong number of them, an empty one, or more or smaller ones than this device can ever
   * be given.
   */
  E_SEGMENTS = -24,
  /** A byte of a buffer is in memory that the kernel does not lend to devices. */
  E_ADDRESS = -25,
  /**
   * The frame is shorter than an Ethernet header (14 bytes), or longer than MTU + 18: the header and a VLAN tag; or, if it
   * is to be segmented, longer than 65,593.
   */
  E_FRAME_SIZE = -26,
  /** The receive buffer given back is not in the caller's hands. */
  E_BUFFER = -27,
  /** The ranges given to `pci_assign` are too small for the BARs and buses of this machine. */
  E_NO_SPACE = -28,
  /** The device was removed: nothing answers in its place, or something else does. `reset` looks for it again. */
  E_GONE = -29,
  /** The device is suspended: nothing is accepted until `resume`. */
  E_SUSPENDED = -30,
  /** The device answered that it does not do this. Nothing has changed. */
  E_REFUSED = -31,
  /** The device did not finish in the time that the caller gave it. */
  E_TIMEOUT = -32,
}

/** How a device's registers are reached. */
export const enum Transport {
  /** Not at all yet, or no more. */
  NONE = 0,
  LEGACY_PCI = 1,
  /** Modern PCI: a BAR of ports. */
  MODERN_PCI_PORTS = 2,
  /** Modern PCI: a BAR of memory. */
  MODERN_PCI_MEMORY = 3,
  /** Modern PCI: its configuration space alone, which is slow. */
  MODERN_PCI_WINDOW = 4,
  /** Memory-mapped, version 1: legacy. */
  MMIO_1 = 5,
  /** Memory-mapped, version 2. */
  MMIO_2 = 6,
}

/** Which transports an open call may use. */
export const enum TransportWanted {
  /** Modern PCI where a BAR leads to it, otherwise legacy PCI, otherwise modern PCI by configuration space. */
  PCI = 0,
  LEGACY_PCI = 1,
  MODERN_PCI = 2,
  /** Memory-mapped, at the address that the options name. */
  MMIO = 3,
}

/** What `log` reports. */
export const enum Message {
  /** first: device handle, second: queue. The device completed a descriptor that is not an outstanding head. */
  BAD_USED_ID = 1,
  /** first: device handle, second: queue. The device's used index moved further than there are requests. */
  BAD_USED_INDEX = 2,
  /** first: device handle, second: num_buffers. A received frame claims an impossible number of buffers. */
  BAD_BUFFER_COUNT = 3,
  /** first: PCI address, second: the negative result. Opening or resetting the device failed. */
  DEVICE_FAILED = 4,
  /** first: PCI address, second: the status read last. The device does not reset. */
  DEVICE_STUCK = 5,
  /** first: device handle, second: queue. The device did not complete a request within the time it was given. */
  TIMED_OUT = 6,
  /** first: device handle, second: PCI address. The device was removed: nothing answers, or something else does. */
  DEVICE_GONE = 7,
  /** first: device handle, second: its status. The device found an error from which only a reset helps. */
  NEEDS_RESET = 8,
}

/** Bits of `events`. Reading them clears them. */
export const enum Event {
  /**
   * The configuration of a card that reports its link changed: it went down, came up, or both since the last look.
   * `net_information` says what holds now.
   */
  LINK = 1,
  /** The capacity changed; `block_information` has the new one. */
  CAPACITY = 2,
  /** After an E_FULL: completions can be taken, and there will be room. */
  ROOM = 4,
  /** The device broke the rules; only `reset` or `close` help. */
  BROKEN = 8,
  /** The device was removed, or something else is in its place: it takes no work. `reset` finds out whether it is back. */
  GONE = 16,
  /** The configuration of a device changed that was opened with `generic_open`. */
  CONFIGURATION = 32,
  /**
   * The card is somewhere else in the network now: send a frame that says so, such as a gratuitous ARP, then call
   * `net_acknowledge_announcement`.
   */
  ANNOUNCE = 64,
  /**
   * After `reset` or `resume`, the device refused some of what was set before: of a card, what its control queue sets; of a
   * disk, the mode of its cache. Of that, what holds is as after an opening.
   */
  SETTINGS = 128,
}

/** Bits that `interrupt` returns. 0: the interrupt was another device's. */
export const enum Interrupt {
  /** The device used buffers: poll. */
  QUEUE = 1,
  /** The configuration changed: look at `events`. */
  CONFIGURATION = 2,
}
