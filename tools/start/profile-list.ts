/** `--profile list`: what the hosts are that the emulated PC can resemble, and which devices each of them has. */

import { profileNames, profiles, type Profile, type ProfileName } from "../../kernel-shim/emulated-pc/profiles.js";
import { featureNames } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { count } from "../command/count.js";
import { columns, fold, indent, WIDTH } from "../command/layout.js";
import { describeConnection } from "./connection.js";
import { describeSlot } from "./describe.js";
import { titleOf } from "./describe-pci.js";
import { VIRTIO_BLOCK } from "./disk-step.js";
import { startEmulatedPc } from "./emulated-host.js";
import { devicesAmong, devicesInSlots, type FoundDevice } from "./find-devices.js";
import { VIRTIO_NET } from "./network-step.js";
import { listPciFunctions } from "./pci-step.js";

const SMALLEST_DISK = 512;
const NO_LIMIT = 0xffff_ffff;
/** What fits beside the labels. */
const TEXT_WIDTH = WIDTH - 16;
/** Of a function's name, address included. */
const FUNCTION_INDENT = 10;

const EXPLANATIONS: Readonly<Record<ProfileName, string>> = {
  qemu: "QEMU 7.2: offers everything that a ring can do, and takes accesses of any width",
  virtualbox: "VirtualBox: long queues and none of the ring's features; header and data always apart",
  bhyve: "bhyve: insists on the framing and the widths of the specification; used lengths say little",
  large: "hosts in the cloud: queues of thousands, and segments of limited size",
  minimal: "the least that is still a virtio device: tiny queues, and not one optional feature",
  "qemu-transitional": "QEMU's pc: devices with legacy and with modern registers",
  "qemu-modern": "QEMU's q35: devices without the legacy interface, each behind a root port",
  "qemu-port-notify": "QEMU with modern-pio-notify=on: modern devices that are notified through a port",
  "virtualbox-7": "VirtualBox 7: as virtualbox, with modern registers beside the legacy ones",
  crosvm: "crosvm: modern devices that insist on widths, and no registers behind configuration space",
  "cloud-hypervisor": "Cloud Hypervisor: modern devices that interrupt by messages only",
  firecracker: "Firecracker with --enable-pci: messages only, and registers far above 4 GiB",
  "firecracker-mmio": "Firecracker without PCI: modern memory-mapped devices",
  gcp: "Google's first two generations: as large, with no more message vectors than a card needs",
  v86: "v86: all modern registers in ports, and none of the ring's features; v86 itself has no virtio disk",
  "microvm-1": "QEMU's microvm: memory-mapped devices with legacy registers, and queues of 1024",
  "microvm-2": "QEMU's microvm with virtio-mmio.force-legacy=false: the same with modern registers",
};

/** What the driver finds on a machine. */
interface Found {
  /** How it reaches the devices. */
  readonly transport: string;
  readonly cardFeatures: bigint;
  readonly diskFeatures: bigint;
  /** Each device or function in lines of its own. */
  readonly places: readonly string[];
}

/** All of them, for a terminal. */
export function describeProfiles(): string {
  const hosts = profileNames.map((name) => ({ name, found: lookAt(name), isPc: isPc(profiles[name]) }));
  const [first = [], ...others] = hosts.filter(({ isPc }) => isPc).map(({ found }) => found.places);
  const ofEveryPc = first.filter((text) => others.every((places) => places.includes(text)));
  const sections = hosts.map(({ name, found, isPc }) => {
    const places = isPc ? found.places.filter((text) => !ofEveryPc.includes(text)) : found.places;
    const rest = isPc ? ["and what every PC has, see the end"] : [];
    return [name, ...indent([...describeProfile(name, found), ...places.flatMap(lines), ...rest])].join("\n");
  });
  return [...sections, ["Every PC has", ...indent(ofEveryPc.flatMap(lines))].join("\n")].join("\n\n");
}

/** Whether there is what a PC has besides virtio devices. */
function isPc({ layout = "standard" }: Profile): boolean {
  return layout === "standard";
}

function describeProfile(name: ProfileName, found: Found): string[] {
  const profile = profiles[name];
  const { net, block } = profile;
  const control = net.controlQueueSize === 0 ? "" : `, control ${net.controlQueueSize}`;
  const limits = [
    `queue of ${block.queueSize}`,
    `requests of up to ${count(block.segMax, "segment")}`,
    ...(block.sizeMax === NO_LIMIT ? [] : [`each of up to ${block.sizeMax} bytes`]),
  ];
  const rows = [
    ["transport", found.transport],
    ["interrupts", describeInterrupts(profile)],
    ["network card", `queues: receive ${net.receiveQueueSize}, transmit ${net.transmitQueueSize}${control}`],
    ["  offers", features(VIRTIO_NET, found.cardFeatures)],
    ["disk", fold(limits.join(", "), TEXT_WIDTH)],
    ["  offers", features(VIRTIO_BLOCK, found.diskFeatures)],
  ];
  return [...fold(EXPLANATIONS[name], WIDTH - 2).split("\n"), ...columns(rows)];
}

function describeInterrupts({ hasInterruptPin, messageVectors }: Profile): string {
  const vectors = count(messageVectors, "message vector");
  if (!hasInterruptPin) return `${vectors} for each device, and no line`;
  return messageVectors === 0 ? "a line" : `a line, or ${vectors} for each device`;
}

function features(virtioType: number, offered: bigint): string {
  const names = featureNames(virtioType, offered);
  return names.length === 0 ? "nothing optional" : fold(names.join(" "), TEXT_WIDTH);
}

/** Opens the devices of such a machine, as a run would. */
function lookAt(name: ProfileName): Found {
  const host = startEmulatedPc(name, "mapped", null, SMALLEST_DISK, null);
  try {
    const stack = loadStack(host.machine);
    const pci = host.hasPci ? listPciFunctions(stack) : null;
    const mapped = devicesInSlots(stack);
    const devices = [...devicesAmong(pci?.functions ?? [], host.vectors), ...mapped.devices];
    const net = theOnly(devices, VIRTIO_NET);
    const card = stack.openNet(net.address, net.options);
    const block = theOnly(devices, VIRTIO_BLOCK);
    const disk = stack.openBlock(block.address, block.options);
    const connection = describeConnection(card);
    return {
      transport: `${connection?.transport ?? ""}, registers in ${connection?.registers ?? ""}`,
      cardFeatures: card.information().features_offered,
      diskFeatures: disk.information().features_offered,
      places: [
        ...(pci?.result.functions ?? []).map((each) => {
          const [first = "", ...rest] = titleOf(each, WIDTH - FUNCTION_INDENT);
          return [`${each.address} ${first}`, ...indent(rest, each.address.length + 1)].join("\n");
        }),
        ...mapped.slots.map((slot) => `${slot.base} ${describeSlot(slot)}`),
      ],
    };
  } finally {
    host.close();
  }
}

function theOnly(devices: readonly FoundDevice[], virtioType: number): FoundDevice {
  const found = devices.find(({ type }) => type === virtioType);
  if (found === undefined) throw new Error(`no device of virtio type ${virtioType} was found`);
  return found;
}

function lines(text: string): string[] {
  return text.split("\n");
}
