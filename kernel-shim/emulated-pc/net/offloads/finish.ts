/** Does what is left to be done of a frame before it goes over a wire. [virtio-1.2 §5.1.6.2] */
import { fillChecksum } from "./checksum.js";
import { fragmentUdp } from "./fragments.js";
import { cutTcp, cutUdp } from "./segments.js";
import {
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP,
  VIRTIO_NET_HDR_GSO_UDP_L4,
  type UnfinishedFrame,
} from "./unfinished.js";

/** The frames that go over the wire, with bytes of their own; none if the frame is not what its segmentation says. */
export function finish(frame: UnfinishedFrame): readonly Uint8Array[] {
  switch (frame.todo.gsoType & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE: {
      const bytes = frame.bytes.slice();
      fillChecksum(bytes, frame.todo.csumStart, frame.todo.csumOffset);
      return [bytes];
    }
    case VIRTIO_NET_HDR_GSO_TCPV4:
      return cutTcp(frame, 4) ?? [];
    case VIRTIO_NET_HDR_GSO_TCPV6:
      return cutTcp(frame, 6) ?? [];
    case VIRTIO_NET_HDR_GSO_UDP:
      return fragmentUdp(frame) ?? [];
    case VIRTIO_NET_HDR_GSO_UDP_L4:
      return cutUdp(frame) ?? [];
    default:
      return [];
  }
}
