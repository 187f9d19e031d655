/** The processor's own interrupt controller. */
#ifndef CPU_LOCAL_APIC_H
#define CPU_LOCAL_APIC_H

#include <stdbool.h>

/**
 * Lets interrupts of the two other controllers through, which not all firmware does. To be called after `paging_start`,
 * with interrupts off.
 */
void local_apic_start(void);

#endif
