/** What is set by a card's control queue, and set again after a reset. [virtio-1.2 §5.1.6.5] */
import { Event, Result } from "../../abi/results";
import { allocatePrivate, freePrivate } from "../../memory/arena";
import { write16, write32 } from "../../memory/shared";
import { DeviceState } from "../../virtio/device";
import { configurationAddress } from "../../virtio/configuration-fields";
import {
  deviceIsGone,
  configuration32,
  configuration8,
  hasConfiguration,
  writeConfiguration,
} from "../../virtio/transport/transport";
import { allocateControlQueue, command, commandData, freeCommand, hasControlQueue } from "./control-command";
import {
  VIRTIO_NET_CTRL_MAC_ADDR_SET,
  VIRTIO_NET_CTRL_MAC_TABLE_SET,
  VIRTIO_NET_CTRL_NOTF_COAL_RX_SET,
  VIRTIO_NET_CTRL_NOTF_COAL_TX_SET,
  VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET,
  VIRTIO_NET_CTRL_RX,
  VIRTIO_NET_CTRL_VLAN_ADD,
  VIRTIO_NET_CTRL_VLAN_DEL,
  VIRTIO_NET_F_CTRL_MAC_ADDR,
  VIRTIO_NET_F_CTRL_RX,
  VIRTIO_NET_F_CTRL_RX_EXTRA,
  VIRTIO_NET_F_CTRL_VLAN,
  VIRTIO_NET_F_CTRL_VQ,
  VIRTIO_NET_F_GUEST_ANNOUNCE,
  VIRTIO_NET_F_NOTF_COAL,
  VIRTIO_NET_F_SPEED_DUPLEX,
  VIRTIO_NET_F_VQ_NOTF_COAL,
  VLANS,
} from "./control-wire";
import { NetDevice } from "./device";
import { DUPLEX, MAC, RECEIVE_QUEUE, SPEED, TRANSMIT_QUEUE, VIRTIO_NET_F_STATUS, VIRTIO_NET_S_ANNOUNCE } from "./wire";

/** What the control queue is for. */
const COMMANDS: u64 =
  VIRTIO_NET_F_CTRL_RX |
  VIRTIO_NET_F_CTRL_RX_EXTRA |
  VIRTIO_NET_F_CTRL_VLAN |
  VIRTIO_NET_F_CTRL_MAC_ADDR |
  VIRTIO_NET_F_GUEST_ANNOUNCE |
  VIRTIO_NET_F_VQ_NOTF_COAL |
  VIRTIO_NET_F_NOTF_COAL;

export const CONTROL_FEATURES: u64 = COMMANDS | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_SPEED_DUPLEX;

const MODES: u32 = 6;
const SPEED_MAX: u32 = 0x7fff_ffff;
const SPEED_UNKNOWN: u32 = 0xffff_ffff;
const DUPLEX_FULL: u32 = 1;
const DUPLEX_UNKNOWN: u32 = 0xff;

/** Of the features that may be accepted, those that make sense together. [virtio-1.2 §5.1.3.1] */
export function controlFeatures(device: NetDevice, features: u64): u64 {
  const possible = features & device.featuresOffered;
  let left = features;
  // The announcement is asked for in the status field.
  if (!(possible & VIRTIO_NET_F_STATUS)) left &= ~VIRTIO_NET_F_GUEST_ANNOUNCE;
  if (!(possible & VIRTIO_NET_F_CTRL_VQ)) left &= ~COMMANDS;
  return possible & left & COMMANDS ? left : left & ~VIRTIO_NET_F_CTRL_VQ;
}

/** Takes memory for what was accepted: OK, E_QUEUE_SIZE, E_MEMORY, E_DMA_MEMORY. */
export function allocateControl(device: NetDevice): i32 {
  if (!hasControlQueue(device)) return Result.OK;
  if (device.accepted(VIRTIO_NET_F_CTRL_VLAN)) {
    device.control.vlans = allocatePrivate(VLANS >> 3);
    if (device.control.vlans == 0) return Result.E_MEMORY;
  }
  return allocateControlQueue(device);
}

export function freeControl(device: NetDevice): void {
  freeCommand(device);
  freePrivate(device.control.vlans);
}

// ── what the device says ─────────────────────────────────────────────────────────────────────────────────────────────

