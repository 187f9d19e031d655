/**
 * Checksum and segmentation offloads: which features of theirs are accepted, what a frame may ask the device for, and what
 * is believed of a received header. A build leaves them out with `WITHOUT_NET_OFFLOADS`.
 * [virtio-1.2 §5.1.3.1, §5.1.6.2, §5.1.6.4]
 *
 * All header fields before csum_offset travel as one number, `fields`, as records and headers have them side by side:
 *
 *     0       8          16        32         48           64
 *     │ flags │ gso_type │ hdr_len │ gso_size │ csum_start │
 */
import { Segment } from "../../abi/records";
import { Result } from "../../abi/results";
import { PAGE_BYTES, PAGE_SHIFT, read16, read64 } from "../../memory/shared";
import { VIRTIO_F_INDIRECT_DESC } from "../../virtio/features";
import { NetHeaderFlag, NetSegmentation, TransmitFrame } from "./abi";
import { NetDevice, ReceiveQueue, TransmitQueue } from "./device";
import {
  HEADER_CSUM_OFFSET,
  LARGE_FRAME_BYTES_MAX,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_UFO,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_UFO,
  VIRTIO_NET_F_HOST_USO,
} from "./wire";

/** What makes the device cut frames, apart from ECN. */
const SEGMENTATION: u64 =
  VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_UFO | VIRTIO_NET_F_HOST_USO;
/** What lets frames in that are larger than the MTU allows. */
const LARGE_RECEIVE: u64 = VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_UFO;

/** What changes received frames, for callers that ask for it. */
export const RECEIVE_OFFLOADS: u64 = VIRTIO_NET_F_GUEST_CSUM | LARGE_RECEIVE | VIRTIO_NET_F_GUEST_ECN;
/** All that a build with offloads can accept beside what the others can. */
export const OFFLOADS: u64 =
  VIRTIO_NET_F_CSUM | SEGMENTATION | VIRTIO_NET_F_HOST_ECN | RECEIVE_OFFLOADS | VIRTIO_F_INDIRECT_DESC;

/** GUEST_TSO4 to GUEST_UFO are so many bits below HOST_TSO4 to HOST_UFO. */
const GUEST_BELOW_HOST: u64 = 4;

/**
 * Descriptors of an indirect table: 64 KiB in pages that are all apart, or in buffers of 2 KiB, with headers before it.
 * Frames in more pieces go into the ring.
 */
const TABLE_ENTRIES: u32 = 36;

/** Features that may be accepted without those that lack another one. [virtio-1.2 §5.1.3.1] */
export function withoutOrphans(device: NetDevice, features: u64): u64 {
  if (!(device.featuresOffered & features & VIRTIO_NET_F_CSUM)) features &= ~SEGMENTATION;
  if (!(device.featuresOffered & features & VIRTIO_NET_F_GUEST_CSUM)) features &= ~LARGE_RECEIVE;
  const offered = device.featuresOffered & features;
  if (!(offered & (VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6))) features &= ~VIRTIO_NET_F_HOST_ECN;
  if (!(offered & (VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6))) features &= ~VIRTIO_NET_F_GUEST_ECN;
  // Only frames to be cut go into tables.
  return offered & SEGMENTATION ? features : features & ~VIRTIO_F_INDIRECT_DESC;
}

// ── frames to send ───────────────────────────────────────────────────────────────────────────────────────────────

/** Descriptors of the transmit queue's tables, 0 where no frame needs one. */
export function tableEntries(device: NetDevice): u32 {
  return device.accepted(SEGMENTATION) ? TABLE_ENTRIES : 0;
}

/** The fields of a frame that say what the device shall do, all but csum_offset. */
@inline
export function fieldsOf(frame: TransmitFrame): u64 {
  return load<u64>(changetype<usize>(frame), offsetof<TransmitFrame>("flags"));
}


@inline
function gsoTypeOf(fields: u64): u32 {
  return ((<u32>fields) >> 8) & 0xff;
}


@inline
function hdrLenOf(fields: u64): u32 {
  return (<u32>fields) >> 16;
}


@inline
function gsoSizeOf(fields: u64): u32 {
  return (<u32>(fields >> 32)) & 0xffff;
}


@inline
function csumStartOf(fields: u64): u32 {
  return <u32>(fields >> 48);
}

/** Bytes of the largest frame that such fields can go with. */
export function bytesMaxOf(device: NetDevice, fields: u64): u32 {
  return gsoTypeOf(fields) == NetSegmentation.NONE ? device.frameBytesMax : LARGE_FRAME_BYTES_MAX;
}

