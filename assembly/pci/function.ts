/** What a driver does to the PCI function that it opens or closes. No other function is touched. */
import { findCapability } from "./capabilities";
import { read16, write16 } from "./configuration";
import { Capability, Command, Register } from "./registers";

/** Lets the function answer at its ports, and interrupt. [PCI 3.0 §6.2.2] */
export function enablePorts(address: u32): void {
  changeCommand(address, Command.INTERRUPT_DISABLE, Command.IO_SPACE);
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
  const capability = findCapability(address, Capability.MSI_X);
  if (capability) changeBits(address, capability + Capability.MSI_X_MESSAGE_CONTROL, Capability.MSI_X_ENABLE, 0);
}

/** Clears and then sets bits of the command register. */
export function changeCommand(address: u32, clear: u32, set: u32): void {
  changeBits(address, Register.COMMAND, clear, set);
}

function changeBits(address: u32, register: u32, clear: u32, set: u32): void {
  write16(address, register, (read16(address, register) & ~clear) | set);
}
