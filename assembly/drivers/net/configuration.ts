/** Reads a card's configuration, and makes up what a device leaves out. [virtio-1.2 §5.1.4, §5.1.5] */
import { NetInformation } from "./abi";
import { Event } from "../../abi/results";
import { now_ns } from "../../kernel";
import { configurationAddress } from "../../virtio/configuration-fields";
import { configuration16, hasConfiguration } from "../../virtio/transport/transport";
import { DeviceState } from "../../virtio/device";
import { hearStatus, readSpeed } from "./control";
import { NetDevice } from "./device";
import { LOCALLY_ADMINISTERED, MULTICAST } from "./mac";
import {
  NET_HEADER_BYTES,
  NET_HEADER_BYTES_MERGEABLE,
  MAC,
  MTU,
  MTU_DEFAULT,
  MTU_MIN,
  STATUS,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
  VIRTIO_NET_S_LINK_UP,
} from "./wire";
import { VIRTIO_F_ANY_LAYOUT, VIRTIO_F_VERSION_1 } from "../../virtio/features";

/** The MTU that the device states, 0 when it states none or none that can be. Before features are accepted. */
export function statedMtu(device: NetDevice): u32 {
  if (!(device.featuresOffered & VIRTIO_NET_F_MTU) || !hasConfiguration(device, MTU, 2)) return 0;
  const mtu = configuration16(device, MTU);
  return mtu >= MTU_MIN ? mtu : 0;
}

/** Takes over what follows from the accepted features; the MTU was read before. */
export function readConfiguration(device: NetDevice): void {
  device.anyLayout = device.accepted(VIRTIO_F_ANY_LAYOUT | VIRTIO_F_VERSION_1);
  device.mergeable = device.accepted(VIRTIO_NET_F_MRG_RXBUF);
  // With VERSION_1 there is always room for num_buffers. [virtio-1.2 §5.1.6.1]
  device.headerBytes = device.accepted(VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_VERSION_1)
    ? NET_HEADER_BYTES_MERGEABLE
    : NET_HEADER_BYTES;
  device.mtu = device.accepted(VIRTIO_NET_F_MTU) ? device.mtuStated : MTU_DEFAULT;
  readLink(device);
  // An address made up before a reset stays the card's own.
  if (!device.macIsGenerated) readMac(device);
}

function readMac(device: NetDevice): void {
  if (device.accepted(VIRTIO_NET_F_MAC) && hasConfiguration(device, MAC, 6)) {
    const mac = configurationAddress(device, MAC);
    // Neither of these can be a station's own address, nor can UNSTABLE, a group's as well.
    if (mac != 0 && (mac & MULTICAST) == 0) {
      device.mac = mac;
      return;
    }
  }
  // Differs between cards, and as a rule between starts; the constant is 2^64 divided by the golden ratio.
  const seed = (now_ns() + device.pciAddress + 1) * 0x9e37_79b9_7f4a_7c15;
  device.mac = ((seed >> 16) & 0xffff_ffff_fffc) | LOCALLY_ADMINISTERED;
  device.macIsGenerated = true;
}

/** Reads what the device may change at any time: the status, and how fast the link is. */
function readLink(device: NetDevice): void {
  let status = VIRTIO_NET_S_LINK_UP;
  if (device.accepted(VIRTIO_NET_F_STATUS) && hasConfiguration(device, STATUS, 2)) {
    status = configuration16(device, STATUS);
  }
  device.linkUp = (status & VIRTIO_NET_S_LINK_UP) != 0;
  if (isDefined(WITHOUT_NET_CONTROL)) return;
  hearStatus(device, status);
  readSpeed(device);
}

/**
 * After a configuration interrupt: the link came or went. That it is now as it was before is no reason to keep silent: in
 * between, the wire may have been put into another network.
 */
export function updateLink(device: NetDevice): void {
  readLink(device);
  announceLink(device);
}

/** Tells the caller to look at the link, where the device knows of one. */
export function announceLink(device: NetDevice): void {
  if (device.accepted(VIRTIO_NET_F_STATUS)) device.raise(Event.LINK);
}

/** Fills in the caller's record. */
export function describeCard(device: NetDevice, information: NetInformation): void {
  information.features_offered = device.featuresOffered;
  information.features_accepted = device.featuresAccepted;
  information.mac = device.mac;
  information.mac_is_generated = device.macIsGenerated;
  information.link_up = device.linkUp && device.state != DeviceState.GONE;
  information.mtu = device.mtu;
  information.header_bytes = device.headerBytes;
  information.receive_queue_size = device.receiveQueue.size;
  information.transmit_queue_size = device.transmitQueue.size;
  information.receive_buffers = device.receiveQueue.bufferCount;
  information.receive_buffer_bytes = device.receiveQueue.bufferBytes;
  information.buffers_per_frame_max = device.receiveQueue.piecesMax;
  if (isDefined(WITHOUT_NET_CONTROL)) return;
  information.speed = device.control.speed;
  information.duplex = device.control.duplex;
}
