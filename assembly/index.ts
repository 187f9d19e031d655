/** The module's exports. No logic; the meaning of each call is written where it is implemented. */

export { abi_version, heap_base, initialize, forget_translations } from "./stack";
export {
  interrupt,
  interrupt_vector,
  events,
  enable_interrupts,
  disable_interrupts,
  reset,
  close,
} from "./drivers/calls";
export { suspend, resume } from "./drivers/suspend";
export { pci_scan } from "./virtio/transport/scan";
export { pci_bar } from "./pci/bar";
export { pci_capabilities } from "./pci/capabilities";
export { pci_assign } from "./pci/assign";
export { pci_msix } from "./pci/msix";
export { mmio_identify } from "./virtio/transport/mmio";
export {
  net_open,
  net_information,
  net_statistics,
  net_transmit,
  net_reclaim,
  net_await_all,
  net_receive,
  net_release,
} from "./drivers/net/calls";
export {
  net_set_receive_mode,
  net_set_mac_table,
  net_set_mac,
  net_add_vlan,
  net_remove_vlan,
  net_acknowledge_announcement,
  net_set_coalescing,
} from "./drivers/net/net-control";
export { net_debug_transmit, net_debug_receive } from "./drivers/net/net-debug";
export {
  block_open,
  block_information,
  block_statistics,
  block_submit,
  block_poll,
  block_await_all,
} from "./drivers/block/calls";
export { block_set_writeback, block_execute } from "./drivers/block/block-commands";
export { entropy_open, entropy_request, entropy_poll } from "./drivers/entropy/calls";
export {
  generic_open,
  generic_read_configuration,
  generic_write_configuration,
  generic_submit,
  generic_poll,
  device_information,
} from "./drivers/generic/calls";
