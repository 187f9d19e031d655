/** How hosts differ: in what their devices offer, in what they tolerate, and in where registers are. */
import type { MmioLayout } from "../mmio-slots.js";
import type { ModernLayout } from "../virtio/modern-layout.js";
import type { Transport } from "../virtio/transport.js";

/** How a host's block device differs. */
export interface BlockProfile {
  queueSize: number;
  /** Device feature bits offered, 0 to 23; the ring features are in `ringFeatures`. */
  features: number;
  /** Offered only with SIZE_MAX, bytes. */
  sizeMax: number;
  /** Offered only with SEG_MAX. */
  segMax: number;
  /** `written`: the bytes written to memory, status included. `one`: always 1. `zero`: always 0. */
  usedLength: "written" | "one" | "zero";
}

/** How a host's network card differs. */
export interface NetProfile {
  receiveQueueSize: number;
  transmitQueueSize: number;
  /** 0: there is no control queue. */
  controlQueueSize: number;
  /** Device feature bits offered, 0 to 23; the ring features are in `ringFeatures`. */
  features: number;
  /** What a transmitted frame's used element reports: nothing written, or the bytes sent. */
  transmitUsedLength: "zero" | "sent";
  /** What num_buffers holds without MRG_RXBUF, where that is not the 1 that the specification asks for. */
  numBuffersUnmerged?: number;
  /** Offered only with MTU, bytes. */
  mtu: number;
}

export interface Profile {
  readonly name: string;
  /** How devices are plugged in, unless they are told otherwise. */
  readonly transport: Transport;
  /** Feature bits 24 to 31 that every device offers. */
  readonly ringFeatures: number;
  /** Feature bits from 33 on that every device offers through its modern interface, beside VERSION_1. */
  readonly modernFeatures: number;
  /** Whether FEATURES_OK stays set, which no legacy device has to know. [virtio-1.2 §3.1.2] */
  readonly latchesFeaturesOk: boolean;
  /** Whether a register access of another width reads all ones and writes nothing, instead of being pieced together. */
  readonly strictWidths: boolean;
  /** Whether requests that are not framed as the specification says without ANY_LAYOUT stop the queue. */
  readonly hasStrictFraming: boolean;
  /** Selections of this queue number or a higher one are ignored. */
  readonly queueSelectLimit: number;
  /** Whether address 0 for a live queue resets the whole device. */
  readonly zeroAddressResets: boolean;
  /** Entries of the MSI-X table; 0: the devices have no MSI-X capability. */
  readonly messageVectors: number;
  /** False: devices interrupt by messages alone, and their ISR status stays 0. */
  readonly hasInterruptPin: boolean;
  /** Where modern PCI devices have their registers; QEMU's layout, or v86's for ports, where absent. */
  readonly modernLayout?: ModernLayout;
  /** Whether firmware puts 64-bit base addresses far above 4 GiB. */
  readonly usesHighMemory?: boolean;
  /** Whether each device is alone behind a PCI Express root port. */
  readonly hasRootPorts?: boolean;
  /** Where memory-mapped devices are. */
  readonly mmio?: MmioLayout;
  /** What there is besides virtio devices; a PC's usual functions where absent. */
  readonly layout?: "standard" | "bare" | "none";
  readonly block: BlockProfile;
  readonly net: NetProfile;
}
