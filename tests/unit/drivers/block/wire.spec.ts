/** Virtio-block on the wire: features, and the header of a request. */
import {
  VIRTIO_BLK_F_BLK_SIZE,
  VIRTIO_BLK_F_DISCARD,
  VIRTIO_BLK_F_FLUSH,
  VIRTIO_BLK_F_GEOMETRY,
  VIRTIO_BLK_F_LIFETIME,
  VIRTIO_BLK_F_RO,
  VIRTIO_BLK_F_SECURE_ERASE,
  VIRTIO_BLK_F_SEG_MAX,
  VIRTIO_BLK_F_SIZE_MAX,
  VIRTIO_BLK_F_TOPOLOGY,
  VIRTIO_BLK_F_WRITE_ZEROES,
  writeHeader,
} from "../../../../assembly/drivers/block/wire";
import { memory_lend, memory_read32, memory_read8, memory_write32, script_clear } from "../../scripted/script";

describe("features", () => {
  it("have the specification's bits", () => {
    expect(VIRTIO_BLK_F_SIZE_MAX).toBe(0x2);
    expect(VIRTIO_BLK_F_SEG_MAX).toBe(0x4);
    expect(VIRTIO_BLK_F_GEOMETRY).toBe(0x10);
    expect(VIRTIO_BLK_F_RO).toBe(0x20);
    expect(VIRTIO_BLK_F_BLK_SIZE).toBe(0x40);
    expect(VIRTIO_BLK_F_FLUSH).toBe(0x200);
    expect(VIRTIO_BLK_F_TOPOLOGY).toBe(0x400);
    expect(VIRTIO_BLK_F_DISCARD).toBe(0x2000);
    expect(VIRTIO_BLK_F_WRITE_ZEROES).toBe(0x4000);
    expect(VIRTIO_BLK_F_LIFETIME).toBe(0x8000);
    expect(VIRTIO_BLK_F_SECURE_ERASE).toBe(0x1_0000);
  });
});

describe("writeHeader", () => {
  it("writes type, no priority, sector, and a status that no device writes", () => {
    script_clear();
    const page = memory_lend(1);
    for (let offset: u32 = 0; offset < 64; offset += 4) memory_write32(page + offset, 0x5555_5555);
    writeHeader(page + 32, 0x0102_0304, 0x1122_3344_5566_7788);
    expect(memory_read32(page + 32)).toBe(0x0102_0304);
    expect(memory_read32(page + 36)).toBe(0);
    expect(memory_read32(page + 40)).toBe(0x5566_7788);
    expect(memory_read32(page + 44)).toBe(0x1122_3344);
    expect(memory_read8(page + 48)).toBe(0xff);
    expect(memory_read32(page + 28)).toBe(0x5555_5555);
    expect(memory_read32(page + 52)).toBe(0x5555_5555);
  });
});
