/** Exceptions of the processor, all of which end the machine. */
#ifndef CPU_EXCEPTIONS_H
#define CPU_EXCEPTIONS_H

#include "vectors.h"

/** Says what happened, prints the registers, and ends the machine with the status that fits. */
_Noreturn void exception_arrived(const struct registers *registers);

#endif
