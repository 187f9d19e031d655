/** Names of PCI functions: the words of `lspci`, from `pci.ids`. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { projectFolder } from "../../tools/build/project.js";
import { selectPciIds } from "../../tools/pci-ids/select.js";
import { titleOf } from "../../tools/start/describe-pci.js";
import { parsePciIds } from "../../tools/start/pci-ids.js";
import { className, deviceName, vendorName } from "../../tools/start/pci-names.js";
import type { PciFunctionResult } from "../../tools/start/result.js";

test("what virtual machines have is called as lspci calls it", () => {
  assert.equal(className(0x02_00_00), "Ethernet controller");
  assert.equal(className(0x06_00_00), "Host bridge");
  assert.equal(className(0x01_01_80), "IDE interface");
  assert.equal(vendorName(0x1af4), "Red Hat, Inc.");
  assert.equal(deviceName(0x1af4, 0x1000), "Virtio network device");
  assert.equal(deviceName(0x1af4, 0x1042), "Virtio 1.0 block device");
  assert.equal(deviceName(0x8086, 0x1237), "440FX - 82441FX PMC [Natoma]");
});

test("what is not known is called by its numbers, as lspci does", () => {
  assert.equal(className(0x02_77_00), "Network controller [0277]");
  assert.equal(className(0x77_00_00), "Class [7700]");
  const unknown = {
    ...{ className: "VGA compatible controller", vendor: "1234", device: "1111", revision: "02" },
    ...{ vendorName: null, deviceName: null },
  } as PciFunctionResult;
  assert.deepEqual(titleOf(unknown, 80), ["VGA compatible controller: Device [1234:1111] (rev 02)"]);
  const half = { ...unknown, vendor: "1af4", vendorName: "Red Hat, Inc." };
  assert.deepEqual(titleOf(half, 80), ["VGA compatible controller: Red Hat, Inc. Device [1af4:1111] (rev 02)"]);
});

const sample = `#
#	Version: 1
#

# Vendors
1234  Somebody
	0001  First
1af4  Red Hat, Inc.
	1000  Virtio network device
		1af4 0001  a subsystem
8086  Intel Corporation
	1237  440FX
	9999  Something else
C 02  Network controller
	00  Ethernet controller
		01  an interface
`;

test("a list is read without subsystems, interfaces and comments", () => {
  const { classes, subclasses, vendors, devices } = parsePciIds(sample);
  assert.deepEqual([...vendors.keys()], [0x1234, 0x1af4, 0x8086]);
  assert.deepEqual([...devices.values()], ["First", "Virtio network device", "440FX", "Something else"]);
  assert.deepEqual(
    [...classes, ...subclasses],
    [
      [0x02, "Network controller"],
      [0x0200, "Ethernet controller"],
    ],
  );
});

test("of a whole list, only what virtual machines are made of is chosen", () => {
  const chosen = selectPciIds(sample);
  const { devices, subclasses } = parsePciIds(chosen);
  assert.deepEqual([...devices.values()], ["First", "Virtio network device", "440FX"]);
  assert.deepEqual([...subclasses.values()], ["Ethernet controller"]);
  assert.match(chosen, /^#\tVersion: 1$/m, "the head is kept");
});

test("the list in the repository is one that was chosen, with its licence", () => {
  const text = readFileSync(join(projectFolder, "tools/start/virtual-machines.pci.ids"), "utf8");
  assert.match(text, /3-clause BSD License/);
  const body = text.slice(text.indexOf("#\n") + 2);
  assert.equal(selectPciIds(body), text);
});
