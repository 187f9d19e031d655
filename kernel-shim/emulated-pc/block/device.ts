/** The virtio block device. [virtio-1.2 §5.2] */
import type { BlockProfile, Profile } from "../profiles.js";
import type { Chain } from "../virtio/chain.js";
import { ConfigurationSpace } from "../virtio/configuration.js";
import { ANY_FRAMING, VIRTIO_F_VERSION_1, VIRTIO_ID_BLOCK } from "../virtio/constants.js";
import { type DeviceOffer, type FeatureDependency, VirtioDevice, type VirtioDeviceOptions } from "../virtio/device.js";
import { featureSet, hasFeature } from "../virtio/feature-sets.js";
import type { DeviceQueue } from "../virtio/queue.js";
import { type BlockBackEnd, SECTOR_BYTES } from "./back-end.js";
import { Barriers } from "./barriers.js";
import * as constants from "./constants.js";
import { isScsiFramed, isStrictlyFramed, measureData, type ParsedRequest, parseRequest } from "./request.js";
import { type RangeLimits, type RangeOperation, rangeOperations, readRanges } from "./ranges.js";
import * as rules from "./rules.js";

/** What a test makes of one request. */
export interface RequestFate {
  /** Nanoseconds until it is performed, in place of what the machine would take. */
  delay?: number;
  /** Completed with this status, without being performed. */
  status?: number;
  /** Never completed. */
  isLost?: boolean;
}

export interface BlockDeviceOptions extends VirtioDeviceOptions {
  backEnd: BlockBackEnd;
  /** Up to 20 bytes of ASCII, what GET_ID reads. */
  serial?: string;
  /** Offers SIZE_MAX with this value. */
  sizeMax?: number;
  /** Offers SEG_MAX with this value. */
  segMax?: number;
  /** Offers BLK_SIZE with this value, bytes. */
  blockSize?: number;
  /** Offers TOPOLOGY. Units as in the specification. */
  topology?: { physicalBlockExp: number; alignmentOffset: number; minIoSize: number; optIoSize: number };
  /**
   * Whether the disk is configured with a volatile write cache, as QEMU's `write-cache`; it is unless given. Without
   * one, hosts whose driver cannot switch it on (no CONFIG_WCE) offer no FLUSH.
   */
  writeCache?: boolean;
  /** Offers DISCARD with these limits. */
  discard?: RangeLimits;
  /** Offers WRITE_ZEROES with these limits; UNMAP gives up storage unless it is told not to. */
  writeZeroes?: RangeLimits & { mayUnmap?: boolean };
  /** Offers SECURE_ERASE with these limits. */
  secureErase?: RangeLimits;
  /** Offers LIFETIME with these three numbers. */
  lifetime?: Lifetime;
  /** Offers BARRIER, to legacy drivers. */
  barrier?: boolean;
  /** Offers SCSI, to legacy drivers, and performs the commands. Throws when it cannot. */
  scsi?: (command: ScsiCommand) => ScsiAnswer;
  /** Decides about every well-formed request before it is performed; undefined: as usual. */
  onRequest?: (request: ParsedRequest) => RequestFate | undefined;
}

/** A SCSI command as it reaches the device. */
export interface ScsiCommand {
  readonly command: Uint8Array;
  /** Data from the driver. */
  readonly dataOut: Uint8Array;
  /** Bytes of data that the driver has room for. */
  readonly dataInBytes: number;
}

/** What became of it: `errors` 0 is success, and sense data are up to 96 bytes. */
export interface ScsiAnswer {
  readonly errors: number;
  readonly dataIn?: Uint8Array;
  readonly sense?: Uint8Array;
}

/** What GET_LIFETIME reads: `pre_eol_info`, and the estimates of type A and type B. */
export type Lifetime = readonly [preEndOfLife: number, typeA: number, typeB: number];

const GEOMETRY_HEADS = 16;
const GEOMETRY_SECTORS = 63;
const CLASS_STORAGE_SCSI = 0x01_00_00;
/** As QEMU has it: everything at once, in one range. */
const USUAL_LIMITS: RangeLimits = { sectors: 4_194_303, ranges: 1, alignment: 1 };
/** Sectors that are zeroed at once. */
const ZEROED_TOGETHER = 128;

