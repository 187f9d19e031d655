/** Which ports WebAssembly may reach: those that this kernel granted, and configuration space. */
#ifndef SHIM_PORT_GRANTS_H
#define SHIM_PORT_GRANTS_H

#include <stdint.h>

#include "grant.h"

/** Judges `bytes` ports from `first` on, which may be any numbers that a device made up. */
enum grant ports_judge(uint64_t first, uint64_t bytes);

/** Grants `bytes` ports from `first` on, for good: nothing is unplugged here. */
void ports_grant(uint32_t first, uint32_t bytes);

/** Ends the machine with a report unless all `width` ports from `port` on are granted. */
void ports_check(uint32_t port, uint32_t width);

#endif
