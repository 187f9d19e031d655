/**
 * The transport seam: what the lifecycle, the queues and the drivers ask of the bus a device sits on.
 *
 * A further transport supplies the same functions in a file of its own and is registered here.
 */
export {
  Status,
  connect,
  disconnect,
  allowMemoryAccess,
  forbidMemoryAccess,
  resetDevice,
  deviceStatus,
  deviceIsGone,
  addStatus,
  offeredFeatures,
  acceptFeatures,
  queueSize,
  queueIsLive,
  queueAddressFits,
  setQueueAddress,
  notify,
  readInterruptStatus,
  hasConfiguration,
  configuration8,
  configuration16,
  configuration32,
} from "./legacy-pci";
