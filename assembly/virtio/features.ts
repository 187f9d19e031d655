/** Feature bits that belong to the ring and the transport, not to a device type. [virtio-1.2 §6, §6.3] */

/** The device interrupts when it has used up the ring, suppressed or not. Legacy only. */
export const VIRTIO_F_NOTIFY_ON_EMPTY: u64 = 1 << 24;
/** The device makes no assumption on where one descriptor of a chain ends and the next begins. */
export const VIRTIO_F_ANY_LAYOUT: u64 = 1 << 27;
/** A ring descriptor can refer to a table of descriptors. */
export const VIRTIO_F_INDIRECT_DESC: u64 = 1 << 28;
/** Notifications and interrupts are asked for by ring index instead of by flag. */
export const VIRTIO_F_EVENT_IDX: u64 = 1 << 29;
/** The device follows the specification from 1.0 on; without, it is a legacy device. Not offered by legacy transports. */
export const VIRTIO_F_VERSION_1: u64 = 1 << 32;
/** The device reaches memory by bus addresses, which may be others than physical ones. */
export const VIRTIO_F_ACCESS_PLATFORM: u64 = 1 << 33;