export class BlockDevice extends VirtioDevice {
  readonly type = VIRTIO_ID_BLOCK;
  readonly kind = "block";
  readonly classCode = CLASS_STORAGE_SCSI;
  /** May be set or changed at any time. */
  onRequest: ((request: ParsedRequest) => RequestFate | undefined) | undefined;
  protected readonly featureDependencies: readonly FeatureDependency[] = [];
  protected override readonly legacyFeatures = constants.VIRTIO_BLK_F_BARRIER | constants.VIRTIO_BLK_F_SCSI;
  private readonly backEnd: BlockBackEnd;
  private host: BlockProfile | null = null;
  private hasStrictFraming = false;
  private sizeMax = 0;
  private segMax = 0;
  private readonly barriers = new Barriers();
  private scratch = new Uint8Array(64 * SECTOR_BYTES);

  constructor(private readonly blockOptions: BlockDeviceOptions) {
    super(blockOptions);
    this.backEnd = blockOptions.backEnd;
    this.onRequest = blockOptions.onRequest;
  }

  /** Sectors of 512 bytes. */
  get capacity(): number {
    return this.backEnd.sectors;
  }

  /** Changes the size of the disk, and tells the driver. */
  resize(sectors: number): void {
    this.backEnd.resize(sectors);
    this.configuration.set("capacity", BigInt(sectors));
    this.configurationChanged();
  }

  /**
   * Whether completed writes may wait for a flush at the moment; otherwise they are on stable storage. What the driver
   * writes to `writeback` counts at once. [virtio-1.2 §5.2.5]
   */
  get isWriteBack(): boolean {
    return this.configuration.get("writeback") !== 0;
  }

  override close(): void {
    this.backEnd.close();
  }

  protected describe(profile: Profile): DeviceOffer {
    const { sizeMax, segMax, blockSize, topology, writeCache = true } = this.blockOptions;
    const { discard, writeZeroes, secureErase, lifetime, barrier = false, scsi } = this.blockOptions;
    this.host = profile.block;
    this.hasStrictFraming = profile.hasStrictFraming;
    this.sizeMax = sizeMax ?? profile.block.sizeMax;
    this.segMax = segMax ?? profile.block.segMax;
    let features = profile.block.features;
    if (sizeMax !== undefined) features |= constants.VIRTIO_BLK_F_SIZE_MAX;
    if (segMax !== undefined) features |= constants.VIRTIO_BLK_F_SEG_MAX;
    if (blockSize !== undefined) features |= constants.VIRTIO_BLK_F_BLK_SIZE;
    if (topology !== undefined) features |= constants.VIRTIO_BLK_F_TOPOLOGY;
    if (this.backEnd.isReadOnly) features |= constants.VIRTIO_BLK_F_RO;
    if (discard !== undefined) features |= constants.VIRTIO_BLK_F_DISCARD;
    if (writeZeroes !== undefined) features |= constants.VIRTIO_BLK_F_WRITE_ZEROES;
    if (secureErase !== undefined) features |= constants.VIRTIO_BLK_F_SECURE_ERASE;
    if (lifetime !== undefined) features |= constants.VIRTIO_BLK_F_LIFETIME;
    if (barrier) features |= constants.VIRTIO_BLK_F_BARRIER;
    if (scsi !== undefined) features |= constants.VIRTIO_BLK_F_SCSI;
    if (!writeCache && !hasFeature(featureSet(features), constants.VIRTIO_BLK_F_CONFIG_WCE)) {
      features &= ~constants.VIRTIO_BLK_F_FLUSH;
    }
    return {
      features: features + profile.ringFeatures,
      queueSizes: [profile.block.queueSize],
      configuration: this.createConfiguration(),
    };
  }

