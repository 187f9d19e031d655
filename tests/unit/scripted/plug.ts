/** Virtio devices on the mock PCI bus, with registers of the scripted machine behind BAR 0. */
import { Transport } from "../../../assembly/abi/results";
import { forget_translations } from "../../../assembly/memory/addresses";
import { Device, deviceOf, unregisterDevice } from "../../../assembly/virtio/device";
import { addBar, addVirtio, IO, pci_clear, pci_get } from "../pci/machine";
import { freshArena } from "./arena";
import { device_add, device_queue, script_clear, Trace, trace_find, trace_number } from "./script";

/** PCI address of a device plugged in where nothing else is said: bus 0, device 3, function 0. */
export const ADDRESS: u32 = 0x18;
/** Its first port. */
export const PORTS: u32 = 0xc000;
export const PORTS_BYTES: u32 = 128;

// Ports of its registers. [virtio-1.2 §4.1.4.8]
export const HOST_FEATURES: u32 = PORTS;
export const GUEST_FEATURES: u32 = PORTS + 4;
export const QUEUE_PFN: u32 = PORTS + 8;
export const QUEUE_NUM: u32 = PORTS + 12;
export const QUEUE_SEL: u32 = PORTS + 14;
export const QUEUE_NOTIFY: u32 = PORTS + 16;
export const STATUS: u32 = PORTS + 18;
export const ISR: u32 = PORTS + 19;
export const CONFIGURATION: u32 = PORTS + 20;

/** The PCI function plugged in last, as the mock bus calls it. */
export let pciName: u32 = 0;

const opened: u32[] = [];

/** An empty machine and a stack in which no device is open. */
export function newMachine(): void {
  for (let index = 0; index < opened.length; index++) {
    const device = deviceOf(opened[index]);
    if (device) unregisterDevice(device);
  }
  opened.length = 0;
  script_clear();
  pci_clear();
  forget_translations();
  freshArena();
}

/** Notes what an `open` returned, for `newMachine`. */
export function opens(handle: i32): i32 {
  if (handle > 0) opened.push(handle);
  return handle;
}

/** Plugs in a virtio device. Returns its name in the scripted machine. */
export function plugIn(type: u32, features: u64, address: u32 = ADDRESS, ports: u32 = PORTS): u32 {
  pciName = addVirtio(0, address, type);
  addBar(pciName, 0, IO, PORTS_BYTES, ports);
  return device_add(ports, PORTS_BYTES, <u32>features);
}

/** Gives a device queues 0 to `count` - 1 of the same size. */
export function addQueues(device: u32, count: u32, size: u32): void {
  for (let index: u32 = 0; index < count; index++) device_queue(device, index, size);
}

/** The command register of the function plugged in last. */
export function command(): u32 {
  return pci_get(pciName, 4) & 0xffff;
}

/** Place in the trace of the `number`th write to a port, counted from 0; -1 when there are fewer. */
export function writeTo(port: u32, number: u32): i32 {
  let place = trace_find(Trace.OUT, port, 0);
  for (let count: u32 = 0; count < number && place >= 0; count++) place = trace_find(Trace.OUT, port, place + 1);
  return place;
}

/** The values written to a port, in order. */
export function writesTo(port: u32): u32[] {
  const values: u32[] = [];
  for (let place = writeTo(port, 0); place >= 0; place = trace_find(Trace.OUT, port, place + 1)) {
    values.push(trace_number(place, 1));
  }
  return values;
}

/** Place in the trace of the first write to the command register with all of `bits` set, or clear; -1: none. */
export function commandWritten(bits: u32, set: bool, from: i32 = 0): i32 {
  const register = (ADDRESS << 8) | 4;
  let place = trace_find(Trace.CONFIGURATION_WRITE, register, from);
  while (place >= 0 && (trace_number(place, 1) & bits) != (set ? bits : 0)) {
    place = trace_find(Trace.CONFIGURATION_WRITE, register, place + 1);
  }
  return place;
}

/** Whether the log has this message with these numbers. */
export function logged(message: u32, first: u32, second: u32): bool {
  for (let place = trace_find(Trace.LOG, message, 0); place >= 0;) {
    if (trace_number(place, 1) == first && trace_number(place, 2) == second) return true;
    place = trace_find(Trace.LOG, message, place + 1);
  }
  return false;
}

/** A device's state of its own, for tests of what needs no driver. */
export function bareDevice(type: u32): Device {
  const device = changetype<Device>(bare);
  memory.fill(bare, 0, offsetof<Device>());
  device.handle = 0x1234;
  device.type = type;
  device.pciAddress = ADDRESS;
  device.transport = Transport.LEGACY_PCI;
  device.registers = PORTS;
  device.commandFound = <u16>command();
  device.registerBytes = PORTS_BYTES;
  return device;
}

const bare = memory.data(256, 16);
