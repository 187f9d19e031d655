/**
 * Every check that the stack makes of what a device can tell it, and how to take it away: one line of source each, found
 * by its text. A text that is not there, or there twice, is an error, so that the list keeps up with the source. (That
 * ports have room for the first twelve bytes of configuration is known: they are a power of two.)
 */

export interface DeviceCheck {
  /** What the check holds against. */
  readonly name: string;
  /** Relative to the project's folder. */
  readonly file: string;
  readonly find: string;
  readonly replacement: string;
}

const VIRTQUEUE = "assembly/virtio/queue/virtqueue.ts";
const TRANSPORT = "assembly/virtio/transport/legacy-pci.ts";
const FIELDS = "assembly/virtio/configuration.ts";
const LIFECYCLE = "assembly/virtio/lifecycle.ts";
const DEVICE = "assembly/virtio/device.ts";
const DRIVERS = "assembly/drivers.ts";
const NET = "assembly/drivers/net/driver.ts";
const CAPABILITIES = "assembly/pci/capabilities.ts";
const BASE_ADDRESS = "assembly/pci/bar.ts";
const WALK = "assembly/pci/walk.ts";
const PCI_CONFIGURATION = "assembly/pci/configuration.ts";
const ASSIGNMENT = "assembly/pci/assign.ts";
const NET_CONFIGURATION = "assembly/drivers/net/configuration.ts";
const RECEIVE = "assembly/drivers/net/receive.ts";
const TRANSMIT = "assembly/drivers/net/transmit.ts";
const BLOCK_CONFIGURATION = "assembly/drivers/block/configuration.ts";
const REQUESTS = "assembly/drivers/block/requests.ts";

function check(name: string, file: string, find: string, replacement: string): DeviceCheck {
  return { name, file, find, replacement };
}

