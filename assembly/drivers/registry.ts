/**
 * The drivers, one line each. A build that leaves one out compiles nothing of it.
 *
 * `forDriver` calls the method `on` of the class `Operation`, compiled once for each driver: no function table, and no
 * function value.
 */
import { Result } from "../abi/results";
import { Device, GENERIC } from "../virtio/device";
import { BlockDriver } from "./block/driver";
import { VIRTIO_ID_BLOCK } from "./block/wire";
import { EntropyDriver } from "./entropy/driver";
import { VIRTIO_ID_ENTROPY } from "./entropy/wire";
import { GenericDriver } from "./generic/driver";
import { NetDriver } from "./net/driver";
import { VIRTIO_ID_NET } from "./net/wire";

/** Does an operation with the driver of an open device. Returns its result; E_HANDLE when no driver is in the build. */
@inline
export function forDriver<Operation>(device: Device): i32 {
  if (!isDefined(WITHOUT_NET) && device.driver == VIRTIO_ID_NET) return on<Operation, NetDriver>(device);
  if (!isDefined(WITHOUT_BLOCK) && device.driver == VIRTIO_ID_BLOCK) return on<Operation, BlockDriver>(device);
  if (!isDefined(WITHOUT_ENTROPY) && device.driver == VIRTIO_ID_ENTROPY) return on<Operation, EntropyDriver>(device);
  if (!isDefined(WITHOUT_GENERIC) && device.driver == GENERIC) return on<Operation, GenericDriver>(device);
  return Result.E_HANDLE;
}


@inline
function on<Operation, Driver>(device: Device): i32 {
  return changetype<Operation>(0).on<Driver>(changetype<Driver>(device));
}
