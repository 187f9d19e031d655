/** What a device finds in the machine that it is plugged into. */
import type { CompletionTimes } from "../completion.js";
import type { DmaView } from "../memory/dma-view.js";
import type { Profile } from "../profiles.js";
import type { Random } from "../random.js";
import type { VirtualTime } from "../time.js";
import type { Violations } from "../violations.js";

export interface DeviceEnvironment {
  /** Where it is plugged in, for people: "00:04.0". */
  readonly location: string;
  readonly profile: Profile;
  readonly dma: DmaView;
  readonly time: VirtualTime;
  readonly completion: CompletionTimes;
  readonly random: Random;
  readonly violations: Violations;
  /** Whether the function may access memory: the bus master bits of its command register and of the bridges above. */
  isBusMaster(): boolean;
  /** Whether the driver enabled MSI-X, which moves the device configuration and ends INTx. */
  isMsixEnabled(): boolean;
  /** Level of the function's INTx pin. */
  setInterruptPin(isAsserted: boolean): void;
}