/** Raises ANNOUNCE when the status field asks for that. */
export function hearStatus(device: NetDevice, status: u32): void {
  if (device.accepted(VIRTIO_NET_F_GUEST_ANNOUNCE) && status & VIRTIO_NET_S_ANNOUNCE) device.raise(Event.ANNOUNCE);
}

/** [virtio-1.2 §5.1.4.2] What it says of `duplex` is wrong: drivers and devices agree on 0 for half and 1 for full. */
export function readSpeed(device: NetDevice): void {
  const control = device.control;
  control.speed = SPEED_UNKNOWN;
  control.duplex = DUPLEX_UNKNOWN;
  if (!device.accepted(VIRTIO_NET_F_SPEED_DUPLEX) || !hasConfiguration(device, SPEED, DUPLEX + 1 - SPEED)) return;
  const speed = configuration32(device, SPEED);
  const duplex = configuration8(device, DUPLEX);
  if (speed <= SPEED_MAX) control.speed = speed;
  if (duplex <= DUPLEX_FULL) control.duplex = duplex;
}

// ── what the driver sets ─────────────────────────────────────────────────────────────────────────────────────────────
// Each returns what `command` returns. What the device did not do is not kept.

export function setMode(device: NetDevice, mode: u32, on: u32): i32 {
  write16(commandData(device), on);
  const result = command(device, VIRTIO_NET_CTRL_RX + (mode << 8), 1, 0);
  if (result != Result.OK) return result;
  const control = device.control;
  control.modesSet |= 1 << mode;
  control.modes = (control.modes & ~(1 << mode)) | (on << mode);
  return result;
}

/** Sets the table put together in `nextTable`. */
export function setTable(device: NetDevice, stations: u32, groups: u32): i32 {
  const control = device.control;
  const result = sendTable(device, control.nextTable, stations, groups);
  if (result != Result.OK) return result;
  control.tablePlace ^= 1;
  control.stations = stations;
  control.groups = groups;
  control.hasTable = true;
  return result;
}

function sendTable(device: NetDevice, table: u32, stations: u32, groups: u32): i32 {
  const data = commandData(device);
  const middle = writeAddresses(data, table, stations);
  const end = writeAddresses(middle, table + stations * 8, groups);
  return command(device, VIRTIO_NET_CTRL_MAC_TABLE_SET, middle - data, end - middle);
}

/** Writes a count and so many addresses. Returns where they end. */
function writeAddresses(at: u32, addresses: u32, count: u32): u32 {
  // An odd number of addresses before leaves no multiple of 4.
  write16(at, count);
  write16(at + 2, 0);
  at += 4;
  for (let index: u32 = 0; index < count; index++, at += 6) {
    const address = load<u64>(addresses + index * 8);
    write16(at, (<u32>address) & 0xffff);
    write16(at + 2, (<u32>(address >> 16)) & 0xffff);
    write16(at + 4, <u32>(address >> 32));
  }
  return at;
}

/** Gives the card an address, by command or, as legacy devices know it, by its configuration. [virtio-1.2 §5.1.4.3] */
export function setMac(device: NetDevice, mac: u64): i32 {
  const result = device.accepted(VIRTIO_NET_F_CTRL_MAC_ADDR) ? sendMac(device, mac) : writeMac(device, mac);
  if (result != Result.OK) return result;
  device.control.mac = mac;
  device.mac = mac;
  device.macIsGenerated = false;
  return result;
}

function sendMac(device: NetDevice, mac: u64): i32 {
  const data = commandData(device);
  write32(data, <u32>mac);
  write16(data + 4, <u32>(mac >> 32));
  return command(device, VIRTIO_NET_CTRL_MAC_ADDR_SET, 6, 0);
}

/** The device does not answer, but says what it is now. */
function writeMac(device: NetDevice, mac: u64): i32 {
  for (let octet: u32 = 0; octet < 6; octet++) {
    writeConfiguration(device, MAC + octet, 1, (<u32>(mac >> (8 * octet))) & 0xff);
  }
  if (configurationAddress(device, MAC) == mac) return Result.OK;
  if (!deviceIsGone(device)) return Result.E_REFUSED;
  device.vanish();
  return Result.E_GONE;
}

