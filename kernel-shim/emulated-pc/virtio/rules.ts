/** What the specification asks of every driver, whatever the device; each device folder adds its own rules. */
import type { Rule } from "../violations.js";

function rule(id: string, section: string, text: string): Rule {
  return { id, section: `virtio-1.2 §${section}`, text };
}

// Device status and features.
export const STATUS_BIT_CLEARED = rule(
  "status-bit-cleared",
  "2.1.1",
  "the driver never clears a status bit but by a reset",
);
export const STATUS_ORDER = rule("status-order", "3.1.1", "ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK, in this order");
export const STATUS_UNKNOWN_BIT = rule(
  "status-unknown-bit",
  "2.1",
  "the driver sets only status bits that are its own",
);
export const FEATURES_ORDER = rule(
  "features-order",
  "3.1.1",
  "features are written after DRIVER and before FEATURES_OK and DRIVER_OK",
);
export const FEATURE_NOT_OFFERED = rule(
  "feature-not-offered",
  "2.2.1",
  "the driver accepts no feature that the device does not offer",
);
export const FEATURE_DEPENDENCY = rule(
  "feature-dependency",
  "2.2.1",
  "the driver accepts no feature without those that it requires",
);
export const FEATURE_BIT_30 = rule("feature-bit-30", "6.3", "the driver does not accept bit 30");
export const FEATURE_ANY_LAYOUT_REFUSED = rule(
  "feature-any-layout-refused",
  "6.3",
  "the driver accepts ANY_LAYOUT when it is offered",
);
export const VERSION_1_REFUSED = rule("version-1-refused", "6.1", "the driver accepts VERSION_1 when it is offered");
export const INTERFACES_MIXED = rule(
  "interfaces-mixed",
  "2.2.3",
  "a transitional device is used through one of its interfaces only, from reset to reset",
);

// Device configuration and queues.
export const CONFIGURATION_OUTSIDE = rule(
  "configuration-outside",
  "2.5",
  "accesses of the device configuration stay within its fields",
);
export const CONFIGURATION_NOT_OFFERED = rule(
  "configuration-not-offered",
  "2.5.1",
  "an optional configuration field is accessed only when its feature is offered",
);
export const CONFIGURATION_READ_ONLY = rule(
  "configuration-read-only",
  "2.5",
  "only configuration fields that the driver may set are written",
);
export const QUEUE_MISSING = rule("queue-missing", "4.1.5.1.3", "only queues that the device has are used");
export const QUEUE_ORDER = rule(
  "queue-order",
  "3.1.1",
  "queues are set up after the features are agreed on and before DRIVER_OK",
);
export const QUEUE_LIVE = rule("queue-live", "3.3.1", "the address of a live queue is not changed");
export const QUEUE_ALIGNMENT = rule(
  "queue-alignment",
  "2.7",
  "descriptor table, available ring and used ring are aligned to 16, 2 and 4 bytes",
);
export const RING_NOT_ZEROED = rule("ring-not-zeroed", "4.1.5.1.3", "ring memory is zero when its address is written");
export const BUS_MASTER_OFF: Rule = {
  id: "bus-master-off",
  section: "PCI 3.0 §6.2.2",
  text: "bus mastering is enabled before the device is given addresses",
};

// Notifications.
export const NOTIFICATION_EARLY = rule(
  "notification-early",
  "3.1.1",
  "no notification is sent before DRIVER_OK or for a queue that is not set up",
);
export const NOTIFICATION_SUPPRESSED = rule(
  "notification-suppressed",
  "2.7.10.1",
  "no notification is sent while the device does not want any",
);
export const NOTIFICATION_MISSING = rule(
  "notification-missing",
  "2.7.10.1",
  "a notification that the device wants is sent",
);

// Available ring.
export const AVAIL_FLAGS = rule("avail-flags", "2.7.7.1", "avail.flags is 0 or 1, and 0 with EVENT_IDX");
export const AVAIL_INDEX_JUMP = rule(
  "avail-index-jump",
  "2.7.6.1",
  "avail.idx only grows, and never by more entries than the queue has",
);
export const HEAD_RANGE = rule("head-range", "2.7.6", "an available entry names a descriptor of the table");
export const USED_RING_WRITTEN = rule("used-ring-written", "2.7.8", "the driver does not write the used ring");

// Descriptors.
export const DESCRIPTOR_REUSED = rule(
  "descriptor-reused",
  "2.7.13",
  "a descriptor is not used again before the device has given it back",
);
export const DESCRIPTOR_CHANGED = rule(
  "descriptor-changed",
  "3.3.1",
  "descriptors and indirect tables do not change while the device has them",
);
export const DESCRIPTOR_NEXT_RANGE = rule(
  "descriptor-next-range",
  "2.7.5",
  "next names a descriptor of the same table",
);
export const DESCRIPTOR_LOOP = rule(
  "descriptor-loop",
  "2.7.5.3.1",
  "a chain has no loop and is not longer than the queue size",
);
export const DESCRIPTOR_FLAGS = rule("descriptor-flags", "2.7.5", "a descriptor has only flags that exist");
export const DESCRIPTOR_ORDER = rule(
  "descriptor-order",
  "2.7.4.2",
  "descriptors that the device reads come before those that it writes",
);
export const DESCRIPTOR_EMPTY: Rule = {
  id: "descriptor-empty",
  section: "QEMU 7.2 virtqueue_map_desc",
  text: "no descriptor has a length of 0; hosts stop serving a queue with one",
};
export const CHAIN_BYTES = rule("chain-bytes", "2.7.5.2", "a chain has at most 2^32 bytes");
export const INDIRECT_NOT_NEGOTIATED = rule(
  "indirect-not-negotiated",
  "2.7.5.3.1",
  "INDIRECT is used only when it was negotiated",
);
export const INDIRECT_NESTED = rule(
  "indirect-nested",
  "2.7.5.3.1",
  "no indirect table contains an INDIRECT descriptor",
);
export const INDIRECT_WITH_NEXT = rule(
  "indirect-with-next",
  "2.7.5.3.1",
  "a descriptor does not have both INDIRECT and NEXT",
);
export const INDIRECT_TABLE_SIZE = rule(
  "indirect-table-size",
  "2.7.5.3.1",
  "an indirect table holds 1 to queue size whole descriptors",
);
