/**
 * The way to a modern device's registers through its configuration space, for when no base address leads there.
 * [virtio-1.2 §4.1.4.9]
 *
 * A capability names a base address register, an offset and a length, and has a register that stands for what is there.
 * Base address register and length are written only when they change, which leaves two configuration cycles an access.
 */
import { readExactly, writePci16, writePci32, writePci8 } from "../../pci/configuration-space";

// From the start of the capability. [virtio-1.2 §4.1.4]
const BAR: u32 = 4;
const OFFSET: u32 = 8;
const LENGTH: u32 = 12;
const PCI_CFG_DATA: u32 = 16;


@unmanaged
export class PciWindow {
  pciAddress: u32;
  /** Where the capability lies in configuration space; 0: there is none. */
  capability: u32;
  /** What was written last; length 0: nothing yet. */
  private bar: u32;
  private length: u32;

  /** Forgets what was written, since the function may have forgotten it, too. */
  forget(): void {
    this.length = 0;
  }

  /** @param width 1, 2 or 4, of which `offset` is a multiple */
  read(bar: u32, offset: u32, width: u32): u32 {
    this.direct(bar, offset, width);
    return readExactly(this.pciAddress, this.capability + PCI_CFG_DATA, width);
  }

  write(bar: u32, offset: u32, width: u32, value: u32): void {
    this.direct(bar, offset, width);
    const register = this.capability + PCI_CFG_DATA;
    if (width == 1) writePci8(this.pciAddress, register, value);
    else if (width == 2) writePci16(this.pciAddress, register, value);
    else writePci32(this.pciAddress, register, value);
  }

  private direct(bar: u32, offset: u32, width: u32): void {
    const address = this.pciAddress;
    if (this.length != width || this.bar != bar) {
      writePci8(address, this.capability + BAR, bar);
      writePci32(address, this.capability + LENGTH, width);
      this.bar = bar;
      this.length = width;
    }
    writePci32(address, this.capability + OFFSET, offset);
  }
}
