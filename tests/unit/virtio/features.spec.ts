/** Feature bits of ring and transport are the specification's. */
import {
  VIRTIO_F_ANY_LAYOUT,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_NOTIFY_ON_EMPTY,
} from "../../../assembly/virtio/features";

describe("features", () => {
  it("have the specification's bits", () => {
    expect(VIRTIO_F_NOTIFY_ON_EMPTY).toBe(0x0100_0000);
    expect(VIRTIO_F_ANY_LAYOUT).toBe(0x0800_0000);
    expect(VIRTIO_F_INDIRECT_DESC).toBe(0x1000_0000);
    expect(VIRTIO_F_EVENT_IDX).toBe(0x2000_0000);
  });
});
