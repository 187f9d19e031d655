/**
 * The JavaScript binding of the driver stack: `VirtioStack` is the entry, and `README.md` shows it at work. It runs in
 * any JavaScript host. In Node, `load.ts` finds the module in `build/`; nothing here does.
 *
 * Requests, frames and completions are the binding's own types; every other record is as the ABI has it.
 */

export * from "./abi.js";
export { BlockDevice, SECTOR_BYTES } from "./block-device.js";
export type { BlockRequest, ScsiOutcome, Submitted } from "./block-device.js";
export type { Completion } from "./completions.js";
export { Device, DeviceTimeout } from "./device.js";
export type { ServicedDevice } from "./device.js";
export { EntropyDevice } from "./entropy-device.js";
export type { EntropyRequest } from "./entropy-device.js";
export { VirtioError, resultMeaning, resultName } from "./error.js";
export { featureName, featureNames } from "./feature-names.js";
export { GenericDevice } from "./generic-device.js";
export type { FieldWidth, GenericChain } from "./generic-device.js";
export { NetDevice } from "./net-device.js";
export type { OffloadFields, ReceivedFrame, ReceivedPiece, TransmitFrame } from "./net-device.js";
export { formatPciAddress } from "./pci.js";
export type { BlockRange } from "./ranges.js";
export { RecordArray } from "./private-memory.js";
export { readRecord, writeRecord } from "./records.js";
export type { RecordOf } from "./records.js";
export { NET_FEATURES, VirtioStack } from "./stack.js";
export type { StackOptions } from "./stack.js";
