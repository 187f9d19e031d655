/** The message vectors of devices: MSI-X. */
#ifndef SHIM_MESSAGES_H
#define SHIM_MESSAGES_H

#include <stdint.h>

/** Bytes of one vector in a function's table. [PCI 3.0 §6.8.2] */
#define MESSAGE_ENTRY_BYTES 16u

/**
 * Programs the first vectors of a function's table, each with a number of its own, and lets them through.
 *
 * @param table physical address of the table, which is known to be the function's
 * @param vectors how many
 * @returns the number of the first one's interrupt, which those of the others follow; 0 when there are not so many
 */
uint32_t messages_program(uint64_t table, uint32_t vectors);

#endif
