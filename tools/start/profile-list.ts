/** `--profile list`: what the hosts are that the emulated PC can resemble, and which devices each of them has. */

import { profiles, type Profile, type ProfileName } from "../../kernel-shim/emulated-pc/profiles.js";
import { featureNames } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { count } from "../command/count.js";
import { columns, fold, indent, WIDTH } from "../command/layout.js";
import { titleOf } from "./describe-pci.js";
import { startEmulatedPc } from "./emulated-host.js";
import { listPciFunctions } from "./pci-step.js";

const VIRTIO_NET = 1;
const VIRTIO_BLOCK = 2;
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
};

/** All of them, for a terminal. */
export function describeProfiles(): string {
  const names = Object.keys(profiles) as ProfileName[];
  const machines = new Map(names.map((name) => [name, functionsOf(name)]));
  const [first = [], ...others] = machines.values();
  const ofAll = first.filter((text) => others.every((list) => list.includes(text)));
  const sections = names.map((name) => {
    const own = machines.get(name)?.filter((text) => !ofAll.includes(text)) ?? [];
    return [name, ...indent(describeProfile(name, profiles[name])), ...indent(own)].join("\n");
  });
  return [...sections, ["Each of them has", ...indent(ofAll.flatMap((text) => text.split("\n")))].join("\n")].join(
    "\n\n",
  );
}

function describeProfile(name: ProfileName, { net, block, ringFeatures }: Profile): string[] {
  const control = net.controlQueueSize === 0 ? "" : `, control ${net.controlQueueSize}`;
  const limits = [
    `queue of ${block.queueSize}`,
    `requests of up to ${count(block.segMax, "segment")}`,
    ...(block.sizeMax === NO_LIMIT ? [] : [`each of up to ${block.sizeMax} bytes`]),
  ];
  const rows = [
    ["network card", `queues: receive ${net.receiveQueueSize}, transmit ${net.transmitQueueSize}${control}`],
    ["  offers", features(VIRTIO_NET, net.features + ringFeatures)],
    ["disk", fold(limits.join(", "), TEXT_WIDTH)],
    ["  offers", features(VIRTIO_BLOCK, block.features + ringFeatures)],
  ];
  return [...fold(EXPLANATIONS[name], WIDTH - 2).split("\n"), ...columns(rows)];
}

function features(virtioType: number, bits: number): string {
  const names = featureNames(virtioType, BigInt(bits));
  return names.length === 0 ? "nothing optional" : fold(names.join(" "), TEXT_WIDTH);
}

/** What a scan finds on such a machine, each function in lines of its own. */
function functionsOf(name: ProfileName): string[] {
  const host = startEmulatedPc(name, "mapped", null, SMALLEST_DISK, null);
  try {
    const { functions } = listPciFunctions(loadStack(host.machine)).result;
    return functions.map((each) => {
      const [first = "", ...rest] = titleOf(each, WIDTH - FUNCTION_INDENT);
      return [`${each.address} ${first}`, ...indent(rest, each.address.length + 1)].join("\n");
    });
  } finally {
    host.close();
  }
}
