/** Reads a disk's configuration, and refuses what no disk can mean. [virtio-1.2 §5.2.4, §5.2.5] */
import { Event, Result } from "../../abi/results";
import { configuration64 } from "../../virtio/configuration-fields";
import {
  configuration16,
  configuration32,
  configuration8,
  deviceIsGone,
  hasConfiguration,
  writeConfiguration,
} from "../../virtio/transport/transport";
import { BlockDevice } from "./device";
import {
  BLK_SIZE,
  CAPACITY,
  DISCARD_SECTOR_ALIGNMENT,
  GEOMETRY_CYLINDERS,
  GEOMETRY_HEADS,
  GEOMETRY_SECTORS,
  MAX_DISCARD_SECTORS,
  MAX_DISCARD_SEG,
  MAX_SECURE_ERASE_SECTORS,
  MAX_SECURE_ERASE_SEG,
  MAX_WRITE_ZEROES_SECTORS,
  MAX_WRITE_ZEROES_SEG,
  SECTOR_BYTES,
  SECURE_ERASE_SECTOR_ALIGNMENT,
  SEG_MAX,
  SIZE_MAX,
  TOPOLOGY_ALIGNMENT_OFFSET,
  TOPOLOGY_MIN_IO_SIZE,
  TOPOLOGY_OPT_IO_SIZE,
  TOPOLOGY_PHYSICAL_BLOCK_EXP,
  VIRTIO_BLK_F_BLK_SIZE,
  VIRTIO_BLK_F_CONFIG_WCE,
  VIRTIO_BLK_F_DISCARD,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_GEOMETRY,
  VIRTIO_BLK_F_RO,
  VIRTIO_BLK_F_SECURE_ERASE,
  VIRTIO_BLK_F_SEG_MAX,
  VIRTIO_BLK_F_SIZE_MAX,
  VIRTIO_BLK_F_TOPOLOGY,
  VIRTIO_BLK_F_WRITE_ZEROES,
  WRITE_ZEROES_MAY_UNMAP,
  WRITEBACK,
} from "./wire";

/** The largest disk whose size in bytes is a 64-bit number. A capacity that is UNSTABLE is above it. */
const CAPACITY_MAX: u64 = u64.MAX_VALUE / SECTOR_BYTES;

/** The largest block size believed; real ones end at 64 KiB. */
const BLOCK_SIZE_MAX: u32 = 1 << 24;

/** No limit. */
const UNLIMITED: u32 = u32.MAX_VALUE;

/**
 * Reads what requests are checked against. Features must have been negotiated: a field exists only with its feature.
 *
 * @returns OK or E_CONFIGURATION
 */
export function readConfiguration(device: BlockDevice): i32 {
  if (!hasConfiguration(device, CAPACITY, 8)) return Result.E_CONFIGURATION;
  const capacity = configuration64(device, CAPACITY);
  if (capacity > CAPACITY_MAX) return Result.E_CONFIGURATION;
  // A reset forgets the interrupt that would have told.
  if (device.resets != 0 && capacity != device.capacity) device.raise(Event.CAPACITY);
  device.capacity = capacity;
  // A disk that cannot be written stays one even when the kernel has the feature refused.
  device.readOnly = (device.featuresOffered & VIRTIO_BLK_F_RO) != 0;
  // Some devices say 0 for either. A request with data needs one segment, and a segment needs bytes.
  const sizeMax = field32(device, VIRTIO_BLK_F_SIZE_MAX, SIZE_MAX, UNLIMITED);
  device.sizeMax = sizeMax == 0 ? UNLIMITED : sizeMax;
  device.segMax = max(field32(device, VIRTIO_BLK_F_SEG_MAX, SEG_MAX, UNLIMITED), 1);
  const blockSize = field32(device, VIRTIO_BLK_F_BLK_SIZE, BLK_SIZE, SECTOR_BYTES);
  device.blockSize = blockSize;
  const isBlockSize = blockSize >= SECTOR_BYTES && blockSize <= BLOCK_SIZE_MAX && (blockSize & (blockSize - 1)) == 0;
  if (!isBlockSize) return Result.E_CONFIGURATION;
  // After a reset the device has the mode that it began with.
  if (!isDefined(WITHOUT_BLOCK_COMMANDS) && device.writebackSet) {
    writeConfiguration(device, WRITEBACK, 1, device.writebackWanted);
    if (isWriteback(device) != device.writebackWanted) device.raise(Event.SETTINGS);
  }
  describeDisk(device);
  return Result.OK;
}

/**
 * Which of the features that may be accepted leave the disk's cache as it is. [virtio-1.2 §5.2.5, §5.2.5.2]
 *
 * A device with CONFIG_WCE whose driver accepts FLUSH alone takes its cache for a write-back one from then on, whatever
 * it was configured to be. So FLUSH is accepted with CONFIG_WCE where that is offered, and not without.
 */
export function withoutCacheChange(device: BlockDevice, features: u64): u64 {
  const offered = device.featuresOffered;
  if ((offered & VIRTIO_BLK_F_CONFIG_WCE) == 0) return features;
  const both = VIRTIO_BLK_F_CONFIG_WCE | VIRTIO_BLK_F_FLUSH;
  return (features & offered & both) == both && hasConfiguration(device, WRITEBACK, 1) ? features : features & ~both;
}

/** Whether what was written may be in a cache. [virtio-1.2 §5.2.5] */
function isWriteback(device: BlockDevice): bool {
  if (device.accepted(VIRTIO_BLK_F_CONFIG_WCE)) return configuration8(device, WRITEBACK) != 0;
  return device.accepted(VIRTIO_BLK_F_FLUSH);
}

