/** What opening and closing a device does to the PCI function at its address. No other one is touched. */
import { findCapability } from "./capabilities";
import { readPci16, writePci16 } from "./configuration-space";
import { Capability, Command, Register } from "./registers";

/**
 * Lets the function answer at its addresses, and interrupt. [PCI 3.0 §6.2.2]
 *
 * @param spaces IO_SPACE, MEMORY_SPACE, both or none
 */
export function enableDecoding(address: u32, spaces: u32): void {
  changeCommand(address, Command.INTERRUPT_DISABLE, spaces);
}

/** Lets the function reach memory. */
export function enableBusMaster(address: u32): void {
  changeCommand(address, 0, Command.BUS_MASTER);
}

/** Takes away the function's access to memory. */
export function disableBusMaster(address: u32): void {
  changeCommand(address, Command.BUS_MASTER, 0);
}

/** Switches MSI-X off where the function has it: interrupts come by the interrupt pin. [PCI 3.0 §6.8.2.3] */
export function disableMsix(address: u32): void {
  changeMsix(address, Capability.MSI_X_ENABLE, 0);
}

/** Switches MSI-X on, no vector masked but those that are in the table. */
export function enableMsix(address: u32): void {
  changeMsix(address, MSI_X_SWITCHES, Capability.MSI_X_ENABLE);
}

/** The Message Control register of MSI-X, 0 where the function has none. */
export function readMsixControl(address: u32): u32 {
  const capability = findCapability(address, Capability.MSI_X);
  return capability ? readPci16(address, capability + Capability.MSI_X_MESSAGE_CONTROL) : 0;
}

/** Entries of the function's MSI-X table, 0 where it has none. */
export function msixTableSize(address: u32): u32 {
  const capability = findCapability(address, Capability.MSI_X);
  if (capability == 0) return 0;
  return (readPci16(address, capability + Capability.MSI_X_MESSAGE_CONTROL) & Capability.MSI_X_TABLE_SIZE) + 1;
}

const MSI_X_SWITCHES: u32 = Capability.MSI_X_ENABLE | Capability.MSI_X_FUNCTION_MASK;

function changeMsix(address: u32, clear: u32, set: u32): void {
  const capability = findCapability(address, Capability.MSI_X);
  if (capability) changeBits(address, capability + Capability.MSI_X_MESSAGE_CONTROL, clear, set);
}

export function readCommand(address: u32): u32 {
  return readPci16(address, Register.COMMAND);
}

/**
 * Gives a function back whether it answers at its addresses, how it interrupts, and no access to memory.
 *
 * @param command its command register as it was found
 * @param msixControl its Message Control register as it was found, 0 without one
 * @param mayInterrupt false: it does not interrupt, whatever was found
 */
export function restoreFunction(address: u32, command: u32, msixControl: u32, mayInterrupt: bool): void {
  const found = command & (SPACES | Command.INTERRUPT_DISABLE);
  const set = mayInterrupt ? found : found | Command.INTERRUPT_DISABLE;
  // Access to memory stays away, also when a function that lies reads as if it had it.
  changeCommand(address, SPACES | Command.BUS_MASTER | Command.INTERRUPT_DISABLE, set);
  changeMsix(address, MSI_X_SWITCHES, mayInterrupt ? msixControl & MSI_X_SWITCHES : 0);
}

const SPACES: u32 = Command.IO_SPACE | Command.MEMORY_SPACE;

/** Clears and then sets bits of the command register. */
export function changeCommand(address: u32, clear: u32, set: u32): void {
  changeBits(address, Register.COMMAND, clear, set);
}

function changeBits(address: u32, register: u32, clear: u32, set: u32): void {
  writePci16(address, register, (readPci16(address, register) & ~clear) | set);
}
