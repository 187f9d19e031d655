/** Virtio-net on the wire: features, and the header of a frame. */
import {
  clearHeader,
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
} from "../../../../assembly/drivers/net/wire";
import { memory_lend, memory_read16, memory_write32, script_clear } from "../../scripted/script";

/** A page of a pattern with a header written at 16. */
function header(bytes: u32): u32 {
  script_clear();
  const page = memory_lend(1);
  for (let offset: u32 = 0; offset < 64; offset += 4) memory_write32(page + offset, 0x5555_5555);
  clearHeader(page + 16, bytes);
  return page;
}

describe("features", () => {
  it("have the specification's bits", () => {
    expect(VIRTIO_NET_F_MTU).toBe(0x8);
    expect(VIRTIO_NET_F_MAC).toBe(0x20);
    expect(VIRTIO_NET_F_MRG_RXBUF).toBe(0x8000);
    expect(VIRTIO_NET_F_STATUS).toBe(0x1_0000);
  });
});

describe("clearHeader", () => {
  it("clears every field, num_buffers only where there is one, and nothing beside", () => {
    for (let bytes: u32 = 10; bytes <= 12; bytes += 2) {
      const page = header(bytes);
      for (let offset: u32 = 0; offset < bytes; offset += 2) expect(memory_read16(page + 16 + offset)).toBe(0);
      expect(memory_read16(page + 14)).toBe(0x5555);
      expect(memory_read16(page + 16 + bytes)).toBe(0x5555);
    }
  });
});
