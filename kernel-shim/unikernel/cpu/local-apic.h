/** The processor's own interrupt controller. */
#ifndef CPU_LOCAL_APIC_H
#define CPU_LOCAL_APIC_H

#include <stdbool.h>
#include <stdint.h>

/**
 * Lets interrupts of the two other controllers through, which not all firmware does. To be called after `paging_start`,
 * with interrupts off.
 */
void local_apic_start(void);

/** Whether there is one, which devices can send messages to. */
bool local_apic_is_there(void);

/** Where a device writes its messages. What it writes is the vector. [Intel SDM 3A §10.11] */
uint64_t local_apic_message_address(void);

/** Says that a message has been noted. */
void local_apic_acknowledge(void);

#endif