export function addVlan(device: NetDevice, id: u32): i32 {
  const result = sendVlan(device, VIRTIO_NET_CTRL_VLAN_ADD, id);
  if (result == Result.OK) keepVlan(device, id, true);
  return result;
}

export function removeVlan(device: NetDevice, id: u32): i32 {
  const result = sendVlan(device, VIRTIO_NET_CTRL_VLAN_DEL, id);
  if (result == Result.OK) keepVlan(device, id, false);
  return result;
}

function sendVlan(device: NetDevice, what: u32, id: u32): i32 {
  write16(commandData(device), id);
  return command(device, what, 2, 0);
}

function keepVlan(device: NetDevice, id: u32, isIn: bool): void {
  const at = device.control.vlans + (id >> 3);
  const bit: u32 = 1 << (id & 7);
  const eight: u32 = load<u8>(at);
  store<u8>(at, isIn ? eight | bit : eight & ~bit);
}

/**
 * Sets how notifications of a queue are put off. Where the device knows no queues one by one, all that go in the same
 * direction. [virtio-1.3 §5.1.6.5.10]
 */
export function setCoalescing(device: NetDevice, queue: u32, packets: u32, microseconds: u32): i32 {
  const result = sendCoalescing(device, queue, packets, microseconds);
  if (result != Result.OK) return result;
  const control = device.control;
  control.coalescingSet |= 1 << queue;
  if (queue == TRANSMIT_QUEUE) {
    control.transmitPackets = packets;
    control.transmitMicroseconds = microseconds;
  } else {
    control.receivePackets = packets;
    control.receiveMicroseconds = microseconds;
  }
  return result;
}

function sendCoalescing(device: NetDevice, queue: u32, packets: u32, microseconds: u32): i32 {
  let data = commandData(device);
  let bytes: u32 = 8;
  let what = queue == TRANSMIT_QUEUE ? VIRTIO_NET_CTRL_NOTF_COAL_TX_SET : VIRTIO_NET_CTRL_NOTF_COAL_RX_SET;
  if (device.accepted(VIRTIO_NET_F_VQ_NOTF_COAL)) {
    what = VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET;
    write32(data, queue);
    data += 4;
    bytes += 4;
  }
  write32(data, packets);
  write32(data + 4, microseconds);
  return command(device, what, bytes, 0);
}

// ── after a reset ────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Sets again what was set before a reset. Raises SETTINGS if the device does not do all of it; what it did not is kept, and
 * tried again after the next reset.
 */
export function restoreSettings(device: NetDevice): void {
  const control = device.control;
  if (control.mac != 0) note(device, setMac(device, control.mac));
  if (control.hasTable && goesOn(device))
    note(device, sendTable(device, control.table, control.stations, control.groups));
  if (control.vlans != 0) restoreVlans(device);
  if (control.coalescingSet & 1 && goesOn(device)) {
    note(device, sendCoalescing(device, RECEIVE_QUEUE, control.receivePackets, control.receiveMicroseconds));
  }
  if (control.coalescingSet & 2 && goesOn(device)) {
    note(device, sendCoalescing(device, TRANSMIT_QUEUE, control.transmitPackets, control.transmitMicroseconds));
  }
  // PROMISC last: as long as it is on, no frame is lost by a filter that is not whole.
  for (let mode = MODES; mode-- != 0;) {
    if ((control.modesSet >> mode) & 1 && goesOn(device))
      note(device, setMode(device, mode, (control.modes >> mode) & 1));
  }
}

/** Whether there can be a further command: the memory of one that is not answered is still the device's. */
function goesOn(device: NetDevice): bool {
  return device.state == DeviceState.RUNNING;
}

/** A device that broke, or went, says so itself. */
function note(device: NetDevice, result: i32): void {
  if (result != Result.OK && device.state == DeviceState.RUNNING) device.raise(Event.SETTINGS);
}

function restoreVlans(device: NetDevice): void {
  for (let id: u32 = 0; id < VLANS && goesOn(device); id++) {
    const eight: u32 = load<u8>(device.control.vlans + (id >> 3));
    if (eight == 0) id |= 7;
    else if ((eight >> (id & 7)) & 1) note(device, sendVlan(device, VIRTIO_NET_CTRL_VLAN_ADD, id));
  }
}