/**
 * Sets the mode of the cache, which must be the driver's to set, and looks whether it is set. [virtio-1.2 §5.2.6.1]
 *
 * @returns OK, E_REFUSED, E_GONE
 */
export function setWriteback(device: BlockDevice, writeback: u32): i32 {
  writeConfiguration(device, WRITEBACK, 1, writeback);
  const now = configuration8(device, WRITEBACK);
  if (now != writeback && deviceIsGone(device)) {
    device.vanish();
    return Result.E_GONE;
  }
  device.information.writeback = now != 0;
  if (device.information.writeback != writeback) return Result.E_REFUSED;
  device.writebackSet = true;
  device.writebackWanted = writeback != 0;
  return Result.OK;
}

/** A 32-bit field that exists with `feature`, otherwise `absent`. */
function field32(device: BlockDevice, feature: u64, offset: u32, absent: u32): u32 {
  return device.accepted(feature) && hasConfiguration(device, offset, 4) ? configuration32(device, offset) : absent;
}

/**
 * After a configuration interrupt: looks whether the capacity is another one. A reading that makes no sense changes
 * nothing. [virtio-1.2 §4.1.5.5, §2.5.4]
 */
export function updateCapacity(device: BlockDevice): void {
  const capacity = configuration64(device, CAPACITY);
  if (capacity > CAPACITY_MAX || capacity == device.capacity) return;
  device.capacity = capacity;
  device.raise(Event.CAPACITY);
}

/**
 * After a configuration interrupt: whether UNMAP may give up storage can change while the disk is in use.
 * [virtio-1.2 §5.2.6.2]
 */
export function updateUnmap(device: BlockDevice): void {
  const feature = VIRTIO_BLK_F_WRITE_ZEROES;
  const exists = device.accepted(feature) && hasConfiguration(device, WRITE_ZEROES_MAY_UNMAP, 1);
  device.information.write_zeroes_may_unmap = exists && configuration8(device, WRITE_ZEROES_MAY_UNMAP) != 0 ? 1 : 0;
}

/** Writes down what the device takes of operations on ranges, which `ranges.ts` goes by, too. */
function describeRanges(device: BlockDevice): void {
  const information = device.information;
  const discard = VIRTIO_BLK_F_DISCARD;
  information.max_discard_sectors = limit32(device, discard, MAX_DISCARD_SECTORS, UNLIMITED);
  information.max_discard_seg = limit32(device, discard, MAX_DISCARD_SEG, 1);
  information.discard_sector_alignment = limit32(device, discard, DISCARD_SECTOR_ALIGNMENT, 1);
  const zeroes = VIRTIO_BLK_F_WRITE_ZEROES;
  information.max_write_zeroes_sectors = limit32(device, zeroes, MAX_WRITE_ZEROES_SECTORS, UNLIMITED);
  information.max_write_zeroes_seg = limit32(device, zeroes, MAX_WRITE_ZEROES_SEG, 1);
  updateUnmap(device);
  const erase = VIRTIO_BLK_F_SECURE_ERASE;
  information.max_secure_erase_sectors = limit32(device, erase, MAX_SECURE_ERASE_SECTORS, UNLIMITED);
  information.max_secure_erase_seg = limit32(device, erase, MAX_SECURE_ERASE_SEG, 1);
  information.secure_erase_sector_alignment = limit32(device, erase, SECURE_ERASE_SECTOR_ALIGNMENT, 1);
}

/** A 32-bit limit that exists with `feature`, 0 without; where the device says 0, or nothing, it is `otherwise`. */
function limit32(device: BlockDevice, feature: u64, offset: u32, otherwise: u32): u32 {
  if (!device.accepted(feature)) return 0;
  const value = field32(device, feature, offset, 0);
  return value == 0 ? otherwise : value;
}

/** Writes down what `block_information` tells, so that it costs no access to the device, and needs none. */
function describeDisk(device: BlockDevice): void {
  const information = device.information;
  information.features_offered = device.featuresOffered;
  information.features_accepted = device.featuresAccepted;
  information.block_size = device.blockSize;
  information.size_max = device.sizeMax;
  information.seg_max = device.segMax;
  information.read_only = device.readOnly;
  information.writeback = isWriteback(device);
  const geometry = device.accepted(VIRTIO_BLK_F_GEOMETRY) && hasConfiguration(device, GEOMETRY_CYLINDERS, 4);
  information.cylinders = geometry ? <u16>configuration16(device, GEOMETRY_CYLINDERS) : 0;
  information.heads = geometry ? <u8>configuration8(device, GEOMETRY_HEADS) : 0;
  information.sectors = geometry ? <u8>configuration8(device, GEOMETRY_SECTORS) : 0;
  const topology = device.accepted(VIRTIO_BLK_F_TOPOLOGY) && hasConfiguration(device, TOPOLOGY_PHYSICAL_BLOCK_EXP, 8);
  information.physical_block_exp = topology ? <u8>configuration8(device, TOPOLOGY_PHYSICAL_BLOCK_EXP) : 0;
  information.alignment_offset = topology ? <u8>configuration8(device, TOPOLOGY_ALIGNMENT_OFFSET) : 0;
  information.min_io_size = topology ? <u16>configuration16(device, TOPOLOGY_MIN_IO_SIZE) : 0;
  information.opt_io_size = topology ? configuration32(device, TOPOLOGY_OPT_IO_SIZE) : 0;
  if (!isDefined(WITHOUT_BLOCK_COMMANDS)) describeRanges(device);
}
