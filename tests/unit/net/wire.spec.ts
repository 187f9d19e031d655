/** Virtio-net on the wire: features, and the header of a frame. */
import { TransmitFrame } from "../../../assembly/abi/records";
import {
  VIRTIO_NET_F_MAC,
  VIRTIO_NET_F_MRG_RXBUF,
  VIRTIO_NET_F_MTU,
  VIRTIO_NET_F_STATUS,
  writeHeader,
} from "../../../assembly/net/wire";
import { memory_lend, memory_read16, memory_read8, memory_write32, script_clear } from "../scripted/script";

const frame = changetype<TransmitFrame>(memory.data(32, 8));

/** A page of a pattern with a header written at 16. */
function header(bytes: u32): u32 {
  script_clear();
  const page = memory_lend(1);
  for (let offset: u32 = 0; offset < 64; offset += 4) memory_write32(page + offset, 0x5555_5555);
  frame.flags = 0x01;
  frame.gso_type = 0x82;
  frame.hdr_len = 0x0403;
  frame.gso_size = 0x0605;
  frame.csum_start = 0x8807;
  frame.csum_offset = 0x0a09;
  writeHeader(page + 16, bytes, frame);
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

describe("writeHeader", () => {
  it("puts every field where the specification does", () => {
    for (let bytes: u32 = 10; bytes <= 12; bytes += 2) {
      const page = header(bytes);
      expect(memory_read8(page + 16)).toBe(0x01);
      expect(memory_read8(page + 17)).toBe(0x82);
      expect(memory_read16(page + 18)).toBe(0x0403);
      expect(memory_read16(page + 20)).toBe(0x0605);
      expect(memory_read16(page + 22)).toBe(0x8807);
      expect(memory_read16(page + 24)).toBe(0x0a09);
      expect(memory_read16(page + 14)).toBe(0x5555);
      expect(memory_read16(page + 28)).toBe(0x5555);
    }
  });

  it("writes num_buffers as 0, and only where there is one", () => {
    expect(memory_read16(header(12) + 26)).toBe(0);
    expect(memory_read16(header(10) + 26)).toBe(0x5555);
  });
});
