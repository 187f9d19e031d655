/** The control queue of virtio-net as it goes over the wire: features, commands, answers. [virtio-1.2 §5.1.3, §5.1.6.5] */

/**
 * Where the control queue is as long as MQ is not accepted, whatever the device could have. [virtio-1.2 §5.1.2]
 */
export const CONTROL_QUEUE: u32 = 2;

export const VIRTIO_NET_F_CTRL_VQ: u64 = 1 << 17;
export const VIRTIO_NET_F_CTRL_RX: u64 = 1 << 18;
export const VIRTIO_NET_F_CTRL_VLAN: u64 = 1 << 19;
export const VIRTIO_NET_F_CTRL_RX_EXTRA: u64 = 1 << 20;
export const VIRTIO_NET_F_GUEST_ANNOUNCE: u64 = 1 << 21;
export const VIRTIO_NET_F_CTRL_MAC_ADDR: u64 = 1 << 23;
// [virtio-1.3 §5.1.3]
export const VIRTIO_NET_F_VQ_NOTF_COAL: u64 = 1 << 52;
export const VIRTIO_NET_F_NOTF_COAL: u64 = 1 << 53;
export const VIRTIO_NET_F_SPEED_DUPLEX: u64 = 1 << 63;

// Commands, as class + 256 × command: so they lie in memory.
export const VIRTIO_NET_CTRL_RX: u32 = 0;
export const VIRTIO_NET_CTRL_MAC_TABLE_SET: u32 = 1;
export const VIRTIO_NET_CTRL_MAC_ADDR_SET: u32 = 1 + (1 << 8);
export const VIRTIO_NET_CTRL_VLAN_ADD: u32 = 2;
export const VIRTIO_NET_CTRL_VLAN_DEL: u32 = 2 + (1 << 8);
export const VIRTIO_NET_CTRL_ANNOUNCE_ACK: u32 = 3;
// [virtio-1.3 §5.1.6.5.10]
export const VIRTIO_NET_CTRL_NOTF_COAL_TX_SET: u32 = 6;
export const VIRTIO_NET_CTRL_NOTF_COAL_RX_SET: u32 = 6 + (1 << 8);
export const VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET: u32 = 6 + (2 << 8);

/** Bytes of class and command. */
export const COMMAND_BYTES: u32 = 2;

// What the device answers.
export const VIRTIO_NET_OK: u32 = 0;
export const VIRTIO_NET_ERR: u32 = 1;

export const VLANS: u32 = 4096;