  protected serve(queue: DeviceQueue): void {
    const requests: { chain: Chain; request: ParsedRequest; fate: RequestFate | undefined }[] = [];
    for (let chain = queue.next(); chain !== null; chain = queue.next()) {
      const request = this.check(queue, chain);
      if (request === null) return;
      const fate = this.onRequest?.(request);
      if (!request.isBarrier && this.barriers.areNone) {
        this.barriers.began();
        requests.push({ chain, request, fate });
        continue;
      }
      this.barriers.add(request.isBarrier, () => {
        this.later(fate?.delay ?? this.environment.completion.requestDelay(), () => {
          this.finish(queue, chain, request, fate);
          queue.signal();
        });
      });
    }
    const { completion } = this.environment;
    const together = requests.filter(({ fate }) => !completion.isOneByOne && fate?.delay === undefined);
    if (together.length > 0) {
      this.later(completion.requestDelay(), () => {
        for (const { chain, request, fate } of together) this.finish(queue, chain, request, fate);
        queue.signal();
      });
    }
    for (const { chain, request, fate } of requests) {
      if (!completion.isOneByOne && fate?.delay === undefined) continue;
      this.later(fate?.delay ?? completion.requestDelay(), () => {
        this.finish(queue, chain, request, fate);
        queue.signal();
      });
    }
  }

  /** Whatever was in flight is dropped together with what was given to `later`. */
  protected wasReset(): void {
    this.barriers.clear();
    this.restoreWriteCache();
  }

  protected override queueWasReset(): void {
    this.barriers.clear();
  }

  /** A driver that cannot say which mode it wants gets the one that it can handle. [virtio-1.2 §5.2.5.3, §5.2.6.2] */
  protected override featuresAreSettled(): void {
    if (this.hasNegotiated(constants.VIRTIO_BLK_F_CONFIG_WCE)) return;
    this.configuration.set("writeback", this.hasNegotiated(constants.VIRTIO_BLK_F_FLUSH) ? 1 : 0);
  }

  private restoreWriteCache(configuration = this.configuration): void {
    configuration.set("writeback", (this.blockOptions.writeCache ?? true) ? 1 : 0);
  }

  private createConfiguration(): ConfigurationSpace {
    const { blockSize, topology } = this.blockOptions;
    const configuration = new ConfigurationSpace(constants.BLOCK_CONFIGURATION);
    const cylinders = Math.floor(this.backEnd.sectors / (GEOMETRY_HEADS * GEOMETRY_SECTORS));
    configuration.set("capacity", BigInt(this.backEnd.sectors));
    configuration.set("size_max", this.sizeMax);
    configuration.set("seg_max", this.segMax);
    configuration.set("cylinders", Math.min(Math.max(cylinders, 1), 0xffff));
    configuration.set("heads", GEOMETRY_HEADS);
    configuration.set("sectors", GEOMETRY_SECTORS);
    configuration.set("blk_size", blockSize ?? SECTOR_BYTES);
    configuration.set("physical_block_exp", topology?.physicalBlockExp ?? 0);
    configuration.set("alignment_offset", topology?.alignmentOffset ?? 0);
    configuration.set("min_io_size", topology?.minIoSize ?? 1);
    configuration.set("opt_io_size", topology?.optIoSize ?? 0);
    this.restoreWriteCache(configuration);
    for (const [type, { sectorsField, rangesField, alignmentField }] of rangeOperations) {
      const { sectors, ranges, alignment = 1 } = this.limitsOf(type);
      configuration.set(sectorsField, sectors);
      configuration.set(rangesField, ranges);
      if (alignmentField !== undefined) configuration.set(alignmentField, alignment);
    }
    configuration.set("write_zeroes_may_unmap", (this.blockOptions.writeZeroes?.mayUnmap ?? true) ? 1 : 0);
    return configuration;
  }

  private limitsOf(type: number): RangeLimits {
    const { discard, writeZeroes, secureErase } = this.blockOptions;
    const given = new Map([
      [constants.VIRTIO_BLK_T_DISCARD, discard],
      [constants.VIRTIO_BLK_T_WRITE_ZEROES, writeZeroes],
      [constants.VIRTIO_BLK_T_SECURE_ERASE, secureErase],
    ]).get(type);
    return given ?? USUAL_LIMITS;
  }

  /** Records what is wrong with the form of a request; null when that leaves nothing to perform. */
  private check(queue: DeviceQueue, chain: Chain): ParsedRequest | null {
    const at = `head ${chain.head}`;
    if (!this.hasNegotiated(ANY_FRAMING) && !isStrictlyFramed(chain)) {
      if (this.hasStrictFraming) {
        queue.break(rules.BLOCK_FRAMING, at);
        return null;
      }
      this.record(rules.BLOCK_FRAMING, at);
    }
    const request = parseRequest(chain);
    if (request === null) {
      queue.break(rules.BLOCK_HEADER, at);
      return null;
    }
    if (request.type !== constants.VIRTIO_BLK_T_SCSI_CMD) this.checkSegments(chain);
    if (request.isBarrier && !this.hasNegotiated(constants.VIRTIO_BLK_F_BARRIER)) {
      this.record(rules.BLOCK_NOT_NEGOTIATED, "a barrier");
    }
    if (request.priority !== 0 && this.hasNegotiated(VIRTIO_F_VERSION_1)) {
      this.record(rules.BLOCK_RESERVED, `${request.priority}`);
    }
    return request;
  }

