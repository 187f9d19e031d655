/** Which ports WebAssembly may reach: those that this kernel granted, and configuration space. */
#ifndef SHIM_PORT_GRANTS_H
#define SHIM_PORT_GRANTS_H

#include <stdint.h>

/** Whether ports can be granted to a device. */
enum port_grant {
  PORT_GRANT_POSSIBLE,
  /** Some of them are the system board's, or there are no such ports. */
  PORT_GRANT_PROTECTED,
  /** Some of them are granted already, to another device. */
  PORT_GRANT_TAKEN,
};

/** Judges `bytes` ports from `first` on, which may be any numbers that a device made up. */
enum port_grant ports_judge(uint64_t first, uint64_t bytes);

/** Grants `bytes` ports from `first` on, for good: nothing is unplugged here. */
void ports_grant(uint32_t first, uint32_t bytes);

/** Ends the machine with a report unless all `width` ports from `port` on are granted. */
void ports_check(uint32_t port, uint32_t width);

#endif
