/** Virtio-entropy as it goes over the wire: no features, no configuration, one queue. [virtio-1.2 §5.4] */

/** Virtio device type. [virtio-1.2 §5] */
export const VIRTIO_ID_ENTROPY: u32 = 4;

/** The only queue: buffers that the device fills. [virtio-1.2 §5.4.2] */
export const REQUEST_QUEUE: u32 = 0;
export const QUEUES: u32 = 1;