  private checkSegments(chain: Chain): void {
    const { segments, longest } = measureData(chain);
    if (this.hasNegotiated(constants.VIRTIO_BLK_F_SIZE_MAX) && longest > this.sizeMax) {
      this.record(rules.BLOCK_SIZE_MAX, `${longest} bytes, size_max ${this.sizeMax}`);
    }
    if (this.hasNegotiated(constants.VIRTIO_BLK_F_SEG_MAX) && segments > this.segMax) {
      this.record(rules.BLOCK_SEG_MAX, `${segments} segments, seg_max ${this.segMax}`);
    }
  }

  private finish(queue: DeviceQueue, chain: Chain, request: ParsedRequest, fate: RequestFate | undefined): void {
    if (fate?.isLost === true || chain.isOver) return;
    const status = fate?.status ?? this.perform(chain, request);
    this.scratch[0] = status;
    chain.write(chain.writableBytes - 1, this.scratch, 0, 1);
    const hasData = status === constants.VIRTIO_BLK_S_OK && request.type !== constants.VIRTIO_BLK_T_OUT;
    queue.complete(chain, this.usedLength(hasData ? request.writableBytes + 1 : 1));
    this.barriers.completed();
  }

  private usedLength(written: number): number {
    if (this.hasNegotiated(VIRTIO_F_VERSION_1)) return written;
    if (this.host?.usedLength === "one") return 1;
    return this.host?.usedLength === "zero" ? 0 : written;
  }

  private perform(chain: Chain, request: ParsedRequest): number {
    try {
      switch (request.type) {
        case constants.VIRTIO_BLK_T_IN:
          return this.read(chain, request);
        case constants.VIRTIO_BLK_T_OUT:
          return this.write(chain, request);
        case constants.VIRTIO_BLK_T_SCSI_CMD:
          return this.performScsi(chain, request);
        case constants.VIRTIO_BLK_T_FLUSH:
          return this.flush(request);
        case constants.VIRTIO_BLK_T_GET_ID:
          return this.getId(chain, request);
        case constants.VIRTIO_BLK_T_GET_LIFETIME:
          return this.getLifetime(chain, request);
        default: {
          const operation = rangeOperations.get(request.type);
          return operation === undefined
            ? constants.VIRTIO_BLK_S_UNSUPP
            : this.performOnRanges(chain, request, operation);
        }
      }
    } catch {
      // The back end failed, whatever the reason: an input or output error is all that a disk can say.
      return constants.VIRTIO_BLK_S_IOERR;
    }
  }

  private read(chain: Chain, request: ParsedRequest): number {
    this.checkDirection(request, request.readableBytes);
    if (!this.checkRange(request, request.writableBytes)) return constants.VIRTIO_BLK_S_IOERR;
    const data = this.scratchOf(request.writableBytes);
    this.backEnd.read(request.sector, data);
    chain.write(0, data, 0, data.length);
    return constants.VIRTIO_BLK_S_OK;
  }

  private write(chain: Chain, request: ParsedRequest): number {
    this.checkDirection(request, request.writableBytes);
    if (this.backEnd.isReadOnly) {
      this.record(rules.BLOCK_READ_ONLY, `sector ${request.sector}`);
      return constants.VIRTIO_BLK_S_IOERR;
    }
    if (!this.checkRange(request, request.readableBytes)) return constants.VIRTIO_BLK_S_IOERR;
    const data = this.scratchOf(request.readableBytes);
    chain.read(constants.HEADER_BYTES, data, 0, data.length);
    this.backEnd.write(request.sector, data);
    if (!this.isWriteBack) this.backEnd.flush();
    return constants.VIRTIO_BLK_S_OK;
  }

