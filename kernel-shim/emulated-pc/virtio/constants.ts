/** Numbers of the virtio specification, by the names it gives them. [virtio-1.2 §2.1, §2.7, §4.1.4.10, §6] */

/** Device types, which legacy devices show as PCI subsystem device id. [virtio-1.2 §5] */
export const VIRTIO_ID_NET = 1;
export const VIRTIO_ID_BLOCK = 2;

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

/** Offsets of the legacy registers. [virtio-1.2 §4.1.4.10] */
export const REGISTER_DEVICE_FEATURES = 0;
export const REGISTER_DRIVER_FEATURES = 4;
export const REGISTER_QUEUE_ADDRESS = 8;
export const REGISTER_QUEUE_SIZE = 12;
export const REGISTER_QUEUE_SELECT = 14;
export const REGISTER_QUEUE_NOTIFY = 16;
export const REGISTER_DEVICE_STATUS = 18;
export const REGISTER_ISR = 19;
/** Only while MSI-X is enabled. */
export const REGISTER_CONFIGURATION_VECTOR = 20;
/** Only while MSI-X is enabled. */
export const REGISTER_QUEUE_VECTOR = 22;
export const CONFIGURATION_OFFSET = 20;
export const CONFIGURATION_OFFSET_WITH_MSIX = 24;
export const VIRTIO_MSI_NO_VECTOR = 0xffff;

/** Bytes of a page in the queue address register. [virtio-1.2 §4.1.5.1.3.1] */
export const QUEUE_ADDRESS_UNIT = 4096;

/** Feature bits of rings and transport, as masks. [virtio-1.2 §6, §6.3] */
export const VIRTIO_F_NOTIFY_ON_EMPTY = 2 ** 24;
export const VIRTIO_F_ANY_LAYOUT = 2 ** 27;
export const VIRTIO_F_INDIRECT_DESC = 2 ** 28;
export const VIRTIO_F_EVENT_IDX = 2 ** 29;
/** Offered by some hosts so that drivers that accept whatever they see can be told. No driver may accept it. */
export const UNUSED_BIT_30 = 2 ** 30;

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

/** Whether a 32-bit feature mask has a feature, bit 31 included. */
export function hasFeature(features: number, feature: number): boolean {
  return (features & feature) !== 0;
}
