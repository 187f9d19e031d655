/** Virtio-net as it goes over the wire: features, configuration, packet header. [virtio-1.2 §5.1] */
import { write16, write32, write64 } from "../../memory/shared";

/** Virtio device type. [virtio-1.2 §5] */
export const VIRTIO_ID_NET: u32 = 1;

// Queues of the first pair. [virtio-1.2 §5.1.2]
export const RECEIVE_QUEUE: u32 = 0;
export const TRANSMIT_QUEUE: u32 = 1;

// Feature bits. [virtio-1.2 §5.1.3]
export const VIRTIO_NET_F_CSUM: u64 = 1 << 0;
export const VIRTIO_NET_F_GUEST_CSUM: u64 = 1 << 1;
export const VIRTIO_NET_F_MTU: u64 = 1 << 3;
export const VIRTIO_NET_F_MAC: u64 = 1 << 5;
export const VIRTIO_NET_F_GUEST_TSO4: u64 = 1 << 7;
export const VIRTIO_NET_F_GUEST_TSO6: u64 = 1 << 8;
export const VIRTIO_NET_F_GUEST_ECN: u64 = 1 << 9;
export const VIRTIO_NET_F_GUEST_UFO: u64 = 1 << 10;
export const VIRTIO_NET_F_HOST_TSO4: u64 = 1 << 11;
export const VIRTIO_NET_F_HOST_TSO6: u64 = 1 << 12;
export const VIRTIO_NET_F_HOST_ECN: u64 = 1 << 13;
export const VIRTIO_NET_F_HOST_UFO: u64 = 1 << 14;
export const VIRTIO_NET_F_MRG_RXBUF: u64 = 1 << 15;
export const VIRTIO_NET_F_STATUS: u64 = 1 << 16;
/** Only devices with VERSION_1 have features above bit 31. */
export const VIRTIO_NET_F_HOST_USO: u64 = 1 << 56;

// Offsets in the device configuration. [virtio-1.2 §5.1.4]
export const MAC: u32 = 0;
export const STATUS: u32 = 6;
export const MTU: u32 = 10;
export const SPEED: u32 = 12;
export const DUPLEX: u32 = 16;

/** In the status field: there is a link. */
export const VIRTIO_NET_S_LINK_UP: u32 = 1;
/** In the status field: the driver is to announce itself. */
export const VIRTIO_NET_S_ANNOUNCE: u32 = 2;

/** Smallest MTU that a device may state. [virtio-1.2 §5.1.4.1] */
export const MTU_MIN: u32 = 68;
/** What holds where the device states none. */
export const MTU_DEFAULT: u32 = 1500;

/** Ethernet: two addresses and a type, and room for one VLAN tag. */
export const ETHERNET_HEADER_BYTES: u32 = 14;
export const VLAN_TAG_BYTES: u32 = 4;

/** Largest frame that a device is asked to segment, or hands over unsegmented: 64 KiB of IPv6 payload, and a VLAN tag. */
export const LARGE_FRAME_BYTES_MAX: u32 = 65535 + 40 + ETHERNET_HEADER_BYTES + VLAN_TAG_BYTES;

/** Smallest receive buffer without MRG_RXBUF. [virtio-1.2 §5.1.6.3.1] */
export const RECEIVE_BUFFER_BYTES_MIN: u32 = 1526;
/**
 * The same where frames come in unsegmented: 64 KiB of IPv6 payload behind the longer header. Version 1.2 says 65,562, and
 * forgets the header of IPv6.
 */
export const LARGE_RECEIVE_BUFFER_BYTES_MIN: u32 = 65601;

// Packet header, before every frame in both directions. [virtio-1.2 §5.1.6, §5.1.6.1]
//
//     0       1          2         4          6            8             10            12
//     ┌───────┬──────────┬─────────┬──────────┬────────────┬─────────────┬─────────────┐
//     │ flags │ gso_type │ hdr_len │ gso_size │ csum_start │ csum_offset │ num_buffers │
//     └───────┴──────────┴─────────┴──────────┴────────────┴─────────────┴─────────────┘
//                                                                  only with MRG_RXBUF
export const HEADER_CSUM_OFFSET: u32 = 8;
export const HEADER_NUM_BUFFERS: u32 = 10;

export const NET_HEADER_BYTES: u32 = 10;
export const NET_HEADER_BYTES_MERGEABLE: u32 = 12;

/** Writes the header of a frame that asks for no offloads, which is all zeros. */
@inline
export function clearHeader(header: u32, headerBytes: u32): void {
  writeHeader(header, headerBytes, 0, 0);
}

/** Writes a header, with what comes before csum_offset in one; num_buffers is 0 on transmission. */
@inline
export function writeHeader(header: u32, headerBytes: u32, fields: u64, csumOffset: u32): void {
  write64(header, fields);
  if (headerBytes == NET_HEADER_BYTES) write16(header + HEADER_CSUM_OFFSET, csumOffset);
  else write32(header + HEADER_CSUM_OFFSET, csumOffset);
}