export const deviceChecks: readonly DeviceCheck[] = [
  check("queue size below what the driver needs", VIRTQUEUE, "size < sizeMin ||", "false ||"),
  check("queue size that is no power of two", VIRTQUEUE, "(size & (size - 1)) != 0) return", "false) return"),
  check(
    "queue size that changes",
    VIRTQUEUE,
    "if (queueSize(device, this.index) != this.size) return Result.E_QUEUE_SIZE;",
    "queueSize(device, this.index);",
  ),
  check("queue that is live already", VIRTQUEUE, "if (queueIsLive(device)) return Result.E_QUEUE_LIVE;", ""),
  check("used.idx further than there are chains", VIRTQUEUE, "if (moved > this.outstanding) {", "if (false) {"),
  check("used.id beyond the queue", VIRTQUEUE, "if (head >= size) return this.refuse();", ""),
  check("used.id that is no outstanding head", VIRTQUEUE, "if (chainLength == 0) return this.refuse();", ""),
  check("used.len above the chain", VIRTQUEUE, "min(read32(element + 4), writable)", "read32(element + 4)"),
  check("request that is not answered", VIRTQUEUE, "if (this.old != 0) {", "if (false) {"),
  check("BAR 0 that is memory", TRANSPORT, "!bar.is_io || ", ""),
  check("BAR 0 without an address", TRANSPORT, "bar.base == 0 || ", ""),
  check("BAR 0 that is too small", TRANSPORT, "bar.size < VIRTIO_PCI_CONFIG || ", ""),
  check("BAR 0 beyond the ports", TRANSPORT, " || bar.base + bar.size > 0x1_0000)", ")"),
  check("BAR 0 over other devices' ports", TRANSPORT, " || portsAreTaken(device, first, bytes)", ""),
  check("BAR 0 over the configuration ports", TRANSPORT, "isConfigurationPort(first, bytes) || ", ""),
  check(
    "no function at the address",
    TRANSPORT,
    "if (!functionExists(address)) return isKnown ? Result.E_GONE : Result.E_NOT_FOUND;",
    "",
  ),
  check(
    "BAR 0 that has moved since",
    TRANSPORT,
    "if ((read32(address, Register.BASE_ADDRESS_0) & ~BaseAddress.IO_FLAGS) != device.registers) return Result.E_BAR;",
    "",
  ),
  check(
    "function of another kind",
    TRANSPORT,
    "if (identifyVirtio(address) != device.type) return Result.E_NOT_VIRTIO;",
    "",
  ),
  check("reset that is not done", TRANSPORT, "if (status == 0) return Result.OK;", "return Result.OK;"),
  check("device that is gone while it is reset", TRANSPORT, "if (status == ALL_ONES) return Result.E_GONE;", ""),
  check(
    "device that is gone when it fails",
    LIFECYCLE,
    "if (deviceIsGone(device)) reason = Result.E_GONE;\n    else ",
    "",
  ),
  check("interrupt of a device that is gone", DRIVERS, "if (bits < 0) device.vanish();", ""),
  check(
    "interrupt of a device known to be gone",
    DRIVERS,
    "if (device.state == DeviceState.GONE) return Result.E_GONE;",
    "",
  ),
  check("reset that takes for ever", TRANSPORT, "if (now_ns() - start > RESET_NANOSECONDS) break;", ""),
  check("ISR bits that do not exist", TRANSPORT, "status & INTERRUPT_BITS", "status"),
  check(
    "configuration that the BAR does not cover",
    TRANSPORT,
    "VIRTIO_PCI_CONFIG + offset + bytes <= device.registerBytes",
    "true",
  ),
  check("field torn between readings", FIELDS, "now == before && ", ""),
  check("field that never stands still", FIELDS, "attempt < ATTEMPTS", "true"),
  check("feature that is not offered but needed", LIFECYCLE, "(device.featuresOffered & minimal) != minimal", "false"),
  check(
    "features that the driver does not know",
    LIFECYCLE,
    "device.featuresOffered & (minimal | optional)",
    "device.featuresOffered",
  ),
  check(
    "device that failed the negotiation",
    LIFECYCLE,
    "deviceStatus(device) & (Status.FAILED | Status.DEVICE_NEEDS_RESET) ? Result.E_FEATURES : Result.OK",
    "Result.OK",
  ),
  check("work for a broken device", LIFECYCLE, "      return Result.E_BROKEN;", "      return Result.OK;"),
  check("breaking a device", DEVICE, "this.state = DeviceState.BROKEN;", ""),
  check("MTU that cannot be", NET_CONFIGURATION, "mtu >= MTU_MIN ? mtu : 0", "mtu"),
  check("MAC of zeroes", NET_CONFIGURATION, "mac != 0 && ", ""),
  check("MAC of a group", NET_CONFIGURATION, " && (mac & MULTICAST) == 0", ""),
  check("num_buffers of 0", RECEIVE, "if (wanted != 0) {", "{"),
  check(
    "num_buffers beyond what can be",
    RECEIVE,
    "if (wanted <= device.bufferCount) return wanted;",
    "return wanted;",
  ),
  check("frame larger than any", RECEIVE, "device.piecesWanted > device.piecesMax", "false"),
  check("dropped frame on a device that broke", RECEIVE, "if (device.state != DeviceState.RUNNING) return;", ""),
  check("num_buffers of a header that was not written", RECEIVE, "if (length < device.headerBytes) return 1;", ""),
  check("frame with an empty buffer", RECEIVE, "if (length == 0) return false;", ""),
  check(
    "frame without an Ethernet header in one buffer",
    RECEIVE,
    "if (length >= headerBytes + ETHERNET_HEADER_BYTES) {",
    "{",
  ),
  check("frame without an Ethernet header", RECEIVE, "return bytes >= <i32>ETHERNET_HEADER_BYTES;", "return true;"),
  check(
    "receive buffers too small after a reset",
    NET,
    "if (result == Result.OK && !receiveBuffersFit(net)) result = Result.E_CONFIGURATION;",
    "",
  ),
  check("room awaited by a closed card", NET, "net.transmitWishes = 0;", ""),
  check("header room out of line", TRANSMIT, "if (isDefined(PORTED) && (pointer - headerBytes) & 3) return false;", ""),
  check(
    "capacity beyond 2^64 bytes",
    BLOCK_CONFIGURATION,
    "if (capacity > CAPACITY_MAX) return Result.E_CONFIGURATION;",
    "",
  ),
  check(
    "new capacity that makes no sense",
    BLOCK_CONFIGURATION,
    "capacity == UNSTABLE || capacity > CAPACITY_MAX || ",
    "",
  ),
  check(
    "seg_max of 0",
    BLOCK_CONFIGURATION,
    "max(field32(device, VIRTIO_BLK_F_SEG_MAX, SEG_MAX, UNLIMITED), 1)",
    "field32(device, VIRTIO_BLK_F_SEG_MAX, SEG_MAX, UNLIMITED)",
  ),
  check("size_max of 0", BLOCK_CONFIGURATION, "sizeMax == 0 ? UNLIMITED : sizeMax", "sizeMax"),
  check(
    "cache that opening would change",
    BLOCK_CONFIGURATION,
    "if ((offered & VIRTIO_BLK_F_CONFIG_WCE) == 0) return features;",
    "return features;",
  ),
  check("block size below a sector", BLOCK_CONFIGURATION, "blockSize >= SECTOR_BYTES && ", ""),
  check("block size beyond belief", BLOCK_CONFIGURATION, "blockSize <= BLOCK_SIZE_MAX && ", ""),
  check("block size that is no power of two", BLOCK_CONFIGURATION, " && (blockSize & (blockSize - 1)) == 0", ""),
  check("status that does not exist", REQUESTS, "      return Result.E_DEVICE_STATUS;", "      return Result.OK;"),
  check(
    "blocks that do not fit the segments",
    REQUESTS,
    "if (tables == 0) return undo(queue, parts, firstHead, Result.E_SEGMENTS);",
    "",
  ),
  check(
    "request beyond the capacity",
    REQUESTS,
    "return sector > capacity - sectors ? Result.E_RANGE : Result.OK;",
    "return Result.OK;",
  ),
  check("request larger than the disk", REQUESTS, "if (sectors > capacity) return Result.E_RANGE;", ""),
  check(
    "segments translated over and over",
    REQUESTS,
    "const length = min(min(rest, sizeMax), movedMax - moved);",
    "const length = rest;",
  ),
  check("capability in the header", CAPABILITIES, "offset >= FIRST_OFFSET && ", ""),
  check("capability list without an end", CAPABILITIES, " && (visited & dwordBit(offset)) == 0 ?", " ?"),
  check("capabilities of no function", CAPABILITIES, "if (!functionExists(address)) return Result.E_NOT_FOUND;", ""),
  check("base addresses of no function", BASE_ADDRESS, "if (!functionExists(address)) return Result.E_NOT_FOUND;", ""),
  check("size that is no power of two", BASE_ADDRESS, "valid = valid && (size & (size - 1)) == 0;", ""),
  check("size of nothing", BASE_ADDRESS, "    valid = valid && mask != 0;\n    // A device", "    // A device"),
  check("base address that changes its kind", BASE_ADDRESS, " && ((low ^ lowMask) & flags) == 0;", ";"),
  check("reserved bit of a base address", BASE_ADDRESS, "(low & BaseAddress.RESERVED) == 0 && ", ""),
  check("base that is no multiple of the size", BASE_ADDRESS, "valid ? base & mask : 0", "valid ? base : 0"),
  check("function in use while others are assigned", ASSIGNMENT, "if (!isNew && isInUse(address)) return true;", ""),
  check("vendor 0", PCI_CONFIGURATION, "vendor != 0 && ", ""),
  check("bus that was entered before", WALK, "secondary <= bus || load<u32>(entry)", "secondary <= bus"),
  check(
    "window that does not open",
    ASSIGNMENT,
    "if (readWindow(bridge, isIo) != (begin | (last << 16))) return false;",
    "",
  ),
];