  private flush(request: ParsedRequest): number {
    if (!this.hasNegotiated(constants.VIRTIO_BLK_F_FLUSH)) {
      this.record(rules.BLOCK_FLUSH_NOT_NEGOTIATED, `features 0x${this.negotiatedFeatures.toString(16)}`);
    }
    if (request.sector !== 0) this.record(rules.BLOCK_FLUSH_SECTOR, `sector ${request.sector}`);
    if (request.readableBytes + request.writableBytes !== 0) this.record(rules.BLOCK_DATA_LENGTH, "FLUSH with data");
    this.backEnd.flush();
    return constants.VIRTIO_BLK_S_OK;
  }

  private getId(chain: Chain, request: ParsedRequest): number {
    this.checkDirection(request, request.readableBytes);
    if (request.writableBytes !== constants.ID_BYTES) {
      this.record(rules.BLOCK_DATA_LENGTH, `${request.writableBytes} bytes for GET_ID`);
    }
    const id = new Uint8Array(constants.ID_BYTES);
    id.set(new TextEncoder().encode(this.blockOptions.serial ?? "").subarray(0, constants.ID_BYTES));
    chain.write(0, id, 0, Math.min(request.writableBytes, constants.ID_BYTES));
    return constants.VIRTIO_BLK_S_OK;
  }

  private performScsi(chain: Chain, request: ParsedRequest): number {
    if (!this.mayUse(request, "SCSI_CMD", constants.VIRTIO_BLK_F_SCSI)) return constants.VIRTIO_BLK_S_UNSUPP;
    if (!isScsiFramed(chain)) {
      this.record(rules.BLOCK_SCSI_FRAMING, `head ${chain.head}`);
      return constants.VIRTIO_BLK_S_IOERR;
    }
    const commandBytes = chain.readable[1]?.length ?? 0;
    const command = new Uint8Array(commandBytes);
    const dataOut = new Uint8Array(request.readableBytes - commandBytes);
    chain.read(constants.HEADER_BYTES, command, 0, command.length);
    chain.read(constants.HEADER_BYTES + commandBytes, dataOut, 0, dataOut.length);
    const dataInBytes = request.writableBytes - constants.SENSE_BYTES - constants.SCSI_RESULT_BYTES;
    const perform = this.blockOptions.scsi;
    if (perform === undefined) return constants.VIRTIO_BLK_S_UNSUPP;
    const {
      errors,
      dataIn = new Uint8Array(0),
      sense = new Uint8Array(0),
    } = perform({ command, dataOut, dataInBytes });
    const moved = Math.min(dataIn.length, dataInBytes);
    chain.write(0, dataIn, 0, moved);
    chain.write(dataInBytes, sense, 0, Math.min(sense.length, constants.SENSE_BYTES));
    const result = new DataView(new ArrayBuffer(constants.SCSI_RESULT_BYTES));
    result.setUint32(0, errors, true);
    result.setUint32(4, dataInBytes + dataOut.length, true);
    result.setUint32(8, sense.length, true);
    result.setUint32(12, dataInBytes - moved, true);
    const resultAt = dataInBytes + constants.SENSE_BYTES;
    chain.write(resultAt, new Uint8Array(result.buffer), 0, constants.SCSI_RESULT_BYTES);
    return constants.VIRTIO_BLK_S_OK;
  }

  private getLifetime(chain: Chain, request: ParsedRequest): number {
    if (!this.mayUse(request, "GET_LIFETIME", constants.VIRTIO_BLK_F_LIFETIME)) return constants.VIRTIO_BLK_S_UNSUPP;
    this.checkDirection(request, request.readableBytes);
    if (request.writableBytes !== constants.LIFETIME_BYTES) {
      this.record(rules.BLOCK_DATA_LENGTH, `${request.writableBytes} bytes for GET_LIFETIME`);
      return constants.VIRTIO_BLK_S_IOERR;
    }
    const numbers = this.blockOptions.lifetime ?? [0, 0, 0];
    const bytes = Uint8Array.from(numbers.flatMap((number) => [number & 0xff, number >> 8]));
    chain.write(0, bytes, 0, constants.LIFETIME_BYTES);
    return constants.VIRTIO_BLK_S_OK;
  }

