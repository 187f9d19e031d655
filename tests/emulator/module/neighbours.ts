/** Two devices on one machine, the first open and honest, the second with lies about where its registers are. */
import assert from "node:assert/strict";
import { BlockDevice } from "../../../kernel-shim/emulated-pc/block/device.js";
import { MemoryDisk } from "../../../kernel-shim/emulated-pc/block/memory-disk.js";
import { NetDevice } from "../../../kernel-shim/emulated-pc/net/device.js";
import type { PciFunction } from "../../../kernel-shim/emulated-pc/pci/function.js";
import type { VirtioDevice } from "../../../kernel-shim/emulated-pc/virtio/device.js";
import { BlockOperation, Result } from "../../../kernel-shim/javascript/index.js";
import type { Build } from "../../../kernel-shim/machine.js";
import { CONFIGURATION_PORTS, HostedModule, type PortAccess } from "./hosted.js";

const SECTOR_BYTES = 512;
const BASE_ADDRESS_0 = 0x10;
const CONFIGURATION_ENABLE = 0x8000_0000;

export interface Ports {
  readonly base: number;
  readonly end: number;
}

export class Neighbours {
  readonly module: HostedModule;
  readonly honest: BlockDevice;
  readonly liar: VirtioDevice;
  /** Of the honest one. */
  readonly handle: number;
  readonly ports: Ports;
  /** Of the other one, as they were before it lied. */
  private readonly liarsPorts: Ports;
  private readonly contents = new MemoryDisk(64 * SECTOR_BYTES);
  private readonly buffer: number;

  constructor(
    build: Build,
    private readonly kind: "disk" | "card",
  ) {
    this.honest = new BlockDevice({ backEnd: this.contents });
    this.liar = kind === "disk" ? new BlockDevice({ backEnd: new MemoryDisk(32 * SECTOR_BYTES) }) : new NetDevice();
    this.module = new HostedModule(build, { devices: [this.honest, this.liar] });
    this.buffer = this.module.pc.allocateBuffer(SECTOR_BYTES);
    this.ports = this.module.portsOf(this.honest);
    this.liarsPorts = this.module.portsOf(this.liar);
    this.handle = this.module.openDisk(this.honest);
    assert.ok(this.handle > 0);
  }

  get liarFunction(): PciFunction {
    return this.module.pc.functionOf(this.liar);
  }

  openLiar(): number {
    return this.kind === "disk" ? this.module.openDisk(this.liar) : this.module.openCard(this.liar);
  }

  /** Since `watch` nothing was done to these ports, apart from those that are the liar's own. */
  assertUntouched(ports: Ports = this.ports): void {
    const touched = this.module.registerAccesses.filter(
      (access) => reaches(access, ports) && !reaches(access, this.liarsPorts),
    );
    assert.deepEqual(touched, []);
  }

  /** Since `watch` the configuration ports were used as mechanism 1 says, and not as anybody's registers. */
  assertConfigurationIsIntact(): void {
    for (const { direction, port, width, value } of this.module.accesses) {
      if (port >= CONFIGURATION_PORTS.end || port + width <= CONFIGURATION_PORTS.base) continue;
      if (port >= CONFIGURATION_PORTS.base + 4) continue;
      const isSelection = direction === "out" && port === CONFIGURATION_PORTS.base && width === 4;
      assert.ok(
        isSelection && value >= CONFIGURATION_ENABLE,
        `${direction}${8 * width} of port 0x${port.toString(16)}`,
      );
    }
  }

  /** The honest disk does what it is asked. */
  works(): void {
    const { module, handle, buffer } = this;
    this.contents.bytes.fill(0x77, 0, SECTOR_BYTES);
    const request = {
      token: 1n,
      operation: BlockOperation.READ,
      sector: 0n,
      segments: [{ pointer: buffer, length: SECTOR_BYTES }],
    };
    assert.equal(module.submit(handle, [request]).count, 1);
    module.letDevicesWork();
    assert.deepEqual(module.poll(handle, 4).completions, [{ token: 1n, result: Result.OK, length: SECTOR_BYTES }]);
    assert.deepEqual(module.pc.readBuffer(buffer, SECTOR_BYTES), new Uint8Array(SECTOR_BYTES).fill(0x77));
    assert.equal(module.exports.events(handle), 0);
  }
}

function reaches({ port, width }: PortAccess, ports: Ports): boolean {
  return port < ports.end && port + width > ports.base;
}

/**
 * Makes base address register 0 of a function read as if its ports were others. Its own stay as they are.
 *
 * @param isLying asked at each reading, with its number from 0 on; always unless given
 * @returns ends it
 */
export function lie(
  pciFunction: PciFunction,
  ports: Ports,
  isLying: (reading: number) => boolean = () => true,
): () => void {
  const read = pciFunction.read.bind(pciFunction);
  const write = pciFunction.write.bind(pciFunction);
  const right = read(BASE_ADDRESS_0, 4);
  const size = pciFunction.baseAddresses[0]?.size ?? 0;
  let readings = 0;
  let isSized = false;
  pciFunction.read = (offset, width) => {
    if (offset !== BASE_ADDRESS_0) return read(offset, width);
    const isLie = isLying(readings++);
    if (isSized) return 0x1_0000_0000 - (isLie ? ports.end - ports.base : size) + 1;
    return isLie ? ports.base + 1 : right;
  };
  pciFunction.write = (offset, width, value) => {
    if (offset === BASE_ADDRESS_0) isSized = value === 0xffff_ffff;
    else write(offset, width, value);
  };
  return () => {
    pciFunction.read = read;
    pciFunction.write = write;
  };
}
