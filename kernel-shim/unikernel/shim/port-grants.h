/** Which ports WebAssembly may reach: those that this kernel granted, and configuration space. */
#ifndef SHIM_PORT_GRANTS_H
#define SHIM_PORT_GRANTS_H

#include <stdint.h>

/** Grants `bytes` ports from `first` on. */
void ports_grant(uint32_t first, uint32_t bytes);

/** Ends the machine with a report unless all `width` ports from `port` on are granted. */
void ports_check(uint32_t port, uint32_t width);

#endif
