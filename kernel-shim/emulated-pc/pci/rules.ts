/** What the PCI specifications ask of whoever configures devices, as far as a machine can see it. */
import type { Rule } from "../violations.js";

export const BAR_CHANGED_WHILE_DECODING: Rule = {
  id: "bar-changed-while-decoding",
  section: "PCI 3.0 §6.2.5.1",
  text: "a base address is sized or moved only while the function does not decode it",
};
export const ADDRESS_CONFLICT: Rule = {
  id: "address-conflict",
  section: "PCI 3.0 §6.2.5",
  text: "no two functions decode the same address",
};
export const CONFIGURATION_ADDRESS: Rule = {
  id: "configuration-address",
  section: "PCI 3.0 §3.2.2.3.2",
  text: "the configuration address is written as 32 bits, with reserved bits and the lowest two 0",
};
export const CONFIGURATION_ALIGNMENT: Rule = {
  id: "configuration-alignment",
  section: "PCI 3.0 §3.2.2.3.2",
  text: "a configuration access is naturally aligned",
};
export const DECODING_OFF: Rule = {
  id: "decoding-off",
  section: "PCI 3.0 §6.2.2",
  text: "registers are accessed only while the function and the bridges above it decode their addresses",
};
export const MSIX_ACCESS: Rule = {
  id: "msix-access",
  section: "PCI 3.0 §6.8.2",
  text: "the MSI-X table is accessed in whole doublewords, and the pending bits are not written",
};
export const MSIX_PROGRAMMED: Rule = {
  id: "msix-programmed",
  section: "PCI 3.0 §6.8.2",
  text: "a vector is unmasked only with the address and data that the kernel gave it",
};
