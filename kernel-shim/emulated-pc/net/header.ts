/**
 * `struct virtio_net_hdr` in front of every frame; the two bytes of num_buffers are there with MRG_RXBUF or VERSION_1.
 * [virtio-1.2 §5.1.6, §5.1.6.1]
 */
import { VIRTIO_F_VERSION_1 } from "../virtio/constants.js";
import type { Rule } from "../violations.js";
import * as features from "./features.js";
import {
  VIRTIO_NET_HDR_F_DATA_VALID,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP,
  VIRTIO_NET_HDR_GSO_UDP_L4,
  type Todo,
} from "./offloads/unfinished.js";
import * as rules from "./rules.js";

const HEADER_BYTES = 10;
const HEADER_BYTES_WITH_NUM_BUFFERS = 12;

const FLAGS_OFFSET = 0;
const GSO_TYPE_OFFSET = 1;
const HDR_LEN_OFFSET = 2;
const GSO_SIZE_OFFSET = 4;
/** csum_start, with csum_offset behind it. */
const CSUM_START_OFFSET = 6;
const CSUM_OFFSET_OFFSET = 8;
const NUM_BUFFERS_OFFSET = 10;

/** Which feature lets a driver ask for which segmentation. */
const SEGMENTATION_FEATURES = new Map([
  [VIRTIO_NET_HDR_GSO_TCPV4, features.VIRTIO_NET_F_HOST_TSO4],
  [VIRTIO_NET_HDR_GSO_TCPV6, features.VIRTIO_NET_F_HOST_TSO6],
  [VIRTIO_NET_HDR_GSO_UDP, features.VIRTIO_NET_F_HOST_UFO],
  [VIRTIO_NET_HDR_GSO_UDP_L4, features.VIRTIO_NET_F_HOST_USO],
]);

export type HasFeature = (feature: number) => boolean;

export function headerBytes(hasNegotiated: HasFeature): number {
  return hasNegotiated(features.VIRTIO_NET_F_MRG_RXBUF + VIRTIO_F_VERSION_1)
    ? HEADER_BYTES_WITH_NUM_BUFFERS
    : HEADER_BYTES;
}

/** Which feature lets a device hand over frames that were not segmented. */
const UNSEGMENTED_FEATURES = new Map([
  [VIRTIO_NET_HDR_GSO_TCPV4, features.VIRTIO_NET_F_GUEST_TSO4],
  [VIRTIO_NET_HDR_GSO_TCPV6, features.VIRTIO_NET_F_GUEST_TSO6],
  [VIRTIO_NET_HDR_GSO_UDP, features.VIRTIO_NET_F_GUEST_UFO],
]);

function viewOf(header: Uint8Array): DataView {
  return new DataView(header.buffer, header.byteOffset, header.byteLength);
}

/** The rules that the header of a transmitted frame of so many bytes breaks. [virtio-1.2 §5.1.6.2.1] */
export function brokenRules(header: Uint8Array, frameBytes: number, hasNegotiated: HasFeature): Rule[] {
  const view = viewOf(header);
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
    else if (view.getUint16(GSO_SIZE_OFFSET) === 0) broken.push(rules.TRANSMIT_GSO_SIZE);
  }
  const { csumStart, csumOffset, hdrLen } = todoOf(header);
  if (needsChecksum && csumStart + csumOffset + 2 > frameBytes) broken.push(rules.TRANSMIT_CHECKSUM_PLACE);
  if (hdrLen > frameBytes) broken.push(rules.TRANSMIT_HEADER_LENGTH);
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

/** What a header asks for. */
export function todoOf(header: Uint8Array): Todo {
  const view = viewOf(header);
  return {
    gsoType: view.getUint8(GSO_TYPE_OFFSET),
    hdrLen: view.getUint16(HDR_LEN_OFFSET, true),
    gsoSize: view.getUint16(GSO_SIZE_OFFSET, true),
    csumStart: view.getUint16(CSUM_START_OFFSET, true),
    csumOffset: view.getUint16(CSUM_OFFSET_OFFSET, true),
  };
}

/** Whether a header asks for anything. */
export function asksForOffload(header: Uint8Array): boolean {
  return header[FLAGS_OFFSET] !== 0 || header[GSO_TYPE_OFFSET] !== VIRTIO_NET_HDR_GSO_NONE;
}

/** Whether a driver takes a frame of which that is still to be done. [virtio-1.2 §5.1.6.4.1] */
export function isTakenUnfinished({ gsoType }: Todo, hasNegotiated: HasFeature): boolean {
  if (!hasNegotiated(features.VIRTIO_NET_F_GUEST_CSUM)) return false;
  if (gsoType === VIRTIO_NET_HDR_GSO_NONE) return true;
  const hasEcn = (gsoType & VIRTIO_NET_HDR_GSO_ECN) !== 0;
  const feature = UNSEGMENTED_FEATURES.get(gsoType & ~VIRTIO_NET_HDR_GSO_ECN);
  if (hasEcn && !hasNegotiated(features.VIRTIO_NET_F_GUEST_ECN)) return false;
  return feature !== undefined && hasNegotiated(feature);
}

/** What the header of a received frame says. */
export interface ReceivedState {
  /** What is left to be done; null for a whole frame. */
  readonly todo: Todo | null;
  /** The checksum was verified. */
  readonly isVerified: boolean;
}

/** The header of a received frame; num_buffers where there is room for it. [virtio-1.2 §5.1.6.4] */
export function receiveHeader(bytes: number, numBuffers: number, { todo, isVerified }: ReceivedState): Uint8Array {
  const header = new Uint8Array(bytes);
  const view = viewOf(header);
  if (todo !== null) {
    view.setUint8(FLAGS_OFFSET, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    view.setUint8(GSO_TYPE_OFFSET, todo.gsoType);
    view.setUint16(HDR_LEN_OFFSET, todo.hdrLen, true);
    view.setUint16(GSO_SIZE_OFFSET, todo.gsoSize, true);
    view.setUint16(CSUM_START_OFFSET, todo.csumStart, true);
    view.setUint16(CSUM_OFFSET_OFFSET, todo.csumOffset, true);
  } else if (isVerified) {
    view.setUint8(FLAGS_OFFSET, VIRTIO_NET_HDR_F_DATA_VALID);
  }
  if (bytes > NUM_BUFFERS_OFFSET) view.setUint16(NUM_BUFFERS_OFFSET, numBuffers, true);
  return header;
}
