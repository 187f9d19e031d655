/** The virtio block device. [virtio-1.2 §5.2] */
import type { BlockProfile, Profile } from "../profiles.js";
import type { Chain } from "../virtio/chain.js";
import { ConfigurationSpace } from "../virtio/configuration.js";
import { ANY_FRAMING, VIRTIO_F_VERSION_1, VIRTIO_ID_BLOCK } from "../virtio/constants.js";
import { type DeviceOffer, type FeatureDependency, VirtioDevice, type VirtioDeviceOptions } from "../virtio/device.js";
import { featureSet, hasFeature } from "../virtio/feature-sets.js";
import type { DeviceQueue } from "../virtio/queue.js";
import { type BlockBackEnd, SECTOR_BYTES } from "./back-end.js";
import * as constants from "./constants.js";
import { isStrictlyFramed, measureData, type ParsedRequest, parseRequest } from "./request.js";
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
  /** Decides about every well-formed request before it is performed; undefined: as usual. */
  onRequest?: (request: ParsedRequest) => RequestFate | undefined;
}

const GEOMETRY_HEADS = 16;
const GEOMETRY_SECTORS = 63;
const CLASS_STORAGE_SCSI = 0x01_00_00;

export class BlockDevice extends VirtioDevice {
  readonly type = VIRTIO_ID_BLOCK;
  readonly kind = "block";
  readonly classCode = CLASS_STORAGE_SCSI;
  /** May be set or changed at any time. */
  onRequest: ((request: ParsedRequest) => RequestFate | undefined) | undefined;
  protected readonly featureDependencies: readonly FeatureDependency[] = [];
  private readonly backEnd: BlockBackEnd;
  private host: BlockProfile | null = null;
  private hasStrictFraming = false;
  private sizeMax = 0;
  private segMax = 0;
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
      requests.push({ chain, request, fate: this.onRequest?.(request) });
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
    this.restoreWriteCache();
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
    return configuration;
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
    this.checkSegments(chain);
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
        case constants.VIRTIO_BLK_T_FLUSH:
          return this.flush(request);
        case constants.VIRTIO_BLK_T_GET_ID:
          return this.getId(chain, request);
        default:
          return constants.VIRTIO_BLK_S_UNSUPP;
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
