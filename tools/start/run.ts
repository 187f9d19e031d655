/** One run over a machine: its devices, every network card, every disk, and what it all came to. */

import type { VirtioStack } from "../../kernel-shim/javascript/index.js";
import { loadStack } from "../../kernel-shim/javascript/load.js";
import { useDisk, VIRTIO_BLOCK, type DiskTasks } from "./disk-step.js";
import { devicesAmong, devicesInSlots, type FoundDevice } from "./find-devices.js";
import type { Host } from "./host.js";
import { useNetworkCard, VIRTIO_NET } from "./network-step.js";
import { listPciFunctions } from "./pci-step.js";
import { count } from "../command/count.js";
import { describeError } from "../command/errors.js";
import type { Reporter } from "./reporter.js";
import type { RunResult } from "./result.js";

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
    slots: [],
    networkCards: [],
    disks: [],
    problems: [],
    worked: false,
    conclusion: "",
  };
  reporter.machine(result.machine);
  try {
    const stack = loadStack(machine);
    const devices = findDevices(stack, host, result, reporter);
    for (const found of devices.filter(({ type }) => type === VIRTIO_NET)) {
      const card = useNetworkCard(stack, found);
      result.networkCards.push(card);
      reporter.networkCard(card, result.machine);
    }
    for (const found of devices.filter(({ type }) => type === VIRTIO_BLOCK)) {
      const disk = useDisk(stack, found, tasks, reporter);
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

function findDevices(stack: VirtioStack, host: Host, result: RunResult, reporter: Reporter): FoundDevice[] {
  const devices: FoundDevice[] = [];
  if (host.hasPci) devices.push(...findFunctions(stack, host, result, reporter));
  const mapped = devicesInSlots(stack);
  devices.push(...mapped.devices);
  result.slots = mapped.slots;
  if (mapped.slots.length > 0) reporter.slots(mapped.slots, stack.machine.mmioSlots?.length ?? 0);
  for (const [virtioType, kind] of [
    [VIRTIO_NET, "network card"],
    [VIRTIO_BLOCK, "disk"],
  ] as const) {
    if (!devices.some(({ type }) => type === virtioType)) {
      result.problems.push(`there is no virtio ${kind}`);
    }
  }
  return devices;
}

function findFunctions(stack: VirtioStack, host: Host, result: RunResult, reporter: Reporter): FoundDevice[] {
  const { result: pci, functions } = listPciFunctions(stack);
  result.pci = pci;
  reporter.pci(pci);
  if (pci.configurationReads > pci.configurationReadBudget) {
    result.problems.push(
      `the scan took ${pci.configurationReads} reads, more than its budget of ${pci.configurationReadBudget}`,
    );
  }
  return devicesAmong(functions, host.vectors);
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

function successes({ pci, slots, networkCards, disks }: RunResult): string[] {
  const functions = pci === null ? [] : [`${count(pci.functions.length, "PCI function")} found`];
  const mapped = slots.length === 0 ? [] : [`${count(slots.length, "memory-mapped device")} found`];
  const pinged = networkCards.map(
    ({ lease, pings }) => `${lease?.router ?? "the router"} answered ${count(pings.length, "ping")}`,
  );
  const moved = disks.map(({ bytes, isVerified }) => {
    const amount = `${bytes} bytes of disk`;
    return isVerified === true ? `${amount} written, read back and compared` : `${amount} read and hashed`;
  });
  return [...functions, ...mapped, ...pinged, ...moved];
}
