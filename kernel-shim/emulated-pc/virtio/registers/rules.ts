/** What the specification asks of whoever accesses registers, by the transport that the registers belong to. */
import type { Rule } from "../../violations.js";

function rule(id: string, section: string, text: string): Rule {
  return { id, section: `virtio-1.2 §${section}`, text };
}

// Every transport.
const WIDTH_TEXT = "a register is accessed with its own width at its own address";
export const REGISTER_WIDTH = rule("register-width", "4.1.3.1", WIDTH_TEXT);
export const MMIO_REGISTER_WIDTH = rule("register-width", "4.2.2.2", WIDTH_TEXT);
const READ_ONLY_TEXT = "read-only registers are not written";
export const LEGACY_READ_ONLY = rule("register-read-only", "4.1.4.10", READ_ONLY_TEXT);
export const COMMON_READ_ONLY = rule("register-read-only", "4.1.4.3.2", READ_ONLY_TEXT);
export const ISR_READ_ONLY = rule("register-read-only", "4.1.4.5", READ_ONLY_TEXT);
export const MMIO_READ_ONLY = rule("register-read-only", "4.2.2.2", READ_ONLY_TEXT);
export const RESET_NOT_READ = rule(
  "reset-not-read",
  "2.4.2",
  "a reset is complete, and the next register written, when the status reads 0",
);
export const FEATURES_OK_NOT_READ = rule(
  "features-ok-not-read",
  "3.1.1",
  "the status is read again after FEATURES_OK, before queues are set up and DRIVER_OK is set",
);
export const CONFIGURATION_GENERATION = rule(
  "configuration-generation",
  "2.5.1",
  "the generation is read before and after fields that are read in several parts",
);
export const QUEUE_SIZE = rule(
  "queue-size",
  "4.1.4.3.2",
  "the size of a split queue is a power of 2, and no larger than the device offers",
);
export const QUEUE_INCOMPLETE = rule(
  "queue-incomplete",
  "4.1.4.3.2",
  "everything else about a queue is configured before it is enabled",
);

// Message vectors.
export const VECTOR_RANGE = rule("vector-range", "4.1.5.1.2.2", "a vector is one of the function's table, or 0xffff");
export const VECTOR_NOT_READ = rule(
  "vector-not-read",
  "4.1.5.1.2.2",
  "a vector is read back after it was written, since the device may not have the means for it",
);
export const ISR_WITH_MSIX = rule(
  "isr-with-msix",
  "4.1.4.5.2",
  "the ISR status is not read while MSI-X is enabled: messages say what there is",
);

// Modern PCI.
export const REGION_OUTSIDE = rule(
  "region-outside",
  "4.1.4",
  "only the stretches of a base address that capabilities describe are accessed",
);
export const QUEUE_ENABLE_ZERO = rule("queue-enable-zero", "4.1.4.3.2", "0 is never written to queue_enable");
export const QUEUE_RESET_NOT_NEGOTIATED = rule(
  "queue-reset-not-negotiated",
  "2.6.1",
  "a queue is reset on its own only when RING_RESET was negotiated, and only when it is enabled",
);
export const QUEUE_RESET_NOT_READ = rule(
  "queue-reset-not-read",
  "2.6.1.1.2",
  "the reset of a queue is complete, and its fields written again, when queue_reset reads 0",
);
export const NOTIFICATION_READ = rule("notification-read", "4.1.5.2", "notification addresses are only written");
export const NOTIFICATION_ADDRESS = rule(
  "notification-address",
  "4.1.4.4",
  "a queue is notified of at offset + queue_notify_off × notify_off_multiplier",
);
export const WINDOW_LENGTH = rule(
  "window-length",
  "4.1.4.9.2",
  "accesses through the configuration window have 1, 2 or 4 bytes and are aligned",
);
export const WINDOW_OUTSIDE = rule(
  "window-outside",
  "4.1.4.9.2",
  "the configuration window leads only into stretches that other capabilities describe",
);

// MMIO.
export const MMIO_ORDER = rule(
  "mmio-order",
  "4.2.3.1.1",
  "MagicValue, Version and DeviceID are read first, in this order",
);
export const MMIO_EMPTY = rule(
  "mmio-empty",
  "4.2.3.1.1",
  "no further register is accessed where DeviceID is 0, or the version is not known",
);
export const REGISTER_MISSING = rule(
  "register-missing",
  "4.2.2.2",
  "only registers of the device's version are accessed",
);
export const REGISTER_WRITE_ONLY = rule("register-write-only", "4.2.2.2", "write-only registers are not read");
export const FEATURES_NOT_SELECTED = rule(
  "features-not-selected",
  "4.2.2.2",
  "DeviceFeaturesSel and DriverFeaturesSel are written before the features that they select",
);
export const QUEUE_NOT_CHECKED = rule(
  "queue-not-checked",
  "4.2.3.2",
  "before a queue is set up QueueReady or QueuePFN is read as 0, and QueueNumMax as not 0",
);
export const QUEUE_READY_NOT_READ = rule(
  "queue-ready-not-read",
  "4.2.2.2",
  "QueueReady is read back after 0 was written to it",
);
export const GUEST_PAGE_SIZE = rule(
  "guest-page-size",
  "4.2.4",
  "GuestPageSize is written, as a power of 2, before any queue is used",
);
export const QUEUE_ALIGN = rule("queue-align", "4.2.4", "QueueAlign is a power of 2, written before QueuePFN");
export const INTERRUPT_ACKNOWLEDGE = rule(
  "interrupt-acknowledge",
  "4.2.2.2",
  "InterruptACK gets bits that were read from InterruptStatus, and no others",
);
