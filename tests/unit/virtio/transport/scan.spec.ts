/** The list of functions that a kernel gets. */
import { Result } from "../../../../assembly/abi/results";
import { pci_scan } from "../../../../assembly/virtio/transport/scan";
import {
  addBar,
  addBridge,
  addDevice,
  addVirtio,
  functionRecord,
  functions,
  IO,
  MEMORY,
  MULTI_FUNCTION,
  numberBridge,
  pci_answer_always,
  pci_clear,
  pci_reads,
  pci_set,
  pci_writes,
  scan,
  setHeader,
} from "../../pci/machine";

/** Bytes of the last page of memory that records may lie in. */
const MEMORY_BYTES: u32 = 1024 * 65536;

describe("pci_scan", () => {
  beforeEach(() => {
    pci_clear();
    memory.fill(functions, 0xa5, 65 * 52);
  });

  it("costs one read for each slot of an empty machine", () => {
    expect(scan()).toBe(0);
    expect(pci_reads()).toBe(32);
  });

  it("costs twelve reads for a device, eight for a bridge, beside one for each empty slot", () => {
    addVirtio(0, 0x18, 1);
    expect(scan()).toBe(1);
    expect(pci_reads()).toBe(31 + 12);
    addBridge(0, 0x20);
    expect(scan()).toBe(2);
    expect(pci_reads()).toBe(30 + 12 + 8);
    expect(pci_scan(0, 0)).toBe(2);
    expect(pci_reads()).toBe(30 + 2 + 3);
    expect(pci_writes()).toBe(0);
  });

  it("fills in a device", () => {
    const device = addVirtio(0, 0x18, 2);
    pci_set(device, 0x04, 0x0010_0507);
    pci_set(device, 0x08, 0x0180_0000);
    pci_set(device, 0x3c, 0x0000_020b);
    expect(scan()).toBe(1);
    const record = functionRecord(0);
    expect(record.address).toBe(0x18);
    expect(record.vendor_id).toBe(0x1af4);
    expect(record.device_id).toBe(0x1001);
    expect(record.class_code).toBe(0x01_8000);
    expect(record.revision_id).toBe(0);
    expect(record.header_type).toBe(0);
    expect(record.subsystem_vendor_id).toBe(0x1af4);
    expect(record.subsystem_id).toBe(2);
    expect(record.interrupt_line).toBe(0x0b);
    expect(record.interrupt_pin).toBe(2);
    expect(record.command).toBe(0x0507);
    expect(record.status).toBe(0x0010);
    expect(record.bar0).toBe(0x1);
    expect(record.bar1).toBe(0);
    expect(record.bar4).toBe(0xc);
    expect(record.bar5).toBe(0);
    expect(record.secondary_bus).toBe(0);
    expect(record.subordinate_bus).toBe(0);
    expect(record.virtio_type).toBe(2);
    expect(record.virtio_legacy).toBe(1);
  });

  it("fills in all six base address registers", () => {
    const device = addDevice(0, 0x18, 1, 2);
    for (let index: u32 = 0; index < 6; index++) addBar(device, index, MEMORY, 4096, 0x1000 * (index + 1));
    scan();
    const record = functionRecord(0);
    expect(record.bar0).toBe(0x1000);
    expect(record.bar1).toBe(0x2000);
    expect(record.bar2).toBe(0x3000);
    expect(record.bar3).toBe(0x4000);
    expect(record.bar4).toBe(0x5000);
    expect(record.bar5).toBe(0x6000);
  });

  it("fills in a bridge, and nothing that bridges have not", () => {
    const bridge = addBridge(0, 0x20);
    numberBridge(bridge, 0, 3, 5);
    pci_set(bridge, 0x10, 0xe000_0004);
    pci_set(bridge, 0x14, 0x1);
    pci_set(bridge, 0x2c, 0x1234_5678);
    expect(scan()).toBe(1);
    const record = functionRecord(0);
    expect(record.class_code).toBe(0x06_0400);
    expect(record.header_type).toBe(1);
    expect(record.secondary_bus).toBe(3);
    expect(record.subordinate_bus).toBe(5);
    expect(record.bar0).toBe(0xe000_0004);
    expect(record.bar1).toBe(1);
    expect(record.bar2).toBe(0);
    expect(record.bar3).toBe(0);
    expect(record.subsystem_vendor_id).toBe(0);
    expect(record.subsystem_id).toBe(0);
    expect(record.virtio_type).toBe(0);
  });

  it("looks into no registers of a header type that it does not know", () => {
    const device = addDevice(0, 0x20, 0x1af4, 0x1000);
    setHeader(device, 2 | MULTI_FUNCTION);
    pci_set(device, 0x10, 0x1234);
    pci_set(device, 0x18, 0x0001_0100);
    pci_set(device, 0x2c, 0x0001_1af4);
    expect(scan()).toBe(1);
    const record = functionRecord(0);
    expect(record.header_type).toBe(2);
    expect(record.bar0).toBe(0);
    expect(record.secondary_bus).toBe(0);
    expect(record.virtio_type).toBe(0);
  });

  it("tells modern devices, and transitional ones without ports", () => {
    const modern = addDevice(0, 0x08, 0x1af4, 0x1041);
    pci_set(modern, 0x08, 0x0200_0001);
    addBar(addVirtio(0, 0x10, 1), 0, MEMORY, 4096);
    addBar(addDevice(0, 0x18, 0x1234, 0x1000), 0, IO, 32);
    expect(scan()).toBe(3);
    expect(functionRecord(0).virtio_type).toBe(1);
    expect(functionRecord(0).virtio_legacy).toBe(0);
    expect(functionRecord(1).virtio_type).toBe(1);
    expect(functionRecord(1).virtio_legacy).toBe(0);
    expect(functionRecord(2).virtio_type).toBe(0);
    expect(functionRecord(2).virtio_legacy).toBe(0);
  });

  it("goes through bridges, and not through those that nobody numbered", () => {
    const bridge = addBridge(0, 0x08);
    numberBridge(bridge, 0, 1, 2);
    const inner = addBridge(bridge, 0x10);
    numberBridge(inner, 1, 2, 2);
    addVirtio(inner, 0x18, 1);
    addVirtio(addBridge(0, 0x20), 0x00, 1);
    addVirtio(0, 0x28, 2);
    expect(scan()).toBe(5);
    expect(functionRecord(0).address).toBe(0x0008);
    expect(functionRecord(1).address).toBe(0x0110);
    expect(functionRecord(2).address).toBe(0x0218);
    expect(functionRecord(3).address).toBe(0x0020);
    expect(functionRecord(4).address).toBe(0x0028);
  });

  it("counts on when the records are full, and writes none behind them", () => {
    for (let device: u32 = 0; device < 5; device++) addVirtio(0, device << 3, 1);
    expect(pci_scan(functions, 3)).toBe(5);
    expect(functionRecord(2).address).toBe(0x10);
    expect(functionRecord(3).address).toBe(0xa5a5_a5a5);
  });

  it("refuses records outside of memory, and takes the last that are inside", () => {
    addVirtio(0, 0, 1);
    expect(pci_scan(0, 1)).toBe(Result.E_ARGUMENT);
    expect(pci_scan(MEMORY_BYTES - 48, 1)).toBe(Result.E_ARGUMENT);
    expect(pci_scan(functions, 0xffff_ffff)).toBe(Result.E_ARGUMENT);
    expect(pci_scan(0xffff_fff8, 1)).toBe(Result.E_ARGUMENT);
    expect(pci_reads()).toBe(0);
    expect(pci_scan(MEMORY_BYTES - 56, 1)).toBe(1);
    expect(pci_scan(0xffff_fff8, 0)).toBe(1);
  });

  it("finds nothing when everything reads all ones, or all zeroes", () => {
    pci_answer_always(0xffff_ffff);
    expect(scan()).toBe(0);
    pci_answer_always(0);
    expect(scan()).toBe(0);
    expect(pci_reads()).toBe(64);
  });

  it("ends when every register answers that it is a bridge", () => {
    // Vendor 0x0101, header type 1 with functions 1 to 7, secondary bus 1.
    pci_answer_always(0x0181_0101);
    expect(scan()).toBe(2 * 256);
    // Header type 0 with functions 1 to 7.
    pci_answer_always(0x0080_0001);
    expect(pci_scan(0, 0)).toBe(256);
  });

  it("ends when bridges announce all 256 buses", () => {
    let bridge: u32 = 0;
    for (let bus: u32 = 0; bus < 255; bus++) {
      bridge = addBridge(bridge, 0xf8);
      numberBridge(bridge, bus, bus + 1, 255);
    }
    addBridge(bridge, 0x00);
    pci_reads();
    expect(pci_scan(0, 0)).toBe(256);
    expect(pci_reads()).toBe(256 * 32 + 2 * 256);
  });
});