  /** Performs all ranges, or, when anything is wrong with any, none. */
  private performOnRanges(chain: Chain, request: ParsedRequest, operation: RangeOperation): number {
    const { name } = operation;
    if (!this.mayUse(request, name, operation.feature)) return constants.VIRTIO_BLK_S_UNSUPP;
    this.checkDirection(request, request.writableBytes);
    if (this.backEnd.isReadOnly) {
      this.record(rules.BLOCK_READ_ONLY, name);
      return constants.VIRTIO_BLK_S_IOERR;
    }
    if (request.readableBytes === 0 || request.readableBytes % constants.RANGE_BYTES !== 0) {
      this.record(rules.BLOCK_DATA_LENGTH, `${request.readableBytes} bytes for ${name}`);
      return constants.VIRTIO_BLK_S_IOERR;
    }
    const ranges = readRanges(chain, request.readableBytes);
    const limits = this.limitsOf(request.type);
    if (ranges.some(({ flags }) => (flags & ~operation.flags) !== 0)) {
      this.record(rules.BLOCK_RANGE_FLAGS, `${name}, flags ${ranges.map(({ flags }) => flags).join(", ")}`);
      return constants.VIRTIO_BLK_S_UNSUPP;
    }
    if (limits.ranges !== 0 && ranges.length > limits.ranges) {
      this.record(rules.BLOCK_RANGE_COUNT, `${name}, ${ranges.length} ranges of ${limits.ranges}`);
      return constants.VIRTIO_BLK_S_UNSUPP;
    }
    const sectors = ranges.reduce((sum, range) => sum + range.sectors, 0);
    if (limits.sectors !== 0 && sectors > limits.sectors) {
      this.record(rules.BLOCK_RANGE_SECTORS, `${name}, ${sectors} sectors of ${limits.sectors}`);
      return constants.VIRTIO_BLK_S_IOERR;
    }
    for (const range of ranges) {
      if (range.sector + range.sectors <= this.backEnd.sectors) continue;
      this.record(rules.BLOCK_CAPACITY, `${name}, ${range.sectors} sectors from ${range.sector} on`);
      return constants.VIRTIO_BLK_S_IOERR;
    }
    const blockSectors = (this.blockOptions.blockSize ?? SECTOR_BYTES) / SECTOR_BYTES;
    const isOfBlocks = ranges.every((range) => (range.sector | range.sectors) % blockSectors === 0);
    if (!isOfBlocks) return constants.VIRTIO_BLK_S_IOERR;
    for (const range of ranges) {
      if (request.type === constants.VIRTIO_BLK_T_DISCARD) this.backEnd.discard(range.sector, range.sectors);
      else this.zero(range.sector, range.sectors);
    }
    if (!this.isWriteBack) this.backEnd.flush();
    return constants.VIRTIO_BLK_S_OK;
  }

  private zero(sector: number, sectors: number): void {
    for (let done = 0; done < sectors; done += ZEROED_TOGETHER) {
      this.backEnd.write(sector + done, new Uint8Array(Math.min(sectors - done, ZEROED_TOGETHER) * SECTOR_BYTES));
    }
  }

  /** Whether an operation was negotiated that has no sector of its own. */
  private mayUse(request: ParsedRequest, name: string, feature: number): boolean {
    if (request.sector !== 0) this.record(rules.BLOCK_SECTOR_UNUSED, `${name}, sector ${request.sector}`);
    if (this.hasNegotiated(feature)) return true;
    this.record(rules.BLOCK_NOT_NEGOTIATED, name);
    return false;
  }

  private checkDirection(request: ParsedRequest, wrongBytes: number): void {
    if (wrongBytes !== 0) this.record(rules.BLOCK_DATA_DIRECTION, `type ${request.type}, ${wrongBytes} bytes`);
  }

  private checkRange(request: ParsedRequest, bytes: number): boolean {
    if (bytes % SECTOR_BYTES !== 0) {
      this.record(rules.BLOCK_DATA_LENGTH, `${bytes} bytes`);
      return false;
    }
    if (request.sector + bytes / SECTOR_BYTES <= this.backEnd.sectors) return true;
    this.record(rules.BLOCK_CAPACITY, `sector ${request.sector}, ${bytes} bytes, capacity ${this.backEnd.sectors}`);
    return false;
  }

  private scratchOf(bytes: number): Uint8Array {
    if (bytes > this.scratch.length) this.scratch = new Uint8Array(bytes);
    return this.scratch.subarray(0, bytes);
  }
}
