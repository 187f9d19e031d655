/** What is known of a virtio device whose type the stack knows nothing of: which of its feature bits are the type's. */

/** Feature bits that have a meaning for the type alone: 0 to 23, and from 50 on. [virtio-1.2 §2.2] */
export const DEVICE_TYPE_FEATURES: u64 = 0x00ff_ffff | (0x3fff << 50);

/** Most queues of a device: their numbers have 16 bits. [virtio-1.2 §4.1.4.3] */
export const QUEUES_MAX: u32 = 0xffff;
