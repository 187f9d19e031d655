/** Lists the PCI functions, as `lspci` would, and counts what that took. */

import {
  formatPciAddress,
  type PciBar,
  type PciFunction,
  type VirtioStack,
} from "../../kernel-shim/javascript/index.js";
import { className, deviceName, vendorName } from "./pci-names.js";
import type { PciFunctionResult, PciResourceResult, PciResult } from "./result.js";

const HEADER_DEVICE = 0;
const HEADER_BRIDGE = 1;

/** One read per slot of a bus: the vendor id, which says whether anything is there. */
const SLOTS = 32;
/** Functions 1 to 7 of a multi-function device, which have to be asked one by one. */
const FURTHER_FUNCTIONS = 7;
/** Registers of a function behind its id: command, class, header type, interrupt, and those of its kind. */
const COMMON_REGISTERS = 4;
/** Six base addresses and the subsystem. */
const DEVICE_REGISTERS = 7;
/** Two base addresses and the bus numbers. */
const BRIDGE_REGISTERS = 3;

/** Assigns what firmware left open, then scans. */
export function listPciFunctions(stack: VirtioStack): { result: PciResult; functions: PciFunction[] } {
  stack.assignResources();
  const { counters } = stack.machine;
  const before = counters.configurationReads;
  const functions = stack.scan().sort((left, right) => left.address - right.address);
  const configurationReads = counters.configurationReads - before;
  const result = {
    functions: functions.map((pciFunction) => describeFunction(stack, pciFunction)),
    configurationReads,
    configurationReadBudget: readBudget(functions),
  };
  return { result, functions };
}

/** Every register once: of the slots on buses that exist, and of the functions in them. */
function readBudget(functions: readonly PciFunction[]): number {
  const buses = new Set([0]);
  const multiFunctionDevices = new Set<number>();
  let reads = 0;
  for (const { address, header_type, secondary_bus } of functions) {
    if ((address & 7) !== 0) {
      multiFunctionDevices.add(address >> 3);
    }
    reads += COMMON_REGISTERS;
    if (header_type === HEADER_DEVICE) {
      reads += DEVICE_REGISTERS;
    } else if (header_type === HEADER_BRIDGE) {
      reads += BRIDGE_REGISTERS;
      buses.add(secondary_bus);
    }
  }
  return reads + buses.size * SLOTS + multiFunctionDevices.size * FURTHER_FUNCTIONS;
}

function describeFunction(stack: VirtioStack, pciFunction: PciFunction): PciFunctionResult {
  const { address, class_code, vendor_id, device_id, header_type, interrupt_pin, virtio_type } = pciFunction;
  const hasSubsystem = header_type === HEADER_DEVICE && pciFunction.subsystem_vendor_id !== 0;
  const subsystem = `${hex(pciFunction.subsystem_vendor_id, 4)}:${hex(pciFunction.subsystem_id, 4)}`;
  const { secondary_bus: first, subordinate_bus: last } = pciFunction;
  return {
    address: formatPciAddress(address),
    class: hex(class_code, 6),
    className: className(class_code),
    vendor: hex(vendor_id, 4),
    vendorName: vendorName(vendor_id),
    device: hex(device_id, 4),
    deviceName: deviceName(vendor_id, device_id),
    revision: hex(pciFunction.revision_id, 2),
    subsystem: hasSubsystem ? subsystem : null,
    interrupt:
      interrupt_pin === 0
        ? null
        : { pin: String.fromCharCode(0x40 + interrupt_pin), line: stack.machine.interruptLine(address, interrupt_pin) },
    resources: Array.from(stack.bars(address), ([register, bar]) => describeBar(register, bar)),
    capabilities: stack.capabilities(address).map(({ id }) => hex(id, 2)),
    buses: header_type === HEADER_BRIDGE ? { first, last } : null,
    virtio: virtio_type === 0 ? null : { type: virtio_type, isLegacy: pciFunction.virtio_legacy === 1 },
  };
}

function describeBar(register: number, { base, size, is_io }: PciBar): PciResourceResult {
  return {
    register,
    kind: is_io === 1 ? "ports" : "memory",
    base: base === 0n ? null : `0x${base.toString(16)}`,
    bytes: Number(size),
  };
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
