/** One run over a machine: PCI, every network card, every disk, and what it all came to. */

import type { PciFunction, VirtioStack } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { useDisk, type DiskTasks } from "./disk-step.js";
import type { Host } from "./host.js";
import { useNetworkCard } from "./network-step.js";
import { listPciFunctions } from "./pci-step.js";
import { count } from "../command/count.js";
import { describeError } from "../command/errors.js";
import type { Reporter } from "./reporter.js";
import type { RunResult } from "./result.js";

const VIRTIO_NET = 1;
const VIRTIO_BLOCK = 2;

/**
 * Runs every step and reports each as it ends.
 *
 * @param tasks what is done to the disks
 */
export function run(host: Host, tasks: DiskTasks, reporter: Reporter): RunResult {
  const { machine, hasVirtualTime } = host;
  const result: RunResult = {
    version: 1,
    machine: { name: machine.name, build: machine.build, hasVirtualTime },
    pci: null,
    networkCards: [],
    disks: [],
    problems: [],
    worked: false,
    conclusion: "",
  };
  reporter.machine(result.machine);
  try {
    const stack = loadStack(machine);
    const functions = findDevices(stack, result, reporter);
    for (const { address } of functions.filter(isDriven(VIRTIO_NET))) {
      const card = useNetworkCard(stack, address);
      result.networkCards.push(card);
      reporter.networkCard(card, result.machine);
    }
    for (const { address } of functions.filter(isDriven(VIRTIO_BLOCK))) {
      const disk = useDisk(stack, address, tasks, reporter);
      result.disks.push(disk);
      reporter.disk(disk);
    }
  } catch (error) {
    result.problems.push(describeError(error));
  }
  conclude(result, host.complaints());
  reporter.conclusion(result);
  return result;
}

function isDriven(virtioType: number): (pciFunction: PciFunction) => boolean {
  return ({ virtio_type, virtio_legacy }) => virtio_type === virtioType && virtio_legacy === 1;
}

function findDevices(stack: VirtioStack, result: RunResult, reporter: Reporter): PciFunction[] {
  const { result: pci, functions } = listPciFunctions(stack);
  result.pci = pci;
  reporter.pci(pci);
  if (pci.configurationReads > pci.configurationReadBudget) {
    result.problems.push(
      `the scan took ${pci.configurationReads} reads, more than its budget of ${pci.configurationReadBudget}`,
    );
  }
  for (const [virtioType, kind] of [
    [VIRTIO_NET, "network card"],
    [VIRTIO_BLOCK, "disk"],
  ] as const) {
    if (!functions.some(isDriven(virtioType))) {
      result.problems.push(`there is no virtio ${kind} with a legacy interface`);
    }
  }
  return functions;
}

function conclude(result: RunResult, complaints: readonly string[]): void {
  for (const { address, problems } of result.networkCards) {
    result.problems.push(...problems.map((problem) => `network card ${address}: ${problem}`));
  }
  for (const { address, problems } of result.disks) {
    result.problems.push(...problems.map((problem) => `disk ${address}: ${problem}`));
  }
  result.problems.push(...complaints);
  result.worked = result.problems.length === 0;
  const count = result.problems.length;
  result.conclusion = result.worked
    ? `All of it worked: ${successes(result).join(", ")}.`
    : `Not all of it worked: there ${count === 1 ? "was 1 problem" : `were ${count} problems`}.`;
}

function successes({ pci, networkCards, disks }: RunResult): string[] {
  const found = `${count(pci?.functions.length ?? 0, "PCI function")} found`;
  const pinged = networkCards.map(
    ({ lease, pings }) => `${lease?.router ?? "the router"} answered ${count(pings.length, "ping")}`,
  );
  const moved = disks.map(({ bytes, isVerified }) => {
    const amount = `${bytes} bytes of disk`;
    return isVerified === true ? `${amount} written, read back and compared` : `${amount} read and hashed`;
  });
  return [found, ...pinged, ...moved];
}