/** The features that a segmentation takes, all of them; 0 where there is no such segmentation. */
function hostFeatures(gsoType: u32): u64 {
  switch (gsoType) {
    case NetSegmentation.TCPV4:
      return VIRTIO_NET_F_HOST_TSO4;
    case NetSegmentation.TCPV4 | NetSegmentation.ECN:
      return VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_ECN;
    case NetSegmentation.TCPV6:
      return VIRTIO_NET_F_HOST_TSO6;
    case NetSegmentation.TCPV6 | NetSegmentation.ECN:
      return VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN;
    case NetSegmentation.UDP:
      return VIRTIO_NET_F_HOST_UFO;
    case NetSegmentation.UDP_L4:
      return VIRTIO_NET_F_HOST_USO;
    default:
      return 0;
  }
}

/** Whether all of some features were accepted, and there are some. */
@inline
function acceptedAll(device: NetDevice, features: u64): bool {
  return features != 0 && (device.featuresAccepted & features) == features;
}

/** Whether the two bytes of the checksum lie within a frame of so many bytes. */
@inline
function checksumFits(fields: u64, csumOffset: u32, bytes: u32): bool {
  return csumStartOf(fields) + csumOffset + 2 <= bytes;
}

/**
 * Whether a frame of so many bytes may ask for that. [virtio-1.2 §5.1.6.2.1]
 *
 * @returns OK; E_UNSUPPORTED where a feature is missing; E_ARGUMENT where the fields contradict each other or the frame
 */
export function offloadResult(device: NetDevice, fields: u64, csumOffset: u32, bytes: u32): i32 {
  if ((fields | csumOffset) == 0) return Result.OK;
  const flags = (<u32>fields) & 0xff;
  const gsoType = gsoTypeOf(fields);
  if (!device.accepted(VIRTIO_NET_F_CSUM) || flags & ~NetHeaderFlag.NEEDS_CSUM) return Result.E_UNSUPPORTED;
  const isSegmented = gsoType != NetSegmentation.NONE;
  if (isSegmented && !acceptedAll(device, hostFeatures(gsoType))) return Result.E_UNSUPPORTED;
  if (flags == 0 || !checksumFits(fields, csumOffset, bytes)) return Result.E_ARGUMENT;
  if (hdrLenOf(fields) > bytes || isSegmented != (gsoSizeOf(fields) != 0)) return Result.E_ARGUMENT;
  return Result.OK;
}

/**
 * Whether a frame goes into an indirect table, header included: one to be cut, which is worth it, and in so few pieces,
 * however its pages lie.
 */
export function goesIntoTable(queue: TransmitQueue, fields: u64, segments: u32, count: u32): bool {
  if (gsoTypeOf(fields) == NetSegmentation.NONE) return false;
  let pieces: u64 = 1;
  for (let index: u32 = 0; index < count; index++) {
    const segment = changetype<Segment>(segments + index * offsetof<Segment>());
    pieces += (((<u64>segment.pointer) & (PAGE_BYTES - 1)) + segment.length + (PAGE_BYTES - 1)) >> PAGE_SHIFT;
  }
  return pieces <= queue.tableEntries;
}

// ── received frames ──────────────────────────────────────────────────────────────────────────────────────────────

/** Whether received headers say anything. */
@inline
export function headersMatter(device: NetDevice): bool {
  return device.accepted(VIRTIO_NET_F_GUEST_CSUM);
}

/** Whether frames may come in that no segment of the MTU holds. */
export function receivesLarge(device: NetDevice): bool {
  return device.accepted(LARGE_RECEIVE);
}

/**
 * Reads the header of a received frame of so many bytes, and notes in the queue what the caller is told of it: what was
 * negotiated, and nothing that does not fit the frame. [virtio-1.2 §5.1.6.4.2]
 *
 * @param header pointer to it; the device can still write it
 * @returns false when a part of it that the frame cannot be understood without makes no sense
 */
export function headerMakesSense(device: NetDevice, queue: ReceiveQueue, header: u32, bytes: u32): bool {
  queue.headerFields = 0;
  queue.headerCsumOffset = 0;
  if (!headersMatter(device)) return true;
  const fields = read64(header);
  let told = fields & (NetHeaderFlag.NEEDS_CSUM | NetHeaderFlag.DATA_VALID);
  if (told & NetHeaderFlag.NEEDS_CSUM) {
    const csumOffset = read16(header + HEADER_CSUM_OFFSET);
    if (!checksumFits(fields, csumOffset, bytes)) return false;
    queue.headerCsumOffset = csumOffset;
    told |= fields & 0xffff_0000_0000_0000;
  }
  const gsoType = gsoTypeOf(fields);
  if (gsoType != NetSegmentation.NONE) {
    // Only frames to send are cut into datagrams: below HOST_USO is a feature of another kind.
    if (gsoType == NetSegmentation.UDP_L4 || gsoSizeOf(fields) == 0) return false;
    if (!acceptedAll(device, hostFeatures(gsoType) >> GUEST_BELOW_HOST)) return false;
    told |= fields & (hdrLenOf(fields) <= bytes ? 0xffff_ffff_ff00 : 0xffff_0000_ff00);
  }
  queue.headerFields = told;
  return true;
}
