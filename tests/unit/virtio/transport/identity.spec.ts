/** Telling virtio devices and their interfaces from everything else. */
import {
  hasLegacyInterface,
  identifyLegacy,
  identifyVirtio,
  virtioType,
} from "../../../../assembly/virtio/transport/identity";
import { addBar, addVirtio, IO, MEMORY, pci_clear, pci_set } from "../../pci/machine";

describe("virtio identity", () => {
  beforeEach(() => {
    pci_clear();
  });

  it("takes the type of a transitional device from the subsystem id", () => {
    expect(virtioType(0x1000_1af4, 0, 1)).toBe(1);
    expect(virtioType(0x1001_1af4, 0, 2)).toBe(2);
    expect(virtioType(0x103f_1af4, 0, 9)).toBe(9);
    expect(virtioType(0x1000_1af4, 0, 2)).toBe(2);
  });

  it("takes the type of a modern device from its id, whatever the revision", () => {
    expect(virtioType(0x1041_1af4, 1, 0x1100)).toBe(1);
    expect(virtioType(0x1042_1af4, 0, 0x1100)).toBe(2);
    expect(virtioType(0x107f_1af4, 1, 0)).toBe(63);
  });

  it("leaves all others alone", () => {
    expect(virtioType(0x0fff_1af4, 0, 1)).toBe(0);
    expect(virtioType(0x1080_1af4, 0, 1)).toBe(0);
    expect(virtioType(0x1110_1af4, 0, 1)).toBe(0);
    expect(virtioType(0x1000_8086, 0, 1)).toBe(0);
    expect(virtioType(0x1000_1af4, 1, 1)).toBe(0);
    expect(virtioType(0x1000_1af4, 0, 0x0101)).toBe(0);
  });

  it("sees the legacy interface only behind ports", () => {
    expect(hasLegacyInterface(0x1000_1af4, 0xc001)).toBe(true);
    expect(hasLegacyInterface(0x1000_1af4, 1)).toBe(true);
    expect(hasLegacyInterface(0x1000_1af4, 0xe000_0000)).toBe(false);
    expect(hasLegacyInterface(0x1000_1af4, 0xffff_ffff)).toBe(false);
    expect(hasLegacyInterface(0x1041_1af4, 0xc001)).toBe(false);
  });

  it("names the type of a device with the legacy interface", () => {
    addVirtio(0, 0x18, 1);
    addVirtio(0, 0x20, 2);
    expect(identifyLegacy(0x18)).toBe(1);
    expect(identifyLegacy(0x20)).toBe(2);
    expect(identifyLegacy(0x28)).toBe(0);
    expect(identifyLegacy(0x1_0018)).toBe(0);
  });

  it("names the type of a device whatever its interface", () => {
    addVirtio(0, 0x18, 1);
    pci_set(addVirtio(0, 0x20, 2), 0, 0x1042_1af4);
    expect(identifyVirtio(0x18)).toBe(1);
    expect(identifyVirtio(0x20)).toBe(2);
    expect(identifyVirtio(0x28)).toBe(0);
    expect(identifyVirtio(0x1_0018)).toBe(0);
  });

  it("does not take a device without ports for a legacy one, nor a modern one with some", () => {
    addBar(addVirtio(0, 0x18, 1), 0, MEMORY, 4096);
    const modern = addVirtio(0, 0x20, 2);
    pci_set(modern, 0, 0x1042_1af4);
    addBar(modern, 0, IO, 32);
    expect(identifyLegacy(0x18)).toBe(0);
    expect(identifyLegacy(0x20)).toBe(0);
  });
});
