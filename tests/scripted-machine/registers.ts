/**
 * The legacy registers of a virtio device that does nothing: the test plays the device. [virtio-1.2 §4.1.4.10]
 *
 * Registers of the wrong width and ports without a register throw.
 */

const HOST_FEATURES = 0;
const GUEST_FEATURES = 4;
const QUEUE_PFN = 8;
const QUEUE_NUM = 12;
const QUEUE_SEL = 14;
const QUEUE_NOTIFY = 16;
const STATUS = 18;
const ISR = 19;
const CONFIGURATION = 20;

/** Width of each register in bytes. */
const widths = new Map([
  [HOST_FEATURES, 4],
  [GUEST_FEATURES, 4],
  [QUEUE_PFN, 4],
  [QUEUE_NUM, 2],
  [QUEUE_SEL, 2],
  [QUEUE_NOTIFY, 2],
  [STATUS, 1],
  [ISR, 1],
]);

export class ScriptedRegisters {
  /** What reads of a register answer before its value counts again, by offset. */
  private readonly answers = new Map<number, number[]>();
  private readonly queueSizes = new Map<number, number>();
  private readonly queuePages = new Map<number, number>();
  private readonly configuration: DataView;
  private selected = 0;
  private status = 0;
  private pollsLeft = 0;
  acceptedFeatures = 0;
  interruptStatus = 0;
  /** Bits of the device status that the device remembers. */
  statusMask = 0xff;
  /** Bits that the device adds to a status other than 0. */
  statusAdded = 0;
  /** How many times the device is asked after a reset before it says that it has. */
  resetPolls = 0;
  /** The device is gone: everything reads as ones. */
  gone = false;

  constructor(
    readonly base: number,
    private readonly bytes: number,
    public offeredFeatures: number,
  ) {
    this.configuration = new DataView(new ArrayBuffer(Math.max(bytes - CONFIGURATION, 0)));
  }

  covers(port: number): boolean {
    return port >= this.base && port < this.base + this.bytes;
  }

  setQueueSize(index: number, size: number): void {
    this.queueSizes.set(index, size);
  }

  setQueuePage(index: number, page: number): void {
    this.queuePages.set(index, page);
  }

  /** Physical address of a queue, as the driver gave it, divided by 4096. */
  queuePage(index: number): number {
    return this.queuePages.get(index) ?? 0;
  }

  setConfiguration(offset: number, value: number): void {
    this.configuration.setUint8(offset, value);
  }

  /** The next read of the register that no earlier answer is for answers `value`. */
  answer(offset: number, value: number): void {
    const waiting = this.answers.get(offset);
    if (waiting) waiting.push(value);
    else this.answers.set(offset, [value]);
  }

  currentStatus(): number {
    return this.status;
  }

  read(port: number, width: number): number {
    const offset = this.check(port, width);
    if (this.gone) return 0xffff_ffff;
    const scripted = this.answers.get(offset)?.shift();
    if (scripted !== undefined) return scripted;
    switch (offset) {
      case HOST_FEATURES:
        return this.offeredFeatures;
      case GUEST_FEATURES:
        return this.acceptedFeatures;
      case QUEUE_PFN:
        return this.queuePage(this.selected);
      case QUEUE_NUM:
        return this.queueSizes.get(this.selected) ?? 0;
      case QUEUE_SEL:
        return this.selected;
      case QUEUE_NOTIFY:
        return 0;
      case STATUS:
        return this.readStatus();
      case ISR: {
        const bits = this.interruptStatus;
        this.interruptStatus = 0;
        return bits;
      }
      default:
        return this.readConfiguration(offset - CONFIGURATION, width);
    }
  }

  write(port: number, value: number, width: number): void {
    switch (this.check(port, width)) {
      case GUEST_FEATURES:
        this.acceptedFeatures = value;
        break;
      case QUEUE_PFN:
        this.queuePages.set(this.selected, value);
        break;
      case QUEUE_SEL:
        this.selected = value;
        break;
      case QUEUE_NOTIFY:
        break;
      case STATUS:
        this.writeStatus(value);
        break;
      default:
        throw new RangeError(`write to read-only port 0x${port.toString(16)}`);
    }
  }

  private readStatus(): number {
    if (this.pollsLeft > 0) {
      this.pollsLeft--;
      return this.status === 0 ? 0x0f : this.status;
    }
    return this.status;
  }

  private writeStatus(value: number): void {
    if (value === 0) {
      this.status = 0;
      this.selected = 0;
      this.acceptedFeatures = 0;
      this.interruptStatus = 0;
      this.queuePages.clear();
      this.pollsLeft = this.resetPolls;
    } else {
      this.status = (value & this.statusMask) | this.statusAdded;
    }
  }

  private readConfiguration(offset: number, width: number): number {
    if (width === 1) return this.configuration.getUint8(offset);
    if (width === 2) return this.configuration.getUint16(offset, true);
    return this.configuration.getUint32(offset, true);
  }

  private check(port: number, width: number): number {
    const offset = port - this.base;
    const wanted = offset < CONFIGURATION ? widths.get(offset) : width;
    if (wanted !== width || offset % width !== 0 || offset + width > this.bytes) {
      throw new RangeError(`access of ${String(width)} bytes to port 0x${port.toString(16)}`);
    }
    return offset;
  }
}
