/** How much of a request fits one chain, and what the largest request is. [virtio-1.2 §5.2.4, §5.2.6] */
import { BlockDevice, RequestQueue } from "./device";
import { FRAMING_DESCRIPTORS, REQUEST_BYTES_MAX } from "./wire";

/** Works out what fits one chain, once the queue has its size. */
export function prepareLimits(device: BlockDevice, queue: RequestQueue): void {
  // segMax may be the largest u32 there is.
  queue.ringDataMax = min(device.segMax, queue.size - FRAMING_DESCRIPTORS);
  queue.tableDataMax = queue.hasTables ? min(device.segMax, queue.tableEntries - FRAMING_DESCRIPTORS) : 0;
  describeLimits(device, queue);
}

/** Writes down what an empty ring has room for, cut into parts of whole blocks. */
function describeLimits(device: BlockDevice, queue: RequestQueue): void {
  const size = queue.size;
  const pieces = <u32>((<u64>device.blockSize + device.sizeMax - 1) / device.sizeMax);
  let parts = size;
  let dataMax = queue.tableDataMax;
  let rest: u32 = 0;
  if (dataMax < pieces) {
    // Blocks that do not fit into a table go into the ring one by one, and all of them where there are no tables.
    dataMax = dataMax == 0 ? queue.ringDataMax : pieces;
    const part = dataMax + FRAMING_DESCRIPTORS;
    parts = pieces <= queue.ringDataMax ? size / part : 0;
    if (queue.tableDataMax == 0) rest = max(size % part, FRAMING_DESCRIPTORS) - FRAMING_DESCRIPTORS;
  }
  const bytes = parts * bytesIn(device, dataMax) + bytesIn(device, rest);
  device.information.queue_size = size;
  device.information.request_segments_max = parts * dataMax + (rest < pieces ? 0 : rest);
  device.information.request_bytes_max = <u32>min(bytes, REQUEST_BYTES_MAX);
}

/** Most bytes in whole blocks that `count` data segments can have. */
function bytesIn(device: BlockDevice, count: u32): u64 {
  return (<u64>count * device.sizeMax) & ~(<u64>device.blockSize - 1);
}
