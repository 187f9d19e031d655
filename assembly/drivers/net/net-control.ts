/**
 * The calls of a card's control queue. A build leaves them out with `WITHOUT_NET_CONTROL`. [virtio-1.2 §5.1.6.5]
 *
 * Each waits until the device has answered, as a rule for as long as one notification takes. A device that has not answered
 * after one second, at most two, counts as broken.
 */
import { Result } from "../../abi/results";
import { checkRecords } from "../../memory/records";
import { Device, deviceOfType, runningResult } from "../../virtio/device";
import { hasConfiguration, isModern } from "../../virtio/transport/transport";
import { ReceiveMode } from "./abi";
import { addVlan, removeVlan, setCoalescing, setMac, setMode, setTable } from "./control";
import { command, hasControlQueue } from "./control-command";
import { TABLE_ADDRESSES_MAX } from "./control-state";
import {
  VIRTIO_NET_CTRL_ANNOUNCE_ACK,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_RX_EXTRA,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_NOTF_COAL,
  VIRTIO_NET_F_VQ_NOTF_COAL,
  VLANS,
} from "./control-wire";
import { NetDevice } from "./device";
import { isGroup, isStation } from "./mac";
import { MAC, TRANSMIT_QUEUE, VIRTIO_NET_F_MAC, VIRTIO_ID_NET } from "./wire";


@inline
function cardOf(handle: u32): NetDevice {
  return changetype<NetDevice>(deviceOfType(handle, VIRTIO_ID_NET));
}

/** Whether a card can be given a command that goes with any of these features: OK, or why not. */
function readiness(device: NetDevice, features: u64): i32 {
  const state = runningResult(changetype<Device>(device));
  if (state != Result.OK) return state;
  return device.accepted(features) && hasControlQueue(device) ? <i32>Result.OK : Result.E_UNSUPPORTED;
}

/**
 * Says which frames a card lets in. When it is opened, it is promiscuous: filters act once PROMISC was switched off. Then a
 * card lets in its own frames, those of `net_set_mac_table`, broadcasts, and what the modes add to or take from these.
 * What is set holds until it is set otherwise; `reset` and `resume` set it again.
 *
 * @param mode one of ReceiveMode
 * @param on 0: off
 * @returns OK; E_REFUSED, E_DEVICE_STATUS; E_UNSUPPORTED without CTRL_RX, or CTRL_RX_EXTRA where the mode needs that;
 *   E_ARGUMENT; E_HANDLE, E_GONE, E_SUSPENDED, E_BROKEN, also when the device does not answer
 */
export function net_set_receive_mode(handle: u32, mode: u32, on: u32): i32 {
  const device = cardOf(handle);
  const isBasic = mode <= <u32>ReceiveMode.ALLMULTI;
  const ready = readiness(device, isBasic ? VIRTIO_NET_F_CTRL_RX : VIRTIO_NET_F_CTRL_RX_EXTRA);
  if (ready != Result.OK) return ready;
  return mode > <u32>ReceiveMode.NOBCAST ? <i32>Result.E_ARGUMENT : setMode(device, mode, <u32>(on != 0));
}

/**
 * Says for which stations and groups a card lets frames in beside its own, in the place of those that were said before. With
 * more than 64 of them in all, switch ALLMULTI, ALLUNI or PROMISC on instead. `reset` and `resume` set the table again.
 *
 * @param stations address of an array of u64, each as `NetInformation.mac`; 0 if there are none
 * @param groups the same, with multicast addresses
 * @returns OK; E_REFUSED, E_DEVICE_STATUS; E_UNSUPPORTED without CTRL_RX; E_ARGUMENT also for too many, and for an address of
 *   the other kind; E_HANDLE, E_GONE, E_SUSPENDED, E_BROKEN, also when the device does not answer
 */
export function net_set_mac_table(handle: u32, stations: u32, station_count: u32, groups: u32, group_count: u32): i32 {
  const device = cardOf(handle);
  const ready = readiness(device, VIRTIO_NET_F_CTRL_RX);
  if (ready != Result.OK) return ready;
  if (station_count > TABLE_ADDRESSES_MAX || group_count > TABLE_ADDRESSES_MAX - station_count)
    return Result.E_ARGUMENT;
  const table = device.control.nextTable;
  if (!copyAddresses(table, stations, station_count, false)) return Result.E_ARGUMENT;
  if (!copyAddresses(table + station_count * 8, groups, group_count, true)) return Result.E_ARGUMENT;
  return setTable(device, station_count, group_count);
}

