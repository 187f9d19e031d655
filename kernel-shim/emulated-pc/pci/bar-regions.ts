/** A base address that holds several stretches of registers, with nothing between them. */
import type { PortHandler } from "./function.js";

interface BarRegion {
  readonly offset: number;
  readonly length: number;
  readonly handler: PortHandler;
}

export class BarRegions implements PortHandler {
  private readonly regions: BarRegion[] = [];

  /** @param outside told of accesses that no stretch answers */
  constructor(private readonly outside: (detail: string) => void) {}

  add(offset: number, length: number, handler: PortHandler): void {
    this.regions.push({ offset, length, handler });
  }

  /** The stretch that holds all of `width` bytes at an offset. */
  find(offset: number, width: number): BarRegion | undefined {
    return this.regions.find((region) => offset >= region.offset && offset + width <= region.offset + region.length);
  }

  read(offset: number, width: number): number {
    const found = this.find(offset, width);
    if (found !== undefined) return found.handler.read(offset - found.offset, width);
    this.outside(`read of ${width} bytes at 0x${offset.toString(16)}`);
    return 0;
  }

  write(offset: number, width: number, value: number): void {
    const found = this.find(offset, width);
    if (found !== undefined) found.handler.write(offset - found.offset, width, value);
    else this.outside(`write of ${width} bytes at 0x${offset.toString(16)}`);
  }
}
