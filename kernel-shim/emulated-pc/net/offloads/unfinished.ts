/**
 * Frames whose checksum or segmentation is still to be done: what goes from a driver to its device, and from a device to
 * another whose driver takes them so. What is on a wire is always finished. [virtio-1.2 §5.1.6]
 */

export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
export const VIRTIO_NET_HDR_F_DATA_VALID = 2;

export const VIRTIO_NET_HDR_GSO_NONE = 0;
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
export const VIRTIO_NET_HDR_GSO_UDP = 3;
export const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
export const VIRTIO_NET_HDR_GSO_UDP_L4 = 5;
export const VIRTIO_NET_HDR_GSO_ECN = 0x80;

/** What is to be done, in the terms of the packet header. The checksum is to be filled in, with or without segmentation. */
export interface Todo {
  /** One of VIRTIO_NET_HDR_GSO_*, with or without ECN. */
  readonly gsoType: number;
  readonly hdrLen: number;
  /** Payload of each segment, bytes. */
  readonly gsoSize: number;
  /** Where the sum begins, from the frame's first byte. */
  readonly csumStart: number;
  /** Where the checksum goes, from `csumStart`. */
  readonly csumOffset: number;
}

/** A frame that is not for the wire yet. Its bytes hold the sum of the pseudo header where the checksum goes. */
export interface UnfinishedFrame {
  readonly bytes: Uint8Array;
  readonly todo: Todo;
}
