/** Numbers of the virtio specification, by the names it gives them. [virtio-1.2 §2.1, §2.7, §6] */

/** Device types. [virtio-1.2 §5] */
export const VIRTIO_ID_NET = 1;
export const VIRTIO_ID_BLOCK = 2;
export const VIRTIO_ID_ENTROPY = 4;

/** Device status bits. [virtio-1.2 §2.1] */
export const ACKNOWLEDGE = 1;
export const DRIVER = 2;
export const DRIVER_OK = 4;
export const FEATURES_OK = 8;
export const DEVICE_NEEDS_RESET = 64;
export const FAILED = 128;

/** Bits of the ISR register. [virtio-1.2 §4.1.4.5] */
export const ISR_QUEUE = 1;
export const ISR_CONFIGURATION = 2;

/** A vector register's "no message", and its answer to a vector that the device cannot use. [virtio-1.2 §4.1.5.1.2] */
export const VIRTIO_MSI_NO_VECTOR = 0xffff;

/** Feature bits of rings and transport, as masks. [virtio-1.2 §6, §6.3] */
export const VIRTIO_F_NOTIFY_ON_EMPTY = 2 ** 24;
export const VIRTIO_F_ANY_LAYOUT = 2 ** 27;
export const VIRTIO_F_INDIRECT_DESC = 2 ** 28;
export const VIRTIO_F_EVENT_IDX = 2 ** 29;
/** Offered by some hosts so that drivers that accept whatever they see can be told. No driver may accept it. */
export const UNUSED_BIT_30 = 2 ** 30;
export const VIRTIO_F_VERSION_1 = 2 ** 32;
export const VIRTIO_F_ACCESS_PLATFORM = 2 ** 33;
export const VIRTIO_F_RING_RESET = 2 ** 40;
/** Either lets drivers place headers and data in descriptors as they like. [virtio-1.2 §2.7.4, §6.3] */
export const ANY_FRAMING = VIRTIO_F_ANY_LAYOUT + VIRTIO_F_VERSION_1;
/** What no device offers through its modern interface. [virtio-1.2 §6.3] */
export const LEGACY_FEATURES = VIRTIO_F_NOTIFY_ON_EMPTY + VIRTIO_F_ANY_LAYOUT + UNUSED_BIT_30;

/** Flags of a descriptor. [virtio-1.2 §2.7.5] */
export const VIRTQ_DESC_F_NEXT = 1;
export const VIRTQ_DESC_F_WRITE = 2;
export const VIRTQ_DESC_F_INDIRECT = 4;
/** Bytes of a descriptor. */
export const DESCRIPTOR_BYTES = 16;

/** Flag of the available ring. [virtio-1.2 §2.7.6] */
export const VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
/** Flag of the used ring. [virtio-1.2 §2.7.8] */
export const VIRTQ_USED_F_NO_NOTIFY = 1;
