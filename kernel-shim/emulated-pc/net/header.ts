/**
 * `struct virtio_net_hdr` in front of every frame; the two bytes of num_buffers are there with MRG_RXBUF or VERSION_1.
 * [virtio-1.2 §5.1.6, §5.1.6.1]
 */
import { VIRTIO_F_VERSION_1 } from "../virtio/constants.js";
import type { Rule } from "../violations.js";
import * as features from "./features.js";
import * as rules from "./rules.js";

const HEADER_BYTES = 10;
const HEADER_BYTES_WITH_NUM_BUFFERS = 12;

const FLAGS_OFFSET = 0;
const GSO_TYPE_OFFSET = 1;
const HDR_LEN_OFFSET = 2;
const GSO_SIZE_OFFSET = 4;
/** csum_start, with csum_offset behind it. */
const CSUM_START_OFFSET = 6;
const NUM_BUFFERS_OFFSET = 10;

const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
const VIRTIO_NET_HDR_GSO_NONE = 0;
const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
const VIRTIO_NET_HDR_GSO_UDP = 3;
const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
const VIRTIO_NET_HDR_GSO_ECN = 0x80;

/** Which feature lets a driver ask for which segmentation. */
const SEGMENTATION_FEATURES = new Map([
  [VIRTIO_NET_HDR_GSO_TCPV4, features.VIRTIO_NET_F_HOST_TSO4],
  [VIRTIO_NET_HDR_GSO_TCPV6, features.VIRTIO_NET_F_HOST_TSO6],
  [VIRTIO_NET_HDR_GSO_UDP, features.VIRTIO_NET_F_HOST_UFO],
]);

export type HasFeature = (feature: number) => boolean;

export function headerBytes(hasNegotiated: HasFeature): number {
  return hasNegotiated(features.VIRTIO_NET_F_MRG_RXBUF + VIRTIO_F_VERSION_1)
    ? HEADER_BYTES_WITH_NUM_BUFFERS
    : HEADER_BYTES;
}

/** The rules that the header of a transmitted frame breaks. [virtio-1.2 §5.1.6.2.1] */
export function brokenRules(header: Uint8Array, hasNegotiated: HasFeature): Rule[] {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const flags = view.getUint8(FLAGS_OFFSET);
  const needsChecksum = (flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0;
  const gsoType = view.getUint8(GSO_TYPE_OFFSET);
  const broken: Rule[] = [];

  const allowedFlags = hasNegotiated(features.VIRTIO_NET_F_CSUM) ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;
  if ((flags & ~allowedFlags) !== 0) broken.push(rules.TRANSMIT_FLAGS);
  if (gsoType !== VIRTIO_NET_HDR_GSO_NONE) {
    const feature = SEGMENTATION_FEATURES.get(gsoType & ~VIRTIO_NET_HDR_GSO_ECN);
    const isNegotiated = feature !== undefined && hasNegotiated(feature);
    const ecnIsNegotiated = (gsoType & VIRTIO_NET_HDR_GSO_ECN) === 0 || hasNegotiated(features.VIRTIO_NET_F_HOST_ECN);
    if (!isNegotiated || !ecnIsNegotiated || !needsChecksum) broken.push(rules.TRANSMIT_GSO);
  }
  const strayChecksum = !needsChecksum && view.getUint32(CSUM_START_OFFSET) !== 0;
  // A driver that can segment may state the header's length in every frame. [virtio-1.2 §5.1.6.2.1]
  const statesHeaderLength = needsChecksum || [...SEGMENTATION_FEATURES.values()].some(hasNegotiated);
  const straySegmentation =
    gsoType === VIRTIO_NET_HDR_GSO_NONE &&
    (view.getUint16(GSO_SIZE_OFFSET) !== 0 || (!statesHeaderLength && view.getUint16(HDR_LEN_OFFSET) !== 0));
  if (strayChecksum || straySegmentation) broken.push(rules.TRANSMIT_UNUSED_FIELDS);
  if (header.length > NUM_BUFFERS_OFFSET && view.getUint16(NUM_BUFFERS_OFFSET) !== 0) {
    broken.push(rules.TRANSMIT_NUM_BUFFERS);
  }
  return broken;
}

/** Whether a frame needs work that the device leaves undone: a checksum filled in, or segmentation. */
export function asksForOffload(header: Uint8Array): boolean {
  return header[FLAGS_OFFSET] !== 0 || header[GSO_TYPE_OFFSET] !== VIRTIO_NET_HDR_GSO_NONE;
}

/** The header of a received frame: nothing offloaded; num_buffers where there is room for it. [virtio-1.2 §5.1.6.4] */
export function receiveHeader(bytes: number, numBuffers: number): Uint8Array {
  const header = new Uint8Array(bytes);
  if (bytes > NUM_BUFFERS_OFFSET) new DataView(header.buffer).setUint16(NUM_BUFFERS_OFFSET, numBuffers, true);
  return header;
}