/** Takes over addresses of the caller's. False if they are not within memory, or one is not of the kind. */
function copyAddresses(to: u32, addresses: u32, count: u32, areGroups: bool): bool {
  if (count == 0) return true;
  if (!checkRecords(addresses, count, 8)) return false;
  for (let index: u32 = 0; index < count; index++) {
    const address = load<u64>(addresses + index * 8);
    if (!(areGroups ? isGroup(address) : isStation(address))) return false;
    store<u64>(to + index * 8, address);
  }
  return true;
}

/**
 * Gives a card another address. A legacy device without CTRL_MAC_ADDR gets it octet by octet in its configuration, so for a
 * moment it has an address that is neither. `reset` and `resume` set it again.
 *
 * @param mac as `NetInformation.mac`: of a single station, and not 0
 * @returns OK; E_REFUSED, E_DEVICE_STATUS; E_UNSUPPORTED without CTRL_MAC_ADDR, and MAC where the device is a legacy one;
 *   E_ARGUMENT; E_HANDLE, E_GONE, E_SUSPENDED, E_BROKEN, also when the device does not answer
 */
export function net_set_mac(handle: u32, mac: u64): i32 {
  const device = cardOf(handle);
  const state = runningResult(changetype<Device>(device));
  if (state != Result.OK) return state;
  // With that feature, the configuration is read-only.
  const isPossible = device.accepted(VIRTIO_NET_F_CTRL_MAC_ADDR)
    ? hasControlQueue(device)
    : device.accepted(VIRTIO_NET_F_MAC) && !isModern(device) && hasConfiguration(device, MAC, 6);
  if (!isPossible) return Result.E_UNSUPPORTED;
  return isStation(mac) ? setMac(device, mac) : <i32>Result.E_ARGUMENT;
}

/**
 * Lets frames of a VLAN in. With CTRL_VLAN, a card that is not promiscuous lets in none until it is told; without it, all.
 * `reset` and `resume` set it again.
 *
 * @param id 0 to 4095
 * @returns OK; E_REFUSED, E_DEVICE_STATUS; E_UNSUPPORTED without CTRL_VLAN; E_ARGUMENT; E_HANDLE, E_GONE, E_SUSPENDED,
 *   E_BROKEN, also when the device does not answer
 */
export function net_add_vlan(handle: u32, id: u32): i32 {
  const device = cardOf(handle);
  const ready = readiness(device, VIRTIO_NET_F_CTRL_VLAN);
  if (ready != Result.OK) return ready;
  return id < VLANS ? addVlan(device, id) : <i32>Result.E_ARGUMENT;
}

/** No longer lets frames of a VLAN in. As `net_add_vlan` for the rest. */
export function net_remove_vlan(handle: u32, id: u32): i32 {
  const device = cardOf(handle);
  const ready = readiness(device, VIRTIO_NET_F_CTRL_VLAN);
  if (ready != Result.OK) return ready;
  return id < VLANS ? removeVlan(device, id) : <i32>Result.E_ARGUMENT;
}

/**
 * Says that the announcement, which the event ANNOUNCE asked for, has been sent.
 *
 * @returns OK; E_REFUSED, as a rule because nothing was asked for; E_DEVICE_STATUS; E_UNSUPPORTED without GUEST_ANNOUNCE;
 *   E_HANDLE, E_GONE, E_SUSPENDED, E_BROKEN, also when the device does not answer
 */
export function net_acknowledge_announcement(handle: u32): i32 {
  const device = cardOf(handle);
  const ready = readiness(device, VIRTIO_NET_F_GUEST_ANNOUNCE);
  return ready == Result.OK ? command(device, VIRTIO_NET_CTRL_ANNOUNCE_ACK, 0, 0) : ready;
}

/**
 * Lets a card put interrupts off, until so many frames have passed or so much time. It is the device that decides how it
 * rounds. `reset` and `resume` set it again.
 *
 * @param queue 0 reception, 1 transmission
 * @param max_packets frames for one interrupt
 * @param max_usecs microseconds that an interrupt may be late
 * @returns OK; E_REFUSED, E_DEVICE_STATUS; E_UNSUPPORTED without NOTF_COAL and VQ_NOTF_COAL; E_ARGUMENT; E_HANDLE, E_GONE,
 *   E_SUSPENDED, E_BROKEN, also when the device does not answer
 */
export function net_set_coalescing(handle: u32, queue: u32, max_packets: u32, max_usecs: u32): i32 {
  const device = cardOf(handle);
  const ready = readiness(device, VIRTIO_NET_F_NOTF_COAL | VIRTIO_NET_F_VQ_NOTF_COAL);
  if (ready != Result.OK) return ready;
  return queue <= TRANSMIT_QUEUE ? setCoalescing(device, queue, max_packets, max_usecs) : <i32>Result.E_ARGUMENT;
}
