/** What a device finds in the machine that it is plugged into. */
import type { CompletionTimes } from "../completion.js";
import type { DmaView } from "../memory/dma-view.js";
import type { Profile } from "../profiles.js";
import type { Random } from "../random.js";
import type { VirtualTime } from "../time.js";
import type { Violations } from "../violations.js";
import type { DriverInterface } from "./device.js";

export interface DeviceEnvironment {
  /** Where it is plugged in, for people: "00:04.0". */
  readonly location: string;
  readonly profile: Profile;
  readonly dma: DmaView;
  readonly time: VirtualTime;
  readonly completion: CompletionTimes;
  readonly random: Random;
  readonly violations: Violations;
  /** Which interfaces its registers make; the first is in use after a reset. */
  readonly interfaces: readonly [DriverInterface, ...DriverInterface[]];
  /** False: there are only messages. */
  readonly hasInterruptPin: boolean;
  /** Whether the device may access memory: the bus master bits of its function and of the bridges above, if any. */
  isBusMaster(): boolean;
  /** Whether MSI-X is enabled, which moves the legacy device configuration and ends INTx. */
  isMsixEnabled(): boolean;
  /** Sends the message of a vector; none for 0xffff. */
  sendMessage(vector: number): void;
  /** Level of the INTx pin, or of the interrupt line of a memory-mapped device. */
  setInterruptPin(isAsserted: boolean): void;
}
