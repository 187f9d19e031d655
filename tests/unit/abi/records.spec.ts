/** The sizes of the records that cross the module's boundary: a change here breaks every kernel. */

import {
  Completion,
  DeviceOptions,
  MmioIdentity,
  PciBar,
  PciCapability,
  PciFunction,
  PciMsix,
  PciRanges,
  Segment,
} from "../../../assembly/abi/records";
import {
  BlockInformation,
  BlockLifetime,
  BlockOptions,
  BlockRange,
  BlockRequest,
  BlockStatistics,
} from "../../../assembly/drivers/block/abi";
import {
  NetInformation,
  NetOptions,
  NetStatistics,
  ReceivedBuffer,
  TransmitFrame,
} from "../../../assembly/drivers/net/abi";

describe("records", () => {
  it("have the sizes that kernels were told", () => {
    expect(offsetof<PciFunction>()).toBe(52);
    expect(offsetof<PciCapability>()).toBe(4);
    expect(offsetof<PciRanges>()).toBe(16);
    expect(offsetof<PciMsix>()).toBe(20);
    expect(offsetof<MmioIdentity>()).toBe(12);
    expect(offsetof<Segment>()).toBe(8);
    expect(offsetof<Completion>()).toBe(16);
    expect(offsetof<DeviceOptions>()).toBe(40);
    expect(offsetof<BlockOptions>()).toBe(40);
    expect(offsetof<BlockRequest>()).toBe(32);
    expect(offsetof<BlockInformation>()).toBe(104);
    expect(offsetof<BlockRange>()).toBe(16);
    expect(offsetof<BlockLifetime>()).toBe(6);
    expect(offsetof<BlockStatistics>()).toBe(88);
    expect(offsetof<NetOptions>()).toBe(56);
    expect(offsetof<TransmitFrame>()).toBe(32);
    expect(offsetof<ReceivedBuffer>()).toBe(24);
    expect(offsetof<NetStatistics>()).toBe(104);
  });

  it("end behind their last field, to be rounded up where they follow each other", () => {
    expect(offsetof<PciBar>()).toBe(19);
    expect(offsetof<NetInformation>()).toBe(68);
  });
});
