/** What the specification asks of the driver of a network device. */
import type { Rule } from "../violations.js";

function rule(id: string, section: string, text: string): Rule {
  return { id, section: `virtio-1.2 §${section}`, text };
}

export const ALTERNATIVE_MISSING = rule(
  "net-feature-alternative",
  "5.1.3.1",
  "ECN is accepted only together with one of the two kinds of TCP segmentation",
);

// Transmission.
export const TRANSMIT_WRITABLE = rule(
  "net-transmit-writable",
  "5.1.6.2",
  "a transmit buffer has no descriptor that the device writes",
);
export const TRANSMIT_SHORT = rule(
  "net-transmit-short",
  "5.1.6.2",
  "a transmit buffer holds the whole header and an Ethernet header at least",
);
export const TRANSMIT_FRAMING = rule(
  "net-transmit-framing",
  "5.1.6.6",
  "without ANY_LAYOUT the header of a transmitted frame is alone in the first descriptor",
);
export const TRANSMIT_FLAGS = rule(
  "net-transmit-flags",
  "5.1.6.2.1",
  "flags is 0, or NEEDS_CSUM when CSUM was negotiated",
);
export const TRANSMIT_GSO = rule(
  "net-transmit-gso",
  "5.1.6.2.1",
  "gso_type names only a segmentation that was negotiated, and NEEDS_CSUM comes with it",
);
export const TRANSMIT_GSO_SIZE = rule(
  "net-transmit-gso-size",
  "5.1.6.2.1",
  "a frame to be segmented says how many bytes each segment has",
);
export const TRANSMIT_CHECKSUM_PLACE = rule(
  "net-transmit-checksum-place",
  "5.1.6.2.1",
  "csum_start and csum_offset lead to two bytes of the frame",
);
export const TRANSMIT_HEADER_LENGTH = rule(
  "net-transmit-header-length",
  "5.1.6.2.1",
  "hdr_len is no more than the frame has",
);
export const TRANSMIT_UNUSED_FIELDS = rule(
  "net-transmit-unused-fields",
  "5.1.6.2",
  "header fields that flags and gso_type give no meaning are 0",
);
export const TRANSMIT_NUM_BUFFERS = rule(
  "net-transmit-num-buffers",
  "5.1.6.2.1",
  "num_buffers of a transmitted frame is 0",
);
export const TRANSMIT_MTU = rule(
  "net-transmit-mtu",
  "5.1.4.2",
  "no frame but one to be segmented is longer than the negotiated MTU and its Ethernet header",
);
export const TRANSMIT_CHANGED = rule(
  "net-transmit-changed",
  "2.7.13.3",
  "a frame does not change while the device has it",
);

// Reception.
export const RECEIVE_READABLE = rule(
  "net-receive-readable",
  "2.7.12",
  "a receive buffer has no descriptor that the device reads",
);
export const RECEIVE_SHORT = rule(
  "net-receive-short",
  "5.1.6.3.1",
  "a receive buffer holds 1526 bytes, 65562 for large receives, the header's with MRG_RXBUF",
);
export const RECEIVE_FRAMING = rule(
  "net-receive-framing",
  "5.1.6.6",
  "without ANY_LAYOUT the header of a receive buffer is alone in the first descriptor, otherwise whole in it",
);

// Control queue.
export const CONTROL_NOT_NEGOTIATED = rule(
  "net-control-not-negotiated",
  "5.1.6.5",
  "the control queue and each class of commands are used only when their features were negotiated",
);
export const CONTROL_FRAMING = rule(
  "net-control-framing",
  "5.1.6.6",
  "without ANY_LAYOUT class and command, each part of the data, and ack have descriptors of their own",
);
export const CONTROL_MALFORMED = rule(
  "net-control-malformed",
  "5.1.6.5",
  "a control buffer holds class, command, the data that the command takes, and one byte for ack",
);
