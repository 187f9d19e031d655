/** The section about PCI in the terminal's report, in the words of `lspci`. */

import { count } from "../command/count.js";
import { fold, indent, WIDTH, wrap } from "../command/layout.js";
import { bytesInWords } from "./describe.js";
import type { PciFunctionResult, PciResult } from "./result.js";

/** Below the function's name, behind its address. */
const DETAIL_INDENT = 10;

export function describePci({ functions, configurationReads, configurationReadBudget }: PciResult): string {
  const heading =
    `PCI: ${count(functions.length, "function")}, found with ` +
    `${count(configurationReads, "read")} of configuration space (budget ${configurationReadBudget})`;
  return [fold(heading), ...functions.flatMap((pciFunction) => indent(describeFunction(pciFunction)))].join("\n");
}

/** What a function is, in lines of at most `width` characters. */
export function titleOf(pciFunction: PciFunctionResult, width: number): string[] {
  const { className, vendorName, deviceName, vendor, device, revision } = pciFunction;
  const names = vendorName === null ? "Device" : `${vendorName} ${deviceName ?? "Device"}`;
  const numbers = `[${vendor}:${device}] (rev ${revision})`;
  return wrap([...`${className}: ${names}`.split(" "), numbers], width, " ").split("\n");
}

function describeFunction(pciFunction: PciFunctionResult): string[] {
  const { address, subsystem } = pciFunction;
  const details: string[] = [];
  if (subsystem !== null) {
    details.push(`subsystem ${subsystem}`);
  }
  if (pciFunction.buses !== null) {
    const { first, last } = pciFunction.buses;
    details.push(first === last ? `bus ${first}` : `buses ${first} to ${last}`);
  }
  if (pciFunction.interrupt !== null) {
    details.push(`interrupt ${pciFunction.interrupt.pin}, line ${pciFunction.interrupt.line}`);
  }
  for (const { kind, base, bytes } of pciFunction.resources) {
    details.push(`${kind} at ${base ?? "(not assigned)"} [${bytesInWords(bytes)}]`);
  }
  if (pciFunction.capabilities.length > 0) {
    details.push(`capabilities ${pciFunction.capabilities.join(" ")}`);
  }
  if (pciFunction.virtio !== null) {
    details.push(`virtio type ${pciFunction.virtio.type}, ${pciFunction.virtio.isLegacy ? "" : "no "}legacy interface`);
  }
  const room = WIDTH - DETAIL_INDENT;
  const [title = "", ...rest] = titleOf(pciFunction, room);
  const lines = details.length === 0 ? [] : wrap(details, room, "; ").split("\n");
  return [`${address} ${title}`, ...indent([...rest, ...lines], address.length + 1)];
}
